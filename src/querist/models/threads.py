"""How many threads linear algebra may use."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


def one_thread() -> AbstractContextManager[Any]:  # Any: threadpoolctl has no types
    """Keeps linear algebra to one thread for a while.

    Sums then never differ in the last bit from run to run, and on a busy machine the many small products of a fit do
    not wait for each other (20 times faster there, no slower on an idle one).
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits

"""How many threads a fit or a prediction may use."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any


def one_thread(*, only: str | None = None) -> AbstractContextManager[Any]:  # Any: threadpoolctl has no types
    """Keeps numeric libraries to one thread for a while; `only` "blas" leaves the others theirs.

    Sums in linear algebra then never differ in the last bit from run to run. And labels are few: a fit is thousands of
    small steps, whose threads wait for each other on a busy machine (20 to 50 times longer) and gain little on an idle
    one.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api=only)
    return limits

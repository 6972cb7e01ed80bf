"""How many threads a fit or a prediction may use."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any


def one_thread(*, only: str | None = None) -> AbstractContextManager[Any]:  # Any: threadpoolctl has no types
    """Keeps numeric libraries to one thread for a while; `only` "blas" leaves the others theirs.

    Sums in linear algebra then never differ in the last bit from run to run. And labels are few: a fit is thousands of
    small steps, whose threads wait for each other on a busy machine (20 to 50 times longer) and gain little on an idle
    one.
    """
    limits: AbstractContextManager[Any] = _loaded(len(sys.modules)).limit(limits=1, user_api=only)
    return limits


def blas_threads() -> int:
    """How many threads linear algebra may use now."""
    return max((int(one.num_threads) for one in _loaded(len(sys.modules)).lib_controllers), default=1)


@lru_cache(maxsize=1)
def _loaded(n_modules: int) -> Any:
    """The numeric libraries of this process. To look for them takes milliseconds, and new ones come with modules."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()

"""One thread for each test: threads that wait for each other make small fits slow on a busy machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    import sklearn.ensemble  # noqa: F401  # its threads can only be limited once it is loaded

    with threadpool_limits(1):
        yield

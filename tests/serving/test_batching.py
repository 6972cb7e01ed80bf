"""The queue before a model."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.serving.batching import Lane, QueueFull, run_apart


def double(parts: Sequence[Sequence[int]]) -> list[list[int]]:
    return [[2 * item for item in part] for part in parts]


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 20))


def test_what_comes_during_a_call_is_answered_by_the_next_one_together() -> None:
    sizes: list[int] = []
    go = threading.Event()

    def slow(parts: Sequence[Sequence[int]]) -> list[list[int]]:
        go.wait(10)
        return double(parts)

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(slow, max_batch=64, queue_items=100, observe=sizes.append)
        first = lane.submit([1])
        await asyncio.sleep(0.05)
        rest = [lane.submit([n]) for n in range(2, 12)]
        go.set()
        assert await first == [2]
        assert await asyncio.gather(*rest) == [[2 * n] for n in range(2, 12)]
        await lane.drain()

    run(test)
    assert sizes == [1, 10]


def test_a_request_alone_waits_for_nobody_however_long_batches_may_wait() -> None:
    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(double, max_batch=64, max_wait=5.0, queue_items=100)
        begun = time.monotonic()
        assert await lane.submit([1]) == [2]
        assert time.monotonic() - begun < 2.0

    run(test)


def test_a_batch_that_is_full_goes_at_once() -> None:
    sizes: list[int] = []

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(double, max_batch=2, max_wait=30.0, queue_items=100, observe=sizes.append)
        assert await asyncio.gather(*(lane.submit([n]) for n in range(5))) == [[0], [2], [4], [6], [8]]

    run(test)
    assert sizes == [1, 2, 2]


def test_overlapping_requests_wait_a_little_for_each_other() -> None:
    sizes: list[int] = []

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(double, max_batch=9, max_wait=0.3, queue_items=100, observe=sizes.append)
        first = [lane.submit([1]), lane.submit([2])]
        await asyncio.sleep(0.05)
        await asyncio.gather(*first, lane.submit([3]))

    run(test)
    assert sizes == [1, 2]


def test_a_full_queue_refuses_and_one_large_request_is_still_taken_when_it_is_empty() -> None:
    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(double, max_batch=2, queue_items=3)
        first, large = lane.submit([0]), lane.submit([1, 2, 3, 4, 5])
        with pytest.raises(QueueFull, match="5 items wait already, at most 3 may"):
            lane.submit([6])
        assert [await first, await large] == [[0], [2, 4, 6, 8, 10]]
        assert lane.n_waiting == 0
        assert await lane.submit([6]) == [12]

    run(test)


def test_a_bad_request_harms_nobody_else() -> None:
    def inverse(parts: Sequence[Sequence[int]]) -> list[list[float]]:
        return [[1 / item for item in part] for part in parts]

    good, bad, other = run_apart(inverse, [[1, 2], [0], [4]])
    assert (good, other) == ([1.0, 0.5], [0.25])
    assert isinstance(bad, ZeroDivisionError)


def test_whoever_has_gone_is_left_out() -> None:
    sizes: list[int] = []

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(double, max_batch=64, queue_items=100, observe=sizes.append)
        first, gone = lane.submit([1]), lane.submit([1, 1])
        gone.cancel()
        assert [await first, await lane.submit([2])] == [[2], [4]]

    run(test)
    assert sizes == [1, 1]


def test_quick_calls_need_no_thread_and_a_slow_one_brings_it_back() -> None:
    threads: list[int] = []
    seconds = 0.0

    def call(parts: Sequence[Sequence[int]]) -> list[list[int]]:
        threads.append(threading.get_ident())
        time.sleep(seconds)
        return double(parts)

    async def test() -> None:
        nonlocal seconds
        own = threading.get_ident()
        lane: Lane[int, list[int]] = Lane(call, max_batch=64, queue_items=100)
        while not threads or threads[-1] != own:  # sooner or later, also on a busy machine
            assert await lane.submit([1]) == [2]
        assert own not in threads[:8], "a model is not quick before it has shown so"
        seconds = 0.2
        while threads[-1] == own:
            assert await lane.submit([1]) == [2]
        before = len(threads)
        assert await asyncio.gather(*(lane.submit([n]) for n in (3, 4))) == [[6], [8]]
        assert own not in threads[before:]
        await lane.drain()

    run(test)


def test_quick_calls_still_take_together_what_comes_together() -> None:
    sizes: list[int] = []

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(double, max_batch=64, queue_items=100, observe=sizes.append)
        for n in range(20):
            assert await lane.submit([n]) == [2 * n]
        sizes.clear()
        assert await asyncio.gather(*(lane.submit([n]) for n in range(30))) == [[2 * n] for n in range(30)]
        await lane.drain()

    run(test)
    assert sizes in ([30], [1, 29]), "all of them, or those that came while the first was in a thread"


def test_a_drained_lane_has_answered_all_that_it_took() -> None:
    def slow(parts: Sequence[Sequence[int]]) -> list[list[int]]:
        time.sleep(0.01)
        return double(parts)

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(slow, max_batch=2, queue_items=100)
        asked = [lane.submit([n]) for n in range(20)]
        await lane.drain()
        assert [answer.result() for answer in asked] == [[2 * n] for n in range(20)]

    run(test)


@given(st.lists(st.lists(st.integers(-9, 9), min_size=1, max_size=6), min_size=1, max_size=30), st.integers(1, 8))
@settings(max_examples=30)
def test_everybody_gets_their_own_answer(jobs: list[list[int]], max_batch: int) -> None:
    sizes: list[int] = []

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(double, max_batch=max_batch, queue_items=10_000, observe=sizes.append)
        assert await asyncio.gather(*map(lane.submit, jobs)) == double(jobs)
        await lane.drain()

    run(test)
    assert sum(sizes) == sum(map(len, jobs))
    assert max(sizes) <= max(max_batch, *map(len, jobs))

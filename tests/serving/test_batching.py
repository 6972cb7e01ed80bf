"""The queue before a model."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.serving.batching import QUICK_SIZE, Lane, QueueFull, run_apart


def double(parts: Sequence[Sequence[int]]) -> list[list[int]]:
    return [[2 * item for item in part] for part in parts]


def one(item: int) -> float:
    return 1.0


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 300))


def test_what_comes_during_a_call_is_answered_by_the_next_one_together() -> None:
    sizes: list[int] = []
    go = threading.Event()

    def slow(parts: Sequence[Sequence[int]]) -> list[list[int]]:
        go.wait(300)
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
        lane: Lane[int, list[int]] = Lane(double, max_batch=64, max_wait=3600.0, queue_items=100)
        assert await lane.submit([1]) == [2]

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
        first, second = lane.submit([1]), lane.submit([2])
        await first
        await asyncio.gather(second, lane.submit([3]))

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
        lane: Lane[int, list[int]] = Lane(call, max_batch=64, queue_items=100, weigh=one)
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
        lane: Lane[int, list[int]] = Lane(double, max_batch=64, queue_items=100, weigh=one, observe=sizes.append)
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


def test_what_is_large_or_of_unknown_size_never_runs_in_the_event_loop() -> None:
    threads: list[int] = []

    def call(parts: Sequence[Sequence[int]]) -> list[list[int]]:
        threads.append(threading.get_ident())
        return double(parts)

    async def test() -> None:
        own = threading.get_ident()
        lane: Lane[int, list[int]] = Lane(call, max_batch=64, queue_items=100, weigh=float)
        while not threads or threads[-1] != own:
            await lane.submit([1])
        await lane.submit([QUICK_SIZE + 1])
        assert threads[-1] != own
        unknown: Lane[int, list[int]] = Lane(call, max_batch=64, queue_items=100)
        before = len(threads)
        for _ in range(20):
            await unknown.submit([1])
        assert own not in threads[before:]

    run(test)


@pytest.mark.parametrize(
    "error", [SystemExit, asyncio.CancelledError, StopIteration, type("Panic", (BaseException,), {})]
)
@pytest.mark.parametrize("weigh", [one, lambda item: math.inf])
def test_whatever_a_model_raises_the_lane_goes_on(error: type[BaseException], weigh: Callable[[int], float]) -> None:
    def call(parts: Sequence[Sequence[int]]) -> list[list[int]]:
        if [0] in parts:
            raise error
        return double(parts)

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(call, max_batch=64, queue_items=100, weigh=weigh)
        for n in range(1, 12):
            assert await lane.submit([n]) == [2 * n]
        bad, good = lane.submit([0]), lane.submit([1])
        with pytest.raises(RuntimeError, match=error.__name__):
            await bad
        assert [await good, await lane.submit([2])] == [[2], [4]]
        await lane.drain()

    run(test)


@pytest.mark.parametrize("answers", [[], [[1]], [[1]] * 4])
def test_a_run_that_answers_too_few_or_too_many_answers_nobody(answers: list[list[int]]) -> None:
    found = run_apart(lambda parts: answers, [[1], [2], [3]])
    assert [str(answer) for answer in found] == [f"{len(answers)} answers to 3 requests"] * 3


def test_a_lane_without_its_thread_says_so_instead_of_leaving_people_waiting() -> None:
    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(double, max_batch=1, queue_items=5000)
        await lane.drain()
        asked = [lane.submit([n]) for n in range(2000)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(one) for one in found} == {RuntimeError}
        await lane.drain()

    run(test)


def test_a_batch_that_fills_just_as_its_wait_ends_begins_once() -> None:
    ends, quick = threading.Event(), 1
    large = QUICK_SIZE + 1

    def call(parts: Sequence[Sequence[int]]) -> list[list[int]]:
        if [large, large] in parts:
            ends.wait(300)
        return double(parts)

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(call, max_batch=3, max_wait=0.02, queue_items=100, weigh=float)
        for _ in range(8):
            await lane.submit([quick])
        before, first = lane.submit([large]), lane.submit([quick])
        await before
        time.sleep(0.03)
        await asyncio.sleep(0)
        last = lane.submit([large, large])
        drained = asyncio.create_task(lane.drain())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not drained.done(), "the last batch is still in the model"
        ends.set()
        assert [await first, await last] == [[2], [2 * large] * 2]
        await drained

    run(test)


def test_the_gone_take_no_place_in_the_queue() -> None:
    go = threading.Event()

    def slow(parts: Sequence[Sequence[int]]) -> list[list[int]]:
        go.wait(300)
        return double(parts)

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(slow, max_batch=64, queue_items=100)
        first = lane.submit([1])
        for gone in [lane.submit([0] * 50) for _ in range(2)]:
            gone.cancel()
        last = lane.submit([2] * 100)
        assert lane.n_waiting == 100
        with pytest.raises(QueueFull):
            lane.submit([3])
        go.set()
        assert [await first, await last] == [[2], [4] * 100]
        await lane.drain()

    run(test)


@given(
    st.lists(st.tuples(st.sampled_from([1, 2, 5, 40, 70]), st.booleans(), st.booleans()), min_size=1, max_size=60),
    st.sampled_from([1, 8, 64]),
    st.sampled_from([0.0, 0.001]),
)
@settings(max_examples=30, deadline=None)
def test_one_call_at_a_time_whoever_comes_and_goes(
    asked: list[tuple[int, bool, bool]], max_batch: int, max_wait: float
) -> None:
    inside = threading.Lock()

    def call(parts: Sequence[Sequence[int]]) -> list[list[int]]:
        assert inside.acquire(blocking=False), "two calls at once"
        if len(parts) % 3 == 0:
            time.sleep(0.0005)
        inside.release()
        return double(parts)

    async def test() -> None:
        lane: Lane[int, list[int]] = Lane(
            call, max_batch=max_batch, max_wait=max_wait, queue_items=10_000, weigh=lambda item: QUICK_SIZE / 50
        )
        answers = []
        for n_items, goes, pause in asked:
            answers.append((n_items, lane.submit([1] * n_items)))
            if goes:
                answers.pop()[1].cancel()
            if pause:
                await asyncio.sleep(0)
        assert [await answer for _, answer in answers] == [[2] * n_items for n_items, _ in answers]
        await lane.drain()
        assert lane.n_waiting == 0

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

"""Requests that come together are answered by one call of the model."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from querist.core.errors import Busy

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Run = Callable[[Sequence[Sequence[Item]]], Sequence["Answer | Exception"]]
"""The items of several jobs, to an answer or an error for each job. One call at a time."""
QUICK_SIZE, QUICK_SECONDS, QUICK_CALLS, SLOW_SECONDS = 5_000, 0.01, 8, 0.1
"""Calls of at most this size that are expected to take less run in the event loop, since the way to a thread and back
would cost as much; the size bounds what a call unlike the last ones may hold up. So many calls tell, the slowest but
one, since another process may have held up one of them; a slow one starts anew."""


class QueueFull(Busy):
    pass


@dataclass(frozen=True)
class _Job(Generic[Item, Answer]):
    items: Sequence[Item]
    answer: asyncio.Future[Answer]
    size: float


class Lane(Generic[Item, Answer]):
    """A queue before one model: while one batch is in the model the next one gathers, so that batches grow with the
    load and a request that comes alone does not wait for others. Long calls run in a thread, so that the server goes
    on to hear.

    `observe` is told the number of items of each batch. A job is never split; one larger than `max_batch` goes alone.
    `weigh` gives an item's size, which the time that it takes grows with; what is infinite always goes to the thread.
    """

    def __init__(
        self,
        run: Run[Item, Answer],
        *,
        max_batch: int,
        max_wait: float = 0.0,
        queue_items: int,
        weigh: Callable[[Item], float] = lambda item: math.inf,
        observe: Callable[[int], None] = lambda n: None,
    ) -> None:
        self._run, self._weigh, self._observe, self._thread = run, weigh, observe, ThreadPoolExecutor(1, "model")
        self._max_batch, self._max_wait, self._queue_items = max_batch, max_wait, queue_items
        self._jobs: deque[_Job[Item, Answer]] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._calls: deque[tuple[float, float]] = deque(maxlen=QUICK_CALLS)
        self._idle = asyncio.Event()
        self._idle.set()
        self.n_waiting = 0

    def submit(self, items: Sequence[Item]) -> asyncio.Future[Answer]:
        """The answer to come. Raises QueueFull at once where too many items wait."""
        if self._is_full(len(items)):
            self._leave_out_the_gone()
            if self._is_full(len(items)):
                raise QueueFull(
                    f"{self.n_waiting} items wait already, at most {self._queue_items} may; try again later"
                )
        size = max(1.0, sum(map(self._weigh, items)))
        job: _Job[Item, Answer] = _Job(items, self._loop.create_future(), size)
        self._jobs.append(job)
        self.n_waiting += len(items)
        self._idle.clear()
        if not self._busy and (self._timer is None or self.n_waiting >= self._max_batch):
            self._begin()
        return job.answer

    async def drain(self) -> None:
        """Ends once all that was submitted is answered."""
        await self._idle.wait()
        self._thread.shutdown(wait=False)

    def _begin(self) -> None:
        """Only while nothing runs: no timer outlives it, and `_busy` lasts until `_finish`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._busy = True
        if self._jobs and self._is_quick(self._jobs[0].size):
            self._loop.call_soon(self._start)  # after the requests that have come together with this one
        else:
            self._start()

    def _start(self) -> None:
        jobs = self._take()
        if not jobs:
            self._busy = False
            self._idle.set()
            return
        parts = [job.items for job in jobs]
        size = sum(job.size for job in jobs)
        self._observe(sum(map(len, parts)))
        if self._is_quick(size):
            self._finish(jobs, self._timed(parts, size))
            return
        try:
            done = self._thread.submit(self._timed, parts, size)
        except RuntimeError as error:  # no thread is to be had
            self._loop.call_soon(self._finish, jobs, [error] * len(jobs))
            return
        done.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._finish, jobs, done.result()))

    def _finish(self, jobs: list[_Job[Item, Answer]], answers: Sequence[Answer | Exception]) -> None:
        self._busy = False
        for job, answer in zip(jobs, answers, strict=True):
            if job.answer.done():
                continue
            if isinstance(answer, Exception):
                job.answer.set_exception(answer)
                job.answer.exception()  # else asyncio logs it, items and all, where whoever asked has gone meanwhile
            else:
                job.answer.set_result(answer)
        self._leave_out_the_gone()
        if self._max_wait and 0 < self.n_waiting < self._max_batch:
            self._timer = self._loop.call_later(self._max_wait, self._begin)
        else:
            self._begin()

    def _is_quick(self, size: float) -> bool:
        if size > QUICK_SIZE or len(self._calls) < QUICK_CALLS:
            return False
        expected = sorted(seconds * max(1.0, size / of) for seconds, of in self._calls)
        return expected[-2] < QUICK_SECONDS

    def _is_full(self, n_more: int) -> bool:
        return self.n_waiting > 0 and self.n_waiting + n_more > self._queue_items

    def _leave_out_the_gone(self) -> None:
        self._jobs = deque(job for job in self._jobs if not job.answer.done())
        self.n_waiting = sum(len(job.items) for job in self._jobs)

    def _timed(self, parts: Sequence[Sequence[Item]], size: float) -> Sequence[Answer | Exception]:
        begun = time.perf_counter()
        answers = run_apart(self._run, parts)
        seconds = time.perf_counter() - begun
        if seconds > SLOW_SECONDS:
            self._calls.clear()
        if seconds > QUICK_SECONDS or not any(isinstance(answer, Exception) for answer in answers):
            self._calls.append((seconds, size))  # how soon an item was refused says nothing of the others
        return answers

    def _take(self) -> list[_Job[Item, Answer]]:
        taken: list[_Job[Item, Answer]] = []
        n_items = 0
        while self._jobs and (not taken or n_items + len(self._jobs[0].items) <= self._max_batch):
            job = self._jobs.popleft()
            self.n_waiting -= len(job.items)
            if not job.answer.done():  # whoever asked may have gone
                taken.append(job)
                n_items += len(job.items)
        return taken


def run_apart(run: Run[Item, Answer], parts: Sequence[Sequence[Item]]) -> Sequence[Answer | Exception]:
    """`run` of all parts together; where that fails each alone, so that a bad item harms its own request only. As many
    answers as parts, whatever `run` does."""
    try:
        answers = list(run(parts))
    except BaseException as error:  # a model and its encoder may fail in any way (a panic of Rust is no Exception)
        if len(parts) == 1:
            return [_settable(error)]
        return [answer for part in parts for answer in run_apart(run, [part])]
    if len(answers) == len(parts):
        return answers
    return [RuntimeError(f"{len(answers)} answers to {len(parts)} requests") for _ in parts]


def _settable(error: BaseException) -> Exception:
    """Nobody may be left waiting, and a future takes no other kinds."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(type(error).__name__)

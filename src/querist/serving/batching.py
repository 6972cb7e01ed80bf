"""Requests that come together are answered by one call of the model."""

from __future__ import annotations

import asyncio
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
QUICK_SECONDS, QUICK_CALLS, SLOW_SECONDS = 0.01, 8, 0.1
"""Calls that are expected to take less run in the event loop, since the way to a thread and back would cost as much.
So many calls tell, the fastest of them, since another process may have held up the rest; a slow one starts anew."""


class QueueFull(Busy):
    pass


@dataclass(frozen=True)
class _Job(Generic[Item, Answer]):
    items: Sequence[Item]
    answer: asyncio.Future[Answer]


class Lane(Generic[Item, Answer]):
    """A queue before one model: while one batch is in the model the next one gathers, so that batches grow with the
    load and a request that comes alone does not wait for others. Long calls run in a thread, so that the server goes
    on to hear.

    `observe` is told the number of items of each batch. A job is never split; one larger than `max_batch` goes alone.
    """

    def __init__(
        self,
        run: Run[Item, Answer],
        *,
        max_batch: int,
        max_wait: float = 0.0,
        queue_items: int,
        observe: Callable[[int], None] = lambda n: None,
    ) -> None:
        self._run, self._observe, self._thread = run, observe, ThreadPoolExecutor(1, "model")
        self._max_batch, self._max_wait, self._queue_items = max_batch, max_wait, queue_items
        self._jobs: deque[_Job[Item, Answer]] = deque()
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._item_seconds: deque[float] = deque(maxlen=QUICK_CALLS)
        self._idle = asyncio.Event()
        self._idle.set()
        self.n_waiting = 0

    def submit(self, items: Sequence[Item]) -> asyncio.Future[Answer]:
        """The answer to come. Raises QueueFull at once where too many items wait."""
        if self.n_waiting and self.n_waiting + len(items) > self._queue_items:
            raise QueueFull(f"{self.n_waiting} items wait already, at most {self._queue_items} may; try again later")
        job: _Job[Item, Answer] = _Job(items, self._loop.create_future())
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
        if self._is_quick(self.n_waiting):
            self._busy = True
            self._loop.call_soon(self._start)  # after the requests that have come together with this one
        else:
            self._start()

    def _start(self) -> None:
        self._busy = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        jobs = self._take()
        if not jobs:
            self._idle.set()
            return
        self._busy = True
        parts = [job.items for job in jobs]
        n_items = sum(map(len, parts))
        self._observe(n_items)
        if self._is_quick(n_items):
            self._finish(jobs, self._timed(parts))
            return
        done = self._thread.submit(self._timed, parts)
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
        if self._max_wait and 0 < self.n_waiting < self._max_batch:
            self._timer = self._loop.call_later(self._max_wait, self._start)
        else:
            self._begin()

    def _is_quick(self, n_items: int) -> bool:
        return len(self._item_seconds) == QUICK_CALLS and n_items * min(self._item_seconds) < QUICK_SECONDS

    def _timed(self, parts: Sequence[Sequence[Item]]) -> Sequence[Answer | Exception]:
        begun = time.perf_counter()
        answers = run_apart(self._run, parts)
        seconds = time.perf_counter() - begun
        if seconds > SLOW_SECONDS:
            self._item_seconds.clear()
        self._item_seconds.append(seconds / sum(map(len, parts)))
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
    """`run` of all parts together; where that fails each alone, so that a bad item harms its own request only."""
    try:
        return run(parts)
    except Exception as error:  # a model and its encoder may fail in any way, and nobody may be left waiting
        if len(parts) == 1:
            return [error]
        return [answer for part in parts for answer in run_apart(run, [part])]

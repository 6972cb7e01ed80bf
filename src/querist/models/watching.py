"""The loss of a training that is under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from querist.models.heads import Estimator

OnLoss = Callable[[int, float], None]
"""(iteration, loss), iterations counted from 1."""
SECONDS = 0.5


@contextmanager
def watched(estimator: Estimator, on_loss: OnLoss | None) -> Iterator[None]:
    """Tells what the estimator adds to its `loss_curve_` within the block, twice a second, and the rest at its end.

    A thread looks: scikit-learn calls nobody back, and the fit itself stays what it is without.
    """
    if on_loss is None:
        yield
        return
    over = Event()
    thread = Thread(target=_watch, args=(estimator, on_loss, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _watch(estimator: Estimator, on_loss: OnLoss, over: Event) -> None:
    told, ended = 0, False
    while not ended:
        ended = over.wait(SECONDS)
        losses = list(getattr(estimator, "loss_curve_", ()))
        for at in range(told, len(losses)):
            on_loss(at + 1, float(losses[at]))
        told = len(losses)

"""Whether active learning leaves rare classes behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHANCE = 0.05
NAMED = 5


@dataclass(frozen=True)
class Curve:
    """Recall of one class on the holdout: `rounds`, `recall` and `support`, the class's items (of items in groups, as
    many as tell as much), all (n_rounds,)."""

    name: str
    rounds: NDArray[np.int64]
    recall: NDArray[np.float64]
    support: NDArray[np.float64]


def minority(counts: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """(n_classes,) which classes have fewer than half the items of the mean class, but one at least."""
    found: NDArray[np.bool_] = (counts > 0) & (counts < counts.mean() / 2)
    return found


def left_behind(curves: Sequence[Curve], against_random: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence for each class whose recall fell beyond noise, or stays below that of random sampling.

    Only the second blames active learning: after a balanced seed set the recall of a rare class falls under random
    sampling, too. `against_random` holds, by class, the paired difference of recall in a simulation, its interval and
    `p_holm`.
    """
    found = []
    for curve in curves:
        lost = fell(curve.recall * curve.support, curve.support, tests=len(curves))
        if lost is not None:
            found.append(
                f"the recall of {curve.name} fell from {curve.recall[lost]:.2f} in round {curve.rounds[lost]} to "
                f"{curve.recall[-1]:.2f} in round {curve.rounds[-1]}, more than chance explains; whether active "
                "learning is the cause only a curve of random sampling tells, which falls after a balanced seed set as "
                'well (`querist simulate --metrics recall:CLASS`); query.strategy = "stratified" asks more of it, '
                'learner.class_weight = "balanced" weighs it more'
            )
        other = against_random.get(curve.name, {})
        if other.get("p_holm") is not None and other["difference"] < 0 and other["p_holm"] * len(curves) < CHANCE:
            found.append(
                f"active learning hurts {curve.name}: in the simulation its recall stays {-other['difference']:.2f} "
                f"below that of random sampling ({-other['high']:.2f} to {-other['low']:.2f})"
            )
    return found


def unseen(classes: Sequence[str], counts: NDArray[np.integer[Any]]) -> list[str]:
    """A sentence on the classes of which the holdout has no item, where it has any items."""
    names = [name for name, n in zip(classes, counts, strict=True) if n == 0]
    if not names or not counts.any():
        return []
    listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
    return [
        f"the holdout has no item of {listed}, so nobody can see whether active learning hurts it; label more of it"
    ]


def fell(hits: NDArray[np.float64], support: NDArray[np.float64], *, tests: int = 1) -> int | None:
    """Which earlier round had a recall that the last one has lost beyond noise: the first or the best one, or None.

    Recall in round i is hits[i] / support[i]. Fisher's exact test (1922), one-sided, corrected for the number of
    `tests` made beside this and, since the best of many rounds is best by luck too, for the rounds. It takes rounds as
    independent; they share the holdout, so the warning comes rather late than early.
    """
    from scipy.stats import fisher_exact

    right, n = np.rint(hits).astype(np.int64), np.rint(support).astype(np.int64)
    if len(n) < 2 or n[-1] == 0:
        return None
    earlier = np.arange(len(n) - 1)[n[:-1] > 0]
    if not len(earlier):
        return None
    best = earlier[np.argmax(right[earlier] / n[earlier])]
    for at, limit in ((earlier[0], CHANCE / 2), (best, CHANCE / 2 / len(earlier))):
        table = [[right[at], n[at] - right[at]], [right[-1], n[-1] - right[-1]]]
        if fisher_exact(table, alternative="greater").pvalue < limit / tests:
            return int(at)
    return None

"""What the versions of a rollout did beside each other, as counts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from querist.core.label_sets import LabelSets, predicted
from querist.core.proportion import wilson
from querist.core.types import Codes, Probabilities
from querist.serving.model import Answers

NEWEST = 1000
"""Requests that the latency is of."""
PAIRS = 100
SHOWN = 10


class Traffic:
    """Of one version since it has its role."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes
        self._by_class = np.zeros(len(classes), dtype=np.int64)
        self._confidence = 0.0
        self._abstained = self._requests = self._failed = self._items = 0
        self._seconds: deque[float] = deque(maxlen=NEWEST)

    def answered(self, answers: Answers, seconds: float) -> None:
        self._by_class += np.bincount(answers.codes, minlength=len(self._classes))
        self._items += len(answers.confidence)
        self._confidence += float(answers.confidence.sum())
        self._abstained += int(answers.abstain.sum())
        self._requests += 1
        self._seconds.append(seconds)

    def failed(self) -> None:
        self._requests += 1
        self._failed += 1

    def facts(self) -> dict[str, Any]:
        """Shares and means are null before the first answer."""
        n = self._items
        p50, p99 = np.quantile(self._seconds, [0.5, 0.99]) * 1000 if self._seconds else (None, None)
        return {
            "requests": self._requests,
            "failed": self._failed,
            "items": n,
            "labels": dict(zip(self._classes, self._by_class.tolist(), strict=True)),
            "mean_confidence": self._confidence / n if n else None,
            "abstained": self._abstained / n if n else None,
            "p50_ms": None if p50 is None else float(p50),
            "p99_ms": None if p99 is None else float(p99),
        }


class Agreement:
    """Of the shadow with the version that answered the same items."""

    def __init__(self) -> None:
        self._n = self._agreed = 0
        self._distance = 0.0
        self._pairs: Counter[tuple[str, str]] = Counter()

    def add(
        self,
        classes: Sequence[str],
        proba: Probabilities,
        others: Sequence[str],
        other: Probabilities,
        *,
        sets: LabelSets | None = None,
    ) -> int:
        """Counts n items, (n, n_classes) each over its own classes; how many of them agree, which with `sets` are those
        that get the same labels."""
        names = sorted({*classes, *others})
        was, now = _over(names, classes, proba), _over(names, others, other)
        first, second = _labels(names, was, sets), _labels(names, now, sets)
        for pair in zip(first, second, strict=True):
            if pair[0] != pair[1] and (pair in self._pairs or len(self._pairs) < PAIRS):
                self._pairs[pair] += 1
        agreed = sum(a == b for a, b in zip(first, second, strict=True))
        self._n += len(was)
        self._agreed += agreed
        self._distance += float(np.abs(was - now).sum()) / (2 if sets is None else len(names))
        return agreed

    def facts(self) -> dict[str, Any]:
        """`agreement` with its 95 % interval (Wilson) and the mean total variation distance, from 0 to 1, of the two
        probabilities, of several labels their mean over labels; null before the first item."""
        if self._n == 0:
            return {"items": 0, "agreement": None, "low": None, "high": None, "distance": None, "disagreed": []}
        low, high = (float(bound) for bound in wilson(self._agreed / self._n, self._n))
        pairs = [{"stable": a, "shadow": b, "items": n} for (a, b), n in self._pairs.most_common(SHOWN)]
        return {
            "items": self._n,
            "agreement": self._agreed / self._n,
            "low": low,
            "high": high,
            "distance": self._distance / self._n,
            "disagreed": pairs,
        }


def _labels(names: Sequence[str], proba: Probabilities, sets: LabelSets | None) -> list[str]:
    """What is said of each item, as one string."""
    if sets is None:
        return [names[code] for code in proba.argmax(axis=1).tolist()]
    return sets.strings(predicted(proba), names)


def _over(names: Sequence[str], classes: Sequence[str], proba: Probabilities) -> Probabilities:
    """(n, n_names): a class that a version does not know has probability 0."""
    columns: Codes = np.array([names.index(name) for name in classes], dtype=np.int64)
    spread = np.zeros((len(proba), len(names)))
    spread[:, columns] = proba
    return spread

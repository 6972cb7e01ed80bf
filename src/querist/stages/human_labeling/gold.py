"""Gold: items whose answer is known, mixed in to see how right people are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from querist.stages.human_labeling.resolve import Vote


@dataclass(frozen=True)
class GoldResult:
    """How many gold items a person answered (`asked`; a skip is no answer) and how many of them `right`."""

    right: int
    asked: int


def gold_results(answers: Iterable[Vote], truth: Mapping[str, str]) -> dict[str, GoldResult]:
    """By annotator, of the answers to items in `truth` (item -> label); who answered none of them is left out."""
    found: dict[str, GoldResult] = {}
    for answer in answers:
        if answer.label is None or answer.item not in truth:
            continue
        before = found.get(answer.annotator, GoldResult(0, 0))
        right = answer.label == truth[answer.item]
        found[answer.annotator] = GoldResult(before.right + right, before.asked + 1)
    return found


def gold_accuracy(result: GoldResult, *, confidence: float = 0.95) -> tuple[float, float, float]:
    """Share of right answers with Wilson's interval (1927): (value, low, high), NaN where none was asked."""
    n = result.asked
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    z, share = NormalDist().inv_cdf((1 + confidence) / 2), result.right / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return share, max(middle - half, 0.0), min(middle + half, 1.0)

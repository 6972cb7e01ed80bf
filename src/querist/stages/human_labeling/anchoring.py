"""Whether people follow the model when they see what it says before they answer."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

from querist.stages.human_labeling.gold import GoldResult, gold_accuracy

LEAST = 30
"""Answers on each side, without which nothing is said."""


@dataclass(frozen=True)
class Follows:
    """Of `answers`, those with the `same` label that the model held likeliest."""

    same: int
    answers: int

    def share(self, *, confidence: float = 0.95) -> tuple[float, float, float]:
        """With Wilson's interval (1927): (value, low, high), NaN without an answer."""
        return gold_accuracy(GoldResult(self.same, self.answers), confidence=confidence)


def pull(before: Follows, blind: Follows, *, confidence: float = 0.95) -> tuple[float, float, float] | None:
    """How much oftener people say what the model says when they see it before, as a difference of shares, -1 to 1.

    With the interval of Newcombe (1998, method 10): (value, low, high). It takes answers as independent; those of few
    people are not quite. None while a side has fewer than LEAST answers.
    """
    if min(before.answers, blind.answers) < LEAST:
        return None
    seen, seen_low, seen_high = before.share(confidence=confidence)
    free, free_low, free_high = blind.share(confidence=confidence)
    apart = seen - free
    low = apart - hypot(seen - seen_low, free_high - free)
    high = apart + hypot(seen_high - seen, free - free_low)
    return apart, max(low, -1.0), min(high, 1.0)

"""The scale on which the runs of a metric with bounds differ alike, near them or far from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bounded:
    """Values from `least` to `largest`, measured on `n_items`: their empirical logits and back. Haldane, 1956.

    Half an item is added to either side, so that both bounds have a logit. With one item more or less a value changes
    by a `step`. Of uneven classes `n_items` may be an effective number, and no whole one.
    """

    least: float
    largest: float
    n_items: float

    @property
    def step(self) -> float:
        return (self.largest - self.least) / self.n_items

    def logits(self, values: Floats) -> Floats:
        items = np.clip((values - self.least) / self.step, 0, self.n_items)
        logits: Floats = np.log((items + 0.5) / (self.n_items - items + 0.5))
        return logits

    def by_chance(self, logits: Floats) -> Floats:
        """The variance of such logits where each item is right or wrong by itself: the binomial one. Woolf, 1955."""
        from scipy.special import expit

        right = (self.n_items + 1) * expit(logits)
        variance: Floats = 1 / right + 1 / (self.n_items + 1 - right)
        return variance

    def values(self, logits: Floats) -> Floats:
        """At most half an item beyond the bounds."""
        from scipy.special import expit

        values: Floats = self.least + self.step * ((self.n_items + 1) * expit(logits) - 0.5)
        return values

"""The items that stand for the most others."""

from __future__ import annotations

import math

import numpy as np

from querist.core.checks import blocks
from querist.core.types import Embeddings, Indices, Scores
from querist.models.neighbours import Floats, Points, each_tile, nearest_squared, of, rows_for

GROUP = 4096
"""Items whose likeness to each other is held at once: 64 MB."""
LOOK = 64
"""Items whose gain is taken anew at once."""
NOTHING = 1e-6
"""A gain for each item that is rounding."""
SAME = 1e-30
"""The least squared radius, so that it can be divided by."""


def facility_location(rows: Embeddings, covered: Floats, squared_radius: float, k: int) -> Indices:
    """(k,) of the rows (m, d), each the one that adds most to the sum over all rows of their likeness to the nearest.

    Likeness is as in `likeness`; `covered` (m,) is how like the rows are to what is known before the first pick. Of
    equal gains the first row has its own. More than 4,096 rows are dealt into groups, one after the other: each gives
    its part, looks at its own rows only, and counts what the groups before it gave as known.

    Source: Wei, Iyer and Bilmes, Submodularity in Data Subset Selection and Active Learning, 2015; gains are taken anew
        only where they may be the largest (Minoux, 1978).
    """
    n_groups = -(-len(rows) // GROUP)
    picked, left = np.empty(0, dtype=np.intp), len(rows)
    for number in range(n_groups):
        group = np.arange(number, len(rows), n_groups)
        own, part = rows[group], math.ceil((k - len(picked)) * len(group) / left)
        given = likeness(nearest_squared(of(own), len(own), rows[picked]), squared_radius)
        chosen = _greedy(_each_to_each(own, squared_radius), np.maximum(covered[group], given), part)
        picked, left = np.concatenate([picked, group[chosen]]), left - len(group)
    return picked


def likeness(squared: Floats, squared_radius: float) -> Floats:
    """exp(-distance^2 / (2 radius^2)) of squared distances; within a radius of 0 nothing but copies is alike."""
    alike: Floats = np.exp(squared * np.float32(-0.5 / max(squared_radius, SAME)))
    return alike


def _each_to_each(rows: Embeddings, squared_radius: float) -> Floats:
    """(m, m) likeness of the rows."""
    to, found = Points(rows), np.empty((len(rows), len(rows)), dtype=np.float32)

    def work(at: slice, part: Embeddings) -> None:
        found[at] = likeness(to.squared(part), squared_radius)

    each_tile(of(rows), len(rows), work, tile_rows=rows_for(len(rows)))
    return found


def _greedy(alike: Floats, covered: Floats, k: int) -> Indices:
    """(k,) rows by gain. Gains only fall as more is picked, so that an old one is a bound of the new."""
    gains = np.concatenate([_gains(alike[block], covered) for block in blocks(len(alike), LOOK)])
    picked = np.empty(k, dtype=np.intp)
    for number in range(k):
        old = gains > -np.inf
        while old[best := int(gains.argmax())]:
            some = np.flatnonzero(old)
            some = some[np.argsort(-gains[some], kind="stable")[:LOOK]]
            gains[some], old[some] = _gains(alike[some], covered), False
        picked[number] = best
        covered = np.maximum(covered, alike[best])
        gains[best] = -np.inf
    return picked


def _gains(alike: Floats, covered: Floats) -> Scores:
    """(r,) how much better all rows are covered with each of some (r, m); 0 where that is rounding."""
    gains: Scores = np.maximum(alike - covered, 0).sum(axis=1, dtype=np.float64)
    gains[gains < NOTHING * len(covered)] = 0
    return gains

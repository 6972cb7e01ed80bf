"""Labels that were not drawn at random, brought back to the shares that groups of items have in the pool."""

from __future__ import annotations

import numpy as np
import pytest

from querist.stages.evaluation.representative import (
    draw,
    effective_number,
    post_stratify,
    reach_of,
    share_covered,
    shares_of,
)

STRATUM = np.repeat([0, 1], [100, 900])
POOL = np.repeat([0, 1, 2], [400, 400, 200])
"""Two halves of the pool, one of them asked nine times as often, and a fifth of which nobody asked anything."""


def test_weights_give_each_stratum_its_share_of_the_pool() -> None:
    weights = post_stratify(STRATUM, POOL)
    assert weights.sum() == pytest.approx(1000)
    assert weights[:100] == pytest.approx(5.0)
    assert weights[100:] == pytest.approx(5 / 9)
    assert shares_of(STRATUM, POOL) == pytest.approx([0.5, 0.5, 0.0])
    assert share_covered(STRATUM, POOL) == 0.8
    assert effective_number(weights) == pytest.approx(360), "1 / (0.5² / 100 + 0.5² / 900)"


@pytest.mark.parametrize("size", [22, 179])
def test_draws_of_any_size_have_the_shares_of_the_pool(size: int) -> None:
    rng, shares = np.random.default_rng(size), shares_of(STRATUM, POOL)
    found = np.array([(STRATUM[draw(STRATUM, shares, size, rng)] == 0).sum() for _ in range(400)])
    assert found.mean() / size == pytest.approx(0.5, abs=0.015), "four standard errors of 22 are 0.02"
    assert found.std() / np.sqrt(size / 4) == pytest.approx(1.0, abs=0.15), "as random as draws from the pool are"


def test_within_a_stratum_every_item_is_drawn_alike_and_none_twice() -> None:
    rng, shares = np.random.default_rng(0), shares_of(STRATUM, POOL)
    drawn = [draw(STRATUM, shares, 100, rng) for _ in range(400)]
    assert all(len(np.unique(one)) == 100 for one in drawn)
    often = np.bincount(np.concatenate(drawn), minlength=1000)
    assert often[:100].mean() == pytest.approx(200, rel=0.05)
    assert often[:50].sum() == pytest.approx(often[50:100].sum(), rel=0.05)


def test_a_draw_reaches_as_far_as_its_strata_do() -> None:
    shares = shares_of(STRATUM, POOL)
    assert reach_of(STRATUM, shares, 1000) == 208, "of 208, half is 104: 4 are missing, 2 %"
    assert reach_of(STRATUM, shares, 180) == 180
    assert sorted(draw(STRATUM, shares, 1000, np.random.default_rng(0))) == list(range(1000))

"""The strategy of a drift round: unsure, unlike the past, spread out, and some at random."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import SettingError
from querist.core.types import Pool, Selection
from querist.stages.query_strategy.ask import ask
from querist.stages.query_strategy.drift import MEASURED, Drift


def pool(n_old: int = 200, n_new: int = 100, *, scores: np.ndarray | None = None) -> Pool:
    """Old items around 0, new ones around 3; numbers 1000 to 1000 + n_old, and 2000 and up."""
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 1, (n_old, 4)), rng.normal(3, 1, (n_new, 4))]).astype(np.float32)
    return Pool(
        n_items=n_old + n_new,
        scores=rng.random(n_old + n_new) if scores is None else scores,
        embed=lambda at: points[at],
        labeled_embeddings=rng.normal(0, 1, (20, 4)).astype(np.float32),
        labeled_codes=np.zeros(20, dtype=np.int64),
        ids=np.concatenate([np.arange(1000, 1000 + n_old), np.arange(2000, 2000 + n_new)]),
        labeled_ids=np.arange(20),
        space="toy",
    )


def picks(strategy: Drift, of: Pool, k: int = 20) -> Selection:
    return ask(strategy, of, k, np.random.default_rng(1))


def test_only_new_items_are_asked() -> None:
    assert (picks(Drift(since=2000), pool()).indices >= 200).all()


def test_where_too_few_are_new_the_others_follow() -> None:
    chosen = picks(Drift(since=2000), pool(n_new=5)).indices
    assert set(range(200, 205)) < set(chosen.tolist())


def test_the_measured_come_first_and_are_named() -> None:
    found = picks(Drift(since=2000, measure=[2003, 2050, 9999]), pool())
    assert found.indices[:2].tolist() == [203, 250]
    assert found.reasons[:2] == [MEASURED, MEASURED]
    assert MEASURED not in found.reasons[2:]
    assert picks(Drift(since=2000, measure=[2003, 2050]), pool(), k=1).indices.tolist() == [203]


def test_of_equally_new_items_the_unsure_ones_are_asked() -> None:
    scores = np.repeat([1.0, 0.0, 1.0, 0.0], [200, 60, 20, 20])
    chosen = picks(Drift(since=2000), pool(scores=scores), k=5).indices
    assert set(chosen.tolist()) <= set(range(260, 280))


def test_without_since_what_is_unlike_the_labeled_is_new() -> None:
    chosen = picks(Drift(), pool(scores=np.ones(300)), k=10).indices
    assert (chosen >= 200).all()


def test_a_place_before_the_first_item_is_refused() -> None:
    with pytest.raises(SettingError, match="since = -1"):
        Drift(since=-1)

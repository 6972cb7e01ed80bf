"""auto: what stands for the most of what the model has not made up its mind about."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import querist
from querist.config import Settings
from querist.core.errors import SettingError, StrategyError
from querist.core.types import Pool, Selection
from querist.stages.query_strategy.ask import ask, make
from querist.stages.query_strategy.auto import Auto, apart, how_far_labels_count, n_candidates, one_sided, share_changed
from querist.testing.strategies import make_pool

FAR = 1e3


def test_the_default_strategy_is_auto() -> None:
    assert Settings().query.strategy == "auto"


def test_the_share_that_changed_counts_only_what_was_there_before() -> None:
    now = np.array([[0.6, 0.4], [0.3, 0.7], [0.9, 0.1], [0.5, 0.5]])
    before = np.array([[0.1, 0.9], [0.2, 0.8], [np.nan, np.nan], [0.8, 0.2]])
    assert share_changed(now, before) == pytest.approx(1 / 3)
    assert share_changed(now, np.full((4, 2), np.nan)) is None


@pytest.mark.parametrize(
    ("changed", "budget_left", "expected"),
    [
        (None, None, 200),  # nothing to compare with: 20 for each of 10 queries
        (0.5, None, 200),  # half of 1,000 is more than 20 for each
        (0.08, None, 80),
        (0.001, None, 30),  # never fewer than 3 for each
        (0.08, 50, 50),  # the budget pays for 50 more
        (0.08, 5, 30),
    ],
)
def test_the_candidates_are_as_many_as_changed_within_bounds(
    changed: float | None, budget_left: int | None, expected: int
) -> None:
    assert n_candidates(1000, 10, changed=changed, few=False, budget_left=budget_left) == expected
    assert n_candidates(20, 10, changed=changed, few=False, budget_left=budget_left) == 20
    sizes = [n_candidates(n, 10, changed=changed, few=True, budget_left=budget_left) for n in (4000, 1000, 300, 20)]
    assert sizes == [1000, 500, 200, 20]  # 100 for each, or half of the pool, but 20 for each


def test_a_settled_model_asks_among_its_least_certain_items_alone() -> None:
    pool = _line(400)
    settled = replace(pool, previous_proba=pool.proba)
    asked = ask(Auto(explore=0), settled, 10, np.random.default_rng(0))
    assert pool.scores is not None
    assert asked.thresholds["candidates"] == 30
    assert asked.thresholds["changed"] == 0.0
    assert set(asked.indices.tolist()) <= set(np.argsort(-pool.scores)[:30].tolist())
    assert "changed its mind about 0.0%" in asked.note


def test_a_model_that_changes_its_mind_asks_over_a_wider_part_of_the_pool() -> None:
    pool = _line(400)
    assert pool.proba is not None
    turned = replace(pool, previous_proba=pool.proba[:, ::-1])
    wide = ask(Auto(explore=0), turned, 10, np.random.default_rng(0))
    assert wide.thresholds["candidates"] == 200
    assert "changed its mind about" in wide.note
    first = ask(Auto(), replace(pool, previous_proba=None), 10, np.random.default_rng(0))
    assert "no earlier model" in first.note
    assert "changed" not in first.thresholds


def test_with_few_labels_for_each_class_it_looks_beyond_the_least_certain() -> None:
    """Two classes: six labels are enough to go by scores, five are not, and what is not known is not few."""
    pool, codes = _line(2000), np.zeros(6, dtype=np.intp)
    few, enough, unknown = (
        ask(Auto(explore=0), replace(pool, labeled_codes=known), 10, np.random.default_rng(0))
        for known in (codes[:5], codes, None)
    )
    assert [a.thresholds["candidates"] for a in (few, enough, unknown)] == [1000, 200, 200]
    assert ", and only 5 labels for 2 classes: those that" in few.note
    assert "only" not in enough.note + unknown.note


def test_of_arrays_without_labels_nothing_is_few() -> None:
    """select() knows of labels what it is given: none told, a few, enough."""
    rng = np.random.default_rng(0)
    X, proba = rng.normal(size=(1000, 4)).astype(np.float32), rng.dirichlet(np.ones(10), size=1000)
    labels = np.full(1000, -1)
    labels[:40] = np.arange(40) % 10
    for known, expected in [(None, 180), (np.where(np.arange(1000) < 20, labels, -1), 490), (labels, 180)]:
        auto = Remembering()
        given = {} if known is None else {"labels": known}
        querist.select(auto, 10, proba=proba, embeddings=X, rng=0, **given)
        assert auto.asked[-1].thresholds["candidates"] == expected


@pytest.mark.parametrize(
    ("proba", "expected"),
    [
        ([[0.4, 0.3, 0.3]] * 10, True),  # 100 % are told to be of a class that has 40 %
        ([[0.8, 0.1, 0.1]] * 10, False),  # a dominant class, and the probabilities say so
        ([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]], False),
        ([[0.6, 0.4]] * 10, False),  # of two classes the least certain is nearest to the other
    ],
)
def test_a_model_is_one_sided_that_predicts_what_its_probabilities_do_not_say(
    proba: list[list[float]], expected: bool
) -> None:
    assert one_sided(np.array(proba)) is expected


def test_a_one_sided_first_model_is_not_asked_for_the_next_class_alone() -> None:
    """Four kinds of items; the model says A of all, and B next of all that look like B: its least certain items."""
    rng = np.random.default_rng(0)
    kind = np.arange(2000) % 4
    X = (np.eye(4)[kind] + rng.normal(0, 0.05, (2000, 4))).astype(np.float32)
    proba = np.where((kind == 1)[:, None], [0.36, 0.34, 0.16, 0.14], [0.4, 0.24, 0.2, 0.16])
    margin = 1 - (proba[:, 0] - proba[:, 1])
    first = make_pool(
        2000,
        n_classes=4,
        proba=proba,
        scores=margin,
        embed=lambda at: X[at],
        previous_proba=None,
        labeled_embeddings=np.full((12, 4), FAR, dtype=np.float32),
    )
    asked = ask(Auto(explore=0), first, 10, np.random.default_rng(0))
    assert set(kind[asked.indices].tolist()) == {0, 1, 2, 3}
    assert (
        "predicts some classes far more often than its own probabilities say: those that stand for the most of all 2000"
        in asked.note
    )
    assert not any("unsure" in reason for reason in asked.reasons)
    assert "score" not in asked.thresholds
    later = ask(Auto(explore=0), replace(first, previous_proba=first.proba), 10, np.random.default_rng(0))
    assert set(kind[later.indices].tolist()) == {1}


class Remembering(Auto):
    """What it answered, besides."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Selection] = []

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        self.asked.append(super().__call__(pool, batch_size, rng))
        return self.asked[-1]


def test_one_thing_said_many_times_is_asked_once() -> None:
    """Ten distinct points, forty copies each, all equally uncertain: a batch of ten takes each point once."""
    for seed in range(10):
        asked = ask(Auto(explore=0), _tens([40] * 10), 10, np.random.default_rng(seed))
        assert set((asked.indices // 40).tolist()) == set(range(10))


def test_what_stands_for_more_comes_first_and_says_for_how_many() -> None:
    asked = ask(Auto(explore=0), _tens([10, 30, 20]), 3, np.random.default_rng(0))
    assert np.repeat([0, 1, 2], [10, 30, 20])[asked.indices].tolist() == [1, 2, 0]
    assert asked.reasons == [f"one of {size} similar unsure items" for size in (30, 20, 10)]


def test_what_is_like_a_label_is_asked_last_while_the_model_changes_its_mind() -> None:
    """The largest group has a label: its items come after the smaller one's, until the model has settled."""
    pool = _tens([50, 30])
    assert pool.embed is not None
    known = replace(pool, labeled_embeddings=pool.embed(np.array([0])))
    turned = replace(known, previous_proba=np.tile([[0.4, 0.6]], (pool.n_items, 1)))
    settled = replace(known, previous_proba=np.tile([[0.6, 0.4]], (pool.n_items, 1)))
    firsts = {
        name: int(ask(Auto(explore=0), given, 27, np.random.default_rng(0)).indices[0])
        for name, given in {"first": known, "turned": turned, "settled": settled}.items()
    }
    assert {name: "like a label" if item < 50 else "new" for name, item in firsts.items()} == {
        "first": "new",
        "turned": "new",
        "settled": "like a label",
    }


def test_a_pool_that_cannot_tell_of_its_labeled_items_is_asked_all_the_same() -> None:
    pool = _tens([10, 30, 20])
    unknown = replace(pool, labeled_embeddings=None)
    told, untold = (ask(Auto(), each, 10, np.random.default_rng(0)).indices for each in (pool, unknown))
    assert told.tolist() == untold.tolist()


def test_what_all_embeddings_share_is_taken_away_where_it_is_most_of_them() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=(500, 8)).astype(np.float32)
    turned = apart(own)(own)
    assert turned is own
    shared = own + np.float32([20, 0, 0, 0, 0, 0, 0, 0])
    turned = apart(shared)(shared)
    middle = shared - shared.mean(axis=0)
    np.testing.assert_allclose(turned, middle / np.linalg.norm(middle, axis=1, keepdims=True), atol=1e-4)
    assert apart(np.ones((3, 2), dtype=np.float32))(np.ones((2, 2), dtype=np.float32)).tolist() == [[0, 0], [0, 0]]


def test_short_items_are_not_asked_for_being_far_from_the_long_ones() -> None:
    """Long items have much of one direction in common; a tenth are short ones, which have little of it."""
    rng = np.random.default_rng(0)
    n_items = 400
    short = np.arange(n_items) < 40
    points = rng.normal(size=(n_items, 20)).astype(np.float32)
    points[:, 0] = np.where(short, 0, 12)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    known = points[~short][:40]
    pool = _of(points, proba=np.tile([[0.55, 0.45]], (n_items, 1)), scores=np.ones(n_items), previous_proba=None)
    asked = ask(Auto(explore=0), replace(pool, labeled_embeddings=known), 40, np.random.default_rng(0))
    assert short[asked.indices].sum() < 10


@pytest.mark.parametrize(
    ("name", "params"),
    [("mixture", {"of": {"auto": 0.8, "random": 0.2}}), ("bandit", {"of": ["auto"]}), ("per_cost", {"of": "auto"})],
)
def test_so_it_is_as_a_part_of_another_strategy(name: str, params: dict[str, Any]) -> None:
    unknown = replace(make_pool(60), labeled_embeddings=None, labeled_ids=None)
    assert len(ask(make(name, params)[0], unknown, 10, np.random.default_rng(0)).indices) == 10


def test_a_part_that_cannot_do_without_labeled_items_says_so() -> None:
    both = make("mixture", {"of": {"auto": 0.5, "core_set": 0.5}})[0]
    with pytest.raises(StrategyError, match="'CoreSet' needs labeled_embeddings"):
        ask(both, replace(make_pool(60), labeled_embeddings=None, labeled_ids=None), 10, np.random.default_rng(0))


@pytest.mark.parametrize(("changed", "expected"), [(None, 1), (0.3, 1), (0.05, 1), (0.02, 0.4), (0.0, 0)])
def test_labels_count_less_as_the_model_settles(changed: float | None, expected: float) -> None:
    assert how_far_labels_count(changed) == pytest.approx(expected)


def test_a_share_of_the_batch_is_drawn_at_random_from_the_whole_pool() -> None:
    """Of 500 batches of 10, with one random item each, the surest half of the pool gets nearly half of those."""
    pool = _line(400)
    assert pool.scores is not None
    settled = replace(pool, previous_proba=pool.proba)
    sure = set(np.argsort(pool.scores)[:200].tolist())
    batches = [ask(Auto(), settled, 10, np.random.default_rng(seed)) for seed in range(500)]
    assert all(batch.thresholds["random"] == 1 for batch in batches)
    assert all("drawn at random" in batch.reasons[-1] for batch in batches)
    hits = [sum(i in sure for i in batch.indices.tolist()) for batch in batches]
    assert 0.4 < np.mean(hits) < 0.6
    assert ask(Auto(), settled, 4, np.random.default_rng(0)).thresholds["random"] == 0


def test_a_share_that_is_no_share_is_refused() -> None:
    with pytest.raises(SettingError, match=r"explore = 1\.5"):
        Auto(explore=1.5)


def _line(n_items: int) -> Pool:
    """Items on a line, surest at the ends."""
    first = np.linspace(0.01, 0.99, n_items)
    proba = np.stack([first, 1 - first], axis=1)
    points = np.stack([first, np.zeros(n_items)], axis=1).astype(np.float32)
    scores = 1 - np.abs(2 * first - 1)
    return _of(points, proba=proba, scores=scores)


def _tens(sizes: list[int]) -> Pool:
    """Copies of points that are all as far from each other, all equally uncertain."""
    points = np.repeat(10 * np.eye(len(sizes), dtype=np.float32), sizes, axis=0)
    n_items = len(points)
    return _of(points, proba=np.tile([[0.55, 0.45]], (n_items, 1)), scores=np.ones(n_items), previous_proba=None)


def _of(points: NDArray[Any], **changes: Any) -> Pool:
    """A pool of points, with three labels for each of two classes far from all of them, and no budget."""
    return make_pool(
        len(points),
        n_classes=2,
        embed=lambda at: points[at],
        labeled_embeddings=np.full((6, points.shape[1]), FAR, dtype=np.float32),
        labeled_ids=np.arange(6),
        budget_left=None,
        **changes,
    )

"""The contract of a strategy.

from querist.testing.strategies import check_strategy
def test_my_strategy(): check_strategy(MyStrategy)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from querist.core.errors import PoolExhausted, QueristError, ShapeError
from querist.core.memory import Memory
from querist.core.protocols import Strategy
from querist.core.types import Codes, Embeddings, Indices, Matrix, Pool, Probabilities, Scores, Selection
from querist.stages.query_strategy.ask import ask

Make = Callable[[], Strategy]


def check_strategy(make: Make, *, deterministic_ties: bool = False) -> None:
    """Runs every check on strategies from `make()`; raises AssertionError with the first that fails.

    `deterministic_ties` excuses a strategy of another library that breaks ties by position.
    """
    for check in CHECKS:
        check(make)
    if not deterministic_ties:
        check_ties_are_broken_by_the_generator(make)


def make_pool(n_items: int, *, n_classes: int = 3, n_dims: int = 4, seed: int = 0, **changes: Any) -> Pool:
    """A pool that has everything a strategy may need; `changes` replace its fields."""
    rng = np.random.default_rng(seed)
    model = ToyModel(rng.normal(size=(n_dims, n_classes)))
    points = rng.normal(size=(n_items, n_dims)).astype(np.float32)
    labeled = rng.normal(size=(3 * n_classes, n_dims)).astype(np.float32)
    codes = np.arange(3 * n_classes) % n_classes
    proba = model.predict_proba(points)
    others = [ToyModel(model.weights + rng.normal(size=model.weights.shape)) for _ in range(4)]
    pool = Pool(
        n_items=n_items,
        proba=proba,
        scores=1 - proba.max(axis=1),
        embed=_embed(points),
        costs=rng.uniform(1, 5, n_items),
        samples=lambda: np.stack([other.predict_proba(points) for other in others]),
        previous_proba=others[0].predict_proba(points),
        labeled_embeddings=labeled,
        labeled_codes=codes,
        labeled_proba=model.predict_proba(labeled),
        classifier=model,
        X=lambda: points,
        labeled=(labeled, codes),
        train=lambda X, y: ToyModel.fit(X, y, n_classes),
        classes=tuple("abcdefghij"[:n_classes]),
        ids=np.arange(n_items),
        labeled_ids=np.arange(n_items, n_items + len(codes)),
        space="toy",
        budget_left=10 * n_items,
    )
    return replace(pool, **changes)


class ToyModel:
    """Softmax of fixed weights, with the face of a fitted scikit-learn classifier."""

    def __init__(self, weights: np.ndarray) -> None:
        self.weights = weights
        self.classes_ = np.arange(weights.shape[1])

    @classmethod
    def fit(cls, X: Matrix, y: Codes, n_classes: int) -> ToyModel:
        """The mean of each class as its weights."""
        weights = np.zeros((X.shape[1], n_classes))
        for code in np.unique(y):
            weights[:, code] = np.asarray(X[y == code]).mean(axis=0)
        return cls(weights)

    def predict_proba(self, X: Matrix) -> Probabilities:
        logits = np.asarray(X, dtype=np.float64) @ self.weights
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        proba: Probabilities = odds / odds.sum(axis=1, keepdims=True)
        return proba

    def predict(self, X: Matrix) -> Indices:
        best: Indices = self.predict_proba(X).argmax(axis=1)
        return best


def check_count_range_and_repeats(make: Make) -> None:
    for batch_size in (1, 2, 7, 39, 40):
        _answers(make, make_pool(40), batch_size, f"a batch of {batch_size} from a pool of 40")


def check_same_seed_same_answer(make: Make) -> None:
    first, again = (_answers(make, make_pool(60), 9, "the same pool and seed") for _ in range(2))
    _expect(np.array_equal(first.indices, again.indices), "the same pool and seed must give the same items")
    strategy = make()
    first, again = (ask(strategy, make_pool(60), 9, np.random.default_rng(5)) for _ in range(2))
    _expect(np.array_equal(first.indices, again.indices), "a strategy must remember nothing between two calls")


def check_inputs_are_left_alone(make: Make) -> None:
    pool, other = make_pool(30), make_pool(30)
    _answers(make, pool, 5, "a pool of 30")
    for before, after in zip(_arrays(other), _arrays(pool), strict=True):
        _expect(np.array_equal(before, after), "a strategy must not change the pool")


def check_ties_are_broken_by_the_generator(make: Make) -> None:
    pool = _all_the_same(40)
    orders = {tuple(_answers(make, pool, 8, "40 equal items", seed=seed).indices.tolist()) for seed in range(8)}
    _expect(len(orders) > 1, "equal items came in the same order for 8 different generators")


def check_small_pools(make: Make) -> None:
    for n_items in (1, 2, 3):
        _answers(make, make_pool(n_items), n_items, f"all of a pool of {n_items}")


def check_batch_larger_than_the_pool_is_refused(make: Make) -> None:
    _refuses(make, make_pool(5), 6, PoolExhausted, "a batch larger than the pool")


def check_one_class_only(make: Make) -> None:
    _answers(make, make_pool(20, n_classes=1), 6, "a model that knows one class")


def check_equal_and_repeated_items(make: Make) -> None:
    _answers(make, _all_the_same(20), 7, "equal scores and one single point")
    points = np.repeat(np.eye(2, 4, dtype=np.float32), 10, axis=0)
    pool = make_pool(20, embed=_embed(points), X=lambda: points)
    _answers(make, pool, 7, "two distinct points of ten items each")


def check_probabilities_of_zero(make: Make) -> None:
    proba = np.eye(3)[np.arange(12) % 3]
    _answers(make, make_pool(12, proba=proba, scores=np.zeros(12)), 5, "probabilities of exactly 0 and 1")


def check_budgets(make: Make) -> None:
    for budget_left in (None, 5, 10**9):
        _answers(make, make_pool(40, budget_left=budget_left), 5, f"a budget of {budget_left}")


def check_memory_changes_nothing(make: Make) -> None:
    """A second round that goes on from the first one's memory asks what a strategy without any would ask.

    A strategy with `learns` is to ask something else then, and only what belongs to another space must not count.
    """
    whole, memory = make_pool(60, seed=3), Memory()
    first = _answers(make, replace(whole, memory=memory), 6, "a first round").indices
    for then in (memory, Memory()):
        rest = replace(later(whole, first), memory=then)
        answers = _answers(make, rest, 6, "a second round", seed=1).indices
        if then is memory:
            expected = answers
    same = np.array_equal(expected, answers) or getattr(make(), "learns", False)
    _expect(same, "what was kept from the last round must not change the answer")
    moved = replace(later(whole, first), memory=memory, space="elsewhere")
    again = replace(later(whole, first), memory=Memory(), space="elsewhere")
    _expect(
        np.array_equal(
            _answers(make, moved, 6, "another space", seed=1).indices,
            _answers(make, again, 6, "another space", seed=1).indices,
        ),
        "what was kept for another space must not be used",
    )


def later(pool: Pool, answered: Indices) -> Pool:
    """The pool of the next round: what was answered is labeled now."""
    assert pool.ids is not None
    assert pool.labeled_ids is not None
    assert pool.labeled_codes is not None
    assert pool.proba is not None
    assert pool.scores is not None
    assert pool.costs is not None
    assert pool.labeled is not None
    assert pool.embed is not None
    assert pool.X is not None
    assert pool.samples is not None
    assert pool.labeled_embeddings is not None
    assert pool.labeled_proba is not None
    kept = np.setdiff1d(np.arange(pool.n_items), answered)
    points, X, opinions = pool.embed(slice(None)), pool.X(), pool.samples()
    codes = np.concatenate([pool.labeled_codes, pool.proba[answered].argmax(axis=1)])
    return replace(
        pool,
        n_items=len(kept),
        proba=pool.proba[kept],
        scores=pool.scores[kept],
        costs=pool.costs[kept],
        embed=_embed(points[kept]),
        samples=lambda: opinions[:, kept],
        previous_proba=pool.proba[kept],
        X=lambda: X[kept],
        labeled=(np.concatenate([pool.labeled[0], X[answered]]), codes),
        labeled_embeddings=np.concatenate([pool.labeled_embeddings, points[answered]]),
        labeled_codes=codes,
        labeled_proba=np.concatenate([pool.labeled_proba, pool.proba[answered]]),
        ids=pool.ids[kept],
        labeled_ids=np.concatenate([pool.labeled_ids, pool.ids[answered]]),
    )


def check_no_labels_at_all(make: Make) -> None:
    """Nothing labeled: a strategy that needs no label answers; one that does says so."""
    if make().needs & {"labels", "labeled_embeddings", "labeled_proba", "model", "train", "samples", "proba", "scores"}:
        return
    pool = make_pool(20)
    _answers(
        make,
        replace(pool, labeled_embeddings=None, labeled_codes=None, labeled_proba=None, labeled_ids=None),
        5,
        "no labels at all",
    )


def check_bad_arrays_are_refused(make: Make) -> None:
    needs, pool = make().needs, make_pool(10)
    assert pool.scores is not None
    assert pool.proba is not None
    bad: list[tuple[str, dict[str, Any], str]] = [
        ("scores", {"scores": _with_nan(pool.scores)}, "scores with NaN"),
        ("scores", {"scores": pool.scores[:-1]}, "scores of another length"),
        ("scores", {"scores": pool.scores[:, None]}, "scores of two dimensions"),
        ("proba", {"proba": _with_nan(pool.proba)}, "probabilities with NaN"),
        ("proba", {"proba": pool.proba[:-1]}, "probabilities of another length"),
        ("proba", {"proba": 2 * pool.proba}, "probabilities that sum to 2"),
        ("embeddings", {"embed": _embed(np.full((pool.n_items, 4), np.nan, dtype=np.float32))}, "embeddings with NaN"),
        ("embeddings", {"embed": _embed(np.zeros(pool.n_items, dtype=np.float32))}, "embeddings of one dimension"),
    ]
    for need, change, what in bad:
        if need in needs:
            _refuses(make, replace(pool, **change), 3, ShapeError, what)


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_count_range_and_repeats,
    check_same_seed_same_answer,
    check_inputs_are_left_alone,
    check_small_pools,
    check_batch_larger_than_the_pool_is_refused,
    check_one_class_only,
    check_equal_and_repeated_items,
    check_probabilities_of_zero,
    check_budgets,
    check_memory_changes_nothing,
    check_no_labels_at_all,
    check_bad_arrays_are_refused,
)


def _answers(make: Make, pool: Pool, batch_size: int, what: str, *, seed: int = 0) -> Selection:
    try:
        return ask(make(), pool, batch_size, np.random.default_rng(seed))
    except QueristError as error:
        raise AssertionError(f"on {what}: {error}") from error


def _refuses(make: Make, pool: Pool, batch_size: int, error: type[Exception], what: str) -> None:
    try:
        ask(make(), pool, batch_size, np.random.default_rng(0))
    except error:
        return
    raise AssertionError(f"{what} must be refused with {error.__name__}")


def _all_the_same(n_items: int) -> Pool:
    points = np.ones((n_items, 4), dtype=np.float32)
    scores: Scores = np.full(n_items, 0.5)
    return make_pool(
        n_items,
        proba=np.full((n_items, 3), 1 / 3),
        scores=scores,
        costs=np.ones(n_items),
        embed=_embed(points),
        samples=lambda: np.full((4, n_items, 3), 1 / 3),
        X=lambda: points,
    )


def _embed(points: Embeddings) -> Callable[[Indices | slice], Embeddings]:
    return lambda at: points[at]


def _with_nan(values: np.ndarray) -> np.ndarray:
    changed = values.copy()
    changed.flat[0] = np.nan
    return changed


def _arrays(pool: Pool) -> list[Any]:
    assert pool.X is not None
    assert pool.labeled is not None
    return [pool.proba, pool.scores, pool.labeled_embeddings, pool.X(), *pool.labeled]


def _expect(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)

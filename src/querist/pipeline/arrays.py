"""querist for people with arrays: the production measures and strategies, nothing recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.checks import check_embeddings, check_independent, check_proba, check_samples, check_scores
from querist.core.errors import SettingError, ShapeError, UnknownName
from querist.core.hashing import key_of
from querist.core.memory import Memory
from querist.core.protocols import Strategy
from querist.core.types import Codes, Embeddings, Indices, Matrix, Pool, Probabilities, Scores
from querist.plugins import available, find
from querist.stages.evaluation import metrics
from querist.stages.query_strategy import regression
from querist.stages.query_strategy.ask import ask, make
from querist.stages.uncertainty_scoring import multilabel
from querist.stages.uncertainty_scoring.combine import combine
from querist.stages.uncertainty_scoring.schedule import weights_at

Measures = str | Mapping[str, float]
Seed = int | np.random.Generator | None
EMBEDDING_DIMS = 100
EMBEDDING_SAMPLE = 20_000
"""Items behind the directions of a sparse pool's embeddings; more would cost time and change little."""


def score(
    proba: ArrayLike, *, measure: Measures = "margin", combination: str = "rank", class_weights: ArrayLike | None = None
) -> Scores:
    """(n_items,) how unsure the model is of each item, higher means ask first.

    `proba` is (n_items, n_classes); `measure` a name, or names with weights, joined by "rank", "quantile" or
    "product". `class_weights` (n_classes,) say how much each class matters. Several opinions on each item, (n_samples,
    n_items, n_classes), are scored by how far they disagree under the name of one such measure ("bald",
    "vote_entropy"), or by their mean under any other.
    """
    array = np.asarray(proba)
    if array.ndim == 3:
        samples = check_samples(array)
        if isinstance(measure, str) and measure in available("sample_measures"):
            scores: Scores = find("sample_measures", measure)(samples)
            return scores
        array = samples.mean(axis=0)
    return combine(_weights(measure), array, combination=combination, class_weights=_class_weights(class_weights))[0]


def score_multilabel(
    proba: ArrayLike, *, measure: str = "margin", over: str = "mean", cardinality: float | None = None
) -> Scores:
    """(n_items,) how much there is to learn from an item that may have several labels, higher means ask first.

    `proba` (n_items, n_labels) holds the probability of each label by itself, so rows need not sum to 1. `measure` is
    margin, entropy, least_confidence or score for each label, joined by the `over` "mean" or "max"; or max_loss,
    mean_max_loss, mmc, cardinality or adaptive for the labels together. The last two need `cardinality`: how many
    labels a labeled item has on average.
    """
    return multilabel.score(check_independent(proba), measure, over=over, cardinality=cardinality)


def select_regression(
    method: str,
    batch_size: int,
    *,
    labels: ArrayLike,
    embeddings: ArrayLike | None = None,
    predictions: ArrayLike | None = None,
    samples: ArrayLike | None = None,
    rng: Seed = None,
) -> Indices:
    """(batch_size,) the items whose number to ask next, best first, as rows of the arrays given.

    `labels` (n_items,) are NaN or None where unlabeled; labeled items are never answered. "variance" takes the
    `samples` (n_samples, n_items) that differ most, the predictions of several models; "gsx" what lies farthest from
    the labeled in `embeddings` (n_items, n_dims), "gsy" in `predictions` (n_items,), "igs" in both. Projects take
    classes, not numbers; this function stands alone.
    """
    return regression.select(
        method,
        batch_size,
        labels=np.asarray(labels, dtype=np.float64),
        embeddings=None if embeddings is None else check_embeddings(embeddings),
        predictions=None if predictions is None else check_scores(predictions),
        samples=None if samples is None else check_embeddings(samples),
        rng=np.random.default_rng(rng),
    )


def select(
    strategy: str | Strategy,
    batch_size: int,
    *,
    proba: ArrayLike | None = None,
    embeddings: ArrayLike | None = None,
    labeled_embeddings: ArrayLike | None = None,
    labels: ArrayLike | None = None,
    samples: ArrayLike | None = None,
    previous_proba: ArrayLike | None = None,
    costs: ArrayLike | None = None,
    measure: Measures | None = None,
    combination: str = "rank",
    class_weights: ArrayLike | None = None,
    params: Mapping[str, Any] | None = None,
    memory: Memory | None = None,
    rng: Seed = None,
) -> Indices:
    """(batch_size,) the items to label next, best first, as rows of the arrays given.

    `proba` (n_items, n_classes), `embeddings` (n_items, n_dims), `samples` (n_samples, n_items, n_classes) and `costs`
    (n_items,) are of the same items; `labels` (n_items,) says which of them are labeled (-1, None or NaN where not),
    and those are never answered. `measure`, `combination` and `class_weights` are as in `score`. `params` are settings
    of a strategy given by name. The same `memory` given round after round, with the same embeddings, lets a strategy
    go on from what it learned about the pool.
    """
    made, weights = make(strategy, params, _weights(measure) if measure is not None else _default_measures())
    opinions = None if samples is None else np.asarray(samples)
    before = None if previous_proba is None else np.asarray(previous_proba)
    given = {"proba": proba, "embeddings": embeddings, "labels": labels, "costs": costs, "previous_proba": before}
    sizes = {name: len(np.asarray(values)) for name, values in given.items() if values is not None}
    if opinions is not None:
        sizes["samples"] = opinions.shape[1] if opinions.ndim == 3 else -1
    if len(set(sizes.values())) != 1:
        raise ShapeError(f"arrays must be of the same items, got lengths {sizes or 'of nothing'}")
    n_items = next(iter(sizes.values()))
    open_ = np.arange(n_items) if labels is None else np.flatnonzero(_unlabeled(labels))
    known = np.delete(np.arange(n_items), open_)
    rows = None if proba is None else _at(check_proba(proba), open_)
    scores = None
    if rows is not None and "scores" in made.needs:
        importance = _class_weights(class_weights)
        scores, _ = combine(weights, rows, combination=combination, class_weights=importance, checked=True)
    space = None if embeddings is None else check_embeddings(embeddings)
    near = labeled_embeddings if labeled_embeddings is not None or space is None else space[known]
    codes = None if labels is None else _column_codes(np.asarray(labels)[known], rows)
    pool = Pool(
        n_items=len(open_),
        proba=rows,
        scores=scores,
        embed=None if space is None else _embed(space, open_),
        costs=None if costs is None else np.asarray(costs, dtype=np.float64)[open_],
        samples=None if opinions is None else lambda: opinions[:, open_],
        previous_proba=None if before is None else before[open_],
        labeled_embeddings=None if near is None else np.asarray(near, dtype=np.float32),
        labeled_codes=codes,
        **({} if memory is None or space is None else _numbered(space, open_, known, memory)),
    )
    return open_[ask(made, pool, batch_size, np.random.default_rng(rng)).indices]


def _column_codes(labels: NDArray[Any], proba: Probabilities | None) -> Codes:
    """Whole numbers that name columns of `proba` are codes already; other labels are numbered in their order."""
    if proba is not None and labels.dtype.kind in "iuf" and len(labels):
        codes = labels.astype(np.int64)
        if (codes == labels).all() and codes.min() >= 0 and codes.max() < proba.shape[1]:
            return codes
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def _at(array: NDArray[Any], rows: Indices) -> NDArray[Any]:
    """The rows; the array itself, not a copy, where they are all of them."""
    return array if len(rows) == len(array) else array[rows]


def _embed(space: NDArray[Any], open_: Indices) -> Callable[[Indices | slice], Embeddings]:
    whole = len(open_) == len(space)
    return lambda at: np.asarray(space[at] if whole else space[open_[at]], dtype=np.float32)


def _numbered(space: NDArray[Any], open_: Indices, known: Indices, memory: Memory) -> dict[str, Any]:
    """The items by their rows, in a space named by one number for each row, which another row would not give."""
    directions: NDArray[Any] = np.random.default_rng(0).normal(size=space.shape[1:]).astype(space.dtype)
    return {"ids": open_, "labeled_ids": known, "space": key_of(space @ directions), "memory": memory}


class ActiveLearner:
    """A scikit-learn classifier that says which items it wants labeled next.

    `strategy` is a name, a strategy object, or one made for modAL or scikit-activeml. `classes` fixes the labels that
    may occur; without it they are those seen so far. `estimator` itself is never trained: `model` is a trained copy.
    The pool stays the caller's: `query` answers rows of the pool it is given and remembers nothing about it, so take
    rows out of the pool once they are taught.
    """

    def __init__(
        self,
        estimator: Any,  # Any: a scikit-learn classifier; scikit-learn is untyped
        strategy: str | Strategy = "auto",
        *,
        classes: Sequence[Any] | None = None,
        measure: Measures | None = None,
        params: Mapping[str, Any] | None = None,
        rng: Seed = 0,
    ) -> None:
        self.estimator = estimator
        self.strategy, self.measures = make(
            strategy, params, _weights(measure) if measure is not None else _default_measures()
        )
        self.fixed_classes = None if classes is None else np.asarray(classes)
        self.rng = np.random.default_rng(rng)
        self._batches: list[tuple[Matrix, NDArray[Any]]] = []
        self._model: Any = None
        self._before: Any = None

    @property
    def model(self) -> Any:
        """The trained copy of the estimator."""
        if self._model is None:
            raise SettingError("this learner has no labels yet; call fit(X, y) first")
        return self._model

    @property
    def classes(self) -> NDArray[Any]:
        """The labels in the order of predict_proba's columns."""
        return self.fixed_classes if self.fixed_classes is not None else np.unique(self._y)

    def fit(self, X: Matrix, y: ArrayLike) -> Self:
        """Starts from these labels and forgets earlier ones."""
        self._batches, self._model = [], None
        return self.teach(X, y)

    def teach(self, X: Matrix, y: ArrayLike) -> Self:
        """Adds labels and trains on all of them."""
        from sklearn.base import clone

        labels = np.asarray(y)
        if _n_rows(X) != len(labels):
            raise ShapeError(f"X has {_n_rows(X)} items and y has {len(labels)} labels")
        if self.fixed_classes is not None:
            _codes(labels, self.fixed_classes)
        self._batches.append((X, labels))
        self._before, self._model = self._model, clone(self.estimator).fit(self._X, self._y)
        return self

    def predict(self, X: Matrix) -> NDArray[Any]:
        best: NDArray[Any] = self.classes[self.predict_proba(X).argmax(axis=1)]
        return best

    def predict_proba(self, X: Matrix) -> Probabilities:
        """(n_items, n_classes); 0 for a class that no label has had yet."""
        return self._proba(self.model, X)

    def _proba(self, model: Any, X: Matrix) -> Probabilities:
        proba = np.zeros((_n_rows(X), len(self.classes)))
        proba[:, _codes(model.classes_, self.classes)] = model.predict_proba(X)
        return proba

    def query(self, X_pool: Matrix, batch_size: int, *, embeddings: ArrayLike | None = None) -> Indices:
        """(batch_size,) rows of X_pool to label next, best first.

        `embeddings` (n_items, n_dims) are what diverse strategies compare; without them a dense X_pool itself, or the
        main directions of a sparse one. A pipeline's X is what its last step would see.
        """
        from sklearn.base import clone

        space = _Space(self.model, X_pool, self._X, embeddings, self.rng)
        codes = _codes(self._y, self.classes)
        before = self._before if "previous_proba" in self.strategy.needs else None
        needs = self.strategy.needs
        proba = self.predict_proba(X_pool)
        pool = Pool(
            n_items=len(proba),
            proba=proba,
            scores=combine(self.measures, proba)[0] if "scores" in needs else None,
            embed=space.embed,
            previous_proba=None if before is None else self._proba(before, X_pool),
            labeled_embeddings=space.labeled if "labeled_embeddings" in needs else None,
            labeled_codes=codes,
            classifier=self.model,
            X=lambda: X_pool,
            labeled=(self._X, codes),
            train=lambda X, y: clone(self.estimator).fit(X, y),
            classes=tuple(str(label) for label in self.classes),
        )
        return ask(self.strategy, pool, batch_size, self.rng).indices

    def score(self, X: Matrix, y: ArrayLike, metric: str = "accuracy") -> float:
        """The metric on labeled items: accuracy, macro_f1, log_loss, roc_auc, f1:CLASS ... (as in querist.toml)."""
        names = [str(c) for c in self.classes]
        return metrics.measure(metric, _codes(np.asarray(y), self.classes), self.predict_proba(X), names)

    @property
    def _X(self) -> Matrix:
        return _stack([X for X, _ in self._batches])

    @property
    def _y(self) -> NDArray[Any]:
        return np.concatenate([y for _, y in self._batches])


class _Space:
    """Where items lie: the embeddings given, or made from X when they are first asked for."""

    def __init__(
        self, model: Any, X: Matrix, labeled: Matrix, given: ArrayLike | None, rng: np.random.Generator
    ) -> None:
        self._model, self._X, self._labeled, self._given, self._rng = model, X, labeled, given, rng

    def embed(self, at: Indices | slice) -> Embeddings:
        rows: Embeddings = self._place(self._features[at])
        return rows

    @cached_property
    def labeled(self) -> Embeddings | None:
        return None if self._given is not None else self._place(self._as_features(self._labeled))

    @cached_property
    def _features(self) -> Matrix:
        if self._given is not None:
            return check_embeddings(self._given, n_items=_n_rows(self._X))
        return self._as_features(self._X)

    def _as_features(self, X: Matrix) -> Matrix:
        steps = getattr(self._model, "steps", ())
        features = self._model[:-1].transform(X) if len(steps) > 1 else X
        return features.tocsr() if hasattr(features, "tocsr") else np.asarray(features)

    def _place(self, rows: Matrix) -> Embeddings:
        if not hasattr(rows, "toarray"):
            return np.asarray(rows, dtype=np.float32)
        if self._directions is None:
            return np.asarray(rows.toarray(), dtype=np.float32)
        return np.asarray(self._directions.transform(rows), dtype=np.float32)

    @cached_property
    def _directions(self) -> Any:
        """Main directions of a sample of a sparse pool; None where it is narrow enough to be used as it is."""
        from sklearn.decomposition import TruncatedSVD

        features = self._features
        if features.shape[1] <= EMBEDDING_DIMS or features.shape[0] < 2:
            return None
        sample = np.sort(self._rng.permutation(features.shape[0])[:EMBEDDING_SAMPLE])
        seed = int(self._rng.integers(2**31))
        return TruncatedSVD(min(EMBEDDING_DIMS, len(sample)), random_state=seed).fit(features[sample])


def _weights(measure: Measures) -> dict[str, float]:
    return {measure: 1.0} if isinstance(measure, str) else dict(measure)


def _default_measures() -> dict[str, float]:
    from querist.config import Settings

    return weights_at(Settings().query.measures, share=0.0)


def _class_weights(given: ArrayLike | None) -> Scores | None:
    return None if given is None else np.asarray(given, dtype=np.float64)


def _unlabeled(labels: ArrayLike) -> NDArray[np.bool_]:
    """(n_items,) True where a label is -1, None or NaN; a NaN is the only value that differs from itself."""
    given = np.asarray(labels)
    values = given if given.dtype.kind in "iuf" else np.asarray(labels, dtype=object)
    if values.ndim != 1:
        raise ShapeError(f"labels must have shape (n_items,), got {values.shape}")
    if values.dtype.kind in "iuf":
        numbers: NDArray[np.bool_] = (values == -1) | (values != values)
        return numbers
    return np.array([v is None or v != v or (not isinstance(v, str) and v == -1) for v in values], dtype=bool)


def _codes(labels: NDArray[Any], classes: NDArray[Any]) -> Codes:
    """(n_items,) positions in `classes`. Raises UnknownName for a label that is not among them."""
    position = {label: code for code, label in enumerate(classes.tolist())}
    for label in np.unique(labels).tolist():
        if label not in position:
            raise UnknownName("label", label, classes.tolist())
    return np.array([position[label] for label in labels.tolist()], dtype=np.int64)


def _n_rows(X: Matrix) -> int:
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def _stack(parts: list[Matrix]) -> Matrix:
    """Rows below each other: CSR, data frames, arrays or lists (of text, say)."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if hasattr(first, "tocsr"):
        from scipy.sparse import vstack

        return vstack(parts, format="csr")
    if hasattr(first, "iloc"):
        import pandas

        return pandas.concat(parts, ignore_index=True)
    return np.concatenate([np.asarray(part) for part in parts])

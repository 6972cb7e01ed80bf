"""ActiveLearner: the production strategies around a scikit-learn classifier, nothing recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from querist.core.checks import check_embeddings
from querist.core.errors import SettingError, ShapeError, UnknownName
from querist.core.protocols import Strategy
from querist.core.types import Codes, Embeddings, Indices, Matrix, Pool, Probabilities
from querist.pipeline.arrays import Measures, Seed, default_measures, weights_of
from querist.stages.evaluation import metrics
from querist.stages.query_strategy.ask import ask, make
from querist.stages.uncertainty_scoring.combine import combine

EMBEDDING_DIMS = 100
EMBEDDING_SAMPLE = 20_000
"""Items behind the directions of a sparse pool's embeddings; more would cost time and change little."""


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
            strategy, params, weights_of(measure) if measure is not None else default_measures()
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
            labeled_proba=self.predict_proba(self._X) if "labeled_proba" in needs else None,
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

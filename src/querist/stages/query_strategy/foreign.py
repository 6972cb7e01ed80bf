"""Strategies written for modAL and scikit-activeml, plugged in as they are and told apart by their signature.

A modAL strategy is a function `f(classifier, X, n_instances=...)` that returns indices, or indices and their metric.
A scikit-activeml strategy is an object or a class with `query(X, y, clf, batch_size=...)`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import StrategyError
from querist.core.protocols import Strategy
from querist.core.types import Indices, Matrix, Pool, Probabilities, Selection
from querist.stages.query_strategy.construct import check_settings, construct, refuse_settings, required

MODEL = frozenset({"model"})
DENSE_LIMIT_BYTES = 4 * 2**30


def adapt(found: Any, params: Mapping[str, Any], name: str) -> Strategy | None:  # Any: whatever stood behind a name
    """The strategy of another library as one of querist's; None when `found` is neither kind."""
    if callable(getattr(found, "query", None)):
        if "batch_size" in inspect.signature(found.query).parameters:
            return ScikitActiveML(found, params, name)
        return None
    if callable(found) and not inspect.isclass(found) and not hasattr(found, "needs"):
        known = inspect.signature(found).parameters
        if "n_instances" in known:
            return ModAL(found, params, name)
    return None


class ModAL:
    """A modAL query function. Its order is kept: most of them return the best n in no order of value."""

    needs = MODEL

    def __init__(self, function: Callable[..., Any], params: Mapping[str, Any], name: str) -> None:
        first, second, *_ = known = inspect.signature(function).parameters
        settable = {k: p for k, p in known.items() if k not in (first, second, "n_instances")}
        check_settings(settable, params, name)
        self.function, self.params, self.name = function, dict(params), name

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        assert pool.X is not None  # `needs` says so, ask() checked it
        with _global_seed(rng):
            answer = self.function(_ModALLearner(pool), pool.X(), n_instances=batch_size, **self.params)
        return _selection(answer, pool, f"Chosen by the modAL strategy {self.name}.")


class ScikitActiveML:
    """A scikit-activeml pool strategy; it sees the labeled items and the pool as one dense array, as it expects.

    An estimator that scikit-learn can clone is trained by the strategy itself on the labeled items; any other model
    answers with what it knows and refuses to be trained, so that no strategy goes on with a model of the wrong labels.
    """

    needs = MODEL

    def __init__(self, strategy: Any, params: Mapping[str, Any], name: str) -> None:  # Any: their object or class
        if inspect.isclass(strategy):
            strategy = construct(strategy, params, name)
        else:
            refuse_settings(params, name)
        self.strategy, self.name = strategy, name

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        from sklearn.base import clone
        from sklearn.exceptions import NotFittedError

        assert pool.X is not None  # `needs` says so, ask() checked it
        assert pool.labeled is not None
        labeled, codes = pool.labeled
        X = np.concatenate([_dense(labeled, self.name), _dense(pool.X(), self.name)])
        strategy = clone(self.strategy)
        strategy.set_params(random_state=int(rng.integers(2**31)))
        y = _with_missing(codes, pool.n_items, strategy.missing_label)
        model = self._model(pool, strategy, codes)
        try:
            with _global_seed(rng):
                answer = strategy.query(X, y, batch_size=batch_size, **model)
        except NotFittedError as error:
            raise StrategyError(
                f"strategy {self.name!r} trains the model itself, which needs a scikit-learn estimator ({error})"
            ) from error
        return _selection(np.asarray(answer) - len(codes), pool, f"Chosen by the scikit-activeml strategy {self.name}.")

    def _model(self, pool: Pool, strategy: Any, codes: NDArray[np.int64]) -> dict[str, Any]:
        known = inspect.signature(strategy.query).parameters
        asked = [k for k in required(known) if k not in ("X", "y")]
        if other := set(asked) - {"clf", "estimator"}:
            raise StrategyError(f"strategy {self.name!r} needs {sorted(other)}, which querist cannot give it")
        if not asked:
            return {}
        classifier, trains = _skactiveml_classifier(pool, codes, strategy.missing_label)
        flags = {k: trains for k in ("fit_clf", "fit_estimator") if k in known}
        return {asked[0]: classifier, **flags}


class _ModALLearner:
    """What modAL's functions expect of an ActiveLearner, around any classifier."""

    on_transformed = False

    def __init__(self, pool: Pool) -> None:
        assert pool.labeled is not None  # `needs` says so, ask() checked it
        self.estimator = pool.classifier
        self.X_training, self.y_training = pool.labeled

    def __getattr__(self, name: str) -> Any:
        return getattr(self.estimator, name)

    def predict_proba(self, X: Matrix) -> Probabilities:
        proba: Probabilities = self.estimator.predict_proba(X)  # type: ignore[union-attr]  # present, see `needs`
        return proba


def _skactiveml_classifier(pool: Pool, codes: NDArray[np.int64], missing: Any) -> tuple[Any, bool]:
    """A classifier of scikit-activeml over the class codes, and whether the strategy may train it."""
    from skactiveml.base import SkactivemlClassifier
    from skactiveml.classifier import SklearnClassifier
    from sklearn.exceptions import NotFittedError

    model: Any = pool.classifier
    n_classes = pool.proba.shape[1] if pool.proba is not None else int(codes.max()) + 1
    classes = list(range(n_classes))
    if hasattr(model, "get_params") and hasattr(model, "fit"):
        return SklearnClassifier(model, classes=classes, missing_label=missing), True

    class Fitted(SkactivemlClassifier):  # type: ignore[misc]  # the library is untyped
        def fit(self, X: Matrix, y: Any, sample_weight: Any = None) -> Any:
            raise NotFittedError("the model of the pool is given as it is")

        def predict_proba(self, X: Matrix) -> Probabilities:
            proba: Probabilities = model.predict_proba(X)
            return proba

        def predict(self, X: Matrix) -> NDArray[np.intp]:
            best: NDArray[np.intp] = self.predict_proba(X).argmax(axis=1)
            return best

    fitted = Fitted(classes=classes, missing_label=missing)
    fitted.classes_ = np.arange(n_classes)
    return fitted, False


def _selection(answer: Any, pool: Pool, note: str) -> Selection:
    first = answer[0] if isinstance(answer, tuple) else answer
    indices: Indices = np.asarray(first).ravel().astype(np.intp)
    inside = indices[(indices >= 0) & (indices < pool.n_items)]
    scores = pool.scores_at(indices) if len(inside) == len(indices) else np.zeros(len(indices))
    return Selection(indices, scores, note=note)


def _with_missing(codes: NDArray[np.int64], n_unlabeled: int, missing: Any) -> NDArray[Any]:
    kind = object if missing is None else np.result_type(type(missing))
    y = np.full(len(codes) + n_unlabeled, missing, dtype=kind)
    y[: len(codes)] = codes
    return y


def _dense(X: Matrix, name: str) -> NDArray[Any]:
    if (size := X.shape[0] * X.shape[1] * 8) > DENSE_LIMIT_BYTES:
        raise StrategyError(
            f"strategy {name!r} needs a dense array of {X.shape[0]} x {X.shape[1]} ({size / 2**30:.0f} GiB); "
            "use a learner with fewer features, or a strategy of querist"
        )
    dense: NDArray[Any] = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    return dense


@contextmanager
def _global_seed(rng: np.random.Generator) -> Iterator[None]:
    """Other libraries draw from numpy's global generator, too: seeded for the call, put back after it."""
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(int(rng.integers(2**32)))  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002

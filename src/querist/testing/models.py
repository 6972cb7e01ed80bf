"""The contracts of a learner and of an encoder.

from querist.testing.models import check_encoder, check_learner
def test_my_learner(): check_learner(lambda: ScikitLearner("my_package.module:MyEstimator", {}, 3))
def test_my_encoder(): check_encoder(MyEncoder, {"text": ["one", "two", ...]})
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from querist.core.protocols import Encoder, Items, Learner
from querist.core.types import Codes, Matrix
from querist.models.encoders.sample import n_rows

N_CLASSES = 3
Data = tuple[Matrix, Codes]


def check_learner(make: Callable[[], Learner]) -> None:
    """Runs every check on untrained learners of three classes from `make()`; raises AssertionError at the first fault.

    They are trained on dense and on sparse features, neither ever negative.
    """
    for sparse in (False, True):
        data = make_data(sparse=sparse)
        check_probabilities(make, data)
        check_same_input_same_output(make, data)
        check_learns(make, data)
        check_missing_class(make, data)
        check_one_class(make, data)
        check_one_label_each(make, data)
        check_input_untouched(make, data)


def check_encoder(make: Callable[[], Encoder], items: Items) -> None:
    """Runs every check on unfitted encoders from `make()`, with ten items or more that they can read."""
    n_items = n_rows(items)
    assert n_items >= 10, f"the checks need ten items or more, got {n_items}"
    encoder = make().fit([items], rng=np.random.default_rng(0))
    X = _array(encoder.transform(items))
    assert X.ndim == 2, f"features must have two dimensions, got shape {X.shape}"
    assert len(X) == n_items, f"{n_items} items gave {len(X)} rows"
    assert X.dtype == np.float32, f"features must be float32, got {X.dtype}"
    assert np.isfinite(X).all(), "features hold NaN or infinity"
    again = make().fit([items], rng=np.random.default_rng(0))
    assert np.array_equal(_array(again.transform(items)), X), "the same items and generator gave other features"
    check_state(make, encoder, items, X)
    for rows in (slice(0, 0), slice(2, 3), slice(3, 9)):
        part = _array(encoder.transform({name: list(values)[rows] for name, values in items.items()}))
        assert part.shape == X[rows].shape, f"{len(X[rows])} items gave shape {part.shape}, expected {X[rows].shape}"
        assert np.allclose(part, X[rows], atol=1e-5), "an item's features depend on the items beside it"


def check_state(make: Callable[[], Encoder], encoder: Encoder, items: Items, X: Matrix) -> None:
    """The state passes through a file without pickle and gives an equal encoder."""
    file = io.BytesIO()
    state = encoder.state()
    for name, array in state.items():
        assert isinstance(array, np.ndarray), f"state {name!r} is {type(array).__name__}, not an array"
        assert not array.dtype.hasobject, f"state {name!r} holds Python objects"
    np.savez(file, **state)  # type: ignore[arg-type]  # a name could be allow_pickle; none is
    file.seek(0)
    with np.load(file, allow_pickle=False) as stored:
        restored = make().restore(dict(stored))
    assert np.array_equal(_array(restored.transform(items)), X), "a restored encoder gave other features"


def make_data(*, sparse: bool = False, n_items: int = 90, seed: int = 0) -> Data:
    """Three classes, each high in a feature of its own; (n_items, 6) float32, none negative."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_items) % N_CLASSES
    X = rng.uniform(0, 1, size=(n_items, 6)).astype(np.float32)
    X[np.arange(n_items), y] += 2
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    if not sparse:
        return X, y
    from scipy.sparse import csr_matrix

    return csr_matrix(X), y


def check_probabilities(make: Callable[[], Learner], data: Data) -> None:
    X, y = data
    learner = make().fit(X, y)
    proba = learner.predict_proba(X)
    assert proba.shape == (len(y), N_CLASSES), f"expected {(len(y), N_CLASSES)} probabilities, got {proba.shape}"
    assert np.isfinite(proba).all(), "probabilities hold NaN or infinity"
    assert (proba >= 0).all(), "a probability is negative"
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-5), "probabilities do not sum to 1"
    assert learner.predict_proba(X[:0]).shape == (0, N_CLASSES), "no items must give no rows"
    assert np.allclose(learner.predict_proba(X[:4]), proba[:4], atol=1e-5), "an item depends on those beside it"


def check_same_input_same_output(make: Callable[[], Learner], data: Data) -> None:
    X, y = data
    first, second = (make().fit(X, y).predict_proba(X) for _ in range(2))
    assert np.array_equal(first, second), "the same input gave other probabilities"


def check_learns(make: Callable[[], Learner], data: Data) -> None:
    X, y = data
    accuracy = (make().fit(X, y).predict_proba(X).argmax(axis=1) == y).mean()
    assert accuracy > 0.8, f"accuracy on its own, easy training data is {accuracy:.2f}"


def check_missing_class(make: Callable[[], Learner], data: Data) -> None:
    X, y = data
    rows = np.flatnonzero(y != 1)
    proba = make().fit(X[rows], y[rows]).predict_proba(X)
    assert proba.shape[1] == N_CLASSES, "the class without a label has no column"
    assert (proba[:, 1] == 0).all(), "the class without a label has a probability"
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-5), "probabilities do not sum to 1"


def check_one_class(make: Callable[[], Learner], data: Data) -> None:
    X, y = data
    rows = np.flatnonzero(y == 2)
    proba = make().fit(X[rows], y[rows]).predict_proba(X)
    assert np.array_equal(proba, np.tile([0.0, 0.0, 1.0], (len(y), 1))), "one class alone must have probability 1"


def check_one_label_each(make: Callable[[], Learner], data: Data) -> None:
    X, y = data
    proba = make().fit(X[:N_CLASSES], y[:N_CLASSES]).predict_proba(X)
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-5), "probabilities from one label a class do not sum to 1"


def check_input_untouched(make: Callable[[], Learner], data: Data) -> None:
    X, y = data
    before = _array(X).copy(), y.copy()
    make().fit(X, y).predict_proba(X)
    assert np.array_equal(_array(X), before[0]), "training changed the features"
    assert np.array_equal(y, before[1]), "training changed the labels"


def _array(X: Matrix) -> Any:  # Any: a numpy array of the matrix's type
    return X if isinstance(X, np.ndarray) else X.toarray()

"""The learner of the loop: any scikit-learn estimator, with weights, search, calibration and a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError, ShapeError, UnknownName
from querist.core.types import Codes, Matrix, Probabilities, Targets
from querist.models.calibration import METHODS, Calibrator, fit_calibration
from querist.models.fitting import raw_proba, train, warm_up
from querist.models.growing import grow, size_of
from querist.models.heads import Estimator, make_estimator
from querist.models.losses import loss_curves
from querist.models.tuning import Labeled, Unseen, search, unseen_probabilities
from querist.models.watching import OnLoss, watched

ClassWeight = Literal["balanced"] | Mapping[int, float] | None


@dataclass(frozen=True)
class Report:
    """What training did; `calibrated_on` is None where probabilities are the estimator's own."""

    params: Mapping[str, Any]
    n_labels: int
    n_classes_seen: int
    warm: bool = False
    calibration: str = "none"
    calibrated_on: Literal["validation", "cross-validation"] | None = None
    n_calibration: int = 0
    search: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


class ScikitLearner:
    """Class codes in, probabilities over all `n_classes` out; classes that no label shows get probability 0.

    `head` is a name or import path and `params` its hyper-parameters. The same input gives the same output.
    """

    def __init__(
        self,
        head: str,
        params: Mapping[str, Any],
        n_classes: int,
        *,
        class_weight: ClassWeight = None,
        calibration: str = "temperature",
        calibrate_on: Literal["auto", "validation", "cross-validation"] = "auto",
        search: Mapping[str, list[Any]] | None = None,
        seed: int = 0,
    ) -> None:
        self.head = head
        self.params = dict(params)
        self.n_classes = n_classes
        self.class_weight = class_weight
        self.calibration = calibration
        self.calibrate_on = calibrate_on
        self.search = dict(search or {})
        self.seed = seed
        self.n_features = 0
        self.seen: Codes = np.empty(0, dtype=np.int64)
        self.estimator: Estimator | None = None
        self.calibrator: Calibrator | None = None
        self.on_loss: OnLoss | None = None
        self.report = Report(self.params, 0, 0)
        self._check()

    @property
    def classes_(self) -> Codes:
        return np.arange(self.n_classes)

    def fit(
        self,
        X: Matrix,
        y: Targets,
        *,
        sample_weight: NDArray[np.float64] | None = None,
        validation: tuple[Matrix, Targets] | None = None,
        warm_from: ScikitLearner | None = None,
    ) -> Self:
        """Trains on X (n, n_features), y (n,); validation rows with code -1 do not count.

        `warm_from` gives the start weights where both are linear and know the same classes and features.
        """
        y = self._checked(X, y)
        self.n_features, self.seen = X.shape[1], np.unique(y)
        self.estimator = self.calibrator = None
        if len(self.seen) == 1:
            self.report = Report(self.params, len(y), 1, notes=("only one class is labeled; it gets probability 1",))
            return self
        codes = np.searchsorted(self.seen, y)
        training = Labeled(X, codes, self._weights(codes, sample_weight))
        held = self._known(validation)
        notes = []
        if self.search and held is None:
            notes.append("no search: the validation split has no label of a known class")
        params, tried = search(self.search, self.params, self._fresh, training, held)
        estimator = self._fresh(params)
        warm = warm_from is not None and self._same_shape(warm_from) and warm_up(estimator, warm_from.estimator)
        if warm_from is not None and not warm:
            notes.append("no warm start: the learner cannot, or its classes or features changed; trained in full")
        if self.on_loss is not None and (size := size_of(estimator)) is not None:
            self.estimator = grow(estimator, size, training, self.on_loss)
        else:
            with watched(estimator, self.on_loss):
                self.estimator = train(estimator, *training)
        unseen = self._calibrate(params, training, held)
        if isinstance(unseen, str):
            notes.append(unseen)
        self.report = Report(
            params=params,
            n_labels=len(y),
            n_classes_seen=len(self.seen),
            warm=warm,
            calibration=self.calibration if self.calibrator else "none",
            calibrated_on=unseen.source if isinstance(unseen, Unseen) else None,
            n_calibration=len(unseen.y) if isinstance(unseen, Unseen) else 0,
            search=tuple(tried),
            notes=tuple(notes),
        )
        return self

    def predict_proba(self, X: Matrix) -> Probabilities:
        """(n_items, n_classes) float64."""
        if len(self.seen) == 0:
            raise ShapeError("the learner has not been trained; call fit first")
        if X.shape[1] != self.n_features:
            raise ShapeError(f"the learner was trained on {self.n_features} features, got {X.shape[1]}")
        proba = np.zeros((X.shape[0], self.n_classes))
        if self.estimator is None:
            proba[:, self.seen] = 1.0
            return proba
        known = raw_proba(self.estimator, X, len(self.seen))
        proba[:, self.seen] = self.calibrator.apply(known) if self.calibrator else known
        return proba

    def predict(self, X: Matrix) -> Targets:
        codes: Codes = self.predict_proba(X).argmax(axis=1)
        return codes

    def loss_curves(
        self, X: Matrix, y: Targets, *, validation: tuple[Matrix, Targets] | None = None
    ) -> dict[str, list[float]]:
        """The loss after each iteration of the training that is over, as in `losses.loss_curves`."""
        if self.estimator is None:
            return {}
        return loss_curves(self.estimator, Labeled(X, np.searchsorted(self.seen, y)), self._known(validation))

    def _check(self) -> None:
        """Unknown names are refused here, before anything is labeled or computed."""
        if self.calibration not in (*METHODS, "none"):
            raise UnknownName("calibration", self.calibration, (*METHODS, "none"))
        for name, values in self.search.items():
            if not values:
                raise SettingError(f"learner.search.{name} is empty; list the values to try or remove it")
        self._fresh({**self.params, **{name: values[0] for name, values in self.search.items()}})

    def _fresh(self, params: Mapping[str, Any]) -> Estimator:
        return make_estimator(self.head, params, seed=self.seed)

    def _calibrate(self, params: Mapping[str, Any], training: Labeled, held: Labeled | None) -> Unseen | str | None:
        if self.calibration == "none":
            return None
        unseen = unseen_probabilities(
            self.calibrate_on, self.estimator, lambda: self._fresh(params), training, held, seed=self.seed
        )
        if isinstance(unseen, Unseen):
            self.calibrator = fit_calibration(self.calibration, unseen.proba, unseen.y)
        return unseen

    def _checked(self, X: Matrix, y: Codes) -> Codes:
        y = np.asarray(y, dtype=np.int64)
        if y.ndim != 1 or len(y) != X.shape[0]:
            raise ShapeError(f"{X.shape[0]} rows of features need as many class codes, got {y.shape}")
        if len(y) == 0:
            raise ShapeError("there is no label to train on")
        if y.min() < 0 or y.max() >= self.n_classes:
            raise ShapeError(f"class codes must lie in 0..{self.n_classes - 1}, got {y.min()}..{y.max()}")
        return y

    def _weights(self, codes: Codes, given: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        """Class weights become sample weights, so that they work the same for every estimator that takes any."""
        if self.class_weight is None:
            return given
        counts = np.bincount(codes)
        by_class = len(codes) / (len(counts) * counts)
        if not isinstance(self.class_weight, str):
            by_class = np.array([float(self.class_weight.get(int(c), 1.0)) for c in self.seen])
        weights: NDArray[np.float64] = by_class[codes]
        return weights if given is None else weights * given

    def _known(self, validation: tuple[Matrix, Codes] | None) -> Labeled | None:
        """The validation items with a label that training has seen; no others can tell how sure the model may be."""
        if validation is None:
            return None
        X, y = validation
        known = np.flatnonzero(np.isin(y, self.seen))
        return Labeled(X[known], np.searchsorted(self.seen, y[known])) if len(known) else None

    def _same_shape(self, other: ScikitLearner) -> bool:
        return (
            other.estimator is not None
            and other.head == self.head
            and other.n_features == self.n_features
            and np.array_equal(other.seen, self.seen)
        )

"""A learner for items with several labels: for each class one that tells whether an item has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.core.label_sets import Members, predicted
from querist.core.types import Matrix, Probabilities, Targets
from querist.models.learner import Report, ScikitLearner

HAS = 1
"""The class of an item that has the label, of the two that each of the learners knows."""


class OneVsRest(ScikitLearner):
    """Which classes items have in, a probability in 0..1 of each class out; made like a ScikitLearner.

    Each class has weights, a search and a calibration of its own. A class that all labeled items have, or none, gets
    the share that Laplace's rule of succession expects, (n_with + 1) / (n + 2), until there is something to learn.
    """

    members: tuple[ScikitLearner, ...] = ()
    constant: tuple[float | None, ...] = ()

    def fit(
        self,
        X: Matrix,
        y: Targets,
        *,
        sample_weight: NDArray[np.float64] | None = None,
        validation: tuple[Matrix, Targets] | None = None,
        warm_from: ScikitLearner | None = None,
    ) -> Self:
        """Trains on X (n, n_features), y (n, n_classes) bool."""
        has = self._table(X, y)
        self.n_features, self.seen = X.shape[1], np.flatnonzero(has.any(axis=0))
        before: tuple[ScikitLearner | None, ...] = (None,) * self.n_classes
        if isinstance(warm_from, OneVsRest) and len(warm_from.members) == self.n_classes:
            before = warm_from.members
        held = None if validation is None else (validation[0], np.asarray(validation[1], dtype=np.int64))
        self.members = tuple(
            self._alone(code).fit(
                X,
                has[:, code].astype(np.int64),
                sample_weight=sample_weight,
                validation=None if held is None else (held[0], held[1][:, code]),
                warm_from=None if (old := before[code]) is None or old.estimator is None else old,
            )
            for code in range(self.n_classes)
        )
        self.constant = tuple(
            (float(has[:, code].sum()) + 1) / (len(has) + 2) if one.estimator is None else None
            for code, one in enumerate(self.members)
        )
        self.report = self._report(len(has))
        return self

    def predict_proba(self, X: Matrix) -> Probabilities:
        """(n_items, n_classes) float64 in 0..1; rows do not sum to 1."""
        if not self.members:
            raise ShapeError("the learner has not been trained; call fit first")
        proba = np.empty((X.shape[0], self.n_classes))
        for code, (one, share) in enumerate(zip(self.members, self.constant, strict=True)):
            proba[:, code] = one.predict_proba(X)[:, HAS] if share is None else share
        return proba

    def predict(self, X: Matrix) -> Members:
        """(n_items, n_classes) bool, the labels that are likelier than not."""
        return predicted(self.predict_proba(X))

    def loss_curves(
        self, X: Matrix, y: Targets, *, validation: tuple[Matrix, Targets] | None = None
    ) -> dict[str, list[float]]:
        """None: there would be one for each class."""
        return {}

    def _alone(self, code: int) -> ScikitLearner:
        weight = self.class_weight
        if isinstance(weight, Mapping):
            weight = {HAS: float(weight.get(code, 1.0))}
        return ScikitLearner(
            self.head,
            self.params,
            2,
            class_weight=weight,
            calibration=self.calibration,
            calibrate_on=self.calibrate_on,
            search=self.search,
            seed=self.seed,
        )

    def _table(self, X: Matrix, y: Targets) -> Members:
        has = np.asarray(y, dtype=bool)
        if has.shape != (X.shape[0], self.n_classes):
            raise ShapeError(f"labels must have shape {(X.shape[0], self.n_classes)}, got {has.shape}")
        if len(has) == 0:
            raise ShapeError("there is no label to train on")
        return has

    def _report(self, n_labels: int) -> Report:
        """What the trainings of all classes did, together."""
        trained = [one.report for one in self.members if one.estimator is not None]
        found = {report.calibrated_on for report in trained} - {None}
        left = self.n_classes - len(trained)
        notes = [f"{left} of {self.n_classes} classes are the same for all labeled items"] if left else []
        return Report(
            params=self.params,
            n_labels=n_labels,
            n_classes_seen=len(self.seen),
            warm=bool(trained) and all(report.warm for report in trained),
            calibration=self.calibration if found else "none",
            calibrated_on=next(iter(sorted(found, key=str))) if found else None,
            n_calibration=max((report.n_calibration for report in trained), default=0),
            search=tuple(attempt for report in trained for attempt in report.search),
            notes=(*notes, *dict.fromkeys(note for report in trained for note in report.notes)),
        )

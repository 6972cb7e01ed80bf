"""Learners as bytes: skops with an allow-list, never pickle."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from querist.core.errors import DataError, SettingError
from querist.models import calibration
from querist.models.learner import Report, ScikitLearner
from querist.models.one_vs_rest import OneVsRest
from querist.models.settle import settle

FORMAT = 1
TRUSTED = (
    "scipy.sparse._csr.csr_array",
    "scipy.sparse._csr.csr_matrix",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.metrics._dist_metrics.ChebyshevDistance64",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._dist_metrics.ManhattanDistance64",
    "sklearn.metrics._dist_metrics.MinkowskiDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
)
"""What scikit-learn's classifiers hold besides the types that skops itself trusts."""


def dump(learner: ScikitLearner) -> bytes:
    """The fitted learner; the same model gives the same bytes."""
    import skops.io

    estimator: Any = learner.estimator
    meta = _described(learner)
    if isinstance(learner, OneVsRest):
        meta |= {"constant": learner.constant, "members": [_described(one) for one in learner.members]}
        estimator = [one.estimator for one in learner.members]
    return settle(skops.io.dumps({"meta": json.dumps(meta), "estimator": estimator}))


def _described(learner: ScikitLearner) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "head": learner.head,
        "params": learner.params,
        "n_classes": learner.n_classes,
        "class_weight": _weights_to_json(learner.class_weight),
        "calibration": learner.calibration,
        "calibrate_on": learner.calibrate_on,
        "search": learner.search,
        "seed": learner.seed,
        "n_features": learner.n_features,
        "seen": learner.seen.tolist(),
        "calibrator": None if learner.calibrator is None else calibration.state_of(learner.calibrator),
        "report": asdict(learner.report),
    }


def load(data: bytes, *, trusted: Sequence[str] = ()) -> ScikitLearner:
    """The learner behind the bytes of `dump`.

    Raises SettingError when they hold types that are neither built in nor in `trusted`, DataError when they are no
    learner of this version.
    """
    import skops.io

    try:
        allowed = {*TRUSTED, *trusted}
        strange = sorted(set(skops.io.get_untrusted_types(data=data)) - allowed)
        if strange:
            raise SettingError(
                f"the stored model holds types that are not trusted: {', '.join(strange)}. If you know them to be "
                f"safe, set learner.trusted_types = {json.dumps(strange)}"
            )
        stored = skops.io.loads(data, trusted=sorted(allowed))
        meta = json.loads(stored["meta"])
        return _restored(meta, stored["estimator"])
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"{len(data)} bytes are no stored learner ({error}); train the model again") from error


def _restored(meta: Mapping[str, Any], estimator: Any) -> ScikitLearner:  # Any: a scikit-learn estimator or None
    if meta["format"] != FORMAT:
        raise DataError(f"the stored learner has format {meta['format']}, this version reads {FORMAT}; train it again")
    learner = (OneVsRest if "members" in meta else ScikitLearner)(
        meta["head"],
        meta["params"],
        meta["n_classes"],
        class_weight=_weights_from_json(meta["class_weight"]),
        calibration=meta["calibration"],
        calibrate_on=meta["calibrate_on"],
        search=meta["search"],
        seed=meta["seed"],
    )
    learner.n_features = meta["n_features"]
    learner.seen = np.array(meta["seen"], dtype=np.int64)
    if isinstance(learner, OneVsRest):
        learner.constant = tuple(meta["constant"])
        learner.members = tuple(_restored(one, e) for one, e in zip(meta["members"], estimator, strict=True))
    else:
        learner.estimator = estimator
    learner.calibrator = None if meta["calibrator"] is None else calibration.restore(meta["calibrator"])
    report = meta["report"]
    learner.report = Report(**{**report, "search": tuple(report["search"]), "notes": tuple(report["notes"])})
    return learner


def _weights_to_json(weights: Any) -> Any:  # Any: None, "balanced" or a mapping of codes; JSON has no whole-number keys
    return weights if weights is None or isinstance(weights, str) else sorted(weights.items())


def _weights_from_json(stored: Any) -> Any:
    return dict(stored) if isinstance(stored, list) else stored

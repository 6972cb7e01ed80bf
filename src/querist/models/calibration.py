"""Calibration after training: maps from probabilities to probabilities, learned on labels the model has not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from querist.core.types import Codes, Probabilities

LEAST_PROBABILITY = 1e-6
"""Forests give exact zeros; no map could move those, and one of them would make a log loss infinite."""


class Calibrator(Protocol):
    def apply(self, proba: Probabilities) -> Probabilities: ...


@dataclass(frozen=True)
class Temperature:
    """p ** (1 / temperature), renormalised: above 1 less sure, below 1 surer, never another order of the classes.
    Guo et al., 2017."""

    temperature: float

    def apply(self, proba: Probabilities) -> Probabilities:
        return softmax(_log(proba) / self.temperature)


@dataclass(frozen=True)
class Platt:
    """sigmoid(slope * logit(p) + intercept) for each class against the rest, renormalised. Platt, 1999."""

    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]

    def apply(self, proba: Probabilities) -> Probabilities:
        return _normalise(_sigmoid(_logit(proba) * np.array(self.slopes) + np.array(self.intercepts)))


@dataclass(frozen=True)
class Isotonic:
    """A rising step-wise linear map for each class against the rest, renormalised. Zadrozny and Elkan, 2002."""

    inputs: tuple[tuple[float, ...], ...]
    outputs: tuple[tuple[float, ...], ...]

    def apply(self, proba: Probabilities) -> Probabilities:
        maps = zip(proba.T, self.inputs, self.outputs, strict=True)
        return _normalise(np.stack([np.interp(p, xs, ys) for p, xs, ys in maps], axis=1))


def fit_temperature(proba: Probabilities, y: Codes) -> Temperature:
    """The temperature that minimises the log loss of (n, n_classes) probabilities on codes y (n,)."""
    from scipy.optimize import minimize_scalar

    logs, rows = _log(proba), np.arange(len(y))

    def loss(log_temperature: float) -> float:
        truth = _log(softmax(logs / np.exp(log_temperature)), least=1e-300)[rows, y]
        # A weak prior around 1 keeps a handful of labels, all of them right, from promising certainty.
        return float(-truth.sum() + log_temperature**2 / 2)

    best = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    return Temperature(float(np.exp(best.x)))


def fit_platt(proba: Probabilities, y: Codes) -> Platt:
    """One logistic curve a class; targets are smoothed as Platt proposes. Classes without a label stay as they are."""
    fits = [_platt_curve(_logit(p), y == c) if (y == c).any() else (1.0, 0.0) for c, p in enumerate(proba.T)]
    return Platt(tuple(s for s, _ in fits), tuple(i for _, i in fits))


def fit_isotonic(proba: Probabilities, y: Codes) -> Isotonic:
    """One rising map a class; wants hundreds of labels. Classes without a label stay as they are."""
    from sklearn.isotonic import IsotonicRegression

    inputs: list[tuple[float, ...]] = []
    outputs: list[tuple[float, ...]] = []
    for c, p in enumerate(np.asarray(proba, dtype=np.float64).T):
        xs, ys = [0.0, 1.0], [0.0, 1.0]
        if (y == c).any():
            curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(p, y == c)
            xs, ys = curve.X_thresholds_.tolist(), curve.y_thresholds_.tolist()
        inputs.append(tuple(xs))
        outputs.append(tuple(ys))
    return Isotonic(tuple(inputs), tuple(outputs))


METHODS: dict[str, tuple[Any, Any]] = {  # Any: each fit gives its own kind
    "temperature": (fit_temperature, Temperature),
    "platt": (fit_platt, Platt),
    "isotonic": (fit_isotonic, Isotonic),
}


def fit_calibration(method: str, proba: Probabilities, y: Codes) -> Calibrator:
    calibrator: Calibrator = METHODS[method][0](proba, y)
    return calibrator


def state_of(calibrator: Calibrator) -> dict[str, Any]:
    """JSON values that `restore` turns back into the same map."""
    method = next(name for name, (_, kind) in METHODS.items() if isinstance(calibrator, kind))
    return {"method": method, **asdict(calibrator)}  # type: ignore[call-overload]  # every kind is a dataclass


def restore(state: Mapping[str, Any]) -> Calibrator:
    values = {name: _tuples(value) for name, value in state.items() if name != "method"}
    calibrator: Calibrator = METHODS[state["method"]][1](**values)
    return calibrator


def _platt_curve(logits: NDArray[np.float64], positive: NDArray[np.bool_]) -> tuple[float, float]:
    from scipy.optimize import minimize

    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))

    def loss(curve: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = curve[0] * logits + curve[1]
        off = _sigmoid(z) - target
        return float((np.logaddexp(0, z) - target * z).sum()), np.array([off @ logits, off.sum()])

    found = minimize(loss, x0=np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)])
    return float(found.x[0]), float(found.x[1])


def _log(proba: Probabilities, least: float = LEAST_PROBABILITY) -> NDArray[np.float64]:
    return np.log(np.clip(np.asarray(proba, dtype=np.float64), least, 1.0))


def _logit(proba: Probabilities) -> NDArray[np.float64]:
    p = np.clip(np.asarray(proba, dtype=np.float64), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    logits: NDArray[np.float64] = np.log(p) - np.log1p(-p)
    return logits


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    proba: NDArray[np.float64] = np.exp(-np.logaddexp(0, -z))
    return proba


def softmax(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n_items, n_classes) scores of any size -> probabilities."""
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    proba: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return proba


def _normalise(proba: NDArray[np.float64]) -> NDArray[np.float64]:
    kept = np.maximum(proba, LEAST_PROBABILITY)
    normal: NDArray[np.float64] = kept / kept.sum(axis=1, keepdims=True)
    return normal


def _tuples(value: Any) -> Any:  # Any: numbers and lists of lists, as JSON gives them
    return tuple(_tuples(v) for v in value) if isinstance(value, (list, tuple)) else value

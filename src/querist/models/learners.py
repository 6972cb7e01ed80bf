"""Learners by name: an encoder and a head that go well together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from querist import plugins
from querist.config.loop import LearnerSettings
from querist.core.errors import SettingError
from querist.models.encoders.make import kind_of

ENCODER_OF = {"text": "tfidf", "image": "pixels", "tabular": "table"}
LEARNER_OF = {"text": "tfidf-logistic", "image": "pixels-logistic", "tabular": "table-boosting"}


@dataclass(frozen=True)
class LearnerSpec:
    """Names and settings of the two halves of a learner, as the record keeps them."""

    encoder: str
    encoder_params: Mapping[str, Any] = field(default_factory=dict)
    head: str = "logistic"
    params: Mapping[str, Any] = field(default_factory=dict)


def tfidf_logistic() -> LearnerSpec:
    """TF-IDF of words and characters, logistic regression: the default for text."""
    return LearnerSpec("tfidf", head="logistic")


def tfidf_svm() -> LearnerSpec:
    """TF-IDF, linear support vector machine."""
    return LearnerSpec("tfidf", head="svm")


def tfidf_naive_bayes() -> LearnerSpec:
    """TF-IDF, naive Bayes: the quickest to train."""
    return LearnerSpec("tfidf", head="naive-bayes")


def hashing_logistic() -> LearnerSpec:
    """Hashed words, logistic regression: for pools that do not fit into memory."""
    return LearnerSpec("hashing", head="logistic")


def embeddings_logistic() -> LearnerSpec:
    """Sentence embeddings, logistic regression (extra embeddings)."""
    return LearnerSpec("sentence-embeddings", head="logistic")


def pixels_logistic() -> LearnerSpec:
    """Pixels, logistic regression: the default for images."""
    return LearnerSpec("pixels", head="logistic", params={"C": 1.0})


def pixels_forest() -> LearnerSpec:
    """Pixels, random forest."""
    return LearnerSpec("pixels", head="forest")


def table_boosting() -> LearnerSpec:
    """Scaled and one-hot columns, gradient boosting: the default for tables."""
    return LearnerSpec("table", head="boosting")


def table_forest() -> LearnerSpec:
    """Scaled and one-hot columns, random forest."""
    return LearnerSpec("table", head="forest")


def table_logistic() -> LearnerSpec:
    """Scaled and one-hot columns, logistic regression."""
    return LearnerSpec("table", head="logistic", params={"C": 1.0})


def resolve(settings: LearnerSettings, kind: str) -> LearnerSpec:
    """The encoder and head that `[learner]` asks for on items of this kind.

    Raises SettingError when the learner or encoder reads another kind of item, UnknownName when there is none.
    """
    spec = _named(settings.name, kind)
    encoder, own = (settings.encoder, {}) if settings.encoder else (spec.encoder, spec.encoder_params)
    reads = kind_of(encoder)
    if reads not in (None, kind):
        what = f"learner.encoder = {encoder!r}" if settings.encoder else f"learner.name = {settings.name!r}"
        raise SettingError(
            f"{what} reads {reads} items but data.kind is {kind!r}; "
            f'set learner.name = "auto" for {LEARNER_OF[kind]} or choose another'
        )
    return LearnerSpec(encoder, {**own, **settings.encoder_params}, spec.head, {**spec.params, **settings.params})


def _named(name: str, kind: str) -> LearnerSpec:
    if name == "auto":
        name = LEARNER_OF[kind]
    if ":" in name and name not in plugins.available("learners"):
        return LearnerSpec(ENCODER_OF[kind], head=name)
    spec = plugins.find("learners", name)()
    if not isinstance(spec, LearnerSpec):
        raise SettingError(f"learner {name!r} must give a LearnerSpec, got {type(spec).__name__}")
    return spec

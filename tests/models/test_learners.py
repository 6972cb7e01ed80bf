"""Learners by name, and how settings change them."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from querist import plugins
from querist.config.loop import LearnerSettings
from querist.core.errors import SettingError, UnknownName
from querist.models.encoders.make import kind_of
from querist.models.heads import make_estimator
from querist.models.learners import LearnerSpec, resolve


@pytest.mark.parametrize(
    ("kind", "encoder", "head"),
    [("text", "tfidf", "logistic"), ("image", "pixels", "logistic"), ("tabular", "table", "boosting")],
)
def test_auto_is_the_default_of_the_kind(kind: str, encoder: str, head: str) -> None:
    spec = resolve(LearnerSettings(), kind)
    assert (spec.encoder, spec.head) == (encoder, head)


@pytest.mark.parametrize("name", plugins.available("learners"))
def test_learner_of_the_table_resolves_for_its_kind_alone(name: str) -> None:
    own = kind_of(plugins.find("learners", name)().encoder)
    spec = resolve(LearnerSettings(name=name), str(own))
    make_estimator(spec.head, spec.params, seed=0)
    json.dumps(asdict(spec))
    for other in {"text", "image", "tabular"} - {own}:
        with pytest.raises(SettingError, match=rf"'{name}' reads {own} items but data.kind is '{other}'"):
            resolve(LearnerSettings(name=name), other)


def test_settings_win_over_those_of_the_name() -> None:
    settings = LearnerSettings(name="pixels-logistic", params={"C": 3.0}, encoder_params={"side": 8})
    assert resolve(settings, "image") == LearnerSpec("pixels", {"side": 8}, "logistic", {"C": 3.0})


def test_encoder_setting_takes_the_place_of_the_learner_s() -> None:
    assert resolve(LearnerSettings(name="tfidf-svm", encoder="hashing"), "text") == LearnerSpec(
        "hashing", {}, "svm", {}
    )
    with pytest.raises(SettingError, match=r"learner\.encoder = 'pixels' reads image items"):
        resolve(LearnerSettings(encoder="pixels"), "text")


def test_import_path_gets_the_encoder_of_the_kind() -> None:
    spec = resolve(LearnerSettings(name="sklearn.svm:SVC", params={"C": 2.0}), "tabular")
    assert spec == LearnerSpec("table", {}, "sklearn.svm:SVC", {"C": 2.0})


def test_unknown_learner_lists_what_there_is() -> None:
    with pytest.raises(UnknownName, match="tfidf-logistic"):
        resolve(LearnerSettings(name="tfidf-logisitc"), "text")


def test_estimator_is_seeded_where_it_draws_numbers() -> None:
    assert make_estimator("forest", {}, seed=3).random_state == 3
    assert make_estimator("forest", {"random_state": 5}, seed=3).random_state == 5
    assert "random_state" not in make_estimator("naive-bayes", {}, seed=3).get_params()

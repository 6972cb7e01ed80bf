from __future__ import annotations

import pytest

from querist.config.loop import RetrainingSettings
from querist.stages.retraining.policy import decide


def kind(when="batch", *, new_labels=10, has_model=True, losses=(), **settings):
    chosen = RetrainingSettings(when=when, **settings)
    decision = decide(chosen, new_labels=new_labels, has_model=has_model, validation_losses=list(losses))
    assert decision.reason
    return decision.kind


@pytest.mark.parametrize("when", ["batch", "labels", "plateau"])
def test_the_first_model_is_always_trained_in_full(when):
    assert kind(when, has_model=False, warm_start=True) == "full"


@pytest.mark.parametrize("when", ["batch", "labels", "plateau"])
def test_nothing_new_trains_nothing(when):
    assert kind(when, new_labels=0) == "none"


def test_after_each_batch_in_full_or_warm_as_set():
    assert kind("batch") == "full"
    assert kind("batch", warm_start=True) == "warm"


def test_labels_are_saved_up_until_there_are_enough():
    assert kind("labels", new_labels=499) == "none"
    assert kind("labels", new_labels=500) == "full"
    assert kind("labels", new_labels=500, warm_start=True) == "warm"


def test_warm_updates_go_on_while_the_loss_falls():
    assert kind("plateau", losses=[1.0, 0.9, 0.8]) == "warm"
    assert kind("plateau", losses=[1.0, 1.1, 0.8]) == "warm"


def test_a_plateau_calls_for_a_full_training():
    assert kind("plateau", losses=[1.0, 0.999, 1.1]) == "full"
    assert kind("plateau", losses=[1.0, 0.999, 1.1], min_improvement=0.0005) == "warm"
    assert kind("plateau", losses=[0.0, 0.0, 0.0]) == "full"


def test_patience_counts_the_models_without_improvement():
    assert kind("plateau", losses=[1.0, 1.0], patience=2) == "warm"
    assert kind("plateau", losses=[1.0, 1.0], patience=1) == "full"


def test_without_validation_labels_there_is_no_plateau_to_see():
    assert kind("plateau") == "full"

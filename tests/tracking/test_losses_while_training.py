"""A training can be followed in TensorBoard while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from querist.models.watching import watched
from querist.pipeline.project import Project
from querist.store.models import list_models

OPTIMIZER = "sklearn.neural_network._stochastic_optimizers.AdamOptimizer"
NETWORK = f'params = {{max_iter = 7, hidden_layer_sizes = [4]}}\ntrusted_types = ["{OPTIMIZER}"]'
PATIENCE = 60.0


def test_the_losses_so_far_can_be_read_before_the_training_ends(
    make_project: Callable[..., Project],
    reviews: Path,
    tmp_path: Path,
    read: Callable[[Path], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sklearn.neural_network import MLPClassifier

    seen: list[list[float]] = []
    go_on = MLPClassifier._update_no_improvement_count

    def wait_for_the_file(network: Any, *args: Any) -> None:
        """Called after each pass over the labels."""
        end = time.monotonic() + PATIENCE
        while len(network.loss_curve_) == 3 and len(seen) < 1 and time.monotonic() < end:
            files = list((tmp_path / "p").glob("runs/*/*/events*"))
            if files and "loss/train" in (found := read(files[0].parent)).Tags()["scalars"]:
                points = [point.value for point in found.Scalars("loss/train")]
                seen.extend([points] if len(points) == 3 else [])
            time.sleep(0.05)
        go_on(network, *args)

    monkeypatch.setattr(MLPClassifier, "_update_no_improvement_count", wait_for_the_file)
    live = '\n[tracking]\ntensorboard = "runs"\n'
    learner = "sklearn.neural_network:MLPClassifier"
    project = make_project(tmp_path / "p", reviews, rounds=0, learner=learner, params=NETWORK, more=live)
    with project.ledger.read() as tx:
        (model,) = list_models(tx)
    losses = model.report["losses"]["train"]
    assert len(losses) == 7
    assert seen == [pytest.approx(losses[:3])]
    (run,) = (tmp_path / "p" / "runs").iterdir()
    after = read(run / model.version).Scalars("loss/train")
    assert [point.step for point in after] == [1, 2, 3, 4, 5, 6, 7]
    assert [point.value for point in after] == pytest.approx(losses)


def test_every_loss_is_told_once_though_the_fit_is_over_at_once() -> None:
    class Quick:
        loss_curve_: list[float]

    estimator, told = Quick(), []
    with watched(estimator, lambda at, loss: told.append((at, loss))):
        estimator.loss_curve_ = [0.9, 0.5, 0.4]
    assert told == [(1, 0.9), (2, 0.5), (3, 0.4)]


def test_a_learner_without_iterations_tells_nothing_and_an_error_passes_through() -> None:
    told: list[float] = []
    with pytest.raises(ValueError, match="no labels"), watched(object(), lambda _, loss: told.append(loss)):
        raise ValueError("no labels")
    assert told == []


def test_a_folder_that_cannot_be_written_does_not_stop_the_training(
    make_project: Callable[..., Project], reviews: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("tensorboardX", reason="the extra tensorboard is not installed")
    (tmp_path / "a file").write_text("")
    live = f'\n[tracking]\ntensorboard = "{tmp_path / "a file"}"\n'
    learner = "sklearn.neural_network:MLPClassifier"
    project = make_project(tmp_path / "p", reviews, rounds=0, learner=learner, params=NETWORK, more=live)
    with project.ledger.read() as tx:
        assert len(list_models(tx)) == 1
    assert sum("cannot be written" in record.message for record in caplog.records) == 1

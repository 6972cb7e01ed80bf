"""A training can be followed in TensorBoard while it goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import ensemble

from querist.models.fitting import train
from querist.models.growing import grow, size_of
from querist.models.losses import staged_losses
from querist.models.tuning import Labeled
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


@pytest.mark.parametrize(
    ("name", "size", "params"),
    [
        ("HistGradientBoostingClassifier", "max_iter", {"max_iter": 7, "min_samples_leaf": 5, "max_features": 0.5}),
        ("GradientBoostingClassifier", "n_estimators", {"n_estimators": 12, "max_depth": 2, "subsample": 0.7}),
    ],
)
def test_boosting_tells_its_losses_part_by_part_and_grows_the_same_trees(
    name: str, size: str, params: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(2, size=60)
    at_once, in_parts = (getattr(ensemble, name)(random_state=3, **params) for _ in range(2))
    at_once.fit(X, y)
    told: list[tuple[int, float]] = []
    fitted_after: list[int] = []
    fit = in_parts.fit

    def counted(*args: Any, **more: Any) -> Any:
        fitted_after.append(len(told))
        return fit(*args, **more)

    in_parts.fit = counted
    assert size_of(in_parts) == size
    grow(in_parts, size, Labeled(X, y, None), lambda at, loss: told.append((at, loss)))
    assert told == list(enumerate(staged_losses(at_once, X, y), start=1))
    assert fitted_after[:3] == [0, 1, 2], "the first were told before the last stood"
    np.testing.assert_array_equal(in_parts.predict_proba(X), at_once.predict_proba(X))
    assert in_parts.get_params() == at_once.get_params()


@pytest.mark.parametrize(
    "params",
    [{}, {"max_features": 0.5}, {"scoring": "accuracy"}, {"validation_fraction": None, "tol": 0.1}],
    ids=["loss", "max_features", "accuracy", "training loss"],
)
def test_boosting_that_stops_early_stops_at_the_same_tree_in_parts_of_any_size(params: dict[str, Any]) -> None:
    rng = np.random.default_rng(1)
    X, w = rng.normal(size=(200, 4)), rng.uniform(0.5, 2, size=200)
    y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
    hist = ensemble.HistGradientBoostingClassifier
    early = {"early_stopping": True, "n_iter_no_change": 3, "min_samples_leaf": 5, "max_leaf_nodes": 4, **params}
    stop = int(train(hist(random_state=3, **early), X, y, w).n_iter_)
    assert 3 <= stop < 90
    for size in (10, 10 * stop, 10 * stop + 10):  # a tree at a time, its last the end of a part, and within a part
        at_once, in_parts = (hist(random_state=3, max_iter=size, **early) for _ in range(2))
        train(at_once, X, y, w)
        told: list[tuple[int, float]] = []
        grow(in_parts, "max_iter", Labeled(X, y, w), lambda at, loss, told=told: told.append((at, loss)))
        assert told == list(enumerate(staged_losses(at_once, X, y), start=1))
        assert in_parts.n_iter_ == at_once.n_iter_ == min(size, stop)
        np.testing.assert_array_equal(in_parts.predict_proba(X), at_once.predict_proba(X))


def test_boosting_that_forgets_and_learners_that_do_not_go_on_are_trained_at_once() -> None:
    from sklearn.linear_model import LogisticRegression

    assert size_of(ensemble.HistGradientBoostingClassifier(early_stopping=True)) == "max_iter"
    assert size_of(ensemble.GradientBoostingClassifier(n_iter_no_change=3)) is None
    for learner in (LogisticRegression(), ensemble.RandomForestClassifier(), ensemble.AdaBoostClassifier()):
        assert size_of(learner) is None

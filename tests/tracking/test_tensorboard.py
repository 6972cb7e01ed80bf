"""What TensorBoard reads is what the record says."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from querist.core.errors import MissingExtra
from querist.pipeline.project import Project
from querist.store.models import list_metrics, list_models
from querist.store.rounds import list_queries

Read = Callable[[Path], Any]


def only_run(folder: Path) -> Path:
    (run,) = folder.iterdir()
    return run


def test_every_metric_is_there_with_its_bounds(finished: Project, tmp_path: Path, read: Read) -> None:
    assert finished.track("tensorboard", tmp_path) == [0, 1, 2]
    found = read(only_run(tmp_path))
    with finished.ledger.read() as tx:
        metrics = list_metrics(tx)
    assert {m.round for m in metrics} == {0, 1, 2}
    for metric in metrics:
        name = f"metrics/{metric.name.replace(':', '.')}"
        for tag, value in ((name, metric.value), (f"{name}/low", metric.low), (f"{name}/high", metric.high)):
            by_round = (
                {point.step: point.value for point in found.Scalars(tag)} if tag in found.Tags()["scalars"] else {}
            )
            assert by_round.get(metric.round) == (None if value is None else pytest.approx(value))


def test_labels_hours_money_and_seconds_are_scalars(finished: Project, tmp_path: Path, read: Read) -> None:
    finished.track("tensorboard", tmp_path)
    found = read(only_run(tmp_path))

    def of(tag: str) -> list[float]:
        return [point.value for point in found.Scalars(tag)]

    assert of("spent/labels") == [20, 30, 40]
    assert of("spent/money") == [10, 15, 20]
    assert of("spent/hours") == pytest.approx([20 / 120, 30 / 120, 40 / 120])
    assert of("labels/known") == [20, 30, 40]
    assert of("labels/asked") == [20, 10, 10]
    with finished.ledger.read() as tx:
        losses = [model.validation_loss for model in list_models(tx)]
    assert of("metrics/validation_loss") == pytest.approx(losses)
    assert len(of("seconds/evaluation")) == 3
    assert len(of("seconds/retraining")) == 2


def test_the_scores_asked_are_a_histogram_for_each_round(finished: Project, tmp_path: Path, read: Read) -> None:
    finished.track("tensorboard", tmp_path)
    found = read(only_run(tmp_path))
    assert set(found.Tags()["histograms"]) == {"scores/score", "scores/entropy", "scores/margin"}
    for event in found.Histograms("scores/entropy"):
        with finished.ledger.read() as tx:
            parts = [query.parts["entropy"] for query in list_queries(tx, event.step)]
        drawn = event.histogram_value
        assert (drawn.num, sum(drawn.bucket)) == (10, 10)
        assert (drawn.min, drawn.max) == pytest.approx((min(parts), max(parts)))


def test_settings_come_once_and_no_text_holds_a_word_of_an_item(finished: Project, tmp_path: Path, read: Read) -> None:
    finished.track("tensorboard", tmp_path)
    found = read(only_run(tmp_path))

    def texts(tag: str) -> list[str]:
        return [event.tensor_proto.string_val[0].decode() for event in found.Tensors(f"{tag}/text_summary")]

    (settings,) = texts("settings")
    assert '"batch_size": 10' in settings
    assert "ledger.db" not in settings  # where things lie may hold a password
    assert [text.splitlines()[0].strip() for text in texts("round")][1:] == ["strategy uncertainty"] * 2
    assert "_hparams_/session_start_info" in found.summary_metadata
    with finished.ledger.read() as tx:
        words = {query.payload["text"] for query in list_queries(tx)}
    everything = "\n".join(path.read_bytes().decode(errors="replace") for path in only_run(tmp_path).iterdir())
    assert not [text for text in words if text in everything]


def test_writing_again_changes_nothing_and_a_lost_round_returns(finished: Project, tmp_path: Path, read: Read) -> None:
    finished.track("tensorboard", tmp_path)
    before = {path.name: path.read_bytes() for path in only_run(tmp_path).iterdir()}
    assert finished.track("tensorboard", tmp_path) == []
    (only_run(tmp_path) / "events.out.tfevents.0000000001.querist").unlink()
    assert finished.track("tensorboard", tmp_path) == [1]
    assert {path.name: path.read_bytes() for path in only_run(tmp_path).iterdir()} == before
    assert [point.step for point in read(only_run(tmp_path)).Scalars("metrics/accuracy")] == [0, 1, 2]


def test_queries_are_points_with_id_label_and_round(finished: Project, tmp_path: Path, read: Read) -> None:
    finished.track("tensorboard", tmp_path)
    run = only_run(tmp_path)
    rows = [line.split("\t") for line in (run / "queries_metadata.tsv").read_text().splitlines()]
    with finished.ledger.read() as tx:
        asked = list_queries(tx)
    assert rows[0] == ["item", "label", "round"]
    assert [(item, round) for item, _, round in rows[1:]] == [(q.item, str(q.round)) for q in asked]
    labels, names = finished.snapshot.labels("label", finished.classes())
    assert [label for _, label, _ in rows[1:]] == [names[labels[q.position]] for q in asked]
    points = (run / "queries.tsv").read_text().splitlines()
    assert len(points) == 40
    assert len({len(point.split("\t")) for point in points}) == 1
    assert 'tensor_path: "queries.tsv"' in (run / "projector_config.pbtxt").read_text()


def test_texts_are_written_only_when_asked_for(finished: Project, tmp_path: Path, read: Read) -> None:
    finished.track("tensorboard", tmp_path, with_text=True)
    rows = (only_run(tmp_path) / "queries_metadata.tsv").read_text().splitlines()
    with finished.ledger.read() as tx:
        first = list_queries(tx)[0]
    assert rows[0].split("\t") == ["item", "label", "round", "text"]
    assert rows[1].split("\t")[3] == first.payload["text"]


def test_a_neural_network_leaves_the_curve_of_each_model_version(
    make_project: Callable[..., Project], reviews: Path, tmp_path: Path, read: Read
) -> None:
    optimizer = "sklearn.neural_network._stochastic_optimizers.AdamOptimizer"
    params = f'params = {{max_iter = 7, hidden_layer_sizes = [4]}}\ntrusted_types = ["{optimizer}"]'
    learner = "sklearn.neural_network:MLPClassifier"
    project = make_project(tmp_path / "p", reviews, rounds=1, learner=learner, params=params)
    project.track("tensorboard", tmp_path / "tb")
    with project.ledger.read() as tx:
        models = list_models(tx)
    assert len(models) == 2
    for model in models:
        points = read(only_run(tmp_path / "tb") / model.version).Scalars("loss/train")
        assert [point.step for point in points] == [1, 2, 3, 4, 5, 6, 7]
        assert [point.value for point in points] == pytest.approx(model.report["losses"]["train"])


def test_a_learner_that_is_solved_in_one_go_leaves_none(finished: Project, tmp_path: Path, read: Read) -> None:
    finished.track("tensorboard", tmp_path)
    assert [path for path in only_run(tmp_path).iterdir() if path.is_dir()] == []


def test_a_project_without_a_round_writes_nothing(folder: Path, tmp_path: Path) -> None:
    assert Project(folder).track("tensorboard", tmp_path / "tb") == []
    assert not (tmp_path / "tb").exists()


def test_without_tensorboardx_it_says_what_to_install(
    finished: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(MissingExtra, match=re.escape("querist[tensorboard]")):
        finished.track("tensorboard", tmp_path)

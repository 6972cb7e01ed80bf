"""What the record says of the newest model in detail."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from querist.config.loop import ObjectiveSettings
from querist.core.errors import SettingError, SnapshotCorrupt
from querist.core.proportion import wilson
from querist.core.selection import stream
from querist.pipeline.doctor import check_settings
from querist.pipeline.evaluation.quality import of_groups, predictions, quality
from querist.pipeline.project import Project
from querist.pipeline.reporting.model_card import model_card
from querist.stages.evaluation.intervals import bootstrap
from querist.stages.evaluation.significance import mcnemar
from querist.stages.evaluation.step import Evaluation, without_interval
from querist.store.analyses import list_analyses
from querist.store.models import Metric, list_metrics

PARTS = {
    "round",
    "model_version",
    "n",
    "n_groups",
    "metrics",
    "per_class",
    "slices",
    "slices_left_out",
    "confusion",
    "calibration",
    "coverage",
    "against_first",
}


@pytest.fixture
def project(folder: Path, make_reviews: Callable[..., Path], tmp_path: Path, clock: Callable[[], datetime]) -> Project:
    opened = Project(folder, clock=clock)
    opened.ingest(make_reviews(tmp_path / "reviews.csv", 700))
    return opened


def change(project: Project, old: str, new: str) -> Project:
    path = project.folder / "querist.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return Project(project.folder, clock=project.clock)


def test_a_project_without_a_round_has_no_quality_yet(folder: Path, project: Project) -> None:
    assert quality(project) is None
    assert predictions(project) is None


def test_quality_is_the_newest_model_on_the_holdout_in_plain_json(project: Project) -> None:
    project.run(rounds=2, oracle="label")
    found = quality(project)
    assert found is not None
    assert set(found) == PARTS
    json.dumps(found, allow_nan=False)
    assert found["round"] == 2
    with project.ledger.read() as tx:
        metrics = {m.name: m for m in list_metrics(tx, 2)}
    assert [m["name"] for m in found["metrics"]] == ["accuracy", "macro_f1", "log_loss", "brier"]
    for row in found["metrics"]:
        recorded = metrics[row["name"]]
        assert (row["value"], row["low"], row["high"]) == (recorded.value, recorded.low, recorded.high)
    counts = np.array(found["confusion"]["counts"])
    assert counts.sum() == found["n"] == sum(b["n"] for b in found["calibration"]["bins"])
    assert np.trace(counts) / counts.sum() == pytest.approx(metrics["accuracy"].value)
    assert found["coverage"][-1]["accuracy"] == pytest.approx(metrics["accuracy"].value)
    for row in found["per_class"]:
        assert row["f1"] == pytest.approx(metrics[f"f1:{row['class']}"].value)
        assert row["recall_low"] <= row["recall"] <= row["recall_high"]
    assert sum(row["n"] for row in found["slices"]) == found["n"]
    assert {row["column"] for row in found["slices"]} == {"product"}


def test_asked_twice_it_says_the_same(project: Project) -> None:
    project.run(rounds=1, oracle="label")
    assert quality(project) == quality(project)


def test_the_newest_model_is_compared_with_the_first_on_the_items_that_both_saw(project: Project) -> None:
    project.run(rounds=0, oracle="label")
    first = quality(project)
    assert first is not None
    assert first["against_first"] is None
    project.run(rounds=2, oracle="label")
    before, after, found = predictions(project, 0), predictions(project), quality(project)
    assert before is not None
    assert after is not None
    assert found is not None
    then, now = (p.proba.argmax(axis=1) == p.codes for p in (before, after))
    against = found["against_first"]
    assert (against["better"], against["worse"]) == ((now & ~then).sum(), (then & ~now).sum())
    assert against["round"] == 0
    assert f"{against['better']} holdout items right and {against['worse']} wrong" in against["sentence"]
    assert "independent" in against["sentence"]


def test_two_models_that_are_equally_good_differ_seldom_on_items_in_groups() -> None:
    groups, alarms, plain = np.repeat(np.arange(60), 4), 0, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        one, two = (np.repeat(rng.random(60) < 0.8, 4) for _ in range(2))
        alarms += of_groups(one, two, groups, rng).p < 0.05
        plain += mcnemar(one, two).p < 0.05
    assert alarms / 200 < 0.05 + 0.045  # three standard errors of 200 trials
    assert plain / 200 > 0.2  # copies taken for evidence


def test_of_groups_of_one_item_the_test_is_that_of_mcnemar() -> None:
    one, two = (np.random.default_rng(seed).random(60) < 0.7 for seed in (0, 5))
    found = of_groups(one, two, np.arange(60), np.random.default_rng(0))
    assert found.p == pytest.approx(mcnemar(one, two).p, abs=0.05)
    assert found.pairs == 60


def test_each_round_keeps_the_predictions_of_its_model(project: Project) -> None:
    project.run(rounds=2, oracle="label")
    kept = [predictions(project, number) for number in range(3)]
    assert [p.round for p in kept if p] == [0, 1, 2]
    assert len({p.model_version for p in kept if p}) == 3
    newest = predictions(project)
    assert newest is not None
    assert newest.round == 2
    assert newest.classes == project.classes()
    assert newest.proba.shape == (len(newest.positions), 2)
    assert newest.groups is None
    codes, _ = project.snapshot.labels("label", newest.classes)
    np.testing.assert_array_equal(newest.codes, codes[newest.positions])
    assert predictions(project, 7) is None
    earlier = quality(project, 1)
    assert earlier is not None
    assert (earlier["round"], earlier["model_version"]) == (1, kept[1].model_version if kept[1] else "")
    with project.ledger.read() as tx:
        accuracy = next(m for m in list_metrics(tx, 1) if m.name == "accuracy")
    assert earlier["metrics"][0] == {"name": "accuracy", **{k: getattr(accuracy, k) for k in ("value", "low", "high")}}
    assert quality(project, 7) is None


def test_predictions_are_no_part_of_the_digest_and_lost_ones_are_named(project: Project) -> None:
    project.run(rounds=0, oracle="label")
    digest = project.digest()
    with project.ledger.read() as tx:
        name = list_analyses(tx, "evaluation")[0].result["predictions"]
    next((project.folder / ".querist" / "artifacts").rglob(name[2:])).unlink()
    assert project.digest() == digest
    with pytest.raises(SnapshotCorrupt, match=name):
        quality(project)


def test_killed_between_keep_and_write_an_evaluation_is_recorded_once(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Evaluation.write

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Evaluation, "write", killed)
    with pytest.raises(KeyboardInterrupt):
        project.run(rounds=0, oracle="label")
    assert quality(project) is None
    monkeypatch.setattr(Evaluation, "write", write)
    project.run(rounds=0, oracle="label")
    with project.ledger.read() as tx:
        assert [a.round for a in list_analyses(tx, "evaluation")] == [0]
    assert quality(project) is not None


def test_a_holdout_without_labels_keeps_nothing(folder: Path, tmp_path: Path, clock: Callable[[], datetime]) -> None:
    rows = [
        (f"r{i}", f"word{i % 9} text {i}", "pos" if i % 2 else "neg", "pool" if i % 5 else "test") for i in range(90)
    ]
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "part", "product"])
        writer.writerows((i, t, label if part == "pool" else "", part, "p") for i, t, label, part in rows)
    project = change(Project(folder, clock=clock), 'label = "label"', 'label = "label"\nsplit = "part"')
    project.ingest(tmp_path / "rows.csv")
    project.run(rounds=0, oracle="label")
    assert quality(project) is None


def test_items_in_groups_widen_the_intervals_of_the_loop_and_of_quality(
    folder: Path, make_reviews: Callable[..., Path], tmp_path: Path, clock: Callable[[], datetime]
) -> None:
    """Each review four times: as evidence no more than once."""
    with make_reviews(tmp_path / "once.csv", 400).open(newline="") as file:
        head, *rows = list(csv.reader(file))
    path = tmp_path / "four.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows([f"{id}-{copy}", *rest] for id, *rest in rows for copy in range(4))
    project = change(Project(folder, clock=clock), 'label = "label"', 'label = "label"\ndeduplicate = false')
    project.ingest(path)
    project.run(rounds=0, oracle="label")
    kept, found = predictions(project), quality(project)
    assert kept is not None
    assert kept.groups is not None
    assert found is not None
    assert found["n"] == 4 * found["n_groups"]
    value, low, high = (found["metrics"][0][name] for name in ("value", "low", "high"))
    for rows in (found["calibration"]["bins"], found["coverage"]):
        last = rows[-1]
        n = last.get("n", found["n"])
        low, high = (last.get(f"accuracy_{end}", last.get(end)) for end in ("low", "high"))
        assert high - low > 1.5 * np.subtract(*wilson(last["accuracy"], n)[::-1])
    row = max(model_card(project)["per_class"], key=lambda row: row["n"])
    assert row["recall"]["high"] - row["recall"]["low"] > 1.5 * np.subtract(
        *wilson(row["recall"]["value"], row["n"])[::-1]
    )
    as_items = 1.96 * np.sqrt(value * (1 - value) / found["n"])
    assert (high - low) / 2 > 1.6 * as_items  # twice as wide, but for the noise of a hundred resamples


def test_a_round_that_trains_no_model_is_measured_at_the_labels_of_its_model(project: Project) -> None:
    project = change(project, "[learner]", '[retraining]\nwhen = "labels"\nmin_labels = 1000\n\n[learner]')
    project.run(rounds=2, oracle="label")
    with project.ledger.read() as tx:
        counted = [list_metrics(tx, number)[0].n_labels for number in range(3)]
    assert counted == [20, 20, 20]
    assert project.status()["rounds"][-1]["labels"] == 40


def test_a_goal_that_this_holdout_cannot_show_is_warned_of() -> None:
    goal = ObjectiveSettings(metric="roc_auc", goal=0.9)
    known = Metric(0, "roc_auc", "m", 1.0, 0.9, 1.0, 14, 20)
    unknown = replace(known, low=None, high=None)
    (said,) = without_interval(goal, [unknown])
    assert said.startswith("roc_auc has no interval on this holdout of 14 items, so its goal cannot be met yet")
    assert without_interval(goal, [known]) == without_interval(goal, []) == []
    assert without_interval(ObjectiveSettings(metric="roc_auc"), [unknown]) == []


def test_slices_may_be_named_and_do_not_change_what_the_loop_does(project: Project) -> None:
    before = project.settings_key
    project = change(project, "resamples = 100", 'resamples = 100\nslices = ["product"]')
    check_settings(project.settings)
    assert project.settings_key == before
    with pytest.raises(SettingError, match=r"evaluation\.slices 'products'.*Did you mean 'product'"):
        check_settings(change(project, 'slices = ["product"]', 'slices = ["products"]').settings)


def test_a_holdout_drawn_class_by_class_is_resampled_so_by_the_loop_and_by_quality(project: Project) -> None:
    project = change(project, "resamples = 100", "resamples = 100\nstratified = true")
    project.run(rounds=0, oracle="label")
    kept, found = predictions(project), quality(project)
    assert kept is not None
    assert found is not None
    settings = project.settings
    _, low, high = bootstrap(
        "accuracy",
        kept.codes,
        kept.proba,
        kept.classes,
        confidence=settings.evaluation.confidence,
        resamples=100,
        rng=stream(settings.project.seed, 0, Evaluation.NAME),
        stratified=True,
    )
    assert (found["metrics"][0]["low"], found["metrics"][0]["high"]) == (low, high)


def test_a_hostile_context_value_is_carried_as_text(
    folder: Path, make_reviews: Callable[..., Path], tmp_path: Path, clock: Callable[[], datetime]
) -> None:
    path = make_reviews(tmp_path / "reviews.csv", 400)
    path.write_text(re.sub(",p[0-4]\r?\n", ',"<script>alert(1)</script>"\n', path.read_text()))
    project = Project(folder, clock=clock)
    project.ingest(path)
    project.run(rounds=0, oracle="label")
    found = quality(project)
    assert found is not None
    assert [row["value"] for row in found["slices"]] == ["<script>alert(1)</script>", "(others)"]

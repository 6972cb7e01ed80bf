"""Drift that really happened: detected, asked about, learned, recovered from."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from querist.pipeline.monitoring.check import check
from querist.pipeline.monitoring.drift_status import estimates_checked
from querist.pipeline.monitoring.references import find_model, reference_of
from querist.pipeline.monitoring.traffic import RawItems
from querist.pipeline.project import Project
from querist.stages.monitoring.logs import PredictionLog

pytestmark = pytest.mark.long

Row = dict[str, str]
MAIL = """
[objective]
metric = "accuracy"
[data]
id = "id"
text = ["subject", "text"]
context = ["truth"]
classes = ["ham", "spam"]
[splits]
validation = 0.2
test = 0.2
[seed_set]
size = 60
draw = "random"
[query]
batch_size = 60
[learner]
name = "tfidf-logistic"
[learner.encoder_params]
chars = []
[monitoring]
window = {window}
log = "log"
[evaluation]
resamples = 100
"""
PRICES = """
[objective]
metric = "accuracy"
[data]
kind = "tabular"
id = "t"
numeric = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
label = "class"
[seed_set]
size = 100
draw = "random"
[query]
batch_size = 100
[monitoring]
window = 672
consecutive = true
tests = ["kl_classes", "kl_entropy", "mmd", "columns"]
[evaluation]
resamples = 100
"""


@dataclass
class Play:
    """Accuracy by window of the first model and of the loop's, and the windows at which an alarm was raised."""

    frozen: list[float] = field(default_factory=list)
    loop: list[float] = field(default_factory=list)
    alarms: list[int] = field(default_factory=list)
    over: int = 0


def write(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def windows(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows) - size + 1, size):
        yield rows[start : start + size]


@pytest.fixture
def mail(data_folder: Path) -> list[Row]:
    with gzip.open(data_folder / "drift-spam-mail" / "mail.csv.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if "2002-01" <= row["date"][:7] <= "2002-12"]
    return [{"id": r["id"], "subject": r["subject"], "text": r["text"], "truth": r["label"]} for r in rows]


def start(folder: Path, settings: str, rows: Sequence[Row], oracle: str) -> Project:
    folder.mkdir()
    (folder / "querist.toml").write_text(settings, encoding="utf-8")
    project = Project(folder)
    project.ingest(write(folder / "first.csv", rows))
    project.run(rounds=3, oracle=oracle)
    return project


def serve(project: Project, reader: RawItems, log: PredictionLog, rows: Sequence[Row], now: datetime) -> np.ndarray:
    """(n,) predicted codes, logged as a served model would."""
    file = write(project.folder / "window.csv", rows)
    items = reader.cleaned([item for _, item in reader.items(file) if item is not None])
    proba, embeddings = reader.predict(items)
    log.add(
        at=now,
        version=find_model(project).version,
        request_ids=[row["id"] for row in rows],
        classes=["ham", "spam"],
        proba=proba,
        embeddings=embeddings,
        n_chars=[len(text) for text in items["text"]],
        unseen=reference_of(project).unseen(items["text"]),
        items=[json.dumps({"text": text}) for text in items["text"]],
    )
    log.flush()
    return np.asarray(proba.argmax(axis=1))


def answer(project: Project, round: int, truth: dict[str, str]) -> None:
    """People label the round's items, and the loop goes on."""
    project.export_labels(batch := project.folder / "batch.csv")
    with batch.open(encoding="utf-8") as file:
        ids = [row["id"] for row in csv.DictReader(file)]
    project.import_labels(write(batch, [{"id": id, "label": truth[id]} for id in ids]))
    project.run(rounds=round, oracle="truth")


def test_mail_that_turns_from_spam_to_lists_is_noticed_asked_about_and_learned(tmp_path: Path, mail: list[Row]) -> None:
    project = start(tmp_path / "mail", MAIL.format(window=150), mail[:600], "truth")
    truth = {row["id"]: row["truth"] for row in mail}
    log, play, now = PredictionLog(project.folder / "log"), Play(), datetime(2026, 1, 1, tzinfo=UTC)
    first = RawItems(project, find_model(project))
    reader = first
    for number, part in enumerate(windows(mail[600:2250], 150)):
        y = np.array([row["truth"] == "spam" for row in part])
        now += timedelta(hours=1)
        play.loop.append(float((serve(project, reader, log, part, now) == y).mean()))
        items = first.cleaned([item for _, item in first.items(project.folder / "window.csv") if item is not None])
        play.frozen.append(float((first.predict(items)[0].argmax(axis=1) == y).mean()))
        found = check(project)
        if found["round"] and found["round"]["opened"]:
            play.alarms.append(number)
            answer(project, found["round"]["round"], truth)
            reader = RawItems(project, find_model(project))
    log.close()
    assert play.alarms[0] == 1, "two windows, as patience asks for"
    assert len(play.alarms) <= 4
    assert np.mean(play.frozen[6:]) < 0.5
    assert np.mean(play.loop[6:]) > 0.9
    assert estimates_checked(project)[0]["accuracy"] < estimates_checked(project)[0]["estimated"]


def test_a_market_that_changes_is_noticed_in_the_window_where_it_does(tmp_path: Path, data_folder: Path) -> None:
    with gzip.open(data_folder / "drift-electricity" / "elec.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    project = start(tmp_path / "prices", PRICES, rows[:12_000], "label")
    play, first = Play(), RawItems(project, find_model(project))
    reader = first
    for number, part in enumerate(windows(rows[12_000:22_080], 672)):
        file = write(project.folder / "window.csv", part)
        y = np.array([int(row["class"]) for row in part])
        items = first.cleaned([item for _, item in first.items(file) if item is not None])
        for one, said in ((first, play.frozen), (reader, play.loop)):
            said.append(float((one.predict(items)[0].argmax(axis=1) == y).mean()))
        found = check(project, data=file, oracle="label")
        if found["round"] and found["round"]["opened"]:
            play.alarms.append(number)
            reader = RawItems(project, find_model(project))
    changed = (17_424 - 12_000) // 672  # where prices of the neighbour become known
    assert play.alarms[0] == changed
    after = slice(changed + 1, None)
    assert np.mean(play.loop[after]) > np.mean(play.frozen[after]) + 0.03


def test_mail_in_random_order_raises_no_alarm(tmp_path: Path, mail: list[Row]) -> None:
    rng = np.random.default_rng(0)
    rows = [mail[i] for i in rng.permutation(range(2000, 5000))]
    project = start(tmp_path / "mixed", MAIL.format(window=100), rows[:1500], "truth")
    file = write(project.folder / "traffic.csv", rows[1500:])
    found = check(project, data=file)
    assert len(found["checks"]) == 15
    assert sum(bool(one["over"]) for one in found["checks"]) <= 1
    assert found["alert"] is None

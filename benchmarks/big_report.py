"""The report of a project of 1,000 rounds and 300,000 annotations, whose rows are written straight into the ledger."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from table import Row, print_table

ROUNDS, BATCH, HOLDOUT, PEOPLE = 1_000, 300, 5_000, 20
CLASSES = ("complaint", "praise", "question", "return")
PARTS = ("positions", "codes")
START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = """\
[project]
name = "many rounds"
[objective]
goal = 0.95
budget_labels = 400000
cost_per_label = 0.08
[data]
id = "id"
text = ["text"]
label = "label"
split = "split"
context = ["shop"]
deduplicate = false
"""


def rows(rounds: int = ROUNDS, batch: int = BATCH) -> list[Row]:
    from querist.pipeline.reporting.findings import findings
    from querist.pipeline.reporting.report import WRITERS

    with tempfile.TemporaryDirectory(prefix="querist-bench-") as folder:
        project = make_project(Path(folder), rounds, batch)
        start = time.perf_counter()
        found = findings(project)
        read = time.perf_counter() - start
        page = WRITERS[".html"](found, "engineer")
        seconds = time.perf_counter() - start
    what = f"report of {rounds:,} rounds and {rounds * batch:,} annotations"
    return [
        Row(f"{what}: HTML for an engineer", f"{seconds:.1f} s", "10 s"),
        Row("  of it to compute the findings", f"{read:.1f} s", ""),
        Row("  size of the file", f"{len(page) / 1e6:.2f} MB", "3 MB"),
    ]


def make_project(folder: Path, rounds: int, batch: int) -> Any:  # Any: Project, imported late
    """A project whose record looks as if the loop had turned so many times."""
    from querist.pipeline.project import Project

    (folder / "querist.toml").write_text(SETTINGS)
    n_pool = rounds * batch
    with (folder / "items.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "split", "shop"])
        for i in range(n_pool + HOLDOUT):
            label, split = (CLASSES[i % 4], "test") if i >= n_pool else ("", "pool")
            writer.writerow([f"r{i}", f"item number {i}", label, split, f"shop {i % 7}"])
    project = Project(folder)
    project.ingest(folder / "items.csv")
    where = project.snapshot.find(f"r{i}" for i in range(n_pool + HOLDOUT))
    rng = np.random.default_rng(0)
    holdout = np.array([where[f"r{i}"] for i in range(n_pool, n_pool + HOLDOUT)])
    labels = _labels(project, np.array([where[f"r{i}"] for i in range(n_pool)]), holdout, rng)
    for number in range(rounds):
        items = [(f"r{i}", where[f"r{i}"]) for i in range(number * batch, (number + 1) * batch)]
        _round(project, number, items, labels, rng)
        if number in (0, rounds - 1):
            _predictions(project, number, holdout, rng)
    return project


def _labels(project: Any, pool: Any, holdout: Any, rng: np.random.Generator) -> str:
    """The artifact of all labels, which every round shares, so that not each has one of its own."""
    nothing = np.zeros(0, dtype=np.int64)
    known = {"pool": (pool, rng.integers(4, size=len(pool))), "validation": (nothing, nothing)}
    known["test"] = (holdout, np.arange(len(holdout)) % 4)
    arrays = {f"{name}_{part}": a for name, pair in known.items() for part, a in zip(PARTS, pair, strict=True)}
    name: str = project.artifacts.put_arrays(**arrays)
    return name


def _round(project: Any, number: int, items: list[tuple[str, int]], known: str, rng: np.random.Generator) -> None:
    from querist.store.annotations import Annotation, add_annotations
    from querist.store.models import Model, add_metrics, add_model
    from querist.store.rounds import Query, Round, open_round
    from querist.store.steps import add_step

    now = START + timedelta(hours=8 * number)
    version = f"r{number:04d}-{number:08x}"
    opened = Round(number, project.snapshot.id, "auto", None, {"margin": 0.5}, "", project.settings_key, "bench", "")
    labels, seconds = rng.integers(4, size=len(items)), rng.gamma(4, 2, size=len(items))
    proba = rng.dirichlet(np.ones(4), size=len(items)).round(4).tolist()
    asked = [
        Query(number, rank, item, at, "pool", 0.5, {"margin": 0.5}, "auto", None, _payload(item, p))
        for rank, ((item, at), p) in enumerate(zip(items, proba, strict=True))
    ]
    given = [
        Annotation(f"a-{item}", item, at, "pool", CLASSES[label], f"p{rank % PEOPLE}", seconds=float(took))
        for rank, ((item, at), label, took) in enumerate(zip(items, labels, seconds, strict=True))
    ]
    n_labels = (number + 1) * len(items)
    with project.ledger.begin() as tx:
        open_round(tx, opened, asked, now=now)
        add_annotations(tx, given, now=now + timedelta(hours=4))
        learner = {"encoder": "tfidf", "head": "logistic", "features": "f", "classes": list(CLASSES)}
        add_model(tx, Model(version, number, "0" * 64, None, learner, {}, n_labels, 0.5), now=now)
        add_metrics(tx, list(_metrics(number, version, n_labels)), now=now)
        for done in _steps(number, version, n_labels, known, now):
            add_step(tx, done)


def _payload(item: str, proba: list[float]) -> dict[str, Any]:
    text = f"{item} is a text of a usual length, " * 8
    return {"text": text, "prediction": dict(zip(CLASSES, proba, strict=True)), "reason": "the model is torn"}


def _metrics(number: int, version: str, n_labels: int) -> Iterator[Any]:
    from querist.store.models import Metric

    value = 0.9 - 0.4 / (1 + number) ** 0.5
    names = ["macro_f1", "accuracy", "log_loss", "ece", "ece_limit", "brier"]
    names += [f"{kind}:{label}" for kind in ("precision", "recall", "f1") for label in CLASSES]
    for name in names:
        yield Metric(number, name, version, value, value - 0.01, value + 0.01, HOLDOUT, n_labels)


def _steps(number: int, version: str, n_labels: int, known: str, now: datetime) -> Iterator[Any]:
    from querist.store.ledger import iso
    from querist.store.steps import Done

    spent = {"labels": n_labels, "money": 0.08 * n_labels, "hours": n_labels / 450}
    results: dict[str, dict[str, Any]] = {
        "query_strategy": {"asked": BATCH},
        "human_labeling": {"n_labels": n_labels, "labels": known, "classes": list(CLASSES)},
        "retraining": {"version": version, "plan": "full"},
        "evaluation": {"warnings": [], "stop": None, "spent": spent, "pool_left": ROUNDS * BATCH - n_labels},
    }
    for name, result in results.items():
        yield Done(number, name, 1, "0" * 64, result, iso(now), 1.5, {"fit": 0.5}, "bench")


def _predictions(project: Any, number: int, holdout: Any, rng: np.random.Generator) -> None:
    from querist.store.analyses import add_analysis

    codes = np.arange(len(holdout), dtype=np.int16) % 4
    proba = rng.dirichlet(np.ones(4), size=len(holdout)).astype(np.float32)
    proba[np.arange(len(holdout)), codes] += 1.0
    proba /= proba.sum(axis=1, keepdims=True)
    kept = project.artifacts.put_arrays(positions=holdout.astype(np.int64), codes=codes, proba=proba)
    version = f"r{number:04d}-{number:08x}"
    found = {"predictions": kept, "model_version": version, "n": len(holdout), "classes": list(CLASSES)}
    with project.ledger.begin() as tx:
        add_analysis(tx, "evaluation", found, round=number, now=START + timedelta(hours=8 * number))


if __name__ == "__main__":
    print_table(rows())

"""The rounds in tracking systems, out of the record: one run for a project, one step for an evaluated round."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from querist.core.errors import QueristError
from querist.core.hashing import sha256
from querist.pipeline.conditions import settings_by_key
from querist.pipeline.record import learner_changes, trained_in, warnings_of
from querist.pipeline.reporting.query_points import query_points
from querist.step import OnLoss
from querist.store.ledger import Tx
from querist.store.models import Metric, Model, list_metrics, list_models, list_snapshot_reports
from querist.store.rounds import Query, Round, list_queries, list_rounds
from querist.store.steps import Done, list_steps

if TYPE_CHECKING:
    from querist.pipeline.project import Project

System = Literal["tensorboard", "mlflow"]
LOG = logging.getLogger("querist.tracking")
PLAIN = re.compile(r"[-\w]{1,100}(:[-\w]{1,100})?")
STRANGE = re.compile(r"[^-\w]")
PARAMS = ("query.strategy", "query.batch_size", "learner.name", "learner.calibration", "project.seed")


class Page(Protocol):
    """What a tracking system takes of one round."""

    def params(self, values: Mapping[str, str | float], metric: str) -> None:
        """Settings that runs are compared by, and the name of the scalar that says how well they did."""
        ...

    def scalars(self, values: Mapping[str, float]) -> None: ...
    def histogram(self, name: str, values: Sequence[float]) -> None: ...
    def text(self, name: str, text: str) -> None: ...
    def losses(self, version: str, curves: Mapping[str, Sequence[float]]) -> None:
        """The loss of a model version by iteration, on each set of labels."""
        ...


class Tracker(Protocol):
    """A run in a tracking system. To write a round or an artifact again does no harm."""

    def rounds(self) -> Collection[int]:
        """Those that are there as a whole."""
        ...

    def page(self, round: int, at: float) -> AbstractContextManager[Page]:
        """The round counts as written once the block has ended; `at` is in seconds since 1970."""
        ...

    def artifact(self, name: str, content: str) -> None: ...


@dataclass(frozen=True)
class Record:
    rounds: Mapping[int, Round]
    steps: Mapping[int, Mapping[str, Done]]
    metrics: Mapping[int, Sequence[Metric]]
    models: Mapping[int, Sequence[Model]]
    changes: Mapping[int, Sequence[str]]
    settings: Mapping[str, Mapping[str, Any]]

    @property
    def evaluated(self) -> list[int]:
        return [round for round in self.rounds if "evaluation" in self.steps.get(round, {})]

    def new_settings(self, round: int) -> Mapping[str, Any] | None:
        """The settings of a round, where it is the first or the one before had others."""
        before = self.rounds.get(round - 1)
        key = self.rounds[round].settings
        return None if before and before.settings == key else self.settings.get(key)


def track(project: Project, system: System, where: str, *, with_text: bool = False) -> list[int]:
    """Writes the evaluated rounds that are not there yet, and says which. Their queries as points are written anew.

    Raises MissingExtra without the tracking system's client, ServiceError where it cannot be reached.
    """
    with project.ledger.read() as tx:
        run, record = _run_name(project.settings.project.name, tx), _read(tx)
    if run is None or not record.evaluated:
        return []
    return _write(project, record, _tracker(project, system, where, run), with_text=with_text)


def follow(project: Project) -> None:
    """Writes to the tracking systems of the settings. Whatever goes wrong there is a warning: labels matter more."""
    wanted: tuple[tuple[System, str], ...] = (
        ("tensorboard", project.settings.tracking.tensorboard),
        ("mlflow", project.settings.tracking.mlflow),
    )
    for system, where in wanted:
        if not where:
            continue
        try:
            track(project, system, where)
        except (QueristError, OSError) as error:
            LOG.warning("tracking.%s: %s; the loop goes on, and the next round tries again", system, error)
        except Exception as error:  # a stranger's code, to which the loop owes nothing
            LOG.warning("tracking.%s failed (%s); the loop goes on", system, type(error).__name__, exc_info=True)


def losses_of(project: Project, round: int) -> OnLoss | None:
    """Where the trainings of a round tell their losses as they go: TensorBoard, where the settings name a folder."""
    where = project.settings.tracking.tensorboard
    if not where:
        return None
    from querist.pipeline.reporting.tensorboard_run import LiveLosses

    with project.ledger.read() as tx:
        run = _run_name(project.settings.project.name, tx)
    return None if run is None else LiveLosses(project.folder / where / run, round, project.clock)


def _tracker(project: Project, system: System, where: str, run: str) -> Tracker:
    if system == "tensorboard":
        from querist.pipeline.reporting.tensorboard_run import TensorBoardRun

        return TensorBoardRun(project.folder / where / run)
    from querist.pipeline.reporting.mlflow_run import MlflowRun

    return MlflowRun(where, project.settings.project.name, run)


def _write(project: Project, record: Record, tracker: Tracker, *, with_text: bool) -> list[int]:
    known = tracker.rounds()
    new = [round for round in record.evaluated if round not in known]
    for round in new:
        with project.ledger.read() as tx:
            asked = list_queries(tx, round)
        with tracker.page(round, _ended(record.steps[round]["evaluation"])) as page:
            _fill(page, record, round, asked)
    if new or with_text:
        for name, content in query_points(project, with_text=with_text).items():
            tracker.artifact(name, content)
    return new


def _fill(page: Page, record: Record, round: int, asked: Sequence[Query]) -> None:
    if settings := record.new_settings(round):
        flat = {f"{section}.{name}": value for section, of in settings.items() for name, value in of.items()}
        page.params({name: flat[name] for name in PARAMS}, f"metrics/{plain(flat['objective.metric'])}")
        page.text("settings", _as_code(json.dumps(settings, indent=2, ensure_ascii=False)))
    page.scalars(_scalars(record, round, len(asked)))
    for name, scores in _scores(asked).items():
        page.histogram(f"scores/{plain(name)}", scores)
    page.text("round", _as_text(record, round))
    for model in record.models.get(round, ()):
        if curves := model.report.get("losses"):
            page.losses(model.version, curves)


def _scalars(record: Record, round: int, n_asked: int) -> dict[str, float]:
    steps = record.steps[round]
    evaluated = steps["evaluation"].result
    found: dict[str, float] = {}
    for metric in record.metrics.get(round, ()):
        name = f"metrics/{plain(metric.name)}"
        of = {name: metric.value, f"{name}/low": metric.low, f"{name}/high": metric.high}
        found |= {key: value for key, value in of.items() if value is not None}
    for model in record.models.get(round, ()):
        if model.validation_loss is not None:
            found["metrics/validation_loss"] = model.validation_loss
    found |= {f"spent/{what}": float(value) for what, value in evaluated["spent"].items()}
    found |= {"labels/asked": n_asked, "labels/left_in_pool": float(evaluated["pool_left"])}
    found["labels/known"] = float(steps["human_labeling"].result["n_labels"])
    return found | {f"seconds/{name}": step.seconds for name, step in steps.items()}


def _scores(asked: Sequence[Query]) -> dict[str, list[float]]:
    """The scores of the items asked, and the measures behind them."""
    found: dict[str, list[float]] = {}
    for query in asked:
        own = {"score": query.score, **query.parts}
        for name, value in own.items():
            if value is not None:
                found.setdefault(name, []).append(value)
    return found


def _as_text(record: Record, round: int) -> str:
    """A round in Markdown, without a word of its items."""
    opened, warnings = record.rounds[round], warnings_of(record.steps[round].values())
    lines = [f"strategy {opened.strategy}", opened.note, *record.changes.get(round, ()), *warnings]
    lines += [f"{name} = {value:.6g}" for name, value in opened.thresholds.items()]
    lines += [f"model {model.version}, {model.n_labels} labels" for model in record.models.get(round, ())]
    lines += [f"querist {opened.code_version}, snapshot {opened.snapshot}, settings {opened.settings}"]
    return _as_code("\n".join(line for line in lines if line))


def _as_code(text: str) -> str:
    """Nothing in it is Markdown: names of classes may hold anything."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def plain(name: str) -> str:
    """A name that tracking systems take, f1:pos as f1.pos; where that takes more, no two names become the same."""
    if PLAIN.fullmatch(name):
        return name.replace(":", ".")
    return f"{STRANGE.sub('_', name)[:100]}.{sha256(name.encode())[:8]}"


def _read(tx: Tx) -> Record:
    steps, models = list_steps(tx), list_models(tx)
    made = trained_in(steps)
    by_round: dict[int, dict[str, Done]] = {}
    for step in steps:
        by_round.setdefault(step.round, {})[step.name] = step
    metrics: dict[int, list[Metric]] = {}
    for metric in list_metrics(tx):
        metrics.setdefault(metric.round, []).append(metric)
    trained: dict[int, list[Model]] = {}
    for model in models:
        trained.setdefault(made[model.version], []).append(model)
    rounds = {r.round: r for r in list_rounds(tx)}
    return Record(rounds, by_round, metrics, trained, learner_changes(models, steps), settings_by_key(tx))


def _run_name(project: str, tx: Tx) -> str | None:
    """Name and first ingest of the project, which no other has; None before there is data."""
    reports = list_snapshot_reports(tx)
    if not reports:
        return None
    begun = re.sub(r"\D", "", reports[0]["at"][:23])
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', project).strip('-')[:60] or 'project'}-{begun}"


def _ended(step: Done) -> float:
    return datetime.fromisoformat(step.started_at).timestamp() + step.seconds

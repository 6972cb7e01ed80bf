"""Compares strategies on labeled data, with the parts that a project uses: encoder, learner, measures, strategies."""

from __future__ import annotations

import json as json_module
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.config import Settings, parse
from querist.core.errors import DataError, SettingError, ShapeError
from querist.core.label_sets import EMPTY
from querist.core.selection import stream
from querist.core.types import Indices
from querist.pipeline.evaluation.random_curves import holdout_key, keep_simulation
from querist.pipeline.replay import Task, in_parallel, make_strategy, run_one, score_full
from querist.pools import prices_of
from querist.stages.evaluation.comparison import TEST, as_json, compare
from querist.stages.evaluation.metrics import check
from querist.stages.initial_model.seed_set import seed_size as size_of_seed

if TYPE_CHECKING:
    from querist.pipeline.project import Project

Progress = Callable[[str, int, int | None], None]


def simulate(
    source: str | Path | None = None,
    *,
    X: Any = None,  # Any: array or CSR matrix
    y: Any = None,
    test: Any = None,
    id: str | None = None,
    text: str | Sequence[str] = (),
    image: str | None = None,
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    label: str = "label",
    split_column: str | None = None,
    context: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
    learner: str = "auto",
    strategies: Sequence[str] = ("auto", "uncertainty", "random"),
    seed_size: int | None = None,
    batch_size: int = 100,
    rounds: int = 10,
    repeats: int = 3,
    metrics: Sequence[str] = ("accuracy", "macro_f1"),
    jobs: int | None = None,
    seed: int = 0,
    json: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Replays the loop on labeled data for each strategy and repeat, and compares them with each other.

    Data is a `source` that `querist ingest` can read, or arrays: `X` (n_items, n_features), `y` (n_items,), `test` a
    mask or indices of the holdout (default: a random fifth); for arrays, `learner` is a head ("logistic", "svm", ...)
    or a scikit-learn class as package.module:Class. `settings` are sections as in querist.toml for the rest. Returns
    {"dataset", "n_pool", "n_test", "full", "runs", "summary", "test"}; `json` names a file to write it to.
    """
    options: dict[str, Any] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in (settings or {}).items()}
    options.setdefault("learner", {}).setdefault("name", learner)
    options.setdefault("query", {})["batch_size"] = batch_size
    options.setdefault("project", {})["seed"] = seed
    if seed_size is not None:
        options.setdefault("seed_set", {})["size"] = seed_size
    if source is None:
        task = _from_arrays(X, y, test, parse(options), tuple(metrics), rounds)
        return _report("arrays", task, strategies, repeats, jobs, json, progress, _as_they_are)
    columns = {
        "id": id,
        "text": [text] if isinstance(text, str) else list(text),
        "image": image,
        "numeric": list(numeric),
        "categorical": list(categorical),
        "label": label,
        "split": split_column,
        "context": list(context),
    }
    given = options.setdefault("data", {})
    given.update({k: v for k, v in columns.items() if v})
    tabular = given.get("numeric") or given.get("categorical")
    given.setdefault("kind", "text" if given.get("text") else "tabular" if tabular else "image")
    with tempfile.TemporaryDirectory(prefix="querist-") as folder:
        task, ids = _from_source(Path(source), parse(options), Path(folder), tuple(metrics), rounds, progress)
        return _report(Path(source).name, task, strategies, repeats, jobs, json, progress, ids)


def simulate_project(
    project: Project,
    *,
    strategies: Sequence[str] | None = None,
    oracle: str = "label",
    rounds: int = 10,
    repeats: int = 3,
    metrics: Sequence[str] = (),
    jobs: int | None = None,
    json: str | Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The same on a project's snapshot, learner and settings; `strategies` default to its own against random.

    What came out is recorded as an analysis "simulation" where the ledger may be written.
    """
    names = [project.settings.objective.metric, *(metrics or project.settings.evaluation.metrics)]
    spec, features = project.features(progress)
    task, ids = _from_snapshot(
        project.snapshot,
        features,
        spec,
        project.settings,
        project.classes(),
        "label" if oracle == project.settings.data.label else oracle,
        tuple(dict.fromkeys(names)),
        rounds,
    )
    strategies = strategies or (project.settings.query.strategy, "random")
    found = _report(project.settings.project.name, task, strategies, repeats, jobs, json, progress, ids)
    keep_simulation(project, found, holdout_key(task.test, task.codes[task.test], task.classes))
    return found


Ids = Callable[[Indices], dict[int, Any]]
"""Names of positions: item ids, or the row numbers themselves for arrays."""


def _from_arrays(X: Any, y: Any, test: Any, settings: Settings, metrics: tuple[str, ...], rounds: int) -> Task:
    from querist.models.features import Features
    from querist.models.learners import LearnerSpec

    if settings.data.sets is not None:
        raise SettingError(
            'items with several labels are simulated from a source, not from arrays; leave data.labels "one"'
        )
    labels, head = np.asarray(y), settings.learner.name
    if not hasattr(X, "shape") or labels.ndim != 1:
        raise SettingError("simulate needs a source (a file to read) or the arrays X (n_items, n_features) and y")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        raise SettingError("y holds NaN; leave items without a label out of X and y")
    classes, codes = np.unique(labels, return_inverse=True)
    n_items = X.shape[0]
    if n_items != len(codes):
        raise ShapeError(f"X has {n_items} rows and y {len(codes)}; they must be as long as each other")
    if test is None:
        in_test = np.zeros(n_items, dtype=bool)
        in_test[stream(settings.project.seed, 0, "holdout").permutation(n_items)[: n_items // 5]] = True
    else:
        in_test, which = np.zeros(n_items, dtype=bool), np.asarray(test)
        if which.dtype == bool and which.shape != (n_items,):
            raise ShapeError(f"test is a mask of shape {which.shape}, X has {n_items} rows")
        if which.dtype != bool and len(which) and (which.min() < 0 or which.max() >= n_items):
            raise ShapeError(f"test names rows {which.min()}..{which.max()}, X has {n_items}")
        in_test[which] = True
    return _task(
        Features.of(X, learn_from=np.flatnonzero(~in_test)),
        codes.astype(np.int64),
        ~in_test,
        np.zeros(n_items, dtype=bool),
        in_test,
        tuple(str(c) for c in classes),
        LearnerSpec("none", head="logistic" if head == "auto" else head, params=settings.learner.params),
        settings,
        metrics,
        rounds,
    )


def _from_source(
    source: Path,
    settings: Settings,
    folder: Path,
    metrics: tuple[str, ...],
    rounds: int,
    progress: Progress | None,
) -> tuple[Task, Ids]:
    from querist.models import features, learners
    from querist.pipeline.ingest import ingest
    from querist.pipeline.project import encoder_params
    from querist.snapshots.snapshot import Snapshot

    report = ingest(
        source,
        settings,
        base=folder,
        parent=None,
        quarantine=folder,
        now=datetime.now(UTC),
        progress=progress,
    )
    snapshot = Snapshot.open(str(folder / settings.storage.snapshots), report.snapshot)
    spec = learners.resolve(settings.learner, snapshot.kind)
    made = features.build(
        snapshot,
        spec.encoder,
        encoder_params(spec, settings, snapshot.kind),
        cache=folder / "features",
        seed=settings.project.seed,
        progress=progress,
    )
    classes = tuple(settings.data.classes) or snapshot.classes
    return _from_snapshot(snapshot, made, spec, settings, classes, "label", metrics, rounds)


def _from_snapshot(
    snapshot: Any,  # Any: snapshots.Snapshot, imported late because of pyarrow
    features: Any,
    spec: Any,
    settings: Settings,
    classes: tuple[str, ...],
    oracle: str,
    metrics: tuple[str, ...],
    rounds: int,
) -> tuple[Task, Ids]:
    from querist.snapshots.snapshot import POOL, TEST, VALIDATION

    sets = settings.data.sets
    codes, names = snapshot.labels(oracle, classes, sets)
    usable, splits = snapshot.primary() & (codes >= 0), snapshot.splits()
    codes = sets.members([*names, EMPTY], classes)[codes] if sets else codes  # those without a label are never used
    pool, validation, test = (usable & (splits == split) for split in (POOL, VALIDATION, TEST))

    def ids(positions: Indices) -> dict[int, Any]:
        return dict(zip(positions.tolist(), snapshot.take(positions, ["id"])["id"].to_pylist(), strict=True))

    task = _task(features, codes, pool, validation, test, classes, spec, settings, metrics, rounds)
    return replace(task, prices=prices_of(snapshot, settings)), ids


def _task(
    features: Any,
    codes: Any,
    pool: Any,
    validation: Any,
    test: Any,
    classes: tuple[str, ...],
    spec: Any,
    settings: Settings,
    metrics: tuple[str, ...],
    rounds: int,
) -> Task:
    for name, part in (("pool", pool), ("test", test)):
        if not part.any():
            raise DataError(f"the {name} split has no labeled item; a simulation needs labels in pool and test")
    size, _ = size_of_seed(settings.seed_set, int(pool.sum()))
    return Task(
        features=features,
        codes=codes,
        pool=np.flatnonzero(pool),
        validation=np.flatnonzero(validation),
        test=np.flatnonzero(test),
        classes=classes,
        learner=spec,
        settings=settings,
        metrics=metrics,
        seed_size=size,
        rounds=rounds,
    )


def _as_they_are(positions: Indices) -> dict[int, Any]:
    return {int(p): int(p) for p in positions}


def _report(
    dataset: str,
    task: Task,
    strategies: Sequence[str],
    repeats: int,
    jobs: int | None,
    json: str | Path | None,
    progress: Progress | None,
    ids: Ids,
) -> dict[str, Any]:
    from joblib import delayed

    if isinstance(strategies, str) or not strategies or len(set(strategies)) < len(strategies):
        raise SettingError(f"strategies = {strategies!r} must be a list of different names, e.g. ['margin', 'random']")
    if repeats < 1 or task.rounds < 0:
        raise SettingError(f"repeats = {repeats} must be at least 1 and rounds = {task.rounds} at least 0")
    for name in task.metrics:
        check(name, task.classes, several=task.settings.data.sets is not None)
    for name in strategies:
        make_strategy(name, task.settings)
    work = [delayed(score_full)(task), *(delayed(run_one)(task, s, r) for r in range(repeats) for s in strategies)]
    done = in_parallel(work, jobs, "simulate", progress)
    full, runs = done[0], sorted(done[1:], key=lambda r: (strategies.index(r["strategy"]), r["repeat"]))
    names = ids(np.unique(np.concatenate([np.asarray(q, dtype=np.intp) for r in runs for q in r["queries"]])))
    for run in runs:
        run["queries"] = [[names[position] for position in asked] for asked in run["queries"]]
    out = {
        "dataset": dataset,
        "n_pool": len(task.pool),
        "n_test": len(task.test),
        "full": dict(zip(full, as_json(np.array(list(full.values()))), strict=True)),
        "runs": [{**r, "metrics": {m: as_json(np.array(v)) for m, v in r["metrics"].items()}} for r in runs],
        "summary": compare(runs, full, confidence=task.settings.evaluation.confidence),
        "test": TEST,
    }
    if json is not None:
        Path(json).parent.mkdir(parents=True, exist_ok=True)
        Path(json).write_text(json_module.dumps(out, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return out

"""Is what the model meets still what it learned from? Checks on record, alarms, and the rounds that they open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from querist.core.errors import Busy, SettingError
from querist.core.selection import stream
from querist.pipeline.monitoring import drift_rounds, traffic
from querist.pipeline.monitoring.drift_status import ALERT, CHECK, alarm_of
from querist.pipeline.monitoring.references import find_model, reference_of
from querist.stages.monitoring import quality
from querist.stages.monitoring.alarm import Event, after
from querist.stages.monitoring.calibrate import Calibration, calibrate, confirm, values_of, window_size
from querist.stages.monitoring.domain import domain_classifier, telling_columns, telling_words
from querist.stages.monitoring.reference import Reference
from querist.stages.monitoring.sample import Sample
from querist.stages.monitoring.views import View, views
from querist.store.analyses import add_analysis, list_analyses
from querist.store.ledger import Tx
from querist.store.models import Model

if TYPE_CHECKING:
    from querist.pipeline.monitoring.traffic import Window
    from querist.pipeline.project import Outcome, Progress, Project

CALIBRATION = "drift_calibration"


def check(
    project: Project,
    *,
    log: str | Path | None = None,
    data: str | Path | None = None,
    window: int | None = None,
    oracle: str | None = None,
    start_round: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Compares each new window of a prediction log, or of a file of raw items, with the reference of its model.

    Each window becomes an analysis "drift_check"; `patience` in a row over their thresholds an "alert", and with budget
    left a drift round that asks of what has drifted. Returns {"model_version", "window", "window_asked", "checks",
    "alert", "round"}: items a window (fewer than asked where the reference is small), the new checks, the alarm that is
    open (None without), and what became of its round. A window that was checked before is not counted again. Killed
    anywhere and called again, it goes on where it was.
    """
    folder, file = _source(project, log, data)
    model = traffic.logged_model(project, folder) if folder else find_model(project)
    reference = reference_of(project, model.version)
    asked = window or project.settings.monitoring.window
    size = window_size(asked, len(reference.sample))
    with project.ledger.read() as tx:
        before = [a for a in list_analyses(tx, CHECK) if a.result["model_version"] == model.version]
    if folder:
        seen = [a.result["where"]["to"] for a in before if a.result["where"].get("log") == str(folder)]
        windows = traffic.log_windows(project, folder, model, reference, size, after=max(seen, default=None))
    else:
        assert file is not None  # _source saw to it
        windows = traffic.file_windows(project, file, model, reference, size)
    known = {a.result["key"] for a in before}
    checks = []
    for number, found in enumerate(windows):
        if found.key not in known:
            checks.append(_check(project, model, reference, found))
        if progress:
            progress("drift check", number + 1, None)
    return {
        "model_version": model.version,
        "window": size,
        "window_asked": asked,
        "checks": checks,
        **_answer(project, model, oracle=oracle, start_round=start_round, progress=progress),
    }


def open_drift_round(project: Project, why: str) -> dict[str, Any]:
    """What a webhook of Alertmanager calls: opens a drift round, unless one is open; {"round", "opened", "reason"}.

    Where the project has a prediction log (`monitoring.log`) that keeps items, those of its newest window are ingested
    first and the round asks of them, else of the whole pool.
    """
    with project.ledger.read() as tx:
        already = drift_rounds.open_now(tx)
    since = None
    if already is None and project.settings.monitoring.log:
        folder = project.folder / project.settings.monitoring.log
        model = traffic.logged_model(project, folder)
        reference = reference_of(project, model.version)
        size = window_size(project.settings.monitoring.window, len(reference.sample))
        windows = list(traffic.log_windows(project, folder, model, reference, size, after=None))
        since = _ingest(project, [found.where for found in windows[-1:]], project.snapshot.n_items)
    return drift_rounds.open_drift_round(project, why, since=since)


def _source(project: Project, log: str | Path | None, data: str | Path | None) -> tuple[Path | None, Path | None]:
    if log is not None and data is not None:
        raise SettingError("a check reads a log or a file, not both; name one of --log and --data")
    if data is not None:
        return None, Path(data).absolute()
    folder = log if log is not None else project.settings.monitoring.log
    if not folder:
        raise SettingError("nothing to check: name --log DIR or --data FILE, or set monitoring.log in querist.toml")
    return project.folder / folder if log is None else Path(folder).absolute(), None


def _check(project: Project, model: Model, reference: Reference, found: Window) -> dict[str, Any]:
    """Judges a window and puts it on record, with an alert where it is one too many."""
    settings = project.settings.monitoring
    tests = views(found.reference) | views(found.reference, tuple(settings.tests))
    calibration = _calibration(project, model, found.reference, tests, len(found.sample))
    values = values_of(found.reference, found.sample, tests)
    judged = calibration.judge(values)
    if judged.over and not settings.consecutive:
        rng = stream(project.settings.project.seed, model.round, CHECK, len(found.sample))
        judged = confirm(judged, calibration, found.reference, found.sample, tests, values, rng)
    estimated = quality.estimate(found.sample.proba, several=found.sample.several)
    result: dict[str, Any] = {
        "model_version": model.version,
        "n": len(found.sample),
        "n_reference": len(found.reference),
        "where": found.where,
        "key": found.key,
        "level": settings.false_alarm,
        "draws": len(calibration.null),
        "p": judged.together,
        "over": list(judged.over),
        "tests": [
            {
                "name": name,
                "says": tests[name].says,
                "value": values[name],
                "threshold": judged.thresholds[name],
                "p": judged.p[name],
                "decides": name in calibration.deciding,
            }
            for name in calibration.names
        ],
        "estimate": asdict(estimated),
        "note": _note(settings.tests, calibration.deciding, found.sample),
        **_explained(project, reference, found),
    }
    with project.ledger.begin() as tx:
        state = alarm_of(tx, model.version, project.settings.monitoring)
        event: Event = "over" if judged.over else "fine"
        state, alarm = after(state, event, patience=settings.patience, cool_down=settings.cool_down)
        result |= {"in_a_row": state.in_a_row, "alarm": alarm}
        add_analysis(tx, CHECK, result, round=model.round, now=project.clock())
        if alarm:
            add_analysis(tx, ALERT, _alert(tx, project, result), round=model.round, now=project.clock())
    return result


def _alert(tx: Tx, project: Project, newest: Mapping[str, Any]) -> dict[str, Any]:
    """`windows` find the rows that have drifted; `since` is the position that their items will start from."""
    patience = project.settings.monitoring.patience
    own = [a.result for a in list_analyses(tx, CHECK) if a.result["model_version"] == newest["model_version"]]
    tests = {test["name"]: test for test in newest["tests"]}
    over = ", ".join(
        f"{name} {tests[name]['value']:.4g} over {tests[name]['threshold']:.4g}" for name in newest["over"]
    )
    return {
        "model_version": newest["model_version"],
        "why": f"{patience} windows of {newest['n']} items in a row have drifted: {over}",
        "windows": [one["where"] for one in own[-patience:]],
        "since": project.snapshot.n_items,
        "estimate": newest["estimate"],
        "telling": newest["telling"],
    }


def _explained(project: Project, reference: Reference, found: Window) -> dict[str, Any]:
    """How well a classifier tells the window from the reference, and the words or columns that tell most."""
    domain = None
    if found.sample.embeddings.shape[1]:
        domain = domain_classifier(found.reference.embeddings, found.sample.embeddings)
    telling: list[tuple[str, float]] = []
    if found.texts:
        known = project.snapshot.take(reference.positions, ["text"])["text"].to_pylist()
        telling = telling_words(known, found.texts)
    elif found.sample.columns:
        telling = telling_columns(found.reference.columns, found.sample.columns)
    return {
        "domain": domain and {"auc": domain.auc, "by_chance": domain.by_chance},
        "telling": [{"what": what, "value": round(value, 4)} for what, value in telling],
    }


def _note(wanted: Sequence[str], deciding: Sequence[str], window: Sample) -> str | None:
    """What this window does not let a check see; None where nothing is missing."""
    missing = [name for name in wanted if name not in deciding]
    decide = f"{', '.join(deciding)} decide{'s' if len(deciding) == 1 else ''} alone"
    if not window.embeddings.shape[1]:
        unseen = f"; {', '.join(missing)} cannot be computed" if missing else ""
        return (
            f"the log keeps nothing of the items (log_keep none), so {decide}{unseen}. A change of the items that "
            "moves no prediction stays unseen, nothing says what has changed, and an alarm has no items to ask about; "
            "for more serve with --log-keep features or texts"
        )
    return f"{', '.join(missing)} cannot be computed from what these windows hold, so {decide}" if missing else None


def _calibration(
    project: Project, model: Model, reference: Sample, tests: Mapping[str, View], size: int
) -> Calibration:
    """The thresholds for windows of this size: kept with the model version, made where they are not."""
    settings = project.settings.monitoring
    deciding = tuple(name for name in settings.tests if name in tests)
    if not deciding:
        raise SettingError(f"none of monitoring.tests = {settings.tests} fits these items; choose from {list(tests)}")
    wanted = {
        "model_version": model.version,
        "n_reference": len(reference),
        "tests": list(tests),
        "size": size,
        "draws": settings.draws,
        "consecutive": settings.consecutive,
    }
    with project.ledger.read() as tx:
        kept = [a.result for a in list_analyses(tx, CALIBRATION)]
    for one in reversed(kept):
        if {name: one[name] for name in wanted} == wanted:
            null = project.artifacts.get_arrays(one["null"])["null"]
            return Calibration(tuple(tests), deciding, size, settings.false_alarm, null)
    made = calibrate(
        reference,
        tests,
        deciding,
        size,
        level=settings.false_alarm,
        draws=settings.draws,
        consecutive=settings.consecutive,
        rng=stream(project.settings.project.seed, model.round, CALIBRATION, size),
    )
    result = {
        **wanted,
        "null": project.artifacts.put_arrays(null=made.null),
        "level": made.level,
        "thresholds": made.thresholds(),
    }
    with project.ledger.begin() as tx:
        add_analysis(tx, CALIBRATION, result, round=model.round, now=project.clock())
    return made


def _answer(
    project: Project, model: Model, *, oracle: str | None, start_round: bool, progress: Progress | None
) -> dict[str, Any]:
    """Opens the round of an alarm that has none yet, and asks it where nothing else is under way."""
    with project.ledger.read() as tx:
        alerts = [a for a in list_analyses(tx, ALERT) if a.result["model_version"] == model.version]
        is_open = alarm_of(tx, model.version, project.settings.monitoring).open
        answered = [a for a in list_analyses(tx, drift_rounds.KIND) if alerts and a.at >= alerts[-1].at]
    if not is_open or not alerts:
        return {"alert": None, "round": None}
    alert = alerts[-1].result
    opened: dict[str, Any] | None = None
    if start_round and answered:
        opened = {"round": answered[-1].result["round"], "opened": False, "reason": "opened before"}
    elif start_round:
        opened = _open(project, alert)
        opened |= {"state": _ask(project, opened["round"], oracle, progress)} if opened["round"] is not None else {}
    return {"alert": dict(alert), "round": opened}


def _open(project: Project, alert: Mapping[str, Any]) -> dict[str, Any]:
    from querist.asking import items_left
    from querist.store.annotations import effort

    with project.ledger.read() as tx:
        affordable = items_left(effort(tx), project.settings)
    since = None if affordable == 0 else _ingest(project, alert["windows"], alert["since"])
    if affordable != 0 and since is None:
        reason = "the log keeps no items, so there is nothing to label; serve with the texts logged, or name --data"
        return {"round": None, "opened": False, "reason": reason}
    return drift_rounds.open_drift_round(project, alert["why"], since=since)


def _ingest(project: Project, windows: Sequence[dict[str, Any]], since: int) -> int | None:
    """The items of the windows become part of the project; the position of the first, None where there are none."""
    rows = [row for where in windows for row in traffic.rows_of(project, where)]
    if not rows:
        return None
    project.ingest(rows)
    return since if project.snapshot.n_items > since else None


def _ask(project: Project, number: int, oracle: str | None, progress: Progress | None) -> str:
    """Runs the loop up to the drift round's questions; whoever is at work on the project already will come to it."""
    try:
        outcome: Outcome = project.run(rounds=number, oracle=oracle, progress=progress)
    except Busy:
        return "another process is working on the project and will ask it"
    return f"{outcome.status}: {outcome.reason}"

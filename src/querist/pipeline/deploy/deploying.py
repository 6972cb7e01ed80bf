"""Which model answers for real: the gate, promotion, the way back, and where it stands; all of it on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from querist.core.errors import DataError, LedgerError, SettingError
from querist.pipeline.deploy.bundling import build, folder_of
from querist.pipeline.deploy.gating import evidence
from querist.pipeline.monitoring.references import find_model
from querist.stages.deploy import bundle
from querist.stages.deploy.gate import decide
from querist.store.analyses import Analysis, add_analysis, list_analyses
from querist.store.ledger import Tx

if TYPE_CHECKING:
    from querist.pipeline.project import Project

GATE, PROMOTION = "gate", "promotion"


def served(tx: Tx) -> str | None:
    """The model version that was promoted last, or gone back to."""
    found = list_analyses(tx, PROMOTION, last=1)
    return found[0].result["model_version"] if found else None


def gate(project: Project, version: str | None = None) -> dict[str, Any]:
    """Whether a model version (default: the newest) may take the place of the served one: {"model_version", "served",
    "passed", "criteria": [{"name", "passed", "reason"}], ...}.

    Put on record, once for the same evidence and settings. Raises LedgerError for a model that was not evaluated.
    """
    model = find_model(project, version)
    with project.ledger.read() as tx:
        before, known = served(tx), list_analyses(tx, GATE)
    if before == model.version:
        answers = {"name": "better", "passed": False, "reason": f"{model.version} is the served model already"}
        return {"model_version": model.version, "served": before, "passed": False, "criteria": [answers]}
    found = evidence(project, model, before)
    for one in reversed(known):
        if one.result["key"] == found.key:
            return dict(one.result)
    settings = project.settings
    decision = decide(
        found.compared,
        found.changes,
        ece=found.ece,
        ece_limit=found.ece_limit,
        level=1 - settings.evaluation.confidence,
        max_class_fall=settings.deploy.max_class_fall,
        tolerance=settings.evaluation.calibration_tolerance,
    )
    result = {
        "model_version": model.version,
        "served": before,
        "passed": decision.promote,
        "criteria": [asdict(criterion) for criterion in decision.criteria],
        "compared": asdict(found.compared),
        "key": found.key,
    }
    with project.ledger.begin() as tx:
        add_analysis(tx, GATE, result, round=model.round, now=project.clock())
    return result


def promote(
    project: Project,
    version: str | None = None,
    *,
    force: str | None = None,
    by: str | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """From now on a model version (default: the newest) answers: gated, built where it is not, made current, recorded.

    `force` says why the gate is passed over, `by` who approves, which `deploy.approve = "always"` asks for. The served
    model stays, unless settings such as `deploy.risk` have made another version of it. Raises LedgerError where the
    gate holds, SettingError without the approval.
    """
    model, folder = find_model(project, version), folder_of(project, out)
    with project.ledger.read() as tx:
        before = served(tx)
    if before == model.version and bundle.current(folder) == build(project, before, out=out)["version"]:
        return {**_newest(project), "promoted": False}
    if project.settings.deploy.approve == "always" and not by:
        raise SettingError(
            f'deploy.approve = "always": {model.version} waits for a person; approve it with '
            f"`querist deploy promote {model.version} --by NAME`"
        )
    if before != model.version and force is None:
        found = gate(project, model.version)
        if not found["passed"]:
            reasons = "; ".join(c["reason"] for c in found["criteria"] if not c["passed"])
            raise LedgerError(f"the gate holds {model.version}: {reasons}. To promote it anyway say --force WHY")
    built = build(project, model.version, out=out)
    result = {
        "action": "promote",
        "model_version": model.version,
        "version": built["version"],
        "tag": built["tag"],
        "before": before,
        "forced": force,
        "by": by,
    }
    return {**_switch(project, folder, result, round=model.round), "promoted": True}


def rollback(project: Project, *, why: str = "", out: Path | None = None) -> dict[str, Any]:
    """Back to the version that answered before. Raises DataError where there is none."""
    folder = folder_of(project, out)
    before, now = bundle.previous(folder), bundle.current(folder)
    if before is None or before == now:
        raise DataError(f"{folder} names no version before {now or 'the first'}; promote one by its version")
    facts = bundle.read_facts(folder, before)
    with project.ledger.read() as tx:
        was = served(tx)
    result = {
        "action": "rollback",
        "model_version": facts["model_version"],
        "version": before,
        "before": was,
        "why": why,
    }
    return _switch(project, folder, result, round=None)


def deploy_status(project: Project, *, out: Path | None = None, last: int = 10) -> dict[str, Any]:
    """What is current, previous and there in the folder, what the record says is served, and the newest decisions."""
    folder = folder_of(project, out)
    with project.ledger.read() as tx:
        gates, promotions, now = list_analyses(tx, GATE, last=last), list_analyses(tx, PROMOTION, last=last), served(tx)
    return {
        "folder": str(folder),
        "current": _version(folder, bundle.current(folder)),
        "previous": _version(folder, bundle.previous(folder)),
        "versions": [_version(folder, version) for version in bundle.versions(folder)],
        "served": now,
        "gates": [_dated(a) for a in gates],
        "promotions": [_dated(a) for a in promotions],
    }


def _switch(project: Project, folder: Path, result: Mapping[str, Any], *, round: int | None) -> dict[str, Any]:
    with project.ledger.begin() as tx:
        add_analysis(tx, PROMOTION, result, round=round, now=project.clock())
        bundle.activate(folder, result["version"])  # last, so that nothing is on record that did not happen
    return dict(result)


def _newest(project: Project) -> dict[str, Any]:
    with project.ledger.read() as tx:
        return dict(list_analyses(tx, PROMOTION, last=1)[0].result)


def _version(folder: Path, version: str | None) -> dict[str, Any] | None:
    if version is None:
        return None
    facts = bundle.read_facts(folder, version)
    return {name: facts[name] for name in ("version", "model_version", "pipeline_version", "metric", "created_at")}


def _dated(found: Analysis) -> dict[str, Any]:
    return {"at": found.at, **found.result}

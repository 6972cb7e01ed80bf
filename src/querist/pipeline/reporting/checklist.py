"""`querist checklist`: the evidence that the record and the project's folder hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from querist import __version__
from querist.config import FILE_NAME
from querist.core.errors import SnapshotCorrupt
from querist.core.label_sets import class_counts
from querist.pipeline.reporting.model_card import FILE as CARD
from querist.stages.reporting.checklist import Evidence, Git, Recall, judge
from querist.store.analyses import list_analyses
from querist.store.annotations import page_answers
from querist.store.models import Metric, list_metrics, list_models
from querist.store.rounds import Query, list_queries, list_rounds, taken_positions
from querist.store.steps import Done, list_steps

if TYPE_CHECKING:
    from querist.pipeline.project import Project

WORKFLOW = ("*.py", "*.sh", "*.yml", "*.yaml", "Makefile")
GIT_SECONDS = 5
MOST_BYTES = 10 << 20


def checklist(project: Project, *, page: str | None = None) -> list[dict[str, str]]:
    """[{"line", "state": green, amber or red, "evidence", "link"}]: each line judged by what can be found. `page` is
    about to be written from the newest figures.
    """
    evidence = _evidence(project)
    if page is not None and evidence.measured is not None:
        evidence = replace(evidence, dashboard_current=page)
    return [asdict(line) for line in judge(evidence)]


def _evidence(project: Project) -> Evidence:
    settings, metric = project.settings, project.settings.objective.metric
    with project.ledger.read() as tx:
        steps, models, metrics, rounds = list_steps(tx), list_models(tx), list_metrics(tx), list_rounds(tx)
        simulations = list_analyses(tx, "simulation", last=1)
        n_page, page_last = page_answers(tx)
        newest = rounds[-1].round if rounds else None
        queries = list_queries(tx, newest) if rounds else []
        taken = taken_positions(tx)
    labeled = {s.round: s.result for s in steps if s.name == "human_labeling"}
    arrays = {n: _labels(project, labeled[n]) for n in {min(labeled), max(labeled)}} if labeled else {}
    evaluated = [s.round for s in steps if s.name == "evaluation"]
    main = {m.round: m for m in metrics if m.name == metric}
    last = main[max(main)] if main else None
    reports = _reports(project.folder)
    return Evidence(
        objective=settings.objective.model_dump(mode="json"),
        strategy=settings.query.strategy,
        version=__version__,
        several_labels=settings.data.sets is not None,
        measured=(last.round, last.value, last.low, last.high) if last else None,
        seed_snapshot=rounds[0].snapshot if rounds else "",
        seed_classes=_counts(labeled[min(labeled)], arrays[min(labeled)], "pool") if labeled else {},
        model=models[-1].version if models else None,
        card=_card(project.folder / CARD),
        simulation={**simulations[0].result, "at": simulations[0].at} if simulations else None,
        asked_by=[r.strategy for r in rounds if r.round > 0],
        page_answers=n_page,
        page_last=page_last,
        guidelines=bool(settings.labeling.guidelines),
        pictures=[path for path in reports if _shows_page(path)],
        git=_git(project.folder),
        evaluated=len(evaluated),
        logged=sum(n in main for n in evaluated),
        **_image(project.folder, project.folder / settings.deploy.folder),
        **_dashboards(project.folder, [path for path in reports if path.endswith((".html", ".md"))], last),
        **_holdout(project, taken, arrays[max(labeled)] if labeled else {}),
        recall=_recall(labeled[max(labeled)], arrays[max(labeled)], metrics) if labeled else None,
        context_round=newest,
        queries=len(queries),
        **_context(queries),
        measures=_measures(steps),
    )


def _labels(project: Project, left: Mapping[str, Any]) -> dict[str, Any]:
    """Positions and codes by split; empty where the bytes are lost, which `querist verify` tells."""
    try:
        return project.artifacts.get_arrays(left["labels"])
    except SnapshotCorrupt:
        return {}


def _counts(left: Mapping[str, Any], arrays: Mapping[str, Any], split: str) -> dict[str, int]:
    if not arrays:
        return {}
    found = class_counts(arrays[f"{split}_codes"], len(left["classes"]))
    return dict(zip(left["classes"], map(int, found), strict=True))


def _recall(left: Mapping[str, Any], arrays: Mapping[str, Any], metrics: Sequence[Metric]) -> Recall | None:
    present = {name: n for name, n in _counts(left, arrays, "test").items() if n}
    if not present:
        return None
    rarest = min(present, key=present.__getitem__)
    return Recall(rarest, present[rarest], [(m.round, m.value) for m in metrics if m.name == f"recall:{rarest}"])


def _holdout(project: Project, taken: NDArray[np.int64], arrays: Mapping[str, Any]) -> dict[str, Any]:
    from querist.snapshots.snapshot import TEST
    from querist.store.models import current_snapshot

    with project.ledger.read() as tx:
        if current_snapshot(tx) is None:
            return {}
    held = project.snapshot.splits() == TEST
    asked, trained = (np.zeros(len(held), dtype=np.bool_) for _ in range(2))
    asked[taken] = True
    trained[arrays.get("pool_positions", [])] = True
    return {
        "items": len(held),
        "holdout": int((held & project.snapshot.primary()).sum()),
        "asked_positions": int(asked.sum()),
        "trained_positions": int(trained.sum()),
        "touched": int((held & (asked | trained)).sum()),
    }


def _context(queries: Sequence[Query]) -> dict[str, Any]:
    given = [[name for name, value in q.payload.get("context", {}).items() if value not in (None, "")] for q in queries]
    return {"with_context": sum(map(bool, given)), "context_columns": list(dict.fromkeys(n for g in given for n in g))}


def _measures(steps: Sequence[Done]) -> list[str]:
    scored = [s.result["measures"] for s in steps if s.name == "uncertainty_scoring"]
    return [name for name, weight in scored[-1].items() if weight] if scored else []


def _reports(folder: Path) -> list[str]:
    """Files in the reports, newest first, relative to the project."""
    files = [path for path in (folder / "reports").rglob("*") if path.is_file()]
    return [str(p.relative_to(folder)) for p in sorted(files, key=lambda p: (-p.stat().st_mtime, str(p)))]


def _shows_page(path: str) -> bool:
    return path.endswith((".webm", ".gif", ".mp4")) or (path.endswith((".png", ".jpg")) and "label" in Path(path).name)


def _card(path: Path) -> str | None:
    """The version that the card names, "" where it names none; None without a card."""
    if not path.is_file():
        return None
    found = re.match(r"# Model (\S+)", path.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else ""


def _dashboards(folder: Path, reports: Sequence[str], last: Metric | None) -> dict[str, Any]:
    """Written reports, pages of single rounds and the card aside, and the HTML page that holds the newest figures."""
    pages = [path for path in reports if path != CARD and not path.startswith("reports/rounds/")]
    pages.sort(key=lambda path: not path.endswith(".html"))
    if last is None:
        return {"dashboards": pages}
    figures = f"{last.value:.3f}", f"{last.n_labels:,}"
    html = [path for path in pages if path.endswith(".html")]
    current = (path for path in html if all(figure in _text(folder / path) for figure in figures))
    return {"dashboards": pages, "dashboard_current": next(current, None)}


def _image(folder: Path, deployed: Path) -> dict[str, Any]:
    """Files that describe an image, and the one that names this version of the pipeline."""
    names = ("Dockerfile*", "Containerfile*", "*.yml", "*.yaml", "*.json", "*.toml")
    found = {p for name in names for p in deployed.rglob(name) if p.is_file()}
    described = [p for p in found if "versions" not in p.relative_to(deployed).parts]  # a model is no image
    files = sorted(str(p.relative_to(folder) if p.is_relative_to(folder) else p) for p in described)
    tag = re.compile(rf"(?<![\w.]){re.escape(__version__)}(?![\w.])")
    return {"image_files": files, "image_tagged": next((f for f in files if tag.search(_text(folder / f))), None)}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.stat().st_size <= MOST_BYTES else ""


def _git(folder: Path) -> Git:
    if _run_git(folder, "rev-parse", "--is-inside-work-tree") is None:
        return Git("none")
    if not _run_git(folder, "ls-files", "--", FILE_NAME):
        return Git("untracked")
    commit = _run_git(folder, "log", "-1", "--format=%h of %cs", "--", FILE_NAME)
    changed = _run_git(folder, "status", "--porcelain", "--", FILE_NAME, *WORKFLOW)
    if not commit or changed is None:
        return Git("untracked")
    files = [line[3:] for line in changed.splitlines()]
    if FILE_NAME in (Path(file).name for file in files):
        return Git("changed", commit)
    return Git("kept", commit, files)


def _run_git(folder: Path, *arguments: str) -> str | None:
    """What git says, or None where it is missing, slow or unwilling; hooks of the repository are not run."""
    git = shutil.which("git")
    if git is None:
        return None
    quiet = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
    try:
        done = subprocess.run(  # noqa: S603  # fixed arguments
            [git, *quiet, *arguments], cwd=folder, capture_output=True, timeout=GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").rstrip("\n") if done.returncode == 0 else None

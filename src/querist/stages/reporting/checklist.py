"""What a presentation of active learning should be able to show, judged by evidence, with the proof of each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from querist.stages.reporting.words import interval, named

State = Literal["green", "amber", "red"]
UNEVEN = 3.0
"""Times that the largest class of the seed set may outnumber the smallest."""
PLAIN = ("random", "uncertainty")
SEVERAL = ("mixture", "bandit")
"""Strategies that choose by several others."""
SURE = 1.96
LEVEL = 0.05


@dataclass(frozen=True)
class Line:
    """`evidence` is what was found; `link` the file or command that proves it, or mends it."""

    line: str
    state: State
    evidence: str
    link: str


@dataclass(frozen=True)
class Git:
    """What version control knows of querist.toml; `others` are workflow files that it does not know as they are."""

    state: Literal["none", "untracked", "changed", "kept"]
    commit: str = ""
    others: Sequence[str] = ()


@dataclass(frozen=True)
class Recall:
    """Recall of the rarest class in the holdout, of which it has `n` items: (round, recall), oldest first."""

    name: str
    n: int
    by_round: Sequence[tuple[int, float]]


@dataclass(frozen=True)
class Evidence:
    """What the record and the project's folder hold; the defaults are those of an empty project."""

    objective: Mapping[str, Any]
    strategy: str
    version: str
    measured: tuple[int, float, float | None, float | None] | None = None
    seed_snapshot: str = ""
    seed_classes: Mapping[str, int] = field(default_factory=dict)
    model: str | None = None
    card: str | None = None
    simulation: Mapping[str, Any] | None = None
    asked_by: Sequence[str] = ()
    page_answers: int = 0
    page_last: str | None = None
    guidelines: bool = False
    pictures: Sequence[str] = ()
    git: Git = field(default_factory=lambda: Git("none"))
    evaluated: int = 0
    logged: int = 0
    image_files: Sequence[str] = ()
    image_tagged: str | None = None
    several_labels: bool = False
    dashboards: Sequence[str] = ()
    dashboard_current: str | None = None
    items: int = 0
    holdout: int = 0
    asked_positions: int = 0
    trained_positions: int = 0
    touched: int = 0
    recall: Recall | None = None
    context_round: int | None = None
    queries: int = 0
    with_context: int = 0
    context_columns: Sequence[str] = ()
    measures: Sequence[str] = ()


def judge(e: Evidence) -> list[Line]:
    """The lines in the order of a presentation."""
    return [rule(e) for rule in RULES]


def _goal(e: Evidence) -> Line:
    line, metric = "Business goal and KPI defined", named(e.objective["metric"])
    if e.objective["goal"] is None:
        return Line(line, "red", f"no goal is set for {metric}; set objective.goal", "querist.toml")
    goal = f"{metric} is to reach {e.objective['goal']:g}"
    stands = "not measured yet" if e.measured is None else f"{interval(*e.measured[1:])} in round {e.measured[0]}"
    missing = [f"objective.{name}" for name in ("why", "owner") if not e.objective[name]]
    if missing:
        return Line(line, "amber", f"{goal}, {stands}; {' and '.join(missing)} are not written down", "querist.toml")
    if e.measured is None:
        return Line(line, "amber", f"{goal}, {stands}", "querist status")
    return Line(line, "green", f"{goal}, {stands}; {e.objective['owner']} answers for it", "querist status")


def _seed(e: Evidence) -> Line:
    line, link = "Seed set versioned and balanced", "querist rounds show 0"
    counts = e.seed_classes
    if not counts:
        return Line(line, "red", "no seed set is labeled yet", "querist run")
    found = f"{sum(counts.values()):,} labels of snapshot {e.seed_snapshot}: " + ", ".join(
        f"{n:,} {name}" for name, n in sorted(counts.items(), key=lambda pair: -pair[1])[:5]
    )
    if absent := [name for name, n in counts.items() if not n]:
        return Line(line, "red", f"{found}; none of {', '.join(absent[:5])}", link)
    largest, smallest = max(counts.values()), min(counts.values())
    if largest > UNEVEN * smallest:
        return Line(line, "amber", f"{found}; the largest class has {largest / smallest:.1f} times the smallest", link)
    return Line(line, "green", found, link)


def _documented(e: Evidence) -> Line:
    line, link = "Model documented", "querist models card"
    if e.model is None:
        return Line(line, "red", "no model is trained yet", "querist run")
    if e.card is None:
        return Line(line, "red", f"no model card is written for {e.model}", link)
    if e.card != e.model:
        return Line(line, "amber", f"the model card tells of {e.card or 'no version'}, the newest is {e.model}", link)
    return Line(line, "green", f"the model card tells of {e.model}, the newest", "reports/model-card.md")


def _justified(e: Evidence) -> Line:
    line, link = "Uncertainty method chosen and justified", "querist simulate"
    if e.simulation is None:
        return Line(line, "red", f"no simulation on record compares {e.strategy} with others", link)
    names, day = list(e.simulation["summary"]), e.simulation["at"][:10]
    if e.strategy not in names or len(names) == 1:
        return Line(line, "amber", f"the simulation of {day} compares {', '.join(names)}, not {e.strategy}", link)
    found = {name: s["metrics"].get(e.objective["metric"]) for name, s in e.simulation["summary"].items()}
    own = found[e.strategy]
    if own is None:
        return Line(line, "amber", f"the simulation of {day} did not measure {named(e.objective['metric'])}", link)
    curves = ", ".join(f"{name} {curve['mean_of_curve']:.3f}" for name, curve in found.items() if curve)
    shown = f"mean {named(e.objective['metric'])} over the curve, simulated {day}: {curves}"
    against = own.get("against_random")
    if against and against["difference"] < 0 and against["p_holm"] is not None and against["p_holm"] < LEVEL:
        return Line(line, "amber", f"{shown}; {e.strategy} was worse than random sampling", link)
    return Line(line, "green", shown, link)


def _specified(e: Evidence) -> Line:
    line = "Query strategy specified"
    if not e.asked_by:
        return Line(line, "amber", f"no round was asked by {e.strategy} yet", "querist run")
    n, last = sum(name == e.strategy for name in e.asked_by), len(e.asked_by)
    if e.asked_by[-1] != e.strategy:
        evidence = f"the settings say {e.strategy}, round {last} was asked by {e.asked_by[-1]}"
        return Line(line, "amber", evidence, f"querist rounds show {last}")
    return Line(line, "green", f"{n:,} of {last:,} rounds were asked by {e.strategy}", f"querist rounds show {last}")


def _page(e: Evidence) -> Line:
    line = "Labeling page shown"
    if e.page_answers:
        evidence = f"{e.page_answers:,} answers came through the page, the last on {(e.page_last or '')[:10]}"
        return Line(line, "green", evidence, e.pictures[0] if e.pictures else "querist serve")
    if e.pictures:
        return Line(line, "green", f"a picture of it is in the reports: {e.pictures[0]}", e.pictures[0])
    if e.guidelines:
        return Line(line, "amber", "guidelines are written, but no answer came through the page yet", "querist serve")
    return Line(line, "red", "no answer came through the page, and no picture of it is in the reports", "querist serve")


def _versioned(e: Evidence) -> Line:
    line, others = "Workflow script version-controlled", ", ".join(e.git.others[:5])
    if e.git.state == "none":
        return Line(line, "amber", "the project lies in no git repository that can be read", "git init")
    if e.git.state == "untracked":
        return Line(line, "red", "querist.toml is in no commit", "git add querist.toml")
    if e.git.state == "changed":
        return Line(line, "amber", f"querist.toml has changed since commit {e.git.commit}", "git diff querist.toml")
    if others:
        return Line(line, "amber", f"querist.toml is as in commit {e.git.commit}; not so {others}", "git status")
    return Line(line, "green", f"querist.toml is as in commit {e.git.commit}", "git log querist.toml")


def _logged(e: Evidence) -> Line:
    line, metric = "Metrics logged per iteration", named(e.objective["metric"])
    if not e.logged:
        return Line(line, "red", f"{metric} is on record for no round", "querist run")
    evidence = f"{metric} is on record for {e.logged:,} of {e.evaluated:,} evaluated rounds"
    return Line(line, "green" if e.logged == e.evaluated else "amber", evidence, "querist status")


def _image(e: Evidence) -> Line:
    line = "Container image tagged with the pipeline version"
    if e.several_labels:
        return Line(line, "amber", "models that give several labels are not deployed by querist yet", "querist.toml")
    if not e.image_files:
        missing = "there is no deployed folder with an image in it; add deploy/Dockerfile by `querist deploy build`"
        return Line(line, "red", missing, "deploy")
    if e.image_tagged is None:
        return Line(line, "amber", f"no file in deploy names an image of version {e.version}", e.image_files[0])
    return Line(line, "green", f"{e.image_tagged} names version {e.version}", e.image_tagged)


def _dashboard(e: Evidence) -> Line:
    line = "Dashboard includes active-learning metrics"
    if e.dashboard_current:
        evidence = f"{e.dashboard_current} shows {named(e.objective['metric'])} of the newest round, with its labels"
        return Line(line, "green", evidence, e.dashboard_current)
    if e.dashboards:
        evidence = f"{e.dashboards[0]} is written, but no HTML page shows the newest round"
        return Line(line, "amber", evidence, "querist report")
    return Line(line, "red", "no report is written", "querist report")


def _untouched(e: Evidence) -> Line:
    line = "Holdout never touched"
    if not e.holdout:
        if not e.items:
            return Line(line, "amber", "there is no data yet, and so no holdout; ingest some", "querist ingest FILE")
        return Line(line, "amber", "there is no holdout; set splits.test and ingest the data anew", "querist.toml")
    if e.touched:
        evidence = f"{e.touched:,} of {e.holdout:,} holdout items were asked, labeled as pool items, or trained on"
        return Line(line, "red", evidence, "querist verify --all")
    if not e.asked_positions:
        return Line(line, "amber", f"{e.holdout:,} items are held out, and nothing has been asked yet", "querist run")
    evidence = (
        f"of {e.holdout:,} holdout items none is among the {e.asked_positions:,} that were asked or labeled in the "
        f"pool, nor among the {e.trained_positions:,} trained on"
    )
    return Line(line, "green", evidence, "querist verify --all")


def _minority(e: Evidence) -> Line:
    line, link = "Minority classes watched", "querist diagnostics"
    if e.recall is None or not e.recall.by_round:
        return Line(line, "red", "the recall of the rarest class is on record for no round", "querist run")
    (first, then), (last, now) = e.recall.by_round[0], e.recall.by_round[-1]
    found = f"recall of {e.recall.name}, the rarest ({e.recall.n:,} holdout items): {now:.3f} in round {last}"
    if first != last:
        found += f", {then:.3f} in round {first}"
    error = ((then * (1 - then) + now * (1 - now)) / max(e.recall.n, 1)) ** 0.5
    if now == 0 or then - now > SURE * error:
        return Line(line, "amber", f"{found}; the loop does not serve it well", link)
    return Line(line, "green", found, link)


def _context(e: Evidence) -> Line:
    line = "Context given to annotators"
    if e.context_round is None:
        return Line(line, "amber", "nothing has been asked yet", "querist run")
    link, columns = f"querist rounds show {e.context_round}", ", ".join(e.context_columns[:5])
    if e.with_context and e.with_context == e.queries:
        evidence = f"all {e.queries:,} queries of round {e.context_round} came with {columns}"
        return Line(line, "green", evidence, link)
    if e.with_context:
        evidence = f"{e.with_context:,} of {e.queries:,} queries of round {e.context_round} came with {columns}"
        return Line(line, "amber", evidence, link)
    if e.guidelines:
        return Line(line, "amber", "annotators see guidelines, but no context; set data.context", "querist.toml")
    return Line(line, "red", f"no query of round {e.context_round} came with context; set data.context", "querist.toml")


def _measures(e: Evidence) -> Line:
    line, used = "More than one uncertainty measure", ", ".join(e.measures)
    if not e.measures:
        return Line(line, "amber", "no round has been scored yet", "querist run")
    link = f"querist rounds show {len(e.asked_by)}"
    if len(e.measures) > 1 or e.strategy in SEVERAL:
        evidence = f"the newest round was scored by {used}"
        return Line(line, "green", evidence + (f" and asked by {e.strategy}" if e.strategy in SEVERAL else ""), link)
    if e.strategy in PLAIN:
        return Line(line, "red", f"the newest round was scored by {used} alone; add to query.measures", "querist.toml")
    return Line(line, "amber", f"the newest round was scored by {used} alone, beside what {e.strategy} weighs", link)


RULES = (
    _goal,
    _seed,
    _documented,
    _justified,
    _specified,
    _page,
    _versioned,
    _logged,
    _image,
    _dashboard,
    _untouched,
    _minority,
    _context,
    _measures,
)

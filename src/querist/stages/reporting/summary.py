"""The written summary of a project: Markdown from the record, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from querist.stages.reporting.markdown import table, text
from querist.stages.reporting.words import in_ingests, interval


def summary(
    status: Mapping[str, Any], objective: Mapping[str, Any], comparison: Mapping[str, Any] | None, has_chart: bool
) -> str:
    parts = [
        f"# {text(status['project'])}",
        _goal(status, objective),
        _data(status["data"]),
        "## Rounds",
        _rounds(status["rounds"]),
        "![Learning curve](learning-curve.svg)" if has_chart else "",
        _comparison(comparison, status["metric"]) if comparison else "",
        _changes(status["rounds"]),
        _warnings(status["rounds"]),
        f"Record: querist {status['version']}, snapshot `{status['snapshot']}`, digest `{status['digest'][:16]}`.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _goal(status: Mapping[str, Any], objective: Mapping[str, Any]) -> str:
    lines = [f"**{text(objective['why'])}**" if objective["why"] else ""]
    goal = f"goal {objective['goal']}" if objective["goal"] is not None else "no goal set"
    value = "not measured yet"
    if status["value"] is not None:
        value = interval(status["value"], status["low"], status["high"])
    lines.append(f"- Metric: {status['metric']} on the holdout is {value} ({goal}).")
    spent = status["spent"]
    if spent:
        money = f", {spent['money']:,.2f} {objective['currency']}" if objective["cost_per_label"] else ""
        hours = f", {spent['hours']:.1f} hours" if spent["hours"] else ""
        budget = f" of {objective['budget_labels']:,}" if objective["budget_labels"] else ""
        lines.append(f"- Spent: {spent['labels']:,} labels asked{budget}{money}{hours}.")
    lines.append(f"- State: {status['state']}; {status['reason']}.")
    owner = [text(objective["owner"])] if objective["owner"] else []
    lines += [f"- Owner: {name}." for name in owner]
    return "\n".join(line for line in lines if line)


def _data(data: Mapping[str, Any] | None) -> str:
    if not data:
        return ""
    return "\n".join(
        [
            "## Data",
            f"- {data['read']:,} rows read, {data['added']:,} kept, {data['repeated']:,} repeated, "
            f"{data['quarantined']:,} in quarantine{in_ingests(data)}.",
            f"- {data['groups']:,} groups of equal content ({data['duplicates']:,} duplicates, of which "
            f"{data['near_duplicates']:,} near duplicates); {data['conflicting_groups']:,} groups carry "
            "more than one label.",
        ]
    )


def _rounds(rounds: Sequence[Mapping[str, Any]]) -> str:
    if not rounds:
        return "No round yet."
    metric = rounds[0]["metric"]
    head = ["round", "strategy", "asked", "labels", metric, "interval", "seconds"]
    rows = []
    for r in rounds:
        value = "" if r["value"] is None else f"{r['value']:.3f}"
        bounds = "" if r["low"] is None else f"{r['low']:.3f} to {r['high']:.3f}"
        labels = "" if r["labels"] is None else f"{r['labels']:,}"
        rows.append([r["round"], r["strategy"], r["asked"], labels, value, bounds, f"{r['seconds']:.1f}"])
    return table(head, rows)


def _comparison(comparison: Mapping[str, Any], metric: str) -> str:
    """Simulated strategies side by side, and in plain words whether random sampling was beaten."""
    head = ["strategy", "labels", f"{metric} at the end", f"mean {metric} of the curve", "against random"]
    rows, verdicts = [], []
    for name, found in comparison["summary"].items():
        curve = found["metrics"][metric]
        against = curve.get("against_random")
        rows.append(
            [
                name,
                f"{found['labels'][-1]:,}",
                interval(curve["mean"][-1], curve["low"][-1], curve["high"][-1]),
                f"{curve['mean_of_curve']:.3f}",
                "" if against is None else f"{against['difference']:+.3f} ({against['wins']}/{against['pairs']} won)",
            ]
        )
        if against is not None:
            verdicts.append(f"- {name}: {against['verdict']}.")
    return "\n\n".join(["## Against random sampling", table(head, rows), "\n".join(verdicts)])


def _changes(rounds: Sequence[Mapping[str, Any]]) -> str:
    found = [f"- Round {r['round']}: {change}." for r in rounds for change in r["learner_changes"]]
    return "\n".join(["## Changes of the learner", *found]) if found else ""


def _warnings(rounds: Sequence[Mapping[str, Any]]) -> str:
    found = [f"- Round {r['round']}: {w}." for r in rounds for w in r["warnings"]]
    return "\n".join(["## Warnings", *found]) if found else ""

"""What each of the nine stages holds now: the boxes of the project's flowchart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.config import Settings
from querist.stages.query_strategy.ask import make
from querist.stages.reporting.words import count, figure, named, of_budget

TITLES = {
    "raw_data": "Raw data",
    "preprocessing": "Pre-processing",
    "initial_model": "Initial model",
    "uncertainty_scoring": "Uncertainty scoring",
    "query_strategy": "Query strategy",
    "human_labeling": "Human labeling",
    "retraining": "Retraining",
    "evaluation": "Evaluation",
    "deploy": "Deploy",
}
NOW = {"empty": "raw_data", "waiting": "human_labeling", "ready": "uncertainty_scoring", "stopped": "deploy"}


def boxes(settings: Settings, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """{"name", "title", "lines", "now"} for each stage in order; `found` are the findings so far."""
    lines = _lines(settings, found)
    now = NOW[found["status"]["state"]]
    return [{"name": name, "title": title, "lines": lines[name], "now": name == now} for name, title in TITLES.items()]


def _lines(settings: Settings, found: Mapping[str, Any]) -> dict[str, list[str]]:
    status, rounds, models = found["status"], found["rounds"], found["models"]
    data, query, objective = status["data"], settings.query, settings.objective
    seed = rounds[0] if rounds else None
    last = status["last"]
    steps, budget = settings.preprocessing.steps, objective.budget_labels
    return {
        "raw_data": [f"{count(data['read'])} rows read" if data else "no data yet", f"kind: {settings.data.kind}"],
        "preprocessing": [f"{count(data['added'])} items kept, {count(data['duplicates'])} duplicates"]
        if data
        else [f"steps: {'default' if steps is None else len(steps)}"],
        "initial_model": [f"seed set of {count(seed['asked'])}" if seed else "seed set not asked yet"],
        "uncertainty_scoring": [", ".join(make(query.strategy, query.params, query.measures)[1])],
        "query_strategy": [query.strategy, f"{count(query.batch_size)} a batch"],
        "human_labeling": [
            of_budget(count(status["answers"]), None if budget is None else count(budget)) + " labels",
            f"{count(status['missing'])} wait" if status["missing"] else "none waits",
        ],
        "retraining": [f"model {models[-1]['version'][:8]}" if models else "no model yet", settings.learner.name],
        "evaluation": [
            f"{named(objective.metric)} {figure(last['value']) if last else 'not measured yet'}",
            "no goal set" if objective.goal is None else f"goal {objective.goal:g}",
        ],
        "deploy": [
            f"model {status['served'][:8]} answers" if status["served"] else "not yet",
            *([status["reason"]] if status["state"] == "stopped" else []),
        ],
    }

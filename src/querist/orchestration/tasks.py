"""The one list of what a workflow does, stage by stage: every workflow file is written from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["ask", "wait", "advance", "gate", "approve", "deploy"]


@dataclass(frozen=True)
class Task:
    """One task of a workflow: the stages it covers, the command that does it, and what it says of itself."""

    name: str
    kind: Kind
    stages: tuple[str, ...]
    command: tuple[str, ...]
    says: str


TASKS = (
    Task(
        "ask",
        "ask",
        ("uncertainty_scoring", "query_strategy"),
        ("run", "--until", "asked"),
        "Scores the pool and asks the next items; in the first round the seed set.",
    ),
    Task(
        "wait_for_labels",
        "wait",
        ("human_labeling",),
        ("rounds", "complete"),
        "People label, for as long as they like.",
    ),
    Task(
        "retrain",
        "advance",
        ("initial_model", "retraining"),
        ("run", "--until", "retrained"),
        "Trains on all labels known so far, when retraining.when or somebody's reason says so.",
    ),
    Task(
        "evaluate",
        "advance",
        ("evaluation",),
        ("run", "--until", "evaluated"),
        "Measures the model on the holdout.",
    ),
    Task(
        "gate",
        "gate",
        ("deploy",),
        ("deploy", "gate"),
        "Judges whether the model may take the place of the served one.",
    ),
    Task("approve", "approve", ("deploy",), (), "A person agrees, or not."),
    Task("deploy", "deploy", ("deploy",), ("deploy", "promote"), "From now on the model answers."),
)
"""In the order they run. What comes before, raw data and pre-processing, is `querist ingest`."""


def tasks(*, waits: bool, approve: bool) -> list[Task]:
    """Those of one workflow; without `waits` the list has two parts, which an event joins."""
    left_out = {kind for kind, wanted in (("wait", waits), ("approve", approve)) if not wanted}
    return [task for task in TASKS if task.kind not in left_out]

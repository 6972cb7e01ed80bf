"""Each line of the checklist in each state that it can take, from evidence given by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from querist.stages.reporting.checklist import RULES, Evidence, Git, Line, Recall, judge

OBJECTIVE = {"metric": "accuracy", "goal": None, "why": "", "owner": ""}
EMPTY = Evidence(objective=OBJECTIVE, strategy="kmeans", version="1.2.3")
LINES = [line.line for line in judge(EMPTY)]


def line(place: int, **found: Any) -> Line:
    """The line at a place, counted from 1 as in the checklist."""
    return RULES[place - 1](replace(EMPTY, **found))


def simulated(**curves: float) -> dict[str, Any]:
    summary = {name: {"metrics": {"accuracy": {"mean_of_curve": value}}} for name, value in curves.items()}
    return {"at": "2026-01-02T00:00:00", "summary": summary}


def lost(p_holm: float | None) -> dict[str, Any]:
    found = simulated(kmeans=0.7, random=0.8)
    found["summary"]["kmeans"]["metrics"]["accuracy"]["against_random"] = {"difference": -0.1, "p_holm": p_holm}
    return found


GOAL = {**OBJECTIVE, "goal": 0.9}
NAMED = {**GOAL, "why": "labels are dear", "owner": "Ann"}
KEPT = Git("kept", "ab12 of 2026-01-01")
IMAGE = ["deploy/Dockerfile"]


@pytest.mark.parametrize(
    ("place", "found", "state", "evidence"),
    [
        (1, {}, "red", "no goal is set for accuracy"),
        (1, {"objective": GOAL, "measured": (3, 0.8, 0.7, 0.9)}, "amber", "objective.why and objective.owner are not"),
        (1, {"objective": NAMED}, "amber", "to reach 0.9, not measured yet"),
        (1, {"objective": NAMED, "measured": (3, 0.8, 0.7, 0.9)}, "green", "0.800 (0.700 to 0.900) in round 3; Ann"),
        (2, {}, "red", "no seed set is labeled yet"),
        (2, {"seed_classes": {"a": 10, "b": 0}}, "red", "none of b"),
        (2, {"seed_classes": {"a": 31, "b": 10}}, "amber", "3.1 times the smallest"),
        (
            2,
            {"seed_classes": {"a": 30, "b": 10}, "seed_snapshot": "s1"},
            "green",
            "40 labels of snapshot s1: 30 a, 10 b",
        ),
        (3, {}, "red", "no model is trained"),
        (3, {"model": "r002"}, "red", "no model card is written for r002"),
        (3, {"model": "r002", "card": "r001"}, "amber", "tells of r001, the newest is r002"),
        (3, {"model": "r002", "card": ""}, "amber", "tells of no version"),
        (3, {"model": "r002", "card": "r002"}, "green", "tells of r002"),
        (4, {}, "red", "no simulation on record compares kmeans"),
        (4, {"simulation": simulated(badge=0.8, random=0.7)}, "amber", "compares badge, random, not kmeans"),
        (4, {"simulation": simulated(kmeans=0.8)}, "amber", "compares kmeans, not kmeans"),
        (4, {"simulation": lost(0.01)}, "amber", "worse than random"),
        (4, {"simulation": lost(0.2)}, "green", "kmeans 0.700, random 0.800"),
        (4, {"simulation": lost(None)}, "green", "simulated 2026-01-02"),
        (4, {"simulation": simulated(kmeans=0.8, random=0.7)}, "green", "kmeans 0.800, random 0.700"),
        (5, {}, "amber", "no round was asked by kmeans yet"),
        (5, {"asked_by": ["kmeans", "random"]}, "amber", "the settings say kmeans, round 2 was asked by random"),
        (5, {"asked_by": ["random", "kmeans"]}, "green", "1 of 2 rounds were asked by kmeans"),
        (6, {}, "red", "no answer came through the page"),
        (6, {"guidelines": True}, "amber", "guidelines are written"),
        (6, {"pictures": ["reports/label.png"]}, "green", "reports/label.png"),
        (6, {"page_answers": 1200, "page_last": "2026-01-03T10:00:00"}, "green", "1,200 answers"),
        (7, {}, "amber", "no git repository"),
        (7, {"git": Git("untracked")}, "red", "in no commit"),
        (7, {"git": Git("changed", "ab12")}, "amber", "has changed since commit ab12"),
        (7, {"git": replace(KEPT, others=["dag.py"])}, "amber", "not so dag.py"),
        (7, {"git": KEPT}, "green", "as in commit ab12 of 2026-01-01"),
        (8, {}, "red", "for no round"),
        (8, {"evaluated": 5, "logged": 4}, "amber", "4 of 5"),
        (8, {"evaluated": 5, "logged": 5}, "green", "5 of 5"),
        (9, {}, "red", "add deploy/Dockerfile"),
        (9, {"several_labels": True}, "amber", "not deployed by querist yet"),
        (9, {"image_files": IMAGE}, "amber", "no file in deploy names an image of version 1.2.3"),
        (9, {"image_files": IMAGE, "image_tagged": IMAGE[0]}, "green", "deploy/Dockerfile names version 1.2.3"),
        (10, {}, "red", "no report is written"),
        (10, {"dashboards": ["reports/a.html"]}, "amber", "no HTML page shows the newest round"),
        (10, {"dashboards": ["reports/a.html"], "dashboard_current": "reports/a.html"}, "green", "shows accuracy"),
        (11, {}, "amber", "there is no data yet, and so no holdout; ingest some"),
        (11, {"items": 80}, "amber", "there is no holdout; set splits.test"),
        (11, {"items": 400, "holdout": 80}, "amber", "nothing has been asked yet"),
        (11, {"items": 400, "holdout": 80, "asked_positions": 9, "touched": 1}, "red", "1 of 80 holdout items"),
        (
            11,
            {"items": 400, "holdout": 80, "asked_positions": 9, "trained_positions": 8},
            "green",
            "none is among the 9",
        ),
        (12, {}, "red", "for no round"),
        (12, {"recall": Recall("b", 30, [])}, "red", "for no round"),
        (
            12,
            {"recall": Recall("b", 100, [(0, 0.9), (4, 0.7)])},
            "amber",
            "0.700 in round 4, 0.900 in round 0; the loop",
        ),
        (12, {"recall": Recall("b", 100, [(0, 0.0)])}, "amber", "0.000 in round 0; the loop"),
        (12, {"recall": Recall("b", 10, [(0, 0.9), (4, 0.8)])}, "green", "0.800 in round 4, 0.900 in round 0"),
        (13, {}, "amber", "nothing has been asked yet"),
        (13, {"context_round": 2, "queries": 10}, "red", "no query of round 2 came with context"),
        (13, {"context_round": 2, "queries": 10, "guidelines": True}, "amber", "guidelines, but no context"),
        (
            13,
            {"context_round": 2, "queries": 10, "with_context": 4, "context_columns": ["brand"]},
            "amber",
            "4 of 10 queries of round 2 came with brand",
        ),
        (
            13,
            {"context_round": 2, "queries": 10, "with_context": 10, "context_columns": ["brand"]},
            "green",
            "all 10 queries of round 2 came with brand",
        ),
        (14, {}, "amber", "no round has been scored"),
        (14, {"measures": ["margin"], "strategy": "uncertainty"}, "red", "margin alone; add to query.measures"),
        (14, {"measures": ["margin"]}, "amber", "margin alone, beside what kmeans weighs"),
        (14, {"measures": ["margin"], "strategy": "mixture"}, "green", "margin and asked by mixture"),
        (14, {"measures": ["margin", "entropy"]}, "green", "margin, entropy"),
    ],
)
def test_a_line_is_judged_by_its_evidence(place: int, found: dict[str, Any], state: str, evidence: str) -> None:
    judged = line(place, **found)
    assert (judged.state, judged.line) == (state, LINES[place - 1])
    assert evidence in judged.evidence
    assert judged.link


def test_there_are_fourteen_lines_and_none_twice() -> None:
    assert len(set(LINES)) == 14

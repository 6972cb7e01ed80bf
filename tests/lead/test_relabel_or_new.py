"""Labeled items, items that wait and items of the pool in one list."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape

import numpy as np
from fastapi.testclient import TestClient

from querist.pipeline.human_labeling.review import AT_ONCE, relabel_or_wait
from querist.pipeline.project import Project
from querist.pipeline.unasked import least_sure
from querist.snapshots.snapshot import POOL
from querist.store.rounds import taken_positions
from querist.store.steps import find_step

Answering = Callable[..., None]


def test_before_the_pool_was_scored_there_is_none(project: Project) -> None:
    with project.ledger.read() as tx:
        positions, proba = least_sure(project, tx, 5)
    assert (len(positions), len(proba)) == (0, 0)


def test_the_least_sure_of_those_that_nobody_was_asked_come_first(later: Project) -> None:
    with later.ledger.read() as tx:
        positions, proba = least_sure(later, tx, 7)
        taken = taken_positions(tx)
        scored = find_step(tx, 1, "uncertainty_scoring")
    assert scored is not None
    arrays = later.artifacts.get_arrays(scored.result["scores"])
    sure = {int(p): float(row.max()) for p, row in zip(arrays["positions"], arrays["proba"], strict=True)}
    left = sorted(value for p, value in sure.items() if p not in set(taken))
    np.testing.assert_allclose(proba.max(axis=1), left[:7])
    assert not set(positions.tolist()) & set(taken)
    assert set(later.snapshot.splits()[positions].tolist()) == {POOL}


def test_where_the_scores_are_gone_the_list_goes_without(later: Project, answer: Answering) -> None:
    with later.ledger.read() as tx:
        scored = find_step(tx, 1, "uncertainty_scoring")
    assert scored is not None
    name = scored.result["scores"]
    (found,) = [p for p in later.folder.rglob(name[2:]) if p.parent.name == name[:2]]
    found.unlink()
    asked = [query["id"] for query in later.show_round(1)["queries"]]
    answer(later, "ada", {asked[0]: "pos"})
    assert relabel_or_wait(later)["pool"] == 0


def test_all_three_stand_in_one_order(
    later: Project, answer: Answering, open_lead: Callable[[Project], TestClient]
) -> None:
    asked = [query["id"] for query in later.show_round(1)["queries"]]
    for who in ("ada", "bob"):
        answer(later, who, {asked[0]: "pos", asked[1]: "neg"})
    found = relabel_or_wait(later)
    assert (found["labeled"], found["new"], found["pool"]) == (2, 8, AT_ONCE)
    rows = found["rows"]
    assert len(rows) == 2 + 8 + AT_ONCE
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    pool = [row for row in rows if row["round"] is None]
    assert pool
    assert not {row["item"] for row in pool} & set(asked)
    assert all(row["item"].startswith("r<") and row["text"] for row in pool)
    confidence = [row["confidence"] for row in rows if row["label"] is None]
    assert confidence == sorted(confidence)  # of unlabeled ones the least sure first, asked or not
    page = unescape(open_lead(later).get("/lead/review?show=relabel").text)
    assert "2 labeled items, 8 that wait and the 20 of the pool" in page
    assert "label (nobody was asked yet)" in page
    assert "<script>window.hacked" not in open_lead(later).get("/lead/review?show=relabel").text

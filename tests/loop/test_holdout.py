"""Holdout discipline, by property over random projects: a test item is never queried, shown or trained on."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.pipeline.project import Project
from querist.snapshots.snapshot import POOL
from querist.store.rounds import list_queries
from querist.store.steps import list_steps

TOML = """\
[project]
seed = {seed}
[objective]
metric = "accuracy"
[data]
id = "id"
text = ["text"]
label = "label"
{split}
deduplicate = {deduplicate}
[splits]
test = {test}
validation = 0.1
[seed_set]
size = {size}
[learner]
calibration = "none"
[learner.encoder_params]
chars = []
min_df = 1
[query]
strategy = "{strategy}"
batch_size = {batch}
[evaluation]
resamples = 100
"""


@pytest.mark.long
@settings(max_examples=15)
@given(data=st.data())
def test_no_holdout_item_enters_the_loop(data: st.DataObject) -> None:
    draw = data.draw
    words = st.lists(st.sampled_from(["good", "bad", "fine", "poor", "red", "blue"]), min_size=1, max_size=4)
    texts = draw(st.lists(words.map(" ".join), min_size=40, max_size=80))
    labels = [str("good" in text or "fine" in text) for text in texts]
    labels[:2] = ["True", "False"]
    given_split = draw(st.booleans())
    splits = draw(st.lists(st.sampled_from(["pool", "pool", "test"]), min_size=len(texts), max_size=len(texts)))
    splits[:3] = ["pool", "pool", "test"]
    toml = TOML.format(
        seed=draw(st.integers(0, 99)),
        split='split = "split"' if given_split else "",
        deduplicate=str(draw(st.booleans())).lower(),
        test=draw(st.sampled_from([0.1, 0.3, 0.5])),
        size=draw(st.integers(2, 6)),
        strategy=draw(st.sampled_from(["kmeans", "uncertainty", "random", "kmeans:margin"])),
        batch=draw(st.integers(1, 5)),
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "querist.toml").write_text(toml)
        with (folder / "data.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text", "label", "split"])
            writer.writerows(zip(range(len(texts)), texts, labels, splits, strict=True))
        project = Project(folder)
        report = project.ingest("data.csv")
        if report.primary["pool"] < 2:
            return
        project.run(rounds=2, oracle="label")
        snapshot = project.snapshot
        where = snapshot.splits()
        with project.ledger.begin() as tx:
            queries, steps = list_queries(tx), list_steps(tx)
        assert queries
        assert all(where[q.position] == POOL for q in queries)
        for step in steps:
            if step.name == "human_labeling":
                trained = project.artifacts.get_arrays(step.result["labels"])["pool_positions"]
                assert (where[trained] == POOL).all()
        shown = " ".join(str(q.payload) for q in queries)
        held = set(snapshot.take(np.flatnonzero(where != POOL), ["text"])["text"].to_pylist())
        pool = set(snapshot.take(np.flatnonzero(where == POOL), ["text"])["text"].to_pylist())
        assert not any(f"'{text}'" in shown for text in held - pool)
        if given_split:
            assert not held & {q.payload["text"] for q in queries}, "nor a pool item with the text of a holdout item"

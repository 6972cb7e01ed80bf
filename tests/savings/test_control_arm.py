"""A share of each batch is drawn at random, apart from the strategy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.asking import CONTROL, control_due
from querist.pipeline.human_labeling.labeling import Desk
from querist.pipeline.project import Project
from querist.store.annotations import add_annotations, annotations_of
from querist.store.rounds import list_queries, queries_since
from querist.store.steps import list_steps


def queries(project: Project, round: int | None = None):
    with project.ledger.read() as tx:
        return list_queries(tx, round)


@given(share=st.floats(0, 0.99), batch=st.integers(1, 300), rounds=st.integers(1, 40))
def test_batches_come_to_their_share_over_the_rounds(share: float, batch: int, rounds: int) -> None:
    due = [control_due(share, batch, r) for r in range(1, rounds + 1)]
    assert all(0 <= n < batch for n in due), "the strategy asks one at least"
    if share * batch <= batch - 1:
        assert abs(sum(due) - share * batch * rounds) <= 1


def test_an_empty_batch_has_no_control() -> None:
    assert control_due(0.5, 0, 3) == 0


def test_the_batch_keeps_its_size_and_the_record_tells_who_was_drawn(start: Callable[..., Project]) -> None:
    project = start(query="control_share = 0.25")
    project.run(rounds=4, oracle="label")
    by_round = {n: Counter(q.strategy for q in queries(project, n)) for n in range(1, 5)}
    assert [c[CONTROL] for c in by_round.values()] == [3, 2, 3, 2], "a quarter of ten, over four rounds"
    assert all(c.total() == 10 for c in by_round.values())
    for q in queries(project, 2):
        assert q.payload["prediction"]
        assert q.score is not None
        assert q.parts
        assert ("drawn at random to check the model" in q.payload["reason"]) == (q.strategy == CONTROL)
    assert [q.rank for q in queries(project, 3)] == list(range(10))
    with project.ledger.read() as tx:
        drawn = [s.result.get("control") for s in list_steps(tx) if s.name == "query_strategy"]
        found = queries_since(tx, 3, strategy=CONTROL)
    assert drawn == [3, 2, 3, 2]
    assert {(q.round, q.strategy) for q in found} == {(3, CONTROL), (4, CONTROL)}


def test_without_a_share_nothing_changes(start: Callable[..., Project]) -> None:
    project = start()
    project.run(rounds=1, oracle="label")
    assert CONTROL not in {q.strategy for q in queries(project)}


def test_an_interrupted_run_draws_the_same(start: Callable[..., Project], tmp_path: Path, reviews: Path) -> None:
    project = start(query="control_share = 0.3")
    project.run(rounds=3, oracle="label")
    other = tmp_path / "other"
    other.mkdir()
    (other / "querist.toml").write_text((project.folder / "querist.toml").read_text())
    again = Project(other, clock=project.clock)
    again.ingest(reviews)

    class Killed(Exception):
        pass

    def kill(round: int, name: str, status: str) -> None:
        if (round, name, status) == (2, "human_labeling", "running"):
            raise Killed

    with pytest.raises(Killed):
        again.run(rounds=3, oracle="label", on_step=kill)
    again.run(rounds=3, oracle="label")
    assert again.digest() == project.digest()


def test_a_control_draw_is_uniform_over_the_open_pool(start: Callable[..., Project]) -> None:
    """Over many seeds, drawn items are as often among the surest half of the open pool as chance has it."""
    import numpy as np

    from querist.pipeline.loop import contexts
    from querist.pipeline.runner import steps_of
    from querist.step import Stopwatch

    project = start(query="control_share = 0.5")
    project.run(rounds=1, oracle="label")
    context = contexts(project, "label", lambda *_: None)(1)
    step = steps_of(1, project.settings.query)[1]
    with project.ledger.read() as tx:
        inputs = step.read(tx, context)
    arrays = project.artifacts.get_arrays(inputs.scored["scores"])
    high = dict(zip(arrays["positions"].tolist(), (arrays["scores"] > np.median(arrays["scores"])), strict=True))
    drawn = []
    for seed in range(40):
        settings = project.settings.model_copy(
            update={"project": project.settings.project.model_copy(update={"seed": seed})}
        )
        made = step.compute(inputs, replace(context, settings=settings, stopwatch=Stopwatch()))
        drawn += [high[q.position] for q in made.queries if q.strategy == CONTROL]
    assert len(drawn) == 200
    assert abs(np.mean(drawn) - np.mean(list(high.values()))) < 0.1, "200 draws: three standard errors are 0.11"


def test_the_estimate_is_what_the_model_said_before_the_label(start: Callable[..., Project]) -> None:
    project = start(query="control_share = 0.5")
    project.run(rounds=6, oracle="label")
    drawn = [q for q in queries(project) if q.strategy == CONTROL]
    codes, names = project.snapshot.labels("label")
    right = [max(p, key=p.get) == names[codes[q.position]] for q in drawn for p in [q.payload["prediction"]]]
    found = project.savings()["control"]
    assert found["n"] == len(drawn) == 30
    assert found["value"] == pytest.approx(sum(right) / len(right))
    assert found["low"] < found["value"] <= found["high"]
    assert found["metric"] == "accuracy"
    assert "30 items drawn at random in rounds 1 to 6" in found["sentence"]
    assert found["sentence"].endswith("by the models of that time"), "all that were drawn have a label"


def test_control_items_without_a_label_are_told(start: Callable[..., Project]) -> None:
    """Skipped ones have none, and people skip the hard ones."""
    project = start(query="control_share = 0.5")
    project.run(rounds=1, oracle="label")
    with project.ledger.read() as tx:
        (first, *_) = [q for q in list_queries(tx, 1) if q.strategy == CONTROL]
        (given,) = annotations_of(tx, [first.item])
    with project.ledger.begin() as tx:
        undone = given._replace(id="undone", label=None, supersedes=given.id, kind="undo")
        add_annotations(tx, [undone], now=project.clock())
    project.run(rounds=2, oracle="label")
    found = project.savings()["control"]
    assert (found["n"], found["drawn"]) == (9, 10)
    assert found["sentence"].endswith("; 1 more were drawn and have no label, and may be harder ones")


@pytest.mark.parametrize("shown", ["before", "half", "after"])
def test_nobody_sees_a_prediction_of_a_control_item_before_the_answer(
    start: Callable[..., Project], shown: str
) -> None:
    project = start(query="control_share = 0.5")
    path = project.folder / "querist.toml"
    path.write_text(f'{path.read_text()}\n[labeling]\nshow_prediction = "{shown}"\n')
    project = Project(project.folder, clock=project.clock)
    project.run(rounds=0, oracle="label")
    project.run(rounds=1)
    drawn = {q.item: q for q in queries(project, 1) if q.strategy == CONTROL}
    assert all(q.payload["reason"] == "drawn at random to check the model" for q in drawn.values())
    labeling = Desk(project)
    people = {labeling.shown_to(name): name for name in ("ada", "bob", "cyd", "dan", "eve")}
    for when, name in people.items():
        tasks = labeling.lease(name, "tab", 10)["tasks"]
        labeling.release(name, "tab")
        for task in tasks:
            hidden = task["item"] in drawn and when == "before"
            assert (task["prediction"] is None) == hidden
            assert labeling.shown_to(name, drawn.get(task["item"])) == ("never" if hidden else when)


def test_another_metric_has_an_interval_of_its_own(start: Callable[..., Project]) -> None:
    project = start(query="control_share = 0.5")
    project.run(rounds=4, oracle="label")
    path = project.folder / "querist.toml"
    text = path.read_text()
    for metric, expected in (("macro_f1", "macro_f1"), ("log_loss", "accuracy")):
        path.write_text(text.replace('metric = "accuracy"', f'metric = "{metric}"'))
        assert Project(project.folder).savings()["control"]["metric"] == expected

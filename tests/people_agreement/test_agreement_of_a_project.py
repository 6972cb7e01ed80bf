"""Agreement from the record, on the command line, and the labels that the loop then trains on."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.core.errors import NoSuchRound
from querist.pipeline.human_labeling.agreement import agreement
from querist.pipeline.loop import contexts
from querist.pipeline.project import Project
from querist.stages.human_labeling.step import known_labels
from querist.store.annotations import Annotation, add_annotations, list_annotations

NOW = datetime(2026, 1, 2, tzinfo=UTC)
Answer = Callable[..., str]


@pytest.fixture
def project(folder: Path, tmp_path: Path, make_reviews: Callable[..., Path]) -> Project:
    """The seed set of 20 items has been asked; two people are to answer each."""
    settings = (folder / "querist.toml").read_text()
    settings = settings.replace('label = "label"\n', 'classes = ["neg", "pos", "odd"]\n') + "[labeling]\noverlap = 2\n"
    (folder / "querist.toml").write_text(settings)
    opened = Project(folder)
    opened.ingest(make_reviews(tmp_path / "reviews.csv"))
    opened.run()
    return opened


@pytest.fixture
def answer(project: Project) -> Answer:
    """Puts one answer to the n-th query of the round into the record; the later the call, the newer."""
    queries = project.show_round(0)["queries"]
    made: list[str] = []

    def answer(n: int, annotator: str, label: str | None, **more: object) -> str:
        item = queries[n]["id"]
        position = project.snapshot.find([item])[item]
        at = f"2026-01-02T00:{len(made) // 60:02d}:{len(made) % 60:02d}+00:00"
        made.append(f"a{len(made)}")
        added = Annotation(made[-1], item, position, "pool", label, annotator, at=at, **more)  # type: ignore[arg-type]
        with project.ledger.begin() as tx:
            add_annotations(tx, [added], now=NOW)
        return made[-1]

    return answer


def four_items(answer: Answer) -> None:
    """Ann and Bob agree on the first and the third item, not on the second; the fourth has one answer and a skip."""
    for n, (ann, bob) in enumerate([("pos", "pos"), ("pos", "neg"), ("neg", "neg"), ("neg", None)]):
        answer(n, "ann", ann, seconds=n + 1.0)
        answer(n, "bob", bob, seconds=10.0)


def ids(project: Project, *numbers: int) -> list[str]:
    return [project.show_round(0)["queries"][n]["id"] for n in numbers]


def labels(project: Project) -> dict[str, str]:
    """What the loop would train on."""
    context = contexts(project, None, lambda what, done, total: None)(0)
    with project.ledger.begin() as tx:
        positions, codes = known_labels(list_annotations(tx), context)["pool"]
    found = project.snapshot.take(positions, ["id"])["id"].to_pylist()
    return {item: context.classes[code] for item, code in zip(found, codes, strict=True)}


def test_the_figures_by_hand(project: Project, answer: Answer) -> None:
    four_items(answer)
    found = agreement(project)
    assert (found["items"], found["shared_items"]) == (4, 3)
    assert found["raw"] == pytest.approx(2 / 3)
    assert found["cohen"] == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))
    assert found["fleiss"] == pytest.approx((2 / 3 - 1 / 2) / (1 / 2))
    assert found["alpha"] == pytest.approx((2 / 3 - 12 / 30) / (18 / 30))
    assert [(row["label"], row["answers"]) for row in found["labels"]] == [("neg", 4), ("pos", 3)]
    assert found["confused"] == [{"labels": ["neg", "pos"], "pairs": 1, "share": 1.0}]
    assert found["disputed"] == ids(project, 1)
    ann, bob = found["annotators"]
    assert ann == {
        "annotator": "ann",
        "answers": 4,
        "skips": 0,
        "agreement": pytest.approx(2 / 3),
        "median_seconds": 2.5,
        "gold": None,
    }
    assert (bob["answers"], bob["skips"], bob["median_seconds"]) == (3, 1, 10.0)
    (pair,) = found["pairs"]
    assert (pair["annotators"], pair["shared_items"], pair["raw"]) == (["ann", "bob"], 3, pytest.approx(2 / 3))
    json.dumps(found, allow_nan=False)


def test_a_ruling_ends_the_dispute_and_is_no_answer(project: Project, answer: Answer) -> None:
    four_items(answer)
    before = agreement(project)
    answer(1, "lead", "odd", details={"adjudicated": True})
    found = agreement(project)
    assert found["disputed"] == []
    assert {**found, "disputed": before["disputed"]} == before
    assert labels(project)[ids(project, 1)[0]] == "odd"


def test_what_was_taken_back_does_not_count(project: Project, answer: Answer) -> None:
    four_items(answer)
    wrong = next(a["id"] for a in project.show_round(0)["queries"][1]["annotations"] if a["annotator"] == "bob")
    answer(1, "bob", None, kind="undo", supersedes=wrong)
    found = agreement(project)
    assert (found["raw"], found["disputed"], found["shared_items"]) == (1.0, [], 2)


def test_one_round_alone(project: Project, answer: Answer) -> None:
    four_items(answer)
    whole = agreement(project)
    assert agreement(project, round=0) == {**whole, "round": 0}
    with pytest.raises(NoSuchRound, match="no round 7"):
        agreement(project, round=7)


def test_nobody_overlaps_or_nobody_answered(project: Project, answer: Answer) -> None:
    empty = agreement(project)
    assert (empty["items"], empty["annotators"], empty["raw"]) == (0, [], None)
    answer(0, "ann", "pos")
    answer(1, "bob", "neg")
    answer(2, "cy", None)
    found = agreement(project)
    assert (found["items"], found["shared_items"]) == (2, 0)
    assert [found[name] for name in ("raw", "cohen", "fleiss", "alpha")] == [None] * 4
    assert [row["agreement"] for row in found["annotators"]] == [None] * 3
    shown = CliRunner().invoke(cli, ["agreement", "--project", str(project.folder)])
    assert shown.exit_code == 0
    assert "0 of 2 items have answers of two people" in shown.output
    assert "labeling.overlap" in shown.output


def test_the_command_shows_it_and_prints_json(project: Project, answer: Answer) -> None:
    four_items(answer)
    answer(5, "[/mallory]", "pos")
    shown = CliRunner().invoke(cli, ["agreement", "--project", str(project.folder)]).output
    assert "3 of 5 items have answers of two people or more" in shown
    assert "raw agreement 0.667" in shown
    assert "mixed up: neg and pos, 100% of the disagreements" in shown
    assert f"disputed (1): {ids(project, 1)[0]}" in shown
    assert "[/mallory]" in shown
    arguments = ["agreement", "--round", "0", "--json", "--project", str(project.folder)]
    assert json.loads(CliRunner().invoke(cli, arguments).output) == agreement(project, round=0)


@pytest.mark.parametrize(("method", "label"), [("majority", "neg"), ("weighted", "pos"), ("dawid_skene", "pos")])
def test_the_setting_decides_what_the_loop_trains_on(project: Project, answer: Answer, method: str, label: str) -> None:
    for n in range(6):
        for who, said in (("ann", "pos"), ("bob", "pos"), ("cy", "neg")):
            answer(n, who, said)
    answer(6, "ann", "pos")
    answer(6, "cy", "neg")
    answer(7, "cy", "neg")
    path = project.folder / "querist.toml"
    path.write_text(path.read_text() + f'resolve = "{method}"\n')
    found = labels(Project(project.folder))
    assert found[ids(project, 6)[0]] == label
    assert found[ids(project, 7)[0]] == "neg", "one answer stands"


def test_gold_answers_test_people_and_are_no_votes(
    folder: Path, tmp_path: Path, make_reviews: Callable[..., Path]
) -> None:
    project = Project(folder)
    project.ingest(make_reviews(tmp_path / "reviews.csv"))
    codes, names = project.snapshot.labels("label")
    at = [int(p) for p in (project.snapshot.splits() == 0).nonzero()[0] if project.snapshot.primary()[p]][:3]
    items = project.snapshot.take(at, ["id"])["id"].to_pylist()
    truth = [names[codes[p]] for p in at]
    wrong = next(name for name in names if name != truth[0])
    said = [wrong, *truth[1:]]
    with project.ledger.begin() as tx:
        add_annotations(
            tx,
            [
                Annotation(f"g{n}", item, p, "pool", label, "ann", details={"gold": True})
                for n, (item, p, label) in enumerate(zip(items, at, said, strict=True))
            ],
            now=NOW,
        )
    (ann,) = agreement(project)["annotators"]
    assert (ann["answers"], ann["gold"]["right"], ann["gold"]["asked"]) == (0, 2, 3)
    assert ann["gold"]["low"] < 2 / 3 < ann["gold"]["high"]
    assert agreement(project)["items"] == 0
    assert labels(project)[items[0]] == truth[0], "a wrong answer does not overrule what is certain"
    assert "2 of 3" in CliRunner().invoke(cli, ["agreement", "--project", str(folder)]).output

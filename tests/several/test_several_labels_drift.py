"""What a model of several labels meets, beside what it learned from."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from querist.pipeline.monitoring.check import check
from querist.pipeline.monitoring.drift_status import estimates_checked
from querist.pipeline.project import Project
from querist.stages.monitoring import statistics
from querist.stages.monitoring.quality import estimate
from querist.stages.monitoring.reference import Reference, dump, load
from querist.stages.monitoring.said import mean_entropy
from querist.stages.monitoring.sample import Sample
from querist.stages.monitoring.views import kl_classes, kl_entropy
from querist.store.rounds import list_queries

MONITORING = "[monitoring]\nwindow = 60\ndraws = 400\n"


@pytest.fixture
def watched(make: Callable[..., Project]) -> Project:
    project = make(more=MONITORING)
    project.run(rounds=1, oracle="topics")
    return project


def write(path: Path, n: int, words: list[str], topics: str) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "topics", "paper"])
        writer.writerows([f"x{i}", f"{' '.join(words)} number {i}", topics, "p9"] for i in range(n))
    return path


def test_news_of_one_kind_alone_raise_the_alarm_and_open_a_round_that_asks_of_them(
    watched: Project, tmp_path: Path
) -> None:
    new = write(tmp_path / "new.csv", 120, ["goal", "vote", "quux", "gadget"], "politics; sport")
    found = check(watched, data=new, oracle="topics")
    assert [one["alarm"] for one in found["checks"]] == [False, True]
    says = {test["name"]: test for test in found["checks"][0]["tests"]}
    assert says["kl_classes"]["says"] == "predicted labels"
    assert says["kl_classes"]["value"] > says["kl_classes"]["threshold"]
    assert 0 < found["checks"][0]["estimate"]["accuracy"] < 1
    assert found["round"]["opened"]
    with watched.ledger.read() as tx:
        asked = [query.item for query in list_queries(tx, found["round"]["round"])]
    assert sum(item.startswith("x") for item in asked) >= 15
    assert estimates_checked(watched)[0]["n"] > 0


def test_news_as_ever_raise_none(watched: Project, news: Path, tmp_path: Path) -> None:
    with news.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[:121]
    again = tmp_path / "again.csv"
    with again.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([rows[0], *([f"y{row[0]}", *row[1:]] for row in rows[1:])])
    assert check(watched, data=again, start_round=False)["alert"] is None


def test_each_label_is_compared_by_itself() -> None:
    before = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.1], [0.1, 0.1]])
    reference = sample(before)
    view = kl_classes(reference)
    assert view is not None
    shares = [view.features(one).mean(axis=0) for one in (reference, sample(before[:2]))]
    assert [share.tolist() for share in shares] == [[0.5, 0.0], [1.0, 0.0]]
    # The first label: two of four had it, now two of two; the second: nobody, now as before.
    by_hand = [
        statistics.kl(np.array([2.0, 2.0]), np.array([2.0, 0.0])),
        statistics.kl(np.array([0.0, 4.0]), np.array([0.0, 2.0])),
    ]
    assert view.compare(*shares, 4, 2) == pytest.approx(float(sum(by_hand)))


def test_how_unsure_a_model_is_of_a_set_is_the_mean_over_its_labels() -> None:
    assert mean_entropy(np.array([[0.5, 1.0], [0.5, 0.5]])) == pytest.approx([np.log(2) / 2, np.log(2)])
    view = kl_entropy(sample(np.array([[0.5, 0.5], [1.0, 0.0]] * 10)))
    assert view is not None
    assert view.features(sample(np.array([[0.5, 0.5], [1.0, 0.0]]))).sum() == 2


def test_an_estimated_accuracy_is_the_chance_that_all_of_a_set_is_right() -> None:
    found = estimate(np.array([[0.9, 0.2], [0.5, 1.0]]), several=True)
    assert found.accuracy == pytest.approx((0.9 * 0.8 + 0.5 * 1.0) / 2)
    # Label 1 is said of the first item, label 2 of the second: 2 TP / (said + true), as expected.
    assert found.macro_f1 == pytest.approx((2 * 0.9 / (1 + 1.4) + 2 * 1.0 / (1 + 1.2)) / 2)


def test_a_reference_remembers_that_items_have_several_labels() -> None:
    reference = Reference("v", ("a", "b"), sample(np.array([[0.9, 0.9]])), np.array([0]), None)
    assert load(dump(reference)).sample.several
    assert load(dump(reference)).of(np.array([[0.1, 0.2]]), np.zeros((1, 2))).several


def sample(proba: np.ndarray) -> Sample:
    return Sample(proba, np.zeros((len(proba), 2), dtype=np.float16), several=True)

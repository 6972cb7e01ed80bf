"""What the savings of a project say: sentences, figures, costs, and what nobody can tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from planted_baseline import plant, reached

from querist.cli import cli
from querist.pipeline.evaluation.savings import Rates, _cost_per_point
from querist.pipeline.project import Project
from querist.pipeline.reporting.conclusions import headline
from querist.stages.evaluation.savings import Needed, share_saved
from querist.stages.reporting.linked import linked
from querist.stages.reporting.verdicts import Reached, no_difference, saved
from querist.store.models import list_metrics


def test_an_empty_project_has_a_page_of_unknowns(folder: Path) -> None:
    found = Project(folder).savings()
    assert found["verdict"]["kind"] == "unknown"
    assert "no round has been measured" in found["verdict"]["sentence"]
    assert (found["baseline"], found["forecast"], found["stopping"], found["control"]) == (None, None, [], None)
    json.dumps(found, allow_nan=False)


def test_without_a_baseline_the_sentence_says_what_to_run(project: Project) -> None:
    verdict = project.savings()["verdict"]
    assert verdict["kind"] == "unknown"
    assert "run `querist baseline`" in verdict["sentence"]


def test_planted_savings_are_said_with_labels_money_and_hours(project: Project) -> None:
    value, labels = reached(project)
    plant(project, lambda n: value + 0.001 * (n - 2 * labels))
    found = project.savings()
    verdict = found["verdict"]
    assert (found["baseline"]["source"], verdict["kind"], verdict["labels"]) == ("simulation", "saved", 80)
    assert verdict["random_labels"]["value"] == pytest.approx(160)
    assert verdict["share"]["value"] == pytest.approx(0.5)
    assert verdict["money"]["value"] == pytest.approx(40)
    assert verdict["hours"]["value"] == pytest.approx(0.8)
    low, high = verdict["random_labels"]["low"], verdict["random_labels"]["high"]
    assert verdict["sentence"].endswith(
        f"with 80 labels; random would have needed 160 ({low:.0f} to {high:.0f}): 50 % fewer labels, EUR 40 and "
        "48 minutes saved"
    )
    json.dumps(found, allow_nan=False)


def test_where_nothing_is_saved_the_first_words_say_so(project: Project) -> None:
    value, labels = reached(project)
    plant(project, lambda n: value + 0.001 * (n - labels))
    verdict = project.savings()["verdict"]
    assert verdict["kind"] == "no_difference"
    assert verdict["sentence"].startswith("active learning does not save labels here: ")
    assert "no difference beyond noise" in verdict["sentence"]
    assert verdict["money"] is None, "what is noise is not counted as money"


def test_no_interval_ends_beyond_what_the_metric_can_be(project: Project) -> None:
    plant(project, lambda n: 0 * n + 0.99, spread=0.01, repeats=3)
    found = project.savings()["verdict"]["random_value"]
    assert (0 <= found["low"] < found["value"], found["high"]) == (True, 1.0)


def test_where_labels_are_lost_the_sentence_says_how_many(project: Project) -> None:
    value, labels = reached(project)
    plant(project, lambda n: value + 0.001 * (n - labels / 2))
    verdict = project.savings()["verdict"]
    assert verdict["kind"] == "lost"
    assert verdict["sentence"].startswith("active learning does not save labels here: ")
    assert verdict["sentence"].endswith("so 100 % more were used")
    assert verdict["money"]["value"] == pytest.approx(-20)


def test_a_quality_that_random_never_reached_is_more_than_it_had(project: Project) -> None:
    value, _ = reached(project)
    plant(project, lambda n: value - 0.2 + 0.0001 * n)
    verdict = project.savings()["verdict"]
    assert (verdict["kind"], verdict["random_labels"]["value"]) == ("saved", None)
    assert verdict["random_labels"]["low"] == 400
    assert "more than 400" in verdict["sentence"]
    assert "at least 80 % fewer labels" in verdict["sentence"]


def test_where_random_began_better_the_sentence_says_at_most(project: Project) -> None:
    value, _ = reached(project)
    plant(project, lambda n: value + 0.05 + 0.0001 * n, labels=np.arange(40, 410, 10))
    verdict = project.savings()["verdict"]
    assert (verdict["kind"], verdict["random_labels"]) == ("lost", {"value": None, "low": None, "high": 40})
    assert verdict["sentence"].endswith("random would have needed at most 40, so at least 100 % more were used")
    assert verdict["money"]["value"] is None
    assert verdict["money"]["high"] == pytest.approx(-20)


def test_beyond_the_measured_curve_at_least_is_all_that_is_said(project: Project) -> None:
    value, _ = reached(project)
    labels = np.arange(20, 101, 10)
    plant(project, lambda n: value + 0.03 - 0.6 / n**0.5, labels=labels, spread=0.0005)
    verdict = project.savings()["verdict"]
    assert (verdict["kind"], verdict["random_labels"]) == ("saved", {"value": None, "low": 100, "high": None})
    assert verdict["sentence"].endswith(
        "needed more than 100: at least 20 % fewer labels, at least EUR 10.00 and at least 12 minutes saved"
    )


def test_a_figure_of_an_extrapolated_curve_is_called_that() -> None:
    reached = Reached("accuracy", 0.3, 0.8, 525)
    needed, share = {"value": None, "low": 525.0, "high": None}, {"value": None, "low": 0.0, "high": None}
    assert saved(reached, needed, share, "", 1054.2).endswith(
        "random would have needed more than 525 (about 1,054 by an extrapolated curve)"
    ), "at least 0 % fewer is not worth saying"


def test_each_figure_of_each_first_sentence_is_in_a_row_of_the_evidence(project: Project) -> None:
    value, labels = reached(project)
    far, late = np.arange(20, 101, 10), np.arange(100, 410, 10)
    cases: list[tuple[str, Callable[[np.ndarray], np.ndarray], dict[str, Any]]] = [
        ("50 % fewer", lambda n: value + 0.001 * (n - 2 * labels), {}),
        ("by an extrapolated curve", lambda n: value + 0.12 - 1.25 / n**0.5, {"labels": far, "spread": 0.0005}),
        ("no difference", lambda n: value + 0.001 * (n - labels), {}),
        (" more and ", lambda n: value + 0.001 * (n - labels), {"spread": 0.01}),
        ("from noise: ", lambda n: value + 0.001 * (n - labels), {"spread": 0.2}),
        ("100 % more", lambda n: value + 0.001 * (n - labels / 2), {}),
        ("at most 40", lambda n: value + 0.05 + 0.0001 * n, {"labels": np.arange(40, 410, 10)}),
        ("begins at 100", lambda n: value + 0.0001 * n, {"labels": late}),
        ("measured up to 60", lambda n: value + 0.001 * (n - 70), {"labels": np.arange(10, 61, 10)}),
    ]
    said = set()
    for words, mean, how in cases:
        plant(project, mean, **how)
        verdict, figures, rows = first_sentence(project)
        assert words in verdict["sentence"]
        assert [figure for figure, anchor in figures if anchor == "evidence"] == [], verdict["sentence"]
        assert "None" not in str([row["value"] for row in rows])
        said.add(verdict["kind"])
    assert said == {"saved", "no_difference", "lost", "unknown"}


def first_sentence(project: Project) -> tuple[dict[str, Any], list[tuple[str, str]], list[dict[str, Any]]]:
    """The verdict, each figure of the report's first sentence with where it leads, and the rows of the evidence."""
    found, objective = project.savings(), project.settings.objective.model_dump(mode="json")
    with project.ledger.read() as tx:
        rounds = [vars(m) | {"labels": m.n_labels} for m in list_metrics(tx, name="accuracy")]
    status = {"first": rounds[0], "last": rounds[-1]}
    told = headline({"status": status, "savings": found, "objective": objective, "metric": "accuracy"})
    pieces = linked(told["sentence"], told["evidence"])
    return found["verdict"], [(piece.text, piece.anchor) for piece in pieces if piece.anchor], told["evidence"]


def test_more_labels_than_random_sampling_needs_are_a_positive_share_of_them() -> None:
    """525 labels used where random sampling needs 200 to 640: 162 % more than 200, 18 % fewer than 640."""
    share = asdict(share_saved(Needed(510, 200, 640), 525))
    sentence = no_difference(Reached("accuracy", 0.3, 0.8, 525), {"value": 0.79, "low": 0.77, "high": 0.82}, share)
    assert sentence.endswith("(between 162 % more and 18 % fewer labels)")


def test_items_that_several_people_answer_cost_as_many_answers(project: Project) -> None:
    path = project.folder / "querist.toml"
    path.write_text(path.read_text() + "\n[labeling]\noverlap = 3\noverlap_share = 0.5\n")
    project = Project(project.folder, clock=project.clock)
    value, labels = reached(project)
    plant(project, lambda n: value + 0.001 * (n - 2 * labels))
    verdict = project.savings()["verdict"]
    assert verdict["money"]["value"] == pytest.approx(80), "80 items at two answers of 0.50"
    assert verdict["hours"]["value"] == pytest.approx(1.6)


@pytest.mark.long
def test_the_command_prints_the_sentence_and_what_it_cannot_tell(project: Project) -> None:
    done = CliRunner().invoke(
        cli, ["baseline", "--repeats", "3", "--jobs", "1", "--project", str(project.folder)], catch_exceptions=False
    )
    assert done.exit_code == 0
    assert "80 labels" in done.output.splitlines()[0]
    assert "cannot tell: " in done.output
    assert "baseline (collected)" in done.output


def test_a_point_of_quality_has_its_price_once_the_gain_is_beyond_noise(project: Project) -> None:
    with project.ledger.read() as tx:
        first, last = (m for m in list_metrics(tx, name="accuracy") if m.round in (0, 6))

    def measured(low: float, high: float) -> Any:
        rounds = [replace(first, value=0.6, low=0.55, high=0.65), replace(last, value=0.7, low=low, high=high)]
        return _cost_per_point(rounds, Rates(money=0.5, hours=0.01))

    assert measured(0.65, 0.75) == pytest.approx(
        {"labels": 6.0, "labels_low": 0.6 / (0.1 + 0.005**0.5), "labels_high": 0.6 / (0.1 - 0.005**0.5)}
        | {"money": 3.0, "hours": 0.06}
    )
    assert measured(0.6, 0.8) is None, "0.10 gained, and 0.11 may be noise"

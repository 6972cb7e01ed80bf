"""Charts: their figures, their words, and that no text can break them."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from report_findings import HOSTILE, sample_findings

from querist.stages.reporting.charts import charts, learning_curve_svg
from querist.stages.reporting.charts.drawing import inline, thinned, to_html, to_png, to_svg

for extra in ("altair", "vl_convert"):
    pytest.importorskip(extra, reason="the extra charts is not installed")

NAMES = {
    "learning-curve-labels", "learning-curve-hours", "learning-curve-money", "savings", "recall-by-class",
    "confusion", "reliability", "coverage", "annotation-time", "class-balance",
}  # fmt: skip


def test_there_is_a_chart_of_all_there_are_figures_for() -> None:
    assert set(charts(sample_findings())) == NAMES
    assert set(charts(sample_findings(), ["confusion"])) == {"confusion"}


def test_what_is_not_known_is_not_drawn() -> None:
    found = {**sample_findings(), "quality": None, "diagnostics": None, "rounds": []}
    found["savings"] = {**found["savings"], "baseline": None}
    assert charts(found) == {}


def test_a_thousand_rounds_are_two_hundred_points_with_the_first_and_the_last() -> None:
    drawn = charts(sample_findings(rounds=1_000), ["learning-curve-labels"])["learning-curve-labels"]
    own = [row for row in drawn.rows if row["curve"] == "this project"]
    assert len(own) == 100
    assert (own[0]["round"], own[-1]["round"]) == (0, 999)
    assert thinned([1, 2, 3], 2) == [1, 3]


def test_random_sampling_is_priced_as_a_label_of_this_project() -> None:
    drawn = charts(sample_findings(), ["learning-curve-money"])["learning-curve-money"]
    random = [row for row in drawn.rows if row["curve"] == "random"]
    assert random[0]["money"] == pytest.approx(0.08 * 300)
    assert "at 24 EUR to" in drawn.words


def test_what_is_extrapolated_of_random_sampling_is_told_from_what_was_measured() -> None:
    found = sample_findings()
    found["savings"]["baseline"]["measured_to"] = 2_050  # the eighth of its points
    drawn = charts(found, ["learning-curve-labels"])["learning-curve-labels"]
    random = [row["how"] for row in drawn.rows if row["curve"] == "random"]
    assert random == ["measured"] * 8 + ["extrapolated"] * 6
    assert "random sampling was measured up to 2,050 labels: 0.803 (0.783 to 0.823), and is extrapolated" in drawn.words
    found["savings"]["verdict"]["random_labels"] = {"value": 2_100, "low": 2_000, "high": 2_400}
    drawn = charts(found, ["learning-curve-labels"])["learning-curve-labels"]
    ends = [row["labels"] for row in drawn.rows if row["curve"] == "random"]
    assert ends[-1] == 2_300, "what is further than anything that is spoken of is not drawn"


def test_the_savings_chart_says_both_numbers_of_labels() -> None:
    drawn = charts(sample_findings(), ["savings"])["savings"]
    assert drawn.words == "macro-F1 0.840 took 1,200 labels here; random sampling reaches it at 3,150 (2,700 to 3,800)."
    found = sample_findings()
    found["savings"]["verdict"] |= {
        "kind": "no_difference",
        "random_labels": {"value": 1_210, "low": 950, "high": None},
    }
    drawn = charts(found, ["savings"])["savings"]
    assert drawn.words.endswith("random sampling reaches it at 1,210 (at least 950), no difference beyond noise.")


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_chart_of_hostile_texts_is_sound_and_strict(name: str) -> None:
    chart = charts(sample_findings(text=HOSTILE), [name])[name]
    root = ElementTree.fromstring(inline(to_svg(chart), chart))
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "style", "foreignObject", "image", "a"}
    assert not [a for element in root.iter() for a in element.attrib if a == "style" or a.startswith("on")]
    assert root.find("{http://www.w3.org/2000/svg}title") is not None


def test_points_tell_their_figures_without_a_script() -> None:
    chart = charts(sample_findings(), ["learning-curve-labels"])["learning-curve-labels"]
    assert "<title>round 4: macro-F1 0.840 (0.820 to 0.860), 1,200 labels</title>" in inline(to_svg(chart), chart)


def test_a_chart_is_a_picture_or_a_page_of_its_own() -> None:
    chart = charts(sample_findings(), ["reliability"])["reliability"]
    assert to_png(chart).startswith(b"\x89PNG")
    assert "<script" in to_html(chart)


def test_the_curve_of_the_summary_has_random_sampling_where_it_was_simulated() -> None:
    rounds = sample_findings()["rounds"]
    curve = {"mean": [0.7, 0.8], "low": [0.69, 0.79], "high": [0.71, 0.81]}
    comparison = {"summary": {"random": {"labels": [300, 1_200], "metrics": {"macro_f1": curve}}}}
    assert ">random<" in (learning_curve_svg(rounds, comparison) or "")
    assert ">random<" not in (learning_curve_svg(rounds, None) or "")
    assert learning_curve_svg([], None) is None

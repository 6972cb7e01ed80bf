"""The boxes of the flowchart say what runs."""

from querist.config import parse
from querist.pipeline.reporting.boxes import boxes

EMPTY = {
    "status": {
        "state": "empty",
        "data": None,
        "last": None,
        "answers": 0,
        "missing": 0,
        "reason": "no data yet",
        "served": None,
    },
    "rounds": [],
    "models": [],
}


def test_the_box_of_scoring_names_the_measure_that_the_strategy_brings_with_it() -> None:
    settings = parse({"query": {"strategy": "kmeans:entropy"}})
    lines = {box["name"]: box["lines"] for box in boxes(settings, EMPTY)}
    assert lines["uncertainty_scoring"] == ["entropy"]
    assert lines["query_strategy"][0] == "kmeans:entropy"


def test_only_the_stage_that_waits_is_marked_as_now() -> None:
    assert [box["name"] for box in boxes(parse({}), EMPTY) if box["now"]] == ["raw_data"]


def test_the_box_of_deploy_names_the_model_that_answers() -> None:
    promoted = {
        **EMPTY,
        "status": {**EMPTY["status"], "state": "stopped", "reason": "goal met", "served": "r003-729a7021"},
    }
    assert boxes(parse({}), EMPTY)[-1]["lines"] == ["not yet"]
    assert boxes(parse({}), promoted)[-1]["lines"] == ["model r003-729 answers", "goal met"]

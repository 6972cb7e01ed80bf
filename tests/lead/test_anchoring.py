"""Whether people follow the model: shares, their difference, and what counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.pipeline.human_labeling.lead import anchoring
from querist.stages.human_labeling.anchoring import Follows, pull
from querist.store.annotations import Annotation
from querist.store.rounds import Query


def test_the_interval_is_that_of_the_paper() -> None:
    found = pull(Follows(56, 70), Follows(48, 80))  # Newcombe, 1998, table II (a), method 10
    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_under_thirty_answers_on_a_side_nothing_is_said() -> None:
    assert pull(Follows(29, 29), Follows(10, 1000)) is None
    assert pull(Follows(30, 30), Follows(0, 30)) is not None


@given(st.integers(30, 500), st.integers(30, 500), st.data())
def test_the_interval_holds_the_difference_and_turns_with_the_sides(n: int, m: int, data: st.DataObject) -> None:
    a, b = Follows(data.draw(st.integers(0, n)), n), Follows(data.draw(st.integers(0, m)), m)
    found, turned = pull(a, b), pull(b, a)
    assert found is not None
    assert turned is not None
    value, low, high = found
    assert -1 <= low <= value <= high <= 1
    assert turned == pytest.approx((-value, -high, -low))


def query(item: str) -> Query:
    payload = {"prediction": {"pos": 0.7, "neg": 0.3}}
    return Query(0, 0, item, 0, "pool", None, {}, "random", None, payload)


def said(id: str, item: str, label: str | None, shown: str, **more: object) -> Annotation:
    return Annotation(id, item, 0, "pool", label, "ada", details={"shown": shown}, **more)  # type: ignore[arg-type]


def test_only_first_answers_count_since_a_second_one_knows_what_the_model_said() -> None:
    given_ = [
        said("1", "a", "neg", "after"),
        said("2", "a", "pos", "after", supersedes="1"),
        said("3", "b", "pos", "before"),
        said("4", "c", None, "before"),
        said("5", "d", "pos", "never"),
        said("6", "elsewhere", "pos", "before"),
    ]
    found = anchoring(given_, [query(item) for item in "abcd"])
    assert (found["before"]["answers"], found["before"]["value"]) == (1, 1.0)
    assert (found["blind"]["answers"], found["blind"]["value"]) == (2, 0.5)
    assert found["pull"] is None

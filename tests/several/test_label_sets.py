"""Sets of labels as strings, names and matrices, and what is computed from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, hamming_loss, log_loss

from querist.config.data import DataSettings
from querist.core.errors import DataError, SettingError, ShapeError, UnknownName
from querist.core.label_sets import EMPTY, LONGEST, LabelSets, label_of, predicted, rarest
from querist.core.selection import stream
from querist.models.one_vs_rest import OneVsRest
from querist.models.persistence import dump, load
from querist.stages.evaluation.intervals import bootstrap, class_intervals, per_class
from querist.stages.evaluation.metrics import check, measure
from querist.stages.evaluation.paired import swapped
from querist.stages.evaluation.slices import slices
from querist.stages.human_labeling.agreement import alpha_of_sets, krippendorff_alpha, masi
from querist.stages.human_labeling.resolve import Method, Vote, resolve, sort_out

SETS = LabelSets(";")
NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters=";"), min_size=1, max_size=8).map(
    str.strip
)
CLASSES = st.lists(NAMES.filter(lambda n: n and n != EMPTY and not n.startswith("[")), unique=True, max_size=6)
RNG = np.random.default_rng(0)
TRUTH = RNG.random((60, 3)) < [0.5, 0.3, 0.1]
PROBA = np.clip(0.3 * RNG.random((60, 3)) + 0.6 * TRUTH, 0, 1)
ABC = ("a", "b", "c")


@given(CLASSES, st.data())
def test_a_set_comes_back_from_its_string_and_from_its_row(classes: list[str], data: st.DataObject) -> None:
    SETS.check(classes)
    names = data.draw(st.lists(st.sampled_from(classes), unique=True)) if classes else []
    text = SETS.join(names)
    assert SETS.names(text) == tuple(sorted(names))
    assert SETS.join(reversed(names)) == text == SETS.canonical(text, classes)
    row = SETS.members([text], classes)
    assert {c for c, has in zip(classes, row[0], strict=True) if has} == set(names)
    assert SETS.strings(row, classes) == [text]


def test_cells_are_read_as_people_write_them() -> None:
    assert SETS.names(" b ; a;b ") == ("a", "b")
    assert SETS.names('["b", "a"]') == ("a", "b")
    assert SETS.names("(none)") == SETS.names("[]") == ()
    assert SETS.names("[sic]") == ("[sic]",)
    for cell in ("", " ", ";", " ; ; ", "[null]", "[[]]", '["a", " "]', "[1]", "[NaN]"):
        assert SETS.read(cell) is None, cell
        with pytest.raises(DataError, match="names no label"):
            SETS.names(cell)
    assert (SETS.join([]), SETS.join(["b", "a"])) == ("(none)", "a;b")


@pytest.mark.parametrize("name", ["a;b", "(none)", " a", "", "[a"])
def test_a_class_that_could_be_taken_for_a_set_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match="label_map"):
        SETS.check(["fine", name])


def test_classes_that_are_too_long_together_are_refused() -> None:
    with pytest.raises(SettingError, match="shorten"):
        SETS.check(["a", "b" * (LONGEST - 1)])
    SETS.check(["a", "b" * (LONGEST - 2)])


@pytest.mark.parametrize("sign", ["", "ab", "x", " ", "(", "\n", '"'])
def test_a_separator_is_one_sign(sign: str) -> None:
    with pytest.raises(ValidationError, match="one sign"):
        DataSettings(label_separator=sign)


def test_a_set_with_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownName, match="'d'"):
        SETS.canonical("a;d", ABC)


def test_a_prediction_is_every_label_that_is_likelier_than_not() -> None:
    assert label_of({"b": 0.7, "a": 0.51, "c": 0.5}, SETS) == "a;b"
    assert label_of({"b": 0.4}, SETS) == "(none)"
    assert predicted(np.array([[0.5, 0.51]])).tolist() == [[False, True]]


def test_the_rarest_of_an_items_labels_is_the_one_that_fewest_have() -> None:
    assert rarest(np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1]], dtype=bool)).tolist() == [1, 0, 3, 2]


def test_a_learner_tells_each_label_and_survives_labels_that_nobody_or_everybody_has() -> None:
    X = RNG.normal(size=(40, 3))
    y = np.stack([X[:, 0] > 0, np.zeros(40, bool), np.ones(40, bool), X[:, 1] > 0], axis=1)
    learner = OneVsRest("logistic", {}, 4, calibration="temperature", class_weight="balanced").fit(X, y)
    proba = learner.predict_proba(X)
    assert proba[:, 1] == pytest.approx(np.full(40, 1 / 42))
    assert proba[:, 2] == pytest.approx(np.full(40, 41 / 42))
    assert ((proba[:, [0, 3]] > 0.5) == y[:, [0, 3]]).mean() > 0.9
    again = load(dump(learner))
    assert isinstance(again, OneVsRest)
    assert np.array_equal(again.predict_proba(X), proba)
    assert dump(again) == dump(learner)
    with pytest.raises(ShapeError, match="shape"):
        learner.fit(X, y[:, :2])


def test_metrics_are_those_of_scikit_learn() -> None:
    said = predicted(PROBA)
    wanted = {
        "accuracy": accuracy_score(TRUTH, said),
        "macro_f1": f1_score(TRUTH, said, average="macro"),
        "micro_f1": f1_score(TRUTH, said, average="micro"),
        "weighted_f1": f1_score(TRUTH, said, average="weighted"),
        "samples_f1": f1_score(TRUTH, said, average="samples", zero_division=1.0),
        "hamming_loss": hamming_loss(TRUTH, said),
        "average_precision": average_precision_score(TRUTH, PROBA, average="macro"),
        "log_loss": np.mean([log_loss(TRUTH[:, c], PROBA[:, c]) for c in range(3)]),
        "f1:b": f1_score(TRUTH[:, 1], said[:, 1]),
    }
    assert {name: measure(name, TRUTH, PROBA, ABC) for name in wanted} == pytest.approx(wanted)
    assert per_class(TRUTH, PROBA, ABC)[1]["support"] == TRUTH[:, 1].sum()


@pytest.mark.parametrize("groups", [None, np.arange(60) // 2])
@pytest.mark.parametrize("name", ["macro_f1", "accuracy", "samples_f1", "hamming_loss", "log_loss", "recall:a", "f1:c"])
def test_intervals_hold_the_value(name: str, groups: np.ndarray | None) -> None:
    value, low, high = bootstrap(
        name, TRUTH, PROBA, ABC, confidence=0.95, resamples=200, rng=stream(0, name), groups=groups
    )
    assert low < high
    assert low <= value <= high


def test_a_holdout_without_a_mistake_is_no_proof_that_there_are_none() -> None:
    value, low, high = bootstrap("accuracy", TRUTH, TRUTH * 0.8 + 0.1, ABC, confidence=0.95, resamples=500, rng=RNG)
    assert (value, high) == (1.0, 1.0)
    assert 0.9 < low < 1.0


def test_slices_and_paired_tests_take_sets() -> None:
    how = {"confidence": 0.95, "rng": RNG}
    columns = {"side": ["left"] * 30 + ["right"] * 30}
    for name in ("macro_f1", "average_precision", "log_loss"):
        rows, _ = slices(name, TRUTH, PROBA, ABC, columns, **how)
        assert {row["value"] for row in rows} == {"left", "right"}
    worse = np.where(RNG.random((60, 3)) < 0.4, 1 - PROBA, PROBA)
    found = swapped("macro_f1", TRUTH, PROBA, worse, ABC, resamples=300, rng=RNG)
    assert found.statistic > 0
    assert found.p < 0.05
    assert class_intervals(TRUTH, PROBA, ABC, confidence=0.95, resamples=100, rng=RNG)[0]["recall_low"] > 0


def test_metrics_of_one_label_are_refused_for_several_and_the_other_way() -> None:
    with pytest.raises(UnknownName, match="samples_f1"):
        check("mcc", several=True)
    with pytest.raises(UnknownName, match="cohen_kappa"):
        check("hamming_loss")


def test_people_are_heard_on_each_label_by_itself() -> None:
    votes = [Vote("i", "ann", "a;b", "1"), Vote("i", "bob", "b;c", "2"), Vote("i", "cyd", "b", "3")]
    assert resolve(votes, sets=SETS) == {"i": "b"}
    assert resolve(votes[:2], sets=SETS) == {"i": "b;c"}, "of a tie on a label the newest answer decides"
    assert resolve([*votes, Vote("i", "lea", "a;c", "4", adjudicated=True)], sets=SETS) == {"i": "a;c"}
    nothing = [Vote("i", "ann", "(none)", "1"), Vote("j", "ann", None, "1"), Vote("k", "bob", "(none)", "2")]
    assert resolve(nothing, sets=SETS) == {"i": "(none)", "j": None, "k": "(none)"}
    for method in ("dawid_skene", "weighted"):
        assert resolve(votes, method=method, sets=SETS) == {"i": "b"}


def test_that_no_label_fits_is_said_by_somebody_or_not_at_all() -> None:
    votes = [Vote("i", who, label, who) for who, label in (("ann", "a"), ("bob", "b"), ("cyd", "c;d"))]
    assert resolve(votes, sets=SETS) == {"i": "c;d"}, "a tie: the newest"
    assert resolve([*votes, Vote("i", "dan", None, "dan")], sets=SETS) == {"i": "c;d"}, "a skip is no answer"
    assert resolve([*votes, Vote("i", "abe", EMPTY, "abe")], sets=SETS) == {"i": EMPTY}


VOTE = st.tuples(st.sampled_from("ij"), st.sampled_from("xyz"), st.sets(st.sampled_from("abc")) | st.none())


@given(st.lists(VOTE, max_size=12), st.sampled_from(["majority", "weighted", "dawid_skene"]))
def test_each_label_is_a_question_of_two_classes(said: list[tuple[str, str, set[str] | None]], method: Method) -> None:
    votes = [Vote(i, who, None if s is None else SETS.join(s), f"{at:02}") for at, (i, who, s) in enumerate(said)]
    heard = {
        name: resolve([replace(v, label=v.label and str(name in v.label.split(";"))) for v in votes], method=method)
        for name in "abc"
    }
    wanted = {}
    for item, last in sort_out(votes)[0].items():
        labels = [vote.label for vote in last if vote.label is not None]
        names = [name for name in "abc" if heard[name][item] == "True"]
        none_fits = not names and EMPTY in labels
        wanted[item] = None if not labels else SETS.join(names) if names or none_fits else labels[-1]
    assert resolve(votes, method=method, sets=SETS) == wanted


def test_sets_are_the_nearer_the_more_labels_they_share() -> None:
    members = SETS.members(["a", "a;b", "b;c", "c", "(none)"], ABC)
    near = 1 - masi(members)
    assert near[0, 0] == near[4, 4] == 1
    assert near[0, 1] == pytest.approx(1 / 2 * 2 / 3)
    assert near[1, 2] == pytest.approx(1 / 3 * 1 / 3)
    assert near[0, 3] == near[0, 4] == 0


def test_alpha_of_sets_without_a_label_in_common_is_that_of_classes() -> None:
    codes = np.array([[0, 0], [1, 1], [0, 1], [2, 2], [2, 0]])
    apart = SETS.members(["a", "b", "c"], ABC)
    assert alpha_of_sets(codes, apart) == pytest.approx(krippendorff_alpha(codes, 3))
    nearer = SETS.members(["a", "a;b", "c"], ABC)
    assert alpha_of_sets(codes, nearer) != pytest.approx(krippendorff_alpha(codes, 3))

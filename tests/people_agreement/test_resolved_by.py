"""One label from several answers: by majority, by weight, by Dawid and Skene, and by a lead."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.stages.human_labeling.reliability import dawid_skene
from querist.stages.human_labeling.resolve import Vote, resolve, sort_out, tabulate

METHODS = ["majority", "weighted", "dawid_skene"]
MODELLED = METHODS[1:]
VOTES = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from("abcd"), st.sampled_from(["cat", "dog", "cow", None])),
    max_size=20,
)


def vote(item, annotator, label, at=1, *, adjudicated=False):
    return Vote(item, annotator, label, f"2026-01-01T00:00:{at:02d}Z", adjudicated)


def panel(rows, people="abcde"):
    """One row of labels for each item, a letter or a space for each person."""
    words = {"c": "cat", "d": "dog"}
    return [
        vote(f"i{n}", who, words[letter])
        for n, row in enumerate(rows)
        for who, letter in zip(people, row, strict=False)
        if letter != " "
    ]


# Ann and Bob agree wherever they meet; Cy, Di and Ed say what they like.
CAREFUL = ["ccdcd", "dddcc", "cccdd", "ddcdc", "ccddd", "ddccd", "cccdc", "dddcd", "ccddc", "ddccc"]


def test_two_who_always_agree_outweigh_three_who_guess():
    votes = panel([*CAREFUL, "ccddd"])
    assert resolve(votes)["i10"] == "dog"
    assert resolve(votes, method="dawid_skene")["i10"] == "cat"


def test_the_more_someone_agrees_the_more_their_vote_weighs():
    # Ann and Bob always agree, Cy never does: alone against Cy, either of them wins, also when Cy is the newest.
    votes = [*panel(["ccd"] * 6, "abc"), vote("last", "a", "cat", 1), vote("last", "c", "dog", 2)]
    assert resolve(votes)["last"] == "dog", "a tie, and Cy is the newest"
    assert resolve(votes, method="weighted")["last"] == "cat"
    assert resolve(votes, method="dawid_skene")["last"] == "cat"


@pytest.mark.parametrize("method", METHODS)
def test_equals_are_tied_and_the_newest_wins(method):
    cat, dog = vote("i", "a", "cat", 1), vote("i", "b", "dog", 2)
    assert resolve([cat, dog], method=method) == {"i": "dog"}
    assert resolve([vote("i", "a", "cat", 3), dog], method=method) == {"i": "cat"}


@pytest.mark.parametrize("people", ["abcd", "dbca"])
@pytest.mark.parametrize("method", METHODS)
def test_a_tie_stays_one_when_sums_differ_in_the_last_digit(method, people):
    # Two against two in both items; the newest votes are those of the last person, whatever the name.
    assert resolve(panel(["cdcd", "dccd"], people), method=method) == {"i0": "dog", "i1": "dog"}


@pytest.mark.parametrize("method", METHODS)
def test_a_single_vote_stands_whatever_is_thought_of_its_annotator(method):
    votes = [*panel(["ccd"] * 6, "abc"), vote("alone", "c", "dog"), vote("skipped", "c", None)]
    found = resolve(votes, method=method)
    assert (found["alone"], found["skipped"]) == ("dog", None)


@pytest.mark.parametrize("method", MODELLED)
def test_single_votes_teach_nothing(method):
    votes = panel(CAREFUL)
    alone = [vote(f"alone{n}", "c", "dog") for n in range(100)]
    found = resolve([*votes, *alone], method=method)
    assert {item: found[item] for item in resolve(votes)} == resolve(votes, method=method)


@pytest.mark.parametrize("method", METHODS)
def test_a_ruling_decides_alone(method):
    votes = [vote("i", "a", "cat", 1), vote("i", "b", "cat", 5), vote("i", "lead", "dog", 3, adjudicated=True)]
    assert resolve(votes, method=method) == {"i": "dog"}
    newer = vote("i", "other lead", "cow", 4, adjudicated=True)
    assert resolve([*votes, newer], method=method) == {"i": "cow"}, "a label that nobody else gave"
    nothing = vote("i", "lead", None, 6, adjudicated=True)
    assert resolve([*votes, nothing], method=method) == {"i": None}, "the lead says that nobody can tell"


def test_a_ruling_is_no_vote_and_leaves_the_leads_own_vote_in_place():
    answers, rulings = sort_out([vote("i", "lead", "cat", 1), vote("i", "lead", "dog", 2, adjudicated=True)])
    assert [v.label for v in answers["i"]] == ["cat"]
    assert rulings == {"i": "dog"}


def test_rulings_teach_whom_to_trust():
    # Ann and Bob always disagree; six times the lead rules for Bob.
    votes = panel(["cd"] * 7, "ba")
    ruled = [vote(f"i{n}", "lead", "cat", 2, adjudicated=True) for n in range(6)]
    newest = vote("i6", "a", "dog", 9)
    assert resolve([*votes, newest])["i6"] == "dog"
    assert resolve([*votes, newest, *ruled], method="dawid_skene")["i6"] == "cat"


def test_a_ruling_on_an_item_with_one_vote_teaches_too():
    votes = [*panel(["cd"], "ba"), vote("i0", "a", "dog", 9)]
    lessons = [
        v for n in range(6) for v in (vote(f"r{n}", "a", "dog"), vote(f"r{n}", "lead", "cat", 2, adjudicated=True))
    ]
    assert resolve(votes, method="dawid_skene")["i0"] == "dog"
    assert resolve([*votes, *lessons], method="dawid_skene")["i0"] == "cat"


def test_certain_classes_stay_and_count():
    table = np.array([[0, 1]] * 4)
    found = dawid_skene(table, 2, truth=np.array([0, 0, 0, -1]))
    assert found.proba[:3].tolist() == [[1.0, 0.0]] * 3
    assert found.proba[3, 0] > 0.9
    assert found.accuracy[0] > found.accuracy[1]
    plain = dawid_skene(table, 2, truth=np.full(4, -1))
    assert plain.proba.tolist() == dawid_skene(table, 2).proba.tolist()


def test_votes_as_a_table():
    answers, _ = sort_out([vote("y", "b", "dog"), vote("x", "a", None), vote("x", "b", "cat")])
    table = tabulate(answers)
    assert (table.items, table.annotators, table.labels) == (("y", "x"), ("a", "b"), ("cat", "dog"))
    assert table.codes.tolist() == [[-1, 1], [-1, 0]]
    assert tabulate({}).codes.shape == (0, 1)


@settings(max_examples=60)
@given(VOTES, st.sampled_from(METHODS), st.randoms())
def test_names_and_the_order_of_arrival_do_not_matter(triples, method, random):
    votes = [vote(item, who, label, at) for at, (item, who, label) in enumerate(triples)]
    other = dict(zip("abcd", random.sample("abcd", 4), strict=True))
    renamed = [Vote(v.item, other[v.annotator], v.label, v.at) for v in random.sample(votes, len(votes))]
    assert resolve(votes, method=method) == resolve(renamed, method=method)


@settings(max_examples=60)
@given(VOTES, st.sampled_from(METHODS))
def test_every_label_was_given_and_what_all_say_stays(triples, method):
    votes = [vote(item, who, label, at) for at, (item, who, label) in enumerate(triples)]
    answers, _ = sort_out(votes)
    for item, label in resolve(votes, method=method).items():
        given_labels = {v.label for v in answers[item]} - {None}
        assert label in (given_labels or {None})

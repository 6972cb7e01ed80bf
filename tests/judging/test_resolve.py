from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from querist.stages.human_labeling.resolve import Vote, resolve


def vote(annotator, label, at, *, item="i"):
    return Vote(item, annotator, label, f"2026-01-01T00:00:{at:02d}Z")


def test_the_majority_decides():
    assert resolve([vote("ann", "cat", 1), vote("bob", "dog", 2), vote("cy", "cat", 3)]) == {"i": "cat"}


def test_a_tie_goes_to_the_newest():
    assert resolve([vote("ann", "cat", 1), vote("bob", "dog", 2)]) == {"i": "dog"}
    assert resolve([vote("bob", "dog", 2), vote("ann", "cat", 1)]) == {"i": "dog"}


def test_of_one_annotator_only_the_newest_vote_counts():
    votes = [vote("ann", "cat", 1), vote("ann", "cat", 2), vote("ann", "dog", 4), vote("bob", "cat", 3)]
    assert resolve(votes) == {"i": "dog"}


def test_a_skip_does_not_vote():
    assert resolve([vote("ann", "cat", 1), vote("bob", None, 2), vote("cy", None, 3)]) == {"i": "cat"}


def test_an_annotator_who_skips_at_last_takes_the_vote_back():
    assert resolve([vote("ann", "cat", 1), vote("bob", "dog", 2), vote("bob", None, 3)]) == {"i": "cat"}


def test_an_item_that_all_skipped_has_no_label():
    assert resolve([vote("ann", None, 1)]) == {"i": None}


def test_at_the_same_time_the_later_in_the_sequence_is_the_newer():
    assert resolve([vote("ann", "cat", 1), vote("bob", "dog", 1)]) == {"i": "dog"}


def test_items_do_not_mix_and_nothing_gives_nothing():
    assert resolve([vote("ann", "cat", 1, item="x"), vote("ann", "dog", 2, item="y")]) == {"x": "cat", "y": "dog"}
    assert resolve([]) == {}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["cat", "dog", None])), max_size=8), st.randoms())
def test_the_order_of_arrival_does_not_matter_when_times_differ(pairs, random):
    votes = [vote(annotator, label, at) for at, (annotator, label) in enumerate(pairs)]
    shuffled = random.sample(votes, len(votes))
    assert resolve(votes) == resolve(shuffled)

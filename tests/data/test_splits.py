import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.snapshots import POOL, TEST, VALIDATION
from querist.stages.preprocessing.groups import Groups
from querist.stages.preprocessing.splits import UNGIVEN, Assignment, assign, draw

SHARES = {"validation": 0.2, "test": 0.3}
keys_of_rows = st.lists(st.integers(0, 12), min_size=1, max_size=60)
given_splits = st.sampled_from([UNGIVEN, POOL, VALIDATION, TEST])


def hashed(numbers: list[int]) -> np.ndarray:
    return np.array(numbers, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)


def split(numbers: list[int], given: list[int] | None = None, drawn: tuple[str, ...] = (), **more) -> Assignment:
    keys = hashed(numbers)
    codes = np.array([UNGIVEN] * len(numbers) if given is None else given, dtype=np.int8)
    return assign(keys, Groups.of(keys), codes, drawn=drawn, **SHARES, **more)


def test_shares_are_met_over_many_groups():
    codes = draw(np.random.default_rng(0).integers(0, 2**63, 100_000).astype(np.uint64), **SHARES)
    assert np.bincount(codes) / len(codes) == pytest.approx([0.5, 0.2, 0.3], abs=0.01)


@given(keys_of_rows)
def test_no_drawn_group_straddles_and_each_has_one_primary(numbers):
    made = split(numbers)
    assert made.groups_across_splits == 0
    for number in set(numbers):
        rows = [i for i, other in enumerate(numbers) if other == number]
        assert len({made.splits[i] for i in rows}) == 1
        assert [i for i in rows if made.primary[i]] == rows[:1]


@given(keys_of_rows, keys_of_rows, st.randoms())
def test_an_item_keeps_its_split_whatever_data_is_added_in_any_order(numbers, more, random):
    expected = dict(zip(numbers, split(numbers).splits.tolist(), strict=True))
    both = numbers + more
    random.shuffle(both)
    made = dict(zip(both, split(both).splits.tolist(), strict=True))
    assert {number: made[number] for number in expected} == expected


@given(st.lists(st.tuples(st.integers(0, 8), given_splits), min_size=1, max_size=40), st.booleans())
def test_a_given_split_holds_and_no_group_of_the_holdout_is_used_elsewhere(rows, deduplicate):
    numbers, given = [number for number, _ in rows], [code for _, code in rows]
    made = split(numbers, given, deduplicate=deduplicate)
    assert all(made.splits[i] == code for i, code in enumerate(given) if code != UNGIVEN)
    held = {number for number, code in zip(numbers, made.splits, strict=True) if code == TEST}
    for i, number in enumerate(numbers):
        if number in held and made.primary[i]:
            assert made.splits[i] == TEST
    used = {}
    for i in np.flatnonzero(made.primary):
        assert used.setdefault(numbers[i], made.splits[i]) == made.splits[i]
        assert not deduplicate or list(np.asarray(numbers)[made.primary]).count(numbers[i]) == 1
    assert set(used) == set(numbers)


@given(
    st.lists(st.tuples(st.integers(0, 8), given_splits), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 12), given_splits), min_size=1, max_size=30),
)
def test_a_child_leaves_the_old_rows_alone_and_never_uses_a_group_twice(old_rows, new_rows):
    drawn = ("validation",)
    old = split([n for n, _ in old_rows], [c for _, c in old_rows], drawn)
    numbers = [n for n, _ in old_rows + new_rows]
    made = split(numbers, [c for _, c in new_rows], drawn, old_splits=old.splits, old_primary=old.primary)
    n_old = len(old_rows)
    assert made.splits[:n_old].tolist() == old.splits.tolist()
    assert made.primary[:n_old].tolist() == old.primary.tolist()
    used = np.asarray(numbers)[made.primary].tolist()
    assert len(used) == len(set(used)) == len(set(numbers))
    assert not (made.splits == UNGIVEN).any()


def test_of_a_group_on_both_sides_the_holdout_row_is_used():
    made = split([1, 1, 2, 1], [POOL, TEST, POOL, TEST])
    assert made.splits.tolist() == [POOL, TEST, POOL, TEST]
    assert made.primary.tolist() == [False, True, True, False]
    assert made.groups_across_splits == 1


def test_another_salt_draws_other_splits():
    keys = np.random.default_rng(0).integers(0, 2**63, 1000).astype(np.uint64)
    one, two = (draw(keys, **SHARES, salt=salt) for salt in ("one", "two"))
    assert (one == draw(keys, **SHARES, salt="one")).all()
    assert (one != two).mean() > 0.1


def test_splits_that_a_column_lacks_are_drawn_from_its_pool():
    numbers = list(range(2000))
    made = split(numbers, [POOL] * 1500 + [TEST] * 500, drawn=("validation",))
    assert (made.splits[:1500] == VALIDATION).mean() == pytest.approx(0.2, abs=0.03)
    assert not (made.splits[:1500] == TEST).any()
    assert (made.splits[1500:] == TEST).all()


def test_without_deduplication_all_rows_of_a_group_are_used_but_not_across_splits():
    made = split([1, 1, 2, 2], [POOL, POOL, POOL, TEST], deduplicate=False)
    assert made.primary.tolist() == [True, True, False, True]


def test_a_row_without_a_split_joins_its_group():
    assert split([1, 1], [TEST, UNGIVEN]).splits.tolist() == [TEST, TEST]

"""How far a person is, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querist.stages.human_labeling.step import standing
from querist.store.annotations import Annotation, add_annotations, list_annotations
from querist.store.ledger import Ledger, Tx, iso
from querist.store.progress import progress

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
TODAY = iso(NOW.replace(hour=0))


def answer(number: int, who: str = "ada", *, supersedes: int | None = None, undo: bool = False) -> Annotation:
    before = None if supersedes is None else f"a{supersedes}"
    kind = "undo" if undo else "answer"
    return Annotation(f"a{number}", f"r{number}", number, "pool", "pos", who, before, kind=kind)


def mine(tx: Tx, who: str = "ada") -> tuple[int, int]:
    found = progress(tx, who, since=TODAY)
    return found.today, found.mine


def test_answers_of_earlier_days_count_in_all_and_those_undone_nowhere(ledger: Ledger) -> None:
    with ledger.begin() as tx:
        assert mine(tx) == (0, 0)
        add_annotations(tx, [answer(1), answer(2), answer(3, "bob")], now=NOW - timedelta(days=1))
        add_annotations(tx, [answer(4), answer(5, supersedes=4)], now=NOW)
        assert (mine(tx), mine(tx, "bob")) == ((1, 3), (0, 1))
        add_annotations(tx, [answer(6, supersedes=1, undo=True)], now=NOW)
        assert mine(tx) == (1, 2)
        add_annotations(tx, [answer(6, supersedes=1, undo=True), answer(5, supersedes=4)], now=NOW)
        assert mine(tx) == (1, 2), "a repetition changes nothing"
        add_annotations(tx, [answer(7, "bob", supersedes=2, undo=True), answer(8, supersedes=2)], now=NOW)
        assert (mine(tx), mine(tx, "bob")) == ((2, 2), (0, 1)), "superseded twice, and gone once"


ROWS = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["ada", "bob"]), st.none() | st.integers(0, 9), st.booleans()),
    max_size=12,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(ROWS, max_size=3))
def test_a_person_has_as_many_answers_as_the_record_has_standing(
    ledger: Ledger, parts: list[list[tuple[int, str, int | None, bool]]]
) -> None:
    with ledger.begin() as tx:
        for part in parts:
            rows = [answer(i, who, supersedes=over if over != i else None, undo=undo) for i, who, over, undo in part]
            add_annotations(tx, rows, now=NOW)
        said = list_annotations(tx)
        for who in ("ada", "bob"):
            assert mine(tx, who)[1] == sum(row.annotator == who for row in standing(said))
        tx.rollback()

"""What the annotations of an item say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Vote:
    """One standing answer: `label` None is a skip, `at` an ISO time."""

    item: str
    annotator: str
    label: str | None
    at: str


def resolve(votes: Iterable[Vote]) -> dict[str, str | None]:
    """The resolved label of each item: the majority of each annotator's newest vote, ties to the newest.

    A skip does not vote; an item that everybody skipped resolves to None. Of votes at the same time the later in the
    sequence is the newer.
    """
    newest: dict[str, dict[str, Vote]] = {}
    for vote in sorted(votes, key=lambda v: v.at):
        by_annotator = newest.setdefault(vote.item, {})
        by_annotator.pop(vote.annotator, None)
        by_annotator[vote.annotator] = vote
    return {item: _majority(list(by_annotator.values())) for item, by_annotator in newest.items()}


def _majority(votes: list[Vote]) -> str | None:
    """`votes` are oldest first."""
    if len(votes) == 1:
        return votes[0].label
    labels = [vote.label for vote in votes if vote.label is not None]
    counts = Counter(labels)
    return max(reversed(labels), key=lambda label: counts[label], default=None)

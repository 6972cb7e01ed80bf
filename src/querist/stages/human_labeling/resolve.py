"""What the annotations of an item say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from querist.core.label_sets import LabelSets
from querist.core.types import Probabilities, Scores
from querist.stages.human_labeling.reliability import Annotations, agreement, dawid_skene

Method = Literal["majority", "dawid_skene", "weighted"]
Votes = Mapping[str, Sequence["Vote"]]
DIGITS = 9
"""Sums of the same weights in another order are a tie."""


@dataclass(frozen=True)
class Vote:
    """One standing answer: `label` None is a skip, `at` an ISO time; `adjudicated` is a lead's ruling."""

    item: str
    annotator: str
    label: str | None
    at: str
    adjudicated: bool = False


@dataclass(frozen=True)
class Table:
    """Votes as `codes` (n_items, n_annotators), -1 where a person gave no label; the names are sorted, items in order
    of appearance."""

    codes: Annotations
    items: tuple[str, ...]
    annotators: tuple[str, ...]
    labels: tuple[str, ...]


def resolve(
    votes: Iterable[Vote], *, method: Method = "majority", sets: LabelSets | None = None
) -> dict[str, str | None]:
    """The resolved label of each item, from each annotator's newest vote, or from the newest ruling alone.

    "majority" counts votes, "weighted" counts each as often as its annotator agrees with others, "dawid_skene" takes
    the likeliest class under a model of who confuses what. Only a label that somebody gave can win; ties go to the
    newest. A skip does not vote; an item that everybody skipped resolves to None. An item with one vote keeps it and
    teaches nothing about its annotator: nobody contradicts it, and the model would take it for a proof of skill.
    Of votes at the same time the later in the sequence is the newer. With `sets` an item has several labels, and
    people are heard on each of them by itself: whether the item has it.
    """
    if sets is not None:
        return _of_sets(list(votes), method, sets)
    answers, rulings = sort_out(votes)
    resolved = {item: _winner(given, Counter(v.label for v in given)) for item, given in answers.items()}
    if method != "majority":
        resolved |= _modelled(answers, rulings, method)
    return resolved | rulings


def _of_sets(votes: Sequence[Vote], method: Method, sets: LabelSets) -> dict[str, str | None]:
    times = Counter(vote.item for vote in votes)
    alone = {v.item: v.label and sets.join(sets.names(v.label)) for v in votes if times[v.item] == 1}
    votes = [vote for vote in votes if times[vote.item] > 1]
    said = {v.label: frozenset(sets.names(v.label)) for v in votes if v.label is not None}
    found: dict[str, list[str] | None] = {vote.item: None for vote in votes}
    for name in sorted(set().union(*said.values())) or [""]:  # where all say that no label fits, one question is left
        asked = (replace(v, label=v.label and str(name in said[v.label])) for v in votes)
        for item, has in resolve(asked, method=method).items():
            if has is not None:
                found[item] = [*(found[item] or []), *([name] if has == str(True) else [])]
    return alone | {item: None if names is None else sets.join(names) for item, names in found.items()}


def sort_out(votes: Iterable[Vote]) -> tuple[dict[str, list[Vote]], dict[str, str | None]]:
    """By item, each annotator's newest vote (oldest first), and the label of the newest ruling.

    A ruling is no vote: a lead who saw the votes does not agree with them independently.
    """
    newest: dict[str, dict[str, Vote]] = {}
    rulings: dict[str, str | None] = {}
    for vote in sorted(votes, key=lambda v: v.at):
        if vote.adjudicated:
            rulings[vote.item] = vote.label
            continue
        by_annotator = newest.setdefault(vote.item, {})
        by_annotator.pop(vote.annotator, None)
        by_annotator[vote.annotator] = vote
    return {item: list(by_annotator.values()) for item, by_annotator in newest.items()}, rulings


def tabulate(votes: Votes, labels: Iterable[str] = ()) -> Table:
    """Votes by item as a table; `labels` are classes to count besides those that were given."""
    given = [vote for answers in votes.values() for vote in answers]
    annotators = tuple(sorted({vote.annotator for vote in given}))
    names = tuple(sorted({vote.label for vote in given if vote.label is not None} | set(labels)))
    row, column, code = ({name: at for at, name in enumerate(of)} for of in (votes, annotators, names))
    codes = np.full((len(votes), max(len(annotators), 1)), -1, dtype=np.int64)
    for vote in given:
        if vote.label is not None:
            codes[row[vote.item], column[vote.annotator]] = code[vote.label]
    return Table(codes, tuple(votes), annotators, names)


def _modelled(votes: Votes, rulings: Mapping[str, str | None], method: Method) -> dict[str, str | None]:
    """The resolved labels of the items with several votes."""
    n_labels = {item: sum(vote.label is not None for vote in given) for item, given in votes.items()}
    used = {item: votes[item] for item, n in n_labels.items() if n > 1 or (n and rulings.get(item))}
    if not used:
        return {}
    truths = [rulings.get(item) for item in used]
    table = tabulate(used, {label for label in truths if label is not None})
    code: dict[str | None, int] = {label: at for at, label in enumerate(table.labels)}
    if method == "weighted":
        scores = _weighted(table.codes, len(code))
    else:
        truth = np.array([code.get(label, -1) for label in truths])
        scores = dawid_skene(table.codes, len(code), truth=truth).proba
    return {
        item: _winner(given, {label: scores[row, at] for label, at in code.items()})
        for row, (item, given) in enumerate(used.items())
    }


def _weighted(codes: Annotations, n_classes: int) -> Probabilities:
    """(n_items, n_classes) votes for each class, each as much as its annotator agrees with others."""
    weights: Scores = agreement(codes, n_classes)
    return np.stack([(codes == c) @ weights for c in range(n_classes)], axis=1)


def _winner(votes: Sequence[Vote], scores: Mapping[str | None, float]) -> str | None:
    """The label given with the highest score; `votes` are oldest first, and of a tie the newest wins."""
    labels = [vote.label for vote in votes if vote.label is not None]
    return max(reversed(labels), key=lambda label: round(scores[label], DIGITS), default=None)

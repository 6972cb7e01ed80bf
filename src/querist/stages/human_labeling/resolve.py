"""What the annotations of an item say together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from querist.core.label_sets import LabelSets
from querist.core.types import Probabilities, Scores
from querist.stages.human_labeling.reliability import Annotations, agreement, dawid_skene

Method = Literal["majority", "dawid_skene", "weighted"]
Votes = Mapping[str, Sequence["Vote"]]
Label = TypeVar("Label", str, bool)
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
    people are heard on each of them by itself: whether the item has it. Where it would have none, though nobody said
    that none fits, this is a tie, too: the newest answer counts.
    """
    answers, rulings = sort_out(votes)
    if sets is not None:
        return _of_sets(answers, rulings, method, sets)
    resolved = {item: _winner(_given(votes), Counter(_given(votes))) for item, votes in answers.items()}
    if method != "majority":
        resolved |= _modelled(answers, rulings, method)
    return resolved | rulings


def _of_sets(
    answers: Votes, rulings: Mapping[str, str | None], method: Method, sets: LabelSets
) -> dict[str, str | None]:
    """For each item only the names that somebody gave it are asked about."""
    given = {item: [frozenset(sets.names(label)) for label in _given(votes)] for item, votes in answers.items()}
    items_of: dict[str, list[str]] = {}
    for item, said in given.items():
        for name in frozenset().union(*said):
            items_of.setdefault(name, []).append(item)
    used = {} if method == "majority" else _several(answers, rulings)
    table = tabulate(used, filter(None, map(rulings.get, used)))
    code = {label: at for at, label in enumerate(table.labels)}
    members = [frozenset(sets.names(label)) for label in table.labels]
    truth = np.array([code.get(rulings.get(item) or "", -1) for item in used], dtype=np.int64)
    row = {item: at for at, item in enumerate(used)}
    won: dict[str, list[str]] = {item: [] for item in answers}
    for name, items in items_of.items():
        has = np.array([*(name in names for names in members), -1], dtype=np.int64)
        scores = _scores(has[table.codes], 2, has[truth], method) if row else np.empty((0, 2))
        for item in items:
            heard = [name in names for names in given[item]]
            no, yes = scores[row[item]] if item in row else (heard.count(False), heard.count(True))
            if _winner(heard, {False: no, True: yes}):
                won[item].append(name)
    resolved: dict[str, str | None] = {}
    for item, said in given.items():
        none_fits = not won[item] and frozenset() in said
        resolved[item] = sets.join(won[item] or ([] if none_fits else said[-1])) if said else None
    return resolved | {item: label and sets.join(sets.names(label)) for item, label in rulings.items()}


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
    used = _several(votes, rulings)
    if not used:
        return {}
    truths = [rulings.get(item) for item in used]
    table = tabulate(used, {label for label in truths if label is not None})
    code: dict[str | None, int] = {label: at for at, label in enumerate(table.labels)}
    truth = np.array([code.get(label, -1) for label in truths])
    scores = _scores(table.codes, len(code), truth, method)
    return {
        item: _winner(_given(given), {label: scores[row, at] for at, label in enumerate(table.labels)})
        for row, (item, given) in enumerate(used.items())
    }


def _several(votes: Votes, rulings: Mapping[str, str | None]) -> Votes:
    """The items that tell something of their annotators: with several labels, or with one and a ruling."""
    n_labels = {item: len(_given(given)) for item, given in votes.items()}
    return {item: votes[item] for item, n in n_labels.items() if n > 1 or (n and rulings.get(item))}


def _scores(codes: Annotations, n_classes: int, truth: Annotations, method: Method) -> Probabilities:
    """(n_items, n_classes) how much speaks for each class."""
    if method == "dawid_skene":
        return dawid_skene(codes, n_classes, truth=truth).proba
    weights: Scores = agreement(codes, n_classes)
    return np.stack([(codes == c) @ weights for c in range(n_classes)], axis=1)


def _given(votes: Sequence[Vote]) -> list[str]:
    return [vote.label for vote in votes if vote.label is not None]


def _winner(labels: Sequence[Label], scores: Mapping[Label, float]) -> Label | None:
    """The label given with the highest score; `labels` are oldest first, and of a tie the newest wins."""
    return max(reversed(labels), key=lambda label: round(scores[label], DIGITS), default=None)

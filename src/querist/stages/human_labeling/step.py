"""Human labeling: waits for labels, or asks a simulated annotator, and leaves the labels known so far in the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from numpy.typing import NDArray

from querist.asking import may_stay_open
from querist.core.errors import LedgerError
from querist.core.hashing import key_of
from querist.core.types import Codes, Indices, Targets
from querist.snapshots.snapshot import POOL, TEST, VALIDATION
from querist.stages.human_labeling.resolve import Vote, resolve
from querist.step import Context, StepResult
from querist.store.annotations import Annotation, add_annotations, list_annotations
from querist.store.ledger import Tx
from querist.store.rounds import Wanted, list_wanted

SPLITS = {"pool": POOL, "validation": VALIDATION, "test": TEST}


@dataclass(frozen=True)
class Inputs:
    asked: Sequence[Wanted]
    annotations: Sequence[Annotation]
    may_stay_open: int

    @property
    def key(self) -> str:
        return key_of([q.item for q in self.asked], [[a.id, a.item, a.label] for a in self.annotations])


@dataclass(frozen=True)
class Outputs:
    answers: Sequence[Annotation]
    missing: int
    labels: dict[str, tuple[Indices, Targets]]


class HumanLabeling:
    """Done when every query of the round, or the share `labeling.train_at` of them, has the answers it wants, be they
    labels or skips, or a lead's ruling.
    """

    NAME = "human_labeling"
    VERSION = 1
    uses_model = False

    def read(self, tx: Tx, ctx: Context) -> Inputs:
        open_ = may_stay_open(tx, ctx.round, ctx.settings)
        return Inputs(list_wanted(tx, ctx.round), list_annotations(tx), open_)

    def compute(self, inputs: Inputs, ctx: Context) -> Outputs:
        given = standing(inputs.annotations)
        asked = {q.item for q in inputs.asked}
        of_round = [a for a in given if a.item in asked]
        answers_of = Counter(item for item, _ in {(a.item, a.annotator) for a in of_round})
        ruled = {a.item for a in of_round if is_ruling(a)}
        open_queries = [q for q in inputs.asked if answers_of[q.item] < q.wanted and q.item not in ruled]
        answers = simulated_answers(open_queries, ctx) if ctx.oracle else []
        missing = len(open_queries) - len(answers)
        if missing <= inputs.may_stay_open:
            missing = 0
        labels = {} if missing else known_labels([*given, *answers], ctx)
        if not missing and not ctx.oracle and len(labels["pool"][0]) == 0:
            missing = len(inputs.asked)  # all were skipped, and a model needs one label at least
        return Outputs(answers, missing, labels)

    def keep(self, outputs: Outputs, ctx: Context) -> tuple[Outputs, str]:
        arrays: dict[str, NDArray[Any]] = {}
        for split, (positions, codes) in outputs.labels.items():
            arrays |= {f"{split}_positions": positions, f"{split}_codes": codes}
        return outputs, "" if outputs.missing else ctx.artifacts.put_arrays(**arrays)

    def write(self, tx: Tx, kept: tuple[Outputs, str], ctx: Context) -> StepResult:
        outputs, name = kept
        add_annotations(tx, outputs.answers, now=ctx.now)
        if outputs.missing:
            return StepResult("waiting", {"missing": outputs.missing})
        return StepResult(
            "done",
            {
                "labels": name,
                "classes": list(ctx.classes),
                "n_labels": len(outputs.labels["pool"][0]),
                "n_validation": len(outputs.labels["validation"][0]),
                "n_test": len(outputs.labels["test"][0]),
            },
        )


def standing(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Answers that were neither undone nor corrected."""
    superseded = {a.supersedes for a in annotations}
    return [a for a in annotations if a.kind == "answer" and a.id not in superseded]


def is_gold(annotation: Annotation) -> bool:
    """Whether the item was mixed in to test the person: `details` say {"gold": true}."""
    return bool(annotation.details.get("gold"))


def is_ruling(annotation: Annotation) -> bool:
    """Whether a lead decided: `details` say {"adjudicated": true}."""
    return bool(annotation.details.get("adjudicated"))


def vote_of(annotation: Annotation) -> Vote:
    return Vote(annotation.item, annotation.annotator, annotation.label, annotation.at, is_ruling(annotation))


def simulated_answers(asked: Sequence[Wanted], ctx: Context) -> list[Annotation]:
    """The oracle column's label for each query; an empty one is a skip."""
    if not asked or ctx.oracle is None:
        return []
    codes, names = ctx.snapshot.labels(ctx.oracle, ctx.classes, ctx.sets)
    return [
        Annotation(
            id=uuid5(NAMESPACE_URL, f"querist:oracle:{ctx.oracle}:{q.item}").hex,
            item=q.item,
            position=q.position,
            split=q.split,
            label=names[code] if (code := codes[q.position]) >= 0 else None,
            annotator=f"oracle:{ctx.oracle}",
            seconds=ctx.settings.objective.seconds_per_label,
        )
        for q in asked
    ]


def known_labels(said: Sequence[Annotation], ctx: Context) -> dict[str, tuple[Indices, Targets]]:
    """Positions and classes by split: labels that came with the data, overruled by what annotators said together;
    `said` are the answers that stand.

    Answers to gold items are no votes: their labels are certain, and the people are tested by them.
    In a simulation the oracle's column stays hidden in the pool, and is the truth in validation and test.
    """
    codes = np.full(ctx.snapshot.n_items, -1, dtype=np.int64)
    splits, sets = ctx.snapshot.splits(), ctx.sets
    number = {} if sets else {label: code for code, label in enumerate(ctx.classes)}

    def told_by(column: str) -> Codes:
        told, names = ctx.snapshot.labels(column, ctx.classes, sets)
        return np.array([*(number.setdefault(name, len(number)) for name in names), -1], dtype=np.int64)[told]

    hidden = ctx.oracle == "label"
    if ctx.settings.data.label is not None:
        given = told_by("label")
        free = splits != POOL if hidden else np.ones(len(codes), dtype=bool)
        codes[free] = given[free]
    if ctx.oracle is not None and not hidden:
        truth = told_by(ctx.oracle)
        codes[splits != POOL] = truth[splits != POOL]
    votes = [a for a in said if not is_gold(a)]
    position = {a.item: a.position for a in votes}
    times = Counter(a.item for a in votes)
    resolved = {a.item: a.label for a in votes if times[a.item] == 1}
    shared = (vote_of(a) for a in votes if times[a.item] > 1)
    resolved |= resolve(shared, method=ctx.settings.labeling.resolve, sets=sets)
    for item, label in resolved.items():
        if label is not None and (strange := _strange(label, ctx)) is not None:
            raise LedgerError(f"label {strange!r} of item {item!r} is not among the classes {list(ctx.classes)}")
        codes[position[item]] = number.setdefault(label, len(number)) if label is not None else -1
    known = (codes >= 0) & ctx.snapshot.primary()
    table = sets.members(list(number), ctx.classes) if sets else np.arange(len(number))
    return {
        name: (positions, table[codes[positions]])
        for name, split in SPLITS.items()
        for positions in [np.flatnonzero(known & (splits == split))]
    }


def _strange(label: str, ctx: Context) -> str | None:
    names = (label,) if ctx.sets is None else ctx.sets.names(label)
    return next((name for name in names if name not in ctx.classes), None)

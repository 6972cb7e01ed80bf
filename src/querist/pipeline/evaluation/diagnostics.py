"""What a careful person asks of a loop that seems to go well, from the record."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from querist.core.label_sets import class_counts
from querist.core.proportion import wilson
from querist.core.types import Codes, Indices, Targets
from querist.stages.evaluation.balance import skew
from querist.stages.evaluation.label_errors import TELLING, Trial, in_words
from querist.stages.evaluation.minority import Curve, left_behind, minority, unseen
from querist.stages.evaluation.representative import effective_number
from querist.stages.human_labeling import ceiling as ceilings
from querist.store.analyses import Analysis, list_analyses
from querist.store.rows import (
    Given,
    Value,
    chosen_positions,
    control_queries,
    given_labels,
    metric_rows,
    random_queries,
    ruled_positions,
)
from querist.store.steps import Done, list_steps

if TYPE_CHECKING:
    from querist.pipeline.project import Project

EMBEDDED, LABEL_ERRORS, SIMULATION = "diagnostics", "label_errors", "simulation"
ENOUGH = 50
"""Labels of a random draw, from which on its class shares are taken as those of the pool."""


@dataclass(frozen=True)
class Record:
    """What the ledger says of a project with labels; `pool` and `holdout` are positions and class codes, `groups`
    those of the holdout's items (None where each stands for itself), `chosen`, `control`, `random` and `ruled`
    positions of queries and of what a lead decided."""

    classes: tuple[str, ...]
    pool: tuple[Indices, Targets]
    holdout: tuple[Indices, Targets]
    groups: NDArray[np.uint64] | None
    chosen: NDArray[np.int64]
    control: NDArray[np.int64]
    given: Sequence[Given]
    ruled: Sequence[int]
    random: NDArray[np.int64]
    values: Sequence[Value]
    evaluated: Done | None
    scored: Done | None
    analyses: Mapping[str, Analysis]

    def result(self, kind: str) -> Mapping[str, Any]:
        """Of the newest analysis of a kind; nothing where there is none."""
        return self.analyses[kind].result if kind in self.analyses else {}


def diagnostics(project: Project) -> dict[str, Any]:
    """Class balance of the queries, redundancy of batches, queried against pool, the ceiling that annotators set,
    labels that look wrong, recall of rare classes, and what to be warned of.

    What takes embeddings or a training is the newest result of `record_diagnostics` and `record_label_errors`;
    `recorded` says of which round and time it is. All else is live.
    """
    found = _read(project)
    if found is None:
        parts = ("class_balance", "redundancy", "label_errors", "minority", "warnings", "recorded")
        return {**dict.fromkeys(("queried_against_pool", "ceiling", "label_errors_sentence")), **{p: [] for p in parts}}
    confidence = project.settings.evaluation.confidence
    balance, skewed = _balance(found, project)
    recall, behind = _minority(found, project.settings.query.strategy, confidence)
    suspects, suspected, telling = _label_errors(found)
    embedded = found.result(EMBEDDED)
    warnings = {
        "class_balance": skewed,
        "redundancy": embedded.get("warnings", []),
        "minority": behind,
        "label_errors": [suspected] if suspected and telling else [],
    }
    evaluated = found.evaluated.result["warnings"] if found.evaluated else []
    return {
        "class_balance": balance,
        "redundancy": embedded.get("redundancy", []),
        "queried_against_pool": embedded.get("queried_against_pool"),
        "ceiling": _ceiling(found, confidence),
        "label_errors": suspects,
        "label_errors_sentence": suspected,
        "minority": recall,
        "warnings": [
            *({"kind": _kind(sentence), "sentence": sentence} for sentence in evaluated),
            *({"kind": kind, "sentence": sentence} for kind, said in warnings.items() for sentence in said),
        ],
        "recorded": [
            {"kind": kind, "round": found.analyses[kind].round, "at": found.analyses[kind].at}
            for kind in (EMBEDDED, LABEL_ERRORS)
            if kind in found.analyses
        ],
    }


def newest(steps: Sequence[Done], name: str) -> Done | None:
    return next((step for step in reversed(steps) if step.name == name), None)


def _read(project: Project) -> Record | None:
    """None before the first labels."""
    with project.ledger.read() as tx:
        steps = list_steps(tx)
        labeled = newest(steps, "human_labeling")
        if labeled is None:
            return None
        classes = tuple(labeled.result["classes"])
        chosen, control, given = chosen_positions(tx), control_queries(tx), given_labels(tx)
        ruled, random = ruled_positions(tx), random_queries(tx)
        values = metric_rows(tx, ["accuracy", *(f"recall:{name}" for name in classes)])
        analyses = [a for kind in (EMBEDDED, LABEL_ERRORS, SIMULATION) for a in list_analyses(tx, kind, last=1)]
    arrays = project.artifacts.get_arrays(labeled.result["labels"])
    return Record(
        classes=classes,
        pool=(arrays["pool_positions"], arrays["pool_codes"]),
        holdout=(arrays["test_positions"], arrays["test_codes"]),
        groups=project.snapshot.groups(arrays["test_positions"]),
        chosen=chosen,
        control=control,
        given=given,
        ruled=ruled,
        random=random,
        values=values,
        evaluated=newest(steps, "evaluation"),
        scored=newest(steps, "uncertainty_scoring"),
        analyses={a.kind: a for a in analyses},
    )


def _balance(found: Record, project: Project) -> tuple[list[dict[str, Any]], list[str]]:
    """Shares by class, and what is far off those of the control arm or the holdout. What the model expects of the pool
    is shown, but proves nothing: it is the model's belief, which class weights and a balanced seed set move."""
    asked, control = _counts(found, found.chosen), _counts(found, found.control)
    holdout = class_counts(found.holdout[1], len(found.classes))
    n_asked, n_control = (int(np.isin(found.pool[0], part).sum()) for part in (found.chosen, found.control))
    drawn = n_control >= ENOUGH
    pool, n_pool = (control, n_control) if drawn else _expected(found, project)
    parts = {
        "asked": (asked, n_asked),
        "pool_estimate": (pool, n_pool),
        "holdout": (holdout, len(found.holdout[1])),
    }
    shares = {part: counts / n if n else None for part, (counts, n) in parts.items()}
    rows = [
        {"class": name, **{part: None if share is None else float(share[c]) for part, share in shares.items()}}
        for c, name in enumerate(found.classes)
    ]
    if drawn:
        return rows, skew(found.classes, asked, control, of="the control arm", items=(n_asked, n_control))
    if len(found.holdout[1]) >= ENOUGH:
        items = (n_asked, len(found.holdout[1]))
        return rows, skew(found.classes, asked, holdout, of="the holdout", items=items)
    return rows, []


def _counts(found: Record, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n_classes,) how many of the pool items at `positions` have each class."""
    at = np.isin(found.pool[0], positions)
    return class_counts(found.pool[1][at], len(found.classes))


def _expected(found: Record, project: Project) -> tuple[NDArray[np.float64], int]:
    """(n_classes,) items of the pool: the labels known, and of the others what the newest scores expect; and how many
    items those are."""
    expected = class_counts(found.pool[1], len(found.classes)).astype(np.float64)
    if found.scored is None:
        return np.zeros_like(expected), 0
    arrays = project.artifacts.get_arrays(found.scored.result["scores"])
    open_ = ~np.isin(arrays["positions"], found.pool[0])
    expected[: arrays["proba"].shape[1]] += arrays["proba"][open_].sum(axis=0, dtype=np.float64)
    return expected, len(found.pool[0]) + int(open_.sum())


def _minority(found: Record, strategy: str, confidence: float) -> tuple[list[dict[str, Any]], list[str]]:
    counts = class_counts(found.holdout[1], len(found.classes))
    alone = _alone(found, counts)
    values: dict[str, list[Value]] = defaultdict(list)
    for value in found.values:
        values[value.name].append(value)
    curves = [
        Curve(
            name=found.classes[c],
            rounds=np.array([v.round for v in own]),
            recall=np.array([v.value for v in own]),
            # The holdout may have grown since; its shares have hardly changed.
            support=np.array([alone[c] / len(found.holdout[1]) * v.n_items for v in own]),
        )
        for c in np.flatnonzero(minority(counts))
        if (own := values[f"recall:{found.classes[c]}"])
    ]
    rows = []
    for curve in curves:
        bounds = wilson(curve.recall, curve.support, confidence=confidence)
        for number, recall, low, high in zip(curve.rounds, curve.recall, *bounds, strict=True):
            figures = {"recall": float(recall), "low": float(low), "high": float(high)}
            rows.append({"class": curve.name, "round": int(number), **figures})
    metrics = found.result(SIMULATION).get("summary", {}).get(strategy, {}).get("metrics", {})
    against = {c.name: metrics.get(f"recall:{c.name}", {}).get("against_random", {}) for c in curves}
    return rows, [*unseen(found.classes, counts), *left_behind(curves, against)]


def _alone(found: Record, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(n_classes,) as many holdout items of each class as tell as much, were items of a group copies."""
    if found.groups is None:
        return counts.astype(np.float64)
    alone = np.zeros(len(counts))
    codes = found.holdout[1]
    for c in np.flatnonzero(counts):
        has = codes[:, c] if codes.ndim == 2 else codes == c
        sizes = np.unique(found.groups[has], return_counts=True)[1]
        alone[c] = effective_number(sizes.astype(np.float64))
    return alone


def _ceiling(found: Record, confidence: float) -> dict[str, Any] | None:
    """Of items of the holdout and those drawn at random, where enough of them have several answers; else of all. None
    where items have several labels, since an answer can then be right in part."""
    if found.pool[1].ndim == 2:
        return None
    random = set(found.random.tolist())
    drawn = [vote for vote in found.given if vote.split != "pool" or vote.position in random]
    at_random, limit = True, ceilings.ceiling(_votes(drawn, found.classes), confidence=confidence)
    if limit is None:
        at_random, limit = False, ceilings.ceiling(_votes(found.given, found.classes), confidence=confidence)
    if limit is None:
        return None
    tested: Counter[str] = Counter()
    for vote in found.given:
        if vote.split == "test":
            tested[vote.item] += vote.people
    holdout: ceilings.Holdout = "given" if not tested else "single" if max(tested.values()) == 1 else "resolved"
    accuracy = next((v.value for v in reversed(found.values) if v.name == "accuracy"), None)
    sentence = ceilings.said(limit, at_random=at_random, holdout=holdout, accuracy=accuracy)
    return {"value": limit.value, "low": limit.low, "high": limit.high, "at_random": at_random, "sentence": sentence}


def _votes(given: Sequence[Given], classes: Sequence[str]) -> Codes:
    """(n_items, n_classes) how many people gave each class to each item that has several answers."""
    number = {name: c for c, name in enumerate(classes)}
    people: Counter[str] = Counter()
    for vote in given:
        people[vote.item] += vote.people
    row = {item: at for at, item in enumerate(item for item, n in people.items() if n > 1)}
    votes: Codes = np.zeros((len(row), len(number)), dtype=np.int64)
    for vote in given:
        if vote.item in row and vote.label in number:
            votes[row[vote.item], number[vote.label]] = vote.people
    return votes


def _label_errors(found: Record) -> tuple[list[dict[str, Any]], str | None, bool]:
    """The recorded suspects whose label still is what it was, and that no lead has ruled on since; what they are worth
    in words, and whether enough for a warning."""
    recorded = found.result(LABEL_ERRORS)
    if not recorded:
        return [], None, False
    ruled = set(found.ruled)
    known = dict(zip(found.pool[0].tolist(), (found.classes[c] for c in found.pool[1]), strict=True))
    left = [
        {part: row[part] for part in ("item", "given", "suggested", "score")}
        for row in recorded["suspects"]
        if row["position"] not in ruled and known.get(row["position"]) == row["given"]
    ]
    n = recorded["n_suspects"] - len(recorded["suspects"]) + len(left)
    trial = Trial(**recorded["trial"])
    return left, in_words(n, recorded["n_labels"], trial), n > 0 and trial.found >= TELLING


def _kind(sentence: str) -> str:
    return "calibration" if sentence.startswith("badly calibrated") else "evaluation"

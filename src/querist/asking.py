"""From chosen positions to the rows of a round: shared by the seed set and by every later query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from querist.config import Settings
from querist.config.loop import ObjectiveSettings
from querist.config.people import LabelingSettings
from querist.core.hashing import key_of, unit_hash
from querist.core.label_sets import predicted
from querist.core.types import Codes, Indices, Probabilities
from querist.snapshots.payload import keep_image, payloads
from querist.snapshots.snapshot import POOL
from querist.step import Context, StepResult
from querist.store.annotations import Effort, effort
from querist.store.ledger import Tx
from querist.store.rounds import Query, Round, count_queries, open_round, outstanding, taken_positions

SHOWN_LABELS = 5
"""Classes of a prediction that the record keeps, the likeliest; of several labels all that are predicted."""
CONTROL = "control"
"""What the record calls the strategy of items that were drawn at random."""


@dataclass(frozen=True)
class Asked:
    """A round about to be opened: positions best first, with what the record and the annotators need to know."""

    positions: Indices
    scores: Sequence[float] | None
    parts: Sequence[Mapping[str, float]]
    proba: Probabilities | None
    strategy: str
    model_version: str | None
    thresholds: Mapping[str, float]
    note: str
    reasons: Sequence[str] = ()


def build_queries(asked: Asked, ctx: Context) -> list[Query]:
    splits = ctx.snapshot.splits()[asked.positions]
    found = payloads(ctx.snapshot, asked.positions)
    queries = []
    for rank, (position, split, (item, payload)) in enumerate(zip(asked.positions, splits, found, strict=True)):
        if asked.proba is not None:
            shown = max(SHOWN_LABELS, int(predicted(asked.proba[rank]).sum()) if ctx.sets else 0)
            order = np.argsort(-asked.proba[rank], kind="stable")[:shown]
            payload["prediction"] = {ctx.classes[c]: round(float(asked.proba[rank, c]), 4) for c in order}
        if asked.reasons:
            payload["reason"] = asked.reasons[rank]
        queries.append(
            Query(
                round=ctx.round,
                rank=rank,
                item=item,
                position=int(position),
                split="pool" if split == POOL else "holdout",
                score=None if asked.scores is None else float(asked.scores[rank]),
                parts=asked.parts[rank] if asked.parts else {},
                strategy=asked.strategy,
                model_version=asked.model_version,
                payload=payload,
                wanted=1 if ctx.oracle else answers_wanted(item, ctx.settings.labeling),
            )
        )
    return queries


def keep_images(queries: Sequence[Query], ctx: Context) -> list[Query]:
    return [replace(query, payload=keep_image(query.payload, ctx.artifacts)) for query in queries]


def write_round(tx: Tx, asked: Asked, queries: Sequence[Query], ctx: Context) -> StepResult:
    opened = Round(
        round=ctx.round,
        snapshot=ctx.snapshot.id,
        strategy=asked.strategy,
        model_version=asked.model_version,
        thresholds=asked.thresholds,
        note=asked.note,
        settings=ctx.settings_key,
        code_version=ctx.code_version,
        at="",
    )
    open_round(tx, opened, queries, now=ctx.now)
    return StepResult("done", {"n_queries": len(queries), "items": key_of([q.item for q in queries])})


def answers_wanted(item: str, labeling: LabelingSettings) -> int:
    """How many people are to answer an item; which items are shared depends on their ids alone."""
    return labeling.overlap if unit_hash(item) < labeling.overlap_share else 1


def budget_left(spent: Effort, goal: ObjectiveSettings) -> int | None:
    """Labels that may still be asked under the tightest of the budgets; None without any."""
    limits: list[int] = []
    if goal.budget_labels is not None:
        limits.append(goal.budget_labels - spent.labels)
    if goal.budget_money is not None and goal.cost_per_label:
        limits.append(whole(goal.budget_money / goal.cost_per_label) - spent.labels)
    if goal.budget_hours is not None and goal.seconds_per_label:
        limits.append(whole((goal.budget_hours * 3600 - seconds_spent(spent, goal)) / goal.seconds_per_label))
    return max(min(limits), 0) if limits else None


def items_left(spent: Effort, settings: Settings, *, oracle: bool = False) -> int | None:
    """Items that may still be asked, where each may want the answers of `overlap` people; an oracle answers once."""
    labels = budget_left(spent, settings.objective)
    shared = settings.labeling.overlap_share > 0 and not oracle
    return labels if labels is None or not shared else labels // settings.labeling.overlap


def committed(tx: Tx, settings: Settings) -> Effort:
    """The effort, with the answers to come of earlier rounds, where a round may be made before all have come."""
    spent = effort(tx)
    if settings.labeling.train_at == 1:
        return spent
    to_come = outstanding(tx)
    return replace(spent, labels=spent.labels + to_come, untimed=spent.untimed + to_come)


def share_open(tx: Tx, round: int, settings: Settings) -> int:
    """How many of the items of a round may lack answers when the next one is made, as far as the settings go."""
    if settings.labeling.train_at == 1:
        return 0
    return whole(count_queries(tx, round) * (1 - settings.labeling.train_at))


def may_stay_open(tx: Tx, round: int, settings: Settings) -> int:
    """As `share_open`, but none in the last round that is paid for, since nobody would learn from what comes later.
    Reads all that was answered."""
    n_open = share_open(tx, round, settings)
    return n_open if n_open and items_left(committed(tx, settings), settings) != 0 else 0


def seconds_spent(spent: Effort, goal: ObjectiveSettings) -> float:
    """Measured where a time came with the annotation, else the time in the settings."""
    return spent.seconds + spent.untimed * (goal.seconds_per_label or 0.0)


def whole(labels: float) -> int:
    """Rounded down, but not because 0.3 / 0.1 is 2.9999999999999996."""
    return int(labels * (1 + 1e-9))


def candidates(tx: Tx, ctx: Context) -> Indices:
    """Positions that may be asked now: in the pool, first of their group, never asked, not labeled."""
    open_ = _usable(ctx)
    open_[taken_positions(tx)] = False
    return np.flatnonzero(open_)


def usable(ctx: Context) -> Indices:
    """Positions that some round may ask: those of `candidates`, and those asked by now."""
    return np.flatnonzero(_usable(ctx))


def gold_candidates(tx: Tx, ctx: Context) -> Indices:
    """Positions of the pool whose label came with the data and that nobody was asked: they can test people."""
    if not ctx.settings.labeling.gold_share or ctx.settings.data.label is None or ctx.oracle is not None:
        return np.empty(0, dtype=np.intp)
    known, _ = ctx.snapshot.labels("label", ctx.classes, ctx.sets)
    found = ctx.snapshot.primary() & (ctx.snapshot.splits() == POOL) & (known >= 0)
    found[taken_positions(tx)] = False
    return np.flatnonzero(found)


def pick_gold(n: int, known: Codes, rng: np.random.Generator) -> Indices:
    """Up to n random items of those whose class is known (`known` (n_items,), -1 where not), classes as even as can be.

    In random order, so that place tells nothing; where fewer are known, all of them.
    """
    found = rng.permutation(np.flatnonzero(known >= 0))
    turn = np.empty(len(found), dtype=np.int64)  # the how-manieth of its class
    for code in np.unique(known[found]):
        of_class = known[found] == code
        turn[of_class] = np.arange(of_class.sum())
    chosen: Indices = rng.permutation(found[np.argsort(turn, kind="stable")[:n]])
    return chosen


def mix_gold(queries: Sequence[Query], gold: Sequence[Query], rng: np.random.Generator) -> list[Query]:
    """The queries in their order with the gold ones at random places, told apart by nothing that annotators see."""
    return mix(queries, [replace(q, payload={**q.payload, "gold": True}) for q in gold], rng)


def mix(queries: Sequence[Query], others: Sequence[Query], rng: np.random.Generator) -> list[Query]:
    """Both, each in its order and numbered anew, the others at random places."""
    places = set(rng.permutation(len(queries) + len(others))[: len(others)].tolist())
    ours, theirs = iter(queries), iter(others)
    mixed = (next(theirs) if place in places else next(ours) for place in range(len(queries) + len(others)))
    return [replace(query, rank=rank) for rank, query in enumerate(mixed)]


def control_due(share: float, batch: int, round: int) -> int:
    """How many of a batch are drawn at random; rounded so that small batches come to their share over the rounds.

    The strategy always asks one at least.
    """
    whole_until = int(share * batch * round + 0.5), int(share * batch * (round - 1) + 0.5)
    return min(whole_until[0] - whole_until[1], max(batch - 1, 0))


def _usable(ctx: Context) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = ctx.snapshot.primary() & (ctx.snapshot.splits() == POOL)
    if ctx.settings.data.label is not None and ctx.oracle != "label":
        known, _ = ctx.snapshot.labels("label", ctx.classes, ctx.sets)
        found &= known < 0
    return found

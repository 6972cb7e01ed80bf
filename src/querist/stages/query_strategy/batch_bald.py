"""What the labels of a batch, taken together, would tell about the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from querist.core.checks import blocks
from querist.core.errors import SettingError
from querist.core.selection import top_k
from querist.core.types import Indices, Pool, Probabilities, Scores, Selection
from querist.models.threads import one_thread
from querist.plugins import find
from querist.stages.query_strategy.qbc import opinions

CANDIDATES_PER_QUERY = 10
LOOK = 64
"""Candidates whose gain is brought up to date at a time."""
CELLS = 500_000
"""Numbers of a block."""
DECIMALS = 9
"""Gains in nats that differ by less are ties."""
NOTHING = 1e-4
"""A pick that adds fewer nats adds nothing: drawn answers are not that exact."""
TINY = np.finfo(np.float64).tiny


class BatchBald:
    """Asks for the batch whose labels together tell most about the model, so that no two items tell the same.

    `candidates` are the items with the highest `bald` (10 for each query unless set). What the answers to the picks may
    be is listed in full up to `configurations` of them, and that many are drawn beyond. A pick is found among stale
    gains, which can only be too high (gains shrink as the batch grows), so few are computed anew; the items are those
    of the plain greedy search. s opinions differ by log s nats at most: when the batch has told all of it, the rest is
    asked by `bald` alone, and the note says so.

    Source: Kirsch, van Amersfoort and Gal, 2019.
    Cost: O(n s C) and, for each pick, 64 to all candidates x configurations x s x C; s fits for the committee.
    Memory: 8 n bytes, 8 x configurations x s, and a block of 20 MB, besides the opinions, 4 n s C bytes.
    When: many opinions (20 or more) and small batches on pools full of near duplicates; five models are told apart by a
        few labels, and from there on it is no better than bald.
    """

    needs = frozenset({"samples"})

    def __init__(self, *, candidates: int | None = None, configurations: int = 1000) -> None:
        if candidates is not None and candidates < 1:
            raise SettingError(f"candidates = {candidates} of strategy batch_bald must be at least 1")
        if configurations < 1:
            raise SettingError(f"configurations = {configurations} of strategy batch_bald must be at least 1")
        self.candidates = candidates
        self.configurations = configurations

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        samples = opinions(pool)
        alone = find("sample_measures", "bald")(samples)
        wanted = self.candidates or CANDIDATES_PER_QUERY * batch_size
        near = np.sort(top_k(alone, min(max(wanted, batch_size), pool.n_items), rng))
        with one_thread(only="blas"):  # many small products, whose threads would wait for each other
            chosen, gains = joint_picks(samples[:, near], batch_size, rng, configurations=self.configurations)
        picked = near[chosen]
        told = len(picked)
        if told < batch_size:
            rest = alone.copy()
            rest[picked] = -1.0
            picked = np.concatenate([picked, top_k(rest, batch_size - told, rng)])
            gains = np.concatenate([gains, np.zeros(batch_size - told)])
        note = f"{told} of {len(near)} candidates tell {gains.sum():.4g} nats about {len(samples)} models together"
        return Selection(
            picked,
            gains,
            thresholds={"candidates": float(len(near)), "models": float(len(samples)), "nats": float(gains.sum())},
            note=f"{note}, which is all they can; {batch_size - told} more by what each tells alone."
            if told < batch_size
            else f"{note}.",
            reasons=[f"adds {gain:.3f} nats to what the batch tells about the model" for gain in gains],
        )


@dataclass(frozen=True)
class Answers:
    """Answers that the picks so far may get: their probability (m,), and what the model then is, (m, n_samples)."""

    weight: NDArray[np.float64]
    belief: NDArray[np.float64]


def joint_picks(
    samples: Probabilities, k: int, rng: np.random.Generator, *, configurations: int
) -> tuple[Indices, Scores]:
    """At most k items, best first, each with the nats it adds: greedy on I(labels of the batch; model).

    `samples` (n_samples, n_items, n_classes). Stops when no item adds anything (NOTHING).
    """
    n_samples, n_items, _ = samples.shape
    answers = Answers(np.ones(1), np.full((1, n_samples), 1 / n_samples))
    stale = gain(samples, answers)
    picked: list[int] = []
    gains: list[float] = []
    while len(picked) < min(k, n_items):
        best = _best(samples, answers, stale, rng)
        if stale[best] < NOTHING:
            break
        picked.append(best)
        gains.append(float(stale[best]))
        stale[best] = -np.inf
        answers = extend(answers, samples[:, best], rng, configurations)
    return np.array(picked, dtype=np.intp), np.array(gains)


def gain(samples: Probabilities, answers: Answers) -> Scores:
    """(n_items,) nats that each item's label adds: its `bald` under every answer to the batch so far, on average."""
    n_samples, n_items, n_classes = samples.shape
    added = np.empty(n_items)
    for block in blocks(n_items, max(1, CELLS // (n_classes * max(len(answers.weight), n_samples)))):
        part = np.asarray(samples[:, block], dtype=np.float64)
        mean = answers.belief @ part.reshape(n_samples, -1)
        total = answers.weight @ _terms(mean)
        own = (answers.weight @ answers.belief) @ _terms(part.reshape(n_samples, -1))
        added[block] = (total - own).reshape(-1, n_classes).sum(axis=1)
    return np.round(added, DECIMALS)


def extend(answers: Answers, proba: Probabilities, rng: np.random.Generator, limit: int) -> Answers:
    """The answers with those of one more item, (n_samples, n_classes): all of them, or `limit` drawn ones.

    A drawn answer comes from a model drawn from what is believed, so its weight is the same as every other's.
    """
    n_samples, n_classes = proba.shape
    proba = np.asarray(proba, dtype=np.float64)
    if len(answers.weight) * n_classes <= limit:
        belief = (answers.belief[:, None] * proba.T).reshape(-1, n_samples)
        chance = belief.sum(axis=1)
        possible = chance > 0
        weight = np.repeat(answers.weight, n_classes)[possible] * chance[possible]
        return Answers(weight, belief[possible] / chance[possible, None])
    drawn = answers.belief
    if len(answers.weight) != limit or not np.allclose(answers.weight, 1 / limit):
        drawn = drawn[rng.choice(len(drawn), size=limit, p=answers.weight / answers.weight.sum())]
    chance = drawn @ proba
    answer = _draw(chance, rng)
    belief = drawn * proba.T[answer]
    return Answers(np.full(limit, 1 / limit), belief / belief.sum(axis=1, keepdims=True))


def _best(samples: Probabilities, answers: Answers, stale: Scores, rng: np.random.Generator) -> int:
    """The item that adds most; `stale` is brought up to date for those that might be it."""
    fresh = np.zeros(len(stale), dtype=bool)
    fresh[stale == -np.inf] = True
    while True:
        bound = np.where(fresh, -np.inf, stale)
        look = top_k(bound, min(LOOK, len(bound)), rng)
        look = look[bound[look] > -np.inf]
        best = stale[fresh].max(initial=-np.inf)
        if not len(look) or bound[look[0]] < best:
            break
        stale[look] = gain(samples[:, look], answers)
        fresh[look] = True
    return int(top_k(np.where(fresh, stale, -np.inf), 1, rng)[0])


def _draw(chance: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.intp]:
    """(m,) one class for each row of chances (m, n_classes); never one whose chance is 0."""
    upto = np.cumsum(chance, axis=1)
    level = (1 - rng.random(len(chance))) * upto[:, -1]
    answer: NDArray[np.intp] = (upto < level[:, None]).sum(axis=1)
    return answer


def _terms(proba: NDArray[np.float64]) -> NDArray[np.float64]:
    """-p log p, 0 at 0; in place where it can, for it is most of the time."""
    terms = np.maximum(proba, TINY)
    np.log(terms, out=terms)
    terms *= proba
    return np.negative(terms, out=terms)

"""A bandit over strategies: what they led to decides which one asks next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import SettingError
from querist.core.hashing import key_of
from querist.core.types import Indices, Pool, Scores, Selection
from querist.stages.query_strategy.parts import Part, part
from querist.stages.query_strategy.random import Random

NAME = "bandit"


@dataclass(frozen=True)
class Standing:
    """What earlier rounds left: `weights` (K,) of the strategies and, of the last round, `credit` (K,) and `spread`
    (K,) for the update that its labels allow; `asked` ids so far and with which `chance` each was."""

    weights: Scores
    credit: Scores
    spread: Scores
    asked: Indices
    chance: Scores


class Bandit:
    """Active learning by learning: draws one of several strategies each round, more often those that served well.

    `of` lists the strategies, or gives each its settings: {uncertainty = {}, core_set = {}, random = {}}. A round is
    one step of Exp4.P: the batch of the strategy that was drawn is asked, and when its labels are back its reward is
    the accuracy of the new model on all that was asked so far, each item weighted by 1 / its chance to be asked (here
    divided by the sum of those weights, so that it stays between 0 and 1). `rounds` is the horizon, and `delta` the
    risk that the bound of the algorithm fails. Without memory of earlier rounds every strategy has the same chance.

    Source: Hsu and Lin, 2015 (ALBL); Beygelzimer et al., 2011 (Exp4.P).
    Cost: the sum of its parts', since each must say what it would ask.
    Memory: 8 n bytes, and the most of its parts'.
    When: nobody knows which strategy suits and there are dozens of rounds; a round is one trial, so in five or ten of
        them it is hardly better than drawing evenly.
    """

    learns = True

    def __init__(
        self,
        *,
        of: Sequence[str] | Mapping[str, Mapping[str, Any]] = ("uncertainty", "kmeans", "random"),
        rounds: int = 20,
        delta: float = 0.1,
    ) -> None:
        settings = of if isinstance(of, Mapping) else {name: {} for name in of}
        if not settings:
            raise SettingError('of = [] of strategy bandit names no strategy; give ["uncertainty", "random"]')
        if rounds < 1:
            raise SettingError(f"rounds = {rounds} of strategy bandit must be at least 1")
        if not 0 < delta < 1:
            raise SettingError(f"delta = {delta} of strategy bandit must lie between 0 and 1")
        self.parts: list[Part] = [part(name, given) for name, given in settings.items()]
        self.rounds, self.delta = rounds, delta
        self.needs = frozenset({"labels", "labeled_proba"}).union(*(one.needs for one in self.parts))
        self.spares = frozenset().union(*(one.spares for one in self.parts))  # a part that needs it says so itself
        self.settings = [dict(settings), rounds, delta]

    def bytes_needed(self, n_items: int, n_dims: int, n_classes: int, batch_size: int) -> int:
        return max(one.bytes_needed(n_items, n_dims, n_classes, batch_size) for one in self.parts)

    def __call__(self, pool: Pool, batch_size: int, rng: np.random.Generator, /) -> Selection:
        standing, reward = self._standing(pool)
        chances = draw_chances(standing.weights, self.rounds)
        answers = [one.ask(pool, batch_size, rng) for one in self.parts]
        even = np.array([isinstance(one.strategy, Random) for one in self.parts])
        drawn = int(rng.choice(len(self.parts), p=chances))
        chosen = answers[drawn]
        chance = asking_chances([a.indices for a in answers], even, chances, pool.n_items)
        credit, spread = advice([a.indices for a in answers], even, chance, chosen.indices)
        if pool.space is not None and pool.ids is not None:
            pool.memory.keep(
                NAME,
                self._key(pool),
                weights=standing.weights,
                credit=credit,
                spread=spread,
                asked=np.concatenate([standing.asked, pool.ids[chosen.indices]]),
                chance=np.concatenate([standing.chance, chance[chosen.indices]]),
            )
        said = ", ".join(f"{one.name} {p:.2f}" for one, p in zip(self.parts, chances, strict=True))
        told = "no reward yet" if reward is None else f"reward {reward:.3f} for the last round"
        return Selection(
            chosen.indices,
            pool.scores_at(chosen.indices),
            thresholds={
                **{f"chance.{one.name}": float(p) for one, p in zip(self.parts, chances, strict=True)},
                **({} if reward is None else {"reward": reward}),
                **chosen.thresholds,
            },
            note=f"Drawn was {self.parts[drawn].name} (chances: {said}; {told}): {chosen.note}",
            reasons=chosen.reasons,
        )

    def _key(self, pool: Pool) -> str:
        return key_of(pool.space, self.settings)

    def _standing(self, pool: Pool) -> tuple[Standing, float | None]:
        """The weights with the last round's reward in them; all the same where nothing is remembered."""
        even = np.ones(len(self.parts))
        fresh = Standing(even, even, even, np.empty(0, dtype=np.intp), np.empty(0))
        if pool.space is None or pool.labeled_ids is None:
            return fresh, None
        found = pool.memory.recall(NAME, self._key(pool))
        if found is None:
            return fresh, None
        standing = Standing(**found)
        reward = self._reward(pool, standing)
        if reward is None:
            return standing, None
        weights = update(standing, reward, self.rounds, self.delta)
        return Standing(weights, standing.credit, standing.spread, standing.asked, standing.chance), reward

    def _reward(self, pool: Pool, standing: Standing) -> float | None:
        """None where none of what was asked has a label."""
        assert pool.labeled_codes is not None  # `needs` says so, ask() checked it
        assert pool.labeled_proba is not None
        assert pool.labeled_ids is not None
        order = np.argsort(pool.labeled_ids)
        place = np.searchsorted(pool.labeled_ids, standing.asked, sorter=order)
        rows = order[np.minimum(place, len(order) - 1)] if len(order) else order
        known = pool.labeled_ids[rows] == standing.asked if len(order) else np.zeros(len(standing.asked), dtype=bool)
        if not known.any():
            return None
        right = pool.labeled_proba[rows[known]].argmax(axis=1) == pool.labeled_codes[rows[known]]
        return weighted_accuracy(right, standing.chance[known])


def least_chance(n_parts: int, rounds: int) -> float:
    """What every strategy is drawn with at least: sqrt(ln K / (K T)), at most 1 / K."""
    return float(min(np.sqrt(np.log(n_parts) / (n_parts * rounds)), 1 / n_parts))


def draw_chances(weights: Scores, rounds: int) -> Scores:
    """(K,) with which chance each strategy is drawn."""
    least = least_chance(len(weights), rounds)
    chances: Scores = (1 - len(weights) * least) * weights / weights.sum() + least
    chances /= chances.sum()
    return chances


def asking_chances(batches: Sequence[Indices], even: NDArray[np.bool_], chances: Scores, n_items: int) -> Scores:
    """(n_items,) with which chance each item is asked this round, given each strategy's batch and chance.

    An `even` strategy asks any item with the same chance, so its batch of the day does not count.
    """
    chance = np.zeros(n_items)
    for batch, same, p in zip(batches, even, chances, strict=True):
        if same:
            chance += p * len(batch) / n_items
        else:
            chance[batch] += p
    return chance


def advice(
    batches: Sequence[Indices], even: NDArray[np.bool_], chance: Scores, asked: Indices
) -> tuple[Scores, Scores]:
    """Exp4.P's terms of each strategy, both (K,): how much of what was asked it had advised, and how far its own
    advice is from what would be asked anyhow; an item counts by strategy's chance / overall chance."""
    k, n_items = len(asked), len(chance)
    credit, spread = np.empty(len(batches)), np.empty(len(batches))
    for number, (batch, same) in enumerate(zip(batches, even, strict=True)):
        own = np.full(n_items, k / n_items) if same else np.isin(np.arange(n_items), batch).astype(float)
        credit[number] = (own[asked] / chance[asked]).sum() / k
        open_ = own > 0
        spread[number] = (own[open_] ** 2 / chance[open_]).sum() / k
    return credit, spread


def update(standing: Standing, reward: float, rounds: int, delta: float) -> Scores:
    """(K,) weights after the reward of the last round; the largest is 1."""
    n_parts = len(standing.weights)
    bonus = standing.spread * np.sqrt(np.log(n_parts / delta) / (n_parts * rounds))
    grown = np.log(standing.weights) + least_chance(n_parts, rounds) / 2 * (reward * standing.credit + bonus)
    weights: Scores = np.exp(grown - grown.max())
    return weights


def weighted_accuracy(right: NDArray[np.bool_], chance: Scores) -> float:
    """Share of right answers, each item weighted by 1 / its chance to be asked: unbiased by what was asked."""
    return float((right / chance).sum() / (1 / chance).sum())

"""What the loop lays before a strategy: computed only where the strategy says that it needs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from querist.config import Settings
from querist.core.errors import SettingError
from querist.core.memory import Memory
from querist.core.protocols import Strategy
from querist.core.types import GIB, Indices, Pool, Probabilities, Scores, Targets
from querist.models.committee import committee_proba
from querist.models.features import Features
from querist.models.learner import ScikitLearner
from querist.models.learners import LearnerSpec
from querist.snapshots.snapshot import Snapshot
from querist.training import make_learner


@dataclass(frozen=True)
class Known:
    """The labeled items: `positions` (n_labeled,) in the features, and their classes."""

    positions: Indices
    codes: Targets


@dataclass(frozen=True)
class Terms:
    """What holds for every round of a project or a comparison."""

    classes: tuple[str, ...]
    fresh: Callable[[], ScikitLearner]
    space: str
    committee: int
    memory_bytes: int


@dataclass(frozen=True)
class Scored:
    """What a model thought: `proba` (n_items, n_classes) of the items at `positions`, which ascend."""

    positions: Indices
    proba: Probabilities

    def of(self, positions: Indices, n_classes: int) -> Probabilities:
        """(len(positions), n_classes): 0 for classes that came later, NaN for items that were not asked about."""
        at = np.searchsorted(self.positions, positions).clip(max=max(len(self.positions) - 1, 0))
        known = self.positions[at] == positions if len(self.positions) else np.zeros(len(positions), dtype=bool)
        proba = np.full((len(positions), n_classes), np.nan, dtype=np.float32)
        proba[known] = 0.0
        proba[known, : self.proba.shape[1]] = self.proba[at[known]]
        return proba


def terms_of(settings: Settings, spec: LearnerSpec, classes: tuple[str, ...], space: str, *, seed: int) -> Terms:
    """The terms of the settings. Members of a committee are neither calibrated nor searched for: the labels that this
    takes are the ones that they are to differ by."""
    plain = settings.learner.model_copy(update={"calibration": "none", "search": {}})
    return Terms(
        classes=classes,
        fresh=lambda: make_learner(spec, plain, classes, seed=seed, several=settings.data.sets is not None),
        space=space,
        committee=settings.query.committee,
        memory_bytes=int(settings.query.memory_gib * GIB),
    )


def prices_of(snapshot: Snapshot, settings: Settings) -> Scores | None:
    """(n_items,) what the column `query.cost` says that labels cost, NaN where it says nothing; None without one."""
    return None if settings.query.cost is None else snapshot.numbers(settings.query.cost)


def costs_of(prices: Scores | None, column: str | None, positions: Indices) -> Scores:
    """(len(positions),) what the labels of these items cost. Raises SettingError where the data do not tell."""
    if prices is None:
        raise SettingError("the strategy asks what labels cost: set query.cost to a context column that says it")
    costs = prices[positions]
    if (unpriced := int((~(costs > 0)).sum())) > 0:
        raise SettingError(
            f"query.cost = {column!r}: {unpriced} of {len(positions)} items have no number above 0 there; "
            'fill them in, or leave such rows out with data.checks, e.g. {price = "number"}'
        )
    return costs


def make_pool(
    strategy: Strategy,
    features: Features,
    positions: Indices,
    known: Known,
    terms: Terms,
    *,
    proba: Probabilities,
    scores: Scores,
    learner: Callable[[], ScikitLearner],
    memory: Memory,
    budget_left: int | None,
    rng: np.random.Generator,
    previous: Callable[[], Scored | None],
    costs: Callable[[], Scores],
) -> Pool:
    """The pool of the unlabeled items at `positions`; `rng` is for the committee alone."""
    needs, several = strategy.needs, known.codes.ndim == 2
    given: dict[str, Any] = {"several": several} if several else {"labeled_codes": known.codes}
    if "labeled_embeddings" in needs:
        given["labeled_embeddings"] = features.embed(known.positions)
    if needs & {"model", "train", "samples", "labeled_proba"}:
        rows = features.rows(known.positions)
        given["labeled"] = (rows, known.codes)
        given["train"] = lambda X, y: terms.fresh().fit(X, y)
    if "labeled_proba" in needs:
        given["labeled_proba"] = learner().predict_proba(rows)
    if "costs" in needs:
        given["costs"] = costs()
    if "model" in needs:
        given |= {"classifier": learner(), "X": lambda: features.rows(positions)}
    if "previous_proba" in needs and (before := previous()) is not None:
        given["previous_proba"] = before.of(positions, proba.shape[1])
    if "samples" in needs:
        given["samples"] = lambda: committee_proba(
            terms.fresh,
            rows,
            known.codes,
            lambda: features.blocks(positions),
            len(positions),
            n_members=terms.committee,
            rng=rng,
        )
    return Pool(
        n_items=len(positions),
        proba=proba,
        scores=scores,
        embed=lambda at: features.embed(positions[at]),
        classes=terms.classes,
        ids=positions,
        labeled_ids=known.positions,
        space=terms.space,
        memory=memory,
        memory_bytes=terms.memory_bytes,
        budget_left=budget_left,
        **given,
    )

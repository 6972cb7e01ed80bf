"""One cell of the study: a set with its features, seed set and batches; `run_cell` plays one strategy on it once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from sets import APART, WHOLE, encoded

from querist import plugins
from querist.config import parse
from querist.core.selection import stream
from querist.models.features import Features
from querist.models.learners import LearnerSpec, embeddings_logistic, pixels_logistic, table_logistic
from querist.pipeline.replay import Task, run_one, score_full
from querist.stages.initial_model.seed_set import draw_seed

METRICS = ("accuracy", "macro_f1")
LEARNERS = {
    "tfidf": LearnerSpec("tfidf", head="spanned-logistic"),
    "minilm": embeddings_logistic(),
    "pixels": pixels_logistic(),
    "patches": embeddings_logistic(),
    "table": table_logistic(),
}
"""The named learners, but for the solver on sparse features, which is faster (see spanned.py)."""
FULL = "(whole pool)"


REVIEWS = ("reviews-label", "reviews-stars")


@dataclass(frozen=True)
class Regime:
    """A seed set and batches; `sets` are those it is for, none: all but the whole reviews and those kept apart."""

    seed: int
    batch: int
    rounds: int
    pool: int = 10_000
    sets: tuple[str, ...] = ()
    what: str = ""

    def has(self, name: str) -> bool:
        return name in self.sets if self.sets else name not in WHOLE + APART


REGIMES = {
    "20": Regime(20, 10, 18, pool=1_000),
    "25": Regime(25, 25, 19),
    "100": Regime(100, 100, 14),
    "25x100": Regime(25, 100, 20, pool=20_000, sets=("reviews-stars",)),
    "4000": Regime(4_000, 300, 4, pool=20_000, sets=REVIEWS),
    "25apart": Regime(25, 25, 19, sets=APART, what="sets that auto was not made on"),
    "4000whole": Regime(4_000, 300, 4, pool=200_000, sets=WHOLE),
}
"""By the size of the seed set: small pools to 200 labels, 25 + 19 x 25 = 500, 100 + 14 x 100 = 1,500, batches of 100 to
2,025, 4,000 + 4 x 300 = 5,200, the first on other sets, and the last with all reviews in the pool."""


def load_cell(name: str, features: str, regime: str, **settings: dict[str, Any]) -> Task:
    """The task of a cell; `settings` are sections over the study's own, e.g. query={"params": {...}}."""
    plugins.BUILT_IN["heads"]["spanned-logistic"] = "spanned:logistic"
    found, terms = encoded(name, features), REGIMES[regime]
    given: dict[str, dict[str, Any]] = {
        "learner": {"calibration": "none"},
        "seed_set": {"size": terms.seed, "draw": "random"},
        "query": {"batch_size": terms.batch},
    }
    parsed = parse({name: {**given.get(name, {}), **settings.get(name, {})} for name in given | settings})
    pool = np.flatnonzero(~found.in_test)[: terms.pool]
    return Task(
        features=Features.of(found.X, embeddings=found.embeddings),
        codes=found.codes,
        pool=pool,
        validation=np.empty(0, dtype=np.intp),
        test=np.flatnonzero(found.in_test),
        classes=found.classes,
        learner=LEARNERS[features],
        settings=parsed,
        metrics=METRICS,
        seed_size=terms.seed,
        rounds=terms.rounds,
    )


def repeats_of(task: Task, n: int) -> list[int]:
    """The first n repeats whose random seed set shows at least two classes; with one there is nothing to learn."""
    found: list[int] = []
    repeat = 0
    while len(found) < n:
        rng = stream(task.settings.project.seed, repeat, "seed_set")
        drawn = draw_seed(
            task.settings.seed_set.draw,
            task.seed_size,
            n_items=len(task.pool),
            labels=task.codes[task.pool],
            embed=lambda at: task.features.embed(task.pool[at]),
            rng=rng,
        )
        if len(np.unique(task.codes[task.pool[drawn.indices]])) > 1:
            found.append(repeat)
        repeat += 1
    return found


def run_cell(task: Task, strategy: str, repeat: int) -> dict[str, Any]:
    """{"labels": [...], "metrics": {name: [...]}, "seconds": [...]}; the strategy FULL trains on the whole pool."""
    if strategy == FULL:
        metrics = {name: [value] for name, value in score_full(task).items()}
        return {"labels": [len(task.pool)], "metrics": metrics, "seconds": []}
    run = run_one(task, strategy, repeat)
    return {name: run[name] for name in ("labels", "metrics", "seconds")}


@lru_cache(maxsize=2)
def kept_cell(name: str, features: str, regime: str) -> Task:
    return load_cell(name, features, regime)

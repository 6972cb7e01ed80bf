"""One replay of the loop on labeled data: the same parts as a project's rounds, without the record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from querist.asking import budget_left
from querist.config import Settings
from querist.core.label_sets import rarest
from querist.core.memory import Memory
from querist.core.protocols import Strategy
from querist.core.selection import stream
from querist.core.types import Indices, Scores, Targets
from querist.models.features import Features
from querist.models.learner import ScikitLearner
from querist.models.learners import LearnerSpec
from querist.pools import Known, Scored, costs_of, make_pool, terms_of
from querist.stages.evaluation.metrics import measure
from querist.stages.initial_model.seed_set import draw_seed
from querist.stages.query_strategy.ask import ask, make
from querist.stages.uncertainty_scoring.schedule import share_done, weights_at
from querist.stages.uncertainty_scoring.scores import scores_of
from querist.store.annotations import Effort
from querist.training import make_learner


@dataclass(frozen=True)
class Task:
    """Everything that the runs of one comparison share. Positions index `features` and `codes`."""

    features: Features
    codes: Targets
    pool: Indices
    validation: Indices
    test: Indices
    classes: tuple[str, ...]
    learner: LearnerSpec
    settings: Settings
    metrics: tuple[str, ...]
    seed_size: int
    rounds: int
    prices: Scores | None = None


def make_strategy(name: str, settings: Settings) -> tuple[Strategy, dict[str, float | list[float]]]:
    """The strategy and its measures; `query.params` belong to the strategy of the settings, not to the others."""
    own = name == settings.query.strategy
    several = settings.data.sets is not None
    return make(name, settings.query.params if own else {}, settings.query.measures, several=several)


def run_one(task: Task, strategy_name: str, repeat: int) -> dict[str, Any]:
    """One strategy, one repeat: the seed set is the same for every strategy of a repeat."""
    settings = task.settings
    strategy, measures = make_strategy(strategy_name, settings)
    root, memory = settings.project.seed, Memory()
    several = settings.data.sets is not None
    terms = terms_of(settings, task.learner, task.classes, task.features.space, seed=root + repeat)
    first = draw_seed(
        settings.seed_set.draw,
        task.seed_size,
        n_items=len(task.pool),
        labels=rarest(task.codes[task.pool]) if several else task.codes[task.pool],
        embed=lambda indices: task.features.embed(task.pool[indices]),
        rng=stream(root, repeat, "seed_set"),
    )
    labeled = task.pool[first.indices]
    open_ = np.setdiff1d(task.pool, labeled)
    result: dict[str, Any] = {
        "strategy": strategy_name,
        "repeat": repeat,
        "labels": [],
        "metrics": {name: [] for name in task.metrics},
        "queries": [labeled.tolist()],
        "seconds": [],
    }
    start = time.perf_counter()
    learner = fit(task, labeled, repeat)
    _note(result, task, learner, labeled, start)
    before: Scored | None = None
    for number in range(1, task.rounds + 1):
        start = time.perf_counter()
        size = min(settings.query.batch_size, len(open_))
        if size == 0:
            break
        proba = learner.predict_proba(task.features.rows(open_))
        left = budget_left(Effort(len(labeled), 0.0, len(labeled)), settings.objective)
        weights = weights_at(measures, share_done(number, settings.query.horizon, len(labeled), left))
        scores, _ = scores_of(settings.query, weights, proba, task.classes, task.codes[labeled] if several else None)
        pool = make_pool(
            strategy,
            task.features,
            open_,
            Known(labeled, task.codes[labeled]),
            terms,
            proba=proba,
            scores=scores,
            learner=lambda learner=learner: learner,  # type: ignore[misc]  # bound per round
            memory=memory,
            budget_left=left,
            rng=stream(root, repeat, number, "committee"),
            previous=lambda before=before: before,  # type: ignore[misc]  # bound per round
            costs=lambda open_=open_: costs_of(task.prices, settings.query.cost, open_),  # type: ignore[misc]  # bound per round
        )
        before = Scored(open_, proba)
        chosen = open_[ask(strategy, pool, size, stream(root, repeat, number, "query_strategy")).indices]
        labeled = np.concatenate([labeled, chosen])
        open_ = np.setdiff1d(open_, chosen)
        result["queries"].append(chosen.tolist())
        learner = fit(task, labeled, repeat)
        _note(result, task, learner, labeled, start)
    return result


def _note(result: dict[str, Any], task: Task, learner: ScikitLearner, labeled: Indices, start: float) -> None:
    result["labels"].append(len(labeled))
    for name, value in quality_of(task, learner).items():
        result["metrics"][name].append(value)
    result["seconds"].append(round(time.perf_counter() - start, 4))


def fit(task: Task, labeled: Indices, repeat: int) -> ScikitLearner:
    seed = task.settings.project.seed + repeat
    several = task.settings.data.sets is not None
    learner = make_learner(task.learner, task.settings.learner, task.classes, seed=seed, several=several)
    validation = None
    if len(task.validation):
        validation = (task.features.rows(task.validation), task.codes[task.validation])
    order = np.sort(labeled)
    return learner.fit(task.features.rows(order), task.codes[order], validation=validation)


def score_full(task: Task) -> dict[str, float]:
    """The same learner trained on the whole pool."""
    return quality_of(task, fit(task, task.pool, 0))


def quality_of(task: Task, learner: ScikitLearner) -> dict[str, float]:
    """Every metric of the task on its holdout."""
    proba = learner.predict_proba(task.features.rows(task.test))
    return {name: measure(name, task.codes[task.test], proba, task.classes) for name in task.metrics}


def in_parallel(
    work: Sequence[Any],  # Any: joblib's delayed calls
    jobs: int | None,
    what: str,
    progress: Callable[[str, int, int | None], None] | None,
) -> list[Any]:
    """What the calls return, in their order, from as many processes as there are cores, or `jobs`."""
    from joblib import Parallel, cpu_count, parallel_config
    from joblib.externals.loky import get_reusable_executor

    jobs = min(jobs or cpu_count(), len(work))
    done: list[Any] = []
    if progress:
        progress(what, 0, len(work))
    try:
        with parallel_config("loky", inner_max_num_threads=1):
            for found in Parallel(n_jobs=jobs, return_as="generator")(work):
                done.append(found)
                if progress:
                    progress(what, len(done), len(work))
    finally:
        if jobs > 1:  # workers that wait for more work would hold the output of this process open
            get_reusable_executor().shutdown(kill_workers=True)
    return done

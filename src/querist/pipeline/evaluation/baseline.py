"""What random sampling would have come to, replayed on the labels collected so far."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError
from querist.core.selection import stream
from querist.core.types import Indices, Targets
from querist.models.clusters import cluster_all
from querist.pipeline.evaluation.random_curves import holdout_key, learner_key
from querist.pipeline.replay import Task, fit, in_parallel, quality_of
from querist.stages.evaluation.comparison import as_json
from querist.stages.evaluation.representative import (
    draw,
    effective_number,
    post_stratify,
    reach_of,
    share_covered,
    shares_of,
)
from querist.store.analyses import add_analysis
from querist.store.models import list_models
from querist.store.rounds import queries_since
from querist.store.rows import AT_RANDOM
from querist.store.steps import Done, list_steps
from querist.training import known_targets

if TYPE_CHECKING:
    from querist.pipeline.project import Progress, Project

POINTS = 10
LEAST_LABELS = 10
SPAN = 8
"""Times the labels of the first point that the last has; much earlier ones tell nothing of where a curve goes."""
ENOUGH_RANDOM = 50
ENOUGH_OF_ALL = 0.2
"""Items drawn at random that make a baseline of their own: so many, and such a share of all labels."""
MOST_TAKEN = 0.1
"""Share of the pool that the strategy may take before what is drawn at random from the rest is no longer like it."""
MOST_CLUSTERS = 50
ITEMS_PER_CLUSTER = 20


@dataclass(frozen=True)
class Collected:
    """The labels on record: positions (n,) in the pool, codes (n,), and which were drawn at random."""

    positions: Indices
    codes: Targets
    at_random: NDArray[np.bool_]


@dataclass(frozen=True)
class Source:
    """What random sampling is replayed on: labels in strata with shares (n_strata,), `reach` of them at most."""

    name: str
    positions: Indices
    stratum: NDArray[np.intp]
    shares: NDArray[np.float64]
    population: float
    reach: int
    how: str
    cannot_tell: list[str]


def baseline(
    project: Project, *, repeats: int = 10, jobs: int | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Trains the project's learner on random draws of its own labels, larger and larger, `repeats` times, scores each
    on the holdout, and records that as an analysis "baseline". Raises DataError while there are too few labels.
    """
    from joblib import delayed

    with project.ledger.read() as tx:
        steps, models = list_steps(tx), list_models(tx)
        drawn = [q for name in AT_RANDOM for q in queries_since(tx, 0, strategy=name)]
    labeling = [s for s in steps if s.name == "human_labeling"]
    if not labeling or not models:
        raise DataError("no round has been labeled yet, so there is nothing to replay; run `querist run` first")
    task, collected = _task(project, labeling[-1], tuple(models[-1].learner["classes"]), progress)
    collected = replace(collected, at_random=np.isin(collected.positions, [q.position for q in drawn]))
    source = _source(task, collected, project)
    least = max(LEAST_LABELS, 2 * len(task.classes), source.reach // SPAN)
    if source.reach < 2 * least:
        raise DataError(
            f"{len(collected.codes)} labels make a curve of random sampling up to {source.reach} at most, and it "
            f"should begin at {least}; label more, then run `querist baseline` again"
        )
    points = np.unique(np.geomspace(least, source.reach, POINTS).round().astype(int))
    work = [delayed(run_random)(task, source, points, repeat) for repeat in range(repeats)]
    curves = np.array(in_parallel(work, jobs, "baseline", progress))
    found = {
        "source": source.name,
        "how": source.how,
        "cannot_tell": source.cannot_tell,
        "metric": task.metrics[0],
        "labels": points.tolist(),
        "curves": [as_json(curve) for curve in curves],
        "measured_to": source.reach,
        "population": source.population,
        "n_labels": len(collected.codes),
        "round": labeling[-1].round,
        "learner": learner_key(project.settings),
        "holdout": holdout_key(task.test, task.codes[task.test], task.classes),
        "snapshot": project.snapshot.id,
    }
    with project.ledger.begin() as tx:
        add_analysis(tx, "baseline", found, round=labeling[-1].round, now=project.clock())
    return found


def run_random(task: Task, source: Source, points: NDArray[np.int64], repeat: int) -> list[float]:
    """The metric at each number of labels, one random order of them, the smaller draw part of the larger."""
    rng = stream(task.settings.project.seed, repeat, "baseline")
    order = source.positions[draw(source.stratum, source.shares, int(points[-1]), rng)]
    return [quality_of(task, fit(task, order[:n], repeat))[task.metrics[0]] for n in points]


def _task(
    project: Project, labeling: Done, classes: tuple[str, ...], progress: Progress | None
) -> tuple[Task, Collected]:
    from querist.snapshots.snapshot import POOL

    arrays = project.artifacts.get_arrays(labeling.result["labels"])
    known, snapshot = known_targets(arrays, labeling.result["classes"], classes), project.snapshot
    if len(known["test"][0]) == 0:
        raise DataError(
            "the holdout has no label, so no curve can be measured; label holdout items and import them with "
            "`querist labels import --holdout FILE`"
        )
    spec, features = project.features(progress)
    codes: Targets = np.full(snapshot.n_items, -1, dtype=np.int64)
    if project.settings.data.sets is not None:
        codes = np.zeros((snapshot.n_items, len(classes)), dtype=bool)
    for positions, of in known.values():
        codes[positions] = of
    task = Task(
        features=features,
        codes=codes,
        pool=np.flatnonzero(snapshot.primary() & (snapshot.splits() == POOL)),
        validation=known["validation"][0],
        test=known["test"][0],
        classes=classes,
        learner=spec,
        settings=project.settings,
        metrics=(project.settings.objective.metric,),
        seed_size=0,
        rounds=0,
    )
    positions, of = known["pool"]
    return task, Collected(positions, of, np.zeros(len(positions), dtype=bool))


def _source(task: Task, collected: Collected, project: Project) -> Source:
    n, n_random = len(collected.codes), int(collected.at_random.sum())
    taken = (n - n_random) / len(task.pool)
    if n_random >= max(ENOUGH_RANDOM, ENOUGH_OF_ALL * n) and taken <= MOST_TAKEN:
        reach = int(0.8 * n_random)
        return Source(
            name="control",
            positions=collected.positions[collected.at_random],
            stratum=np.zeros(n_random, dtype=np.intp),
            shares=np.ones(1),
            population=n_random,
            reach=reach,
            how=f"the learner trained on random draws of the {n_random:,} labels that were asked at random alone",
            cannot_tell=[
                *(
                    [f"they were drawn from what the strategy left, which took {taken:.0%} of the pool"]
                    if taken
                    else []
                ),
                _extrapolated(reach),
            ],
        )
    clusters = int(np.clip(n // ITEMS_PER_CLUSTER, 1, MOST_CLUSTERS))
    rng = stream(task.settings.project.seed, "baseline clusters")
    of_pool, _ = cluster_all(lambda at: task.features.embed(task.pool[at]), len(task.pool), clusters, rng)
    of_labeled = of_pool[np.searchsorted(task.pool, collected.positions)]
    shares = shares_of(of_labeled, of_pool)
    effective = effective_number(post_stratify(of_labeled, of_pool))
    reach = reach_of(of_labeled, shares, int(effective / 2))
    cannot_tell = [
        "the labels were not drawn at random: weights give each group of similar items its share of the pool, but "
        "within a group the asked items may be harder or easier than the others",
        f"beyond half of the labels ({reach:,} of them as weighted, or fewer where a group is used up) a random draw "
        f"holds much the same labels as the project itself, and both curves meet by construction; "
        f"{_extrapolated(reach)}",
    ]
    if (covered := share_covered(of_labeled, of_pool)) < 1:
        cannot_tell.append(f"{1 - covered:.0%} of the pool lie in groups without a label, and nothing is known of them")
    return Source(
        name="collected",
        positions=collected.positions,
        stratum=of_labeled,
        shares=shares,
        population=effective,
        reach=reach,
        how=f"the learner trained on draws from the {n:,} labels collected, weighted to the shares that {clusters} "
        f"groups of similar items have in the pool; they tell as much as {effective:,.0f} labels drawn at random",
        cannot_tell=cannot_tell,
    )


def _extrapolated(reach: int) -> str:
    return f"from {reach:,} labels on the curve is not measured but extrapolated"

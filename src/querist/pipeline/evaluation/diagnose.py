"""The diagnostics that take embeddings or a training: computed when asked for, and put on record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError
from querist.core.selection import stream
from querist.core.types import Codes, Indices, Matrix, Probabilities
from querist.models.features import Features
from querist.models.learner import ScikitLearner
from querist.pipeline.evaluation.diagnostics import EMBEDDED, LABEL_ERRORS, newest
from querist.stages.evaluation.label_errors import suspects, try_out
from querist.stages.evaluation.redundancy import meaning, nearest, repeats, told_apart
from querist.store.analyses import add_analysis, list_analyses
from querist.store.rows import chosen_queries, ruled_positions
from querist.store.steps import list_steps
from querist.training import make_learner

if TYPE_CHECKING:
    from querist.pipeline.project import Progress, Project

ROUNDS = 10
DRAWS = 50
"""Random batches that each real one is compared with."""
MOST_OF_A_BATCH, MOST_COMPARED, MOST_DRAWN_FROM = 1_000, 2_000, 5_000
FOLDS = 5
MOST_SUSPECTS = 200


def record_diagnostics(project: Project, *, progress: Progress | None = None) -> bool:
    """Puts on record how the batches lie in the pool; False where nothing was labeled since the last time, or where
    the ledger may not be written.
    """
    from querist.snapshots.snapshot import POOL

    if project.ledger.read_only:
        return False
    with project.ledger.read() as tx:
        labeled = newest(list_steps(tx), "human_labeling")
        before = list_analyses(tx, EMBEDDED, last=1)
        asked = chosen_queries(tx)
    if labeled is None or not len(asked) or (before and before[-1].round == labeled.round):
        return False
    _, features = project.features(progress)
    rng = stream(project.settings.project.seed, labeled.round, EMBEDDED)
    pool = np.flatnonzero(project.snapshot.primary() & (project.snapshot.splits() == POOL))
    redundancy = _redundancy(asked, pool, features, rng)
    confidence = project.settings.evaluation.confidence
    result = {
        "redundancy": redundancy,
        "warnings": repeats(redundancy),
        "queried_against_pool": _against_pool(asked, pool, features, confidence, rng),
    }
    with project.ledger.begin() as tx:
        add_analysis(tx, EMBEDDED, result, round=labeled.round, now=project.clock())
    return True


def record_label_errors(project: Project, *, progress: Progress | None = None) -> bool:
    """Puts on record which labels of the pool look wrong; False where the labels are those of the last time.

    What a lead has ruled on is certain and not suspected. Raises DataError where too few labels are known.
    """
    project.settings.data.refuse_several("label errors are looked for")
    with project.ledger.read() as tx:
        labeled = newest(list_steps(tx), "human_labeling")
        before = list_analyses(tx, LABEL_ERRORS, last=1)
        ruled = ruled_positions(tx)
    if labeled is None:
        raise DataError("no labels are known yet, so none can be wrong; label the first round, then `querist run`")
    artifact, classes = labeled.result["labels"], tuple(labeled.result["classes"])
    if before and before[-1].result["labels"] == artifact:
        return False
    arrays = project.artifacts.get_arrays(artifact)
    positions, codes = arrays["pool_positions"], arrays["pool_codes"]
    positions, codes, left_out = _enough(positions, codes)
    spec, features = project.features(progress)
    plain = project.settings.learner.model_copy(update={"calibration": "none", "search": {}})
    seed = project.settings.project.seed

    def fresh() -> ScikitLearner:
        return make_learner(spec, plain, classes, seed=seed)

    X, judged = features.rows(positions), count()

    def judge(labels: Codes) -> Probabilities:
        proba = out_of_fold(fresh, X, labels, len(classes), seed=seed)
        if progress:
            progress("label errors", next(judged) + 1, 2)
        return proba

    found = suspects(codes, judge(codes))
    trial = try_out(codes, judge, stream(seed, labeled.round, LABEL_ERRORS))
    kept = ~np.isin(positions[found.indices], ruled)
    at = found.indices[kept][:MOST_SUSPECTS]
    ids = project.snapshot.take(positions[at], ["id"])["id"].to_pylist()
    rows = zip(ids, positions[at], codes[at], found.suggested[kept], found.scores[kept], strict=False)
    result = {
        "labels": artifact,
        "n_labels": len(codes),
        "left_out": left_out,
        "n_suspects": int(kept.sum()),
        "trial": asdict(trial),
        "suspects": [
            {
                "item": item,
                "position": int(position),
                "given": classes[code],
                "suggested": classes[instead],
                "score": round(float(score), 4),
            }
            for item, position, code, instead, score in rows
        ],
    }
    with project.ledger.begin() as tx:
        add_analysis(tx, LABEL_ERRORS, result, round=labeled.round, now=project.clock())
    return True


def out_of_fold(
    fresh: Callable[[], ScikitLearner],
    X: Matrix,
    codes: Codes,
    n_classes: int,
    *,
    seed: int,
) -> Probabilities:
    """(n, n_classes) what models think of each item that have not seen its label."""
    from sklearn.model_selection import StratifiedKFold

    proba = np.zeros((len(codes), n_classes))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    for rest, part in folds.split(np.zeros(len(codes)), codes):
        proba[part] = fresh().fit(X[rest], codes[rest]).predict_proba(X[part])
    return proba


def _enough(positions: Indices, codes: Codes) -> tuple[Indices, Codes, int]:
    """Without the classes that have too few labels to be learned and judged at once, and how many labels these have."""
    counts = np.bincount(codes)
    kept = counts[codes] >= FOLDS
    if len(np.unique(codes[kept])) < 2:
        raise DataError(
            f"label errors show where two classes have {FOLDS} labels each; the largest has {counts.max()} and the "
            f"second {np.sort(counts)[-2] if len(counts) > 1 else 0}; label more"
        )
    return positions[kept], codes[kept], int((~kept).sum())


def _redundancy(
    asked: NDArray[np.int64], pool: Indices, features: Features, rng: np.random.Generator
) -> list[dict[str, Any]]:
    drawn = features.embed(np.sort(_some(pool, MOST_DRAWN_FROM, rng)))
    at_random: dict[int, NDArray[np.float64]] = {}
    rows = []
    for number in np.unique(asked[:, 0])[-ROUNDS:]:
        batch = np.sort(_some(asked[asked[:, 0] == number, 1], MOST_OF_A_BATCH, rng))
        size = len(batch)
        if not 1 < size <= len(drawn):
            continue
        if size not in at_random:
            draws = [nearest(drawn[rng.choice(len(drawn), size, replace=False)]) for _ in range(DRAWS)]
            at_random[size] = np.array(draws)
        rows.append(
            {
                "round": int(number),
                "nearest": nearest(features.embed(batch)),
                "random_nearest": float(at_random[size].mean()),
                "random_least": float(at_random[size].min()),
            }
        )
    return rows


def _against_pool(
    asked: NDArray[np.int64], pool: Indices, features: Features, confidence: float, rng: np.random.Generator
) -> dict[str, Any] | None:
    queried = np.unique(asked[:, 1])
    others = np.setdiff1d(pool, queried)
    sides = (features.embed(np.sort(_some(side, MOST_COMPARED, rng))) for side in (queried, others))
    found = told_apart(*sides, confidence=confidence, rng=rng)
    if found is None:
        return None
    auc, low, high = found
    return {"auc": auc, "low": low, "high": high, "sentence": meaning(auc, low, high)}


def _some(positions: Indices, most: int, rng: np.random.Generator) -> Indices:
    return positions if len(positions) <= most else rng.choice(positions, most, replace=False)

"""Whether the items of a batch repeat each other, and how the queried items lie in the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np

from querist.core.types import Embeddings

FOLDS = 5
LEAST = 20
"""Items on each side, without which nothing is said."""
ALIKE, APART = 0.6, 0.75
RECENT = 3


def nearest(embeddings: Embeddings) -> float:
    """Median over the items of the cosine distance to the nearest other one, 0 (each has a twin) to 2.

    NaN for fewer than two items; an item without direction is at distance 1 from all. O(n^2 d).
    """
    if len(embeddings) < 2:
        return float("nan")
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    rows = np.divide(embeddings, lengths, out=np.zeros_like(embeddings), where=lengths > 0)
    similar = rows @ rows.T
    np.fill_diagonal(similar, -np.inf)
    return float(np.median(np.maximum(1 - similar.max(axis=1), 0)))


def repeats(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """A sentence where the newest batches repeat themselves.

    Most of the last RECENT `rows` have a `nearest` under half of `random_nearest`, and under the least of all draws.
    """
    last = rows[-RECENT:]
    close = [row for row in last if row["nearest"] < min(row["random_nearest"] / 2, row["random_least"])]
    if not last or len(close) <= len(last) / 2:
        return []
    row = close[-1]
    return [
        f"batches repeat themselves: in round {row['round']} an item's nearest neighbour in its batch is at a distance "
        f"of {row['nearest']:.3f}, in a random batch at {row['random_nearest']:.3f}; a strategy that spreads its "
        "batch (badge, kmeans, core_set) or smaller batches waste fewer labels"
    ]


def told_apart(
    queried: Embeddings, others: Embeddings, *, confidence: float, rng: np.random.Generator
) -> tuple[float, float, float] | None:
    """How well a second model tells queried items from others it has not seen: ROC-AUC and its interval.

    0.5 is not at all, 1 is always. Logistic regression, cross-validated (a classifier two-sample test, Lopez-Paz and
    Oquab, 2017); interval of Hanley and McNeil, 1982. None where either side has fewer than LEAST items.
    """
    n, m = len(queried), len(others)
    if min(n, m) < LEAST:
        return None
    from scipy.special import ndtri
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    X, y = np.concatenate([queried, others]), np.repeat([1, 0], [n, m])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=int(rng.integers(1 << 31)))
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=200))
    auc = float(roc_auc_score(y, cross_val_predict(model, X, y, cv=folds, method="decision_function")))
    of_one, of_other = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread = auc * (1 - auc) + (n - 1) * (of_one - auc * auc) + (m - 1) * (of_other - auc * auc)
    half = float(ndtri((1 + confidence) / 2)) * sqrt(max(spread, 0.0) / (n * m))
    return auc, max(auc - half, 0.0), min(auc + half, 1.0)


def meaning(auc: float, low: float, high: float) -> str:
    """What the figure of `told_apart` means for whoever reads on."""
    found = f"a second model tells queried items from the rest of the pool with an AUC of {auc:.2f} ({low:.2f} to "
    found += f"{high:.2f}; 0.50 is chance)"
    if low <= 0.5 or auc < ALIKE:
        return f"{found}: they look like a random draw, so the strategy asks for nothing special that embeddings show"
    much = "clearly" if auc >= APART else "somewhat"
    return (
        f"{found}: they differ {much}, as they are meant to. A random baseline that is replayed on them, or any share "
        "counted on them, speaks of such items and not of the pool; the holdout and the control arm "
        "(query.control_share) speak of the pool"
    )

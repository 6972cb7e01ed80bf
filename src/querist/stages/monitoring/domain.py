"""What has changed, in words: a classifier that tells a window from the reference, and what it would point at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.selection import stream
from querist.core.types import Scores
from querist.stages.monitoring.sample import Column, words_of
from querist.stages.monitoring.views import column_features

MOST_ROWS = 1_000
FOLDS = 3
STRENGTH = 0.01
"""C of the classifier: weak, since a window may have fewer items than columns."""
PRIOR = 0.5


@dataclass(frozen=True)
class Domain:
    """`auc` of telling window from reference on items not learned from, 0.5 is chance, with the half-width that chance
    alone gives it at 99 %; `scores` (n_window,) log-odds of each item of the window to be of the window."""

    auc: float
    by_chance: float
    scores: Scores


def domain_classifier(reference: NDArray[np.floating[Any]], window: NDArray[np.floating[Any]]) -> Domain:
    """A classifier two-sample test. Lopez-Paz and Oquab, 2017. Of at most MOST_ROWS of each side; O(n d)."""
    from scipy.stats import rankdata
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = stream(0, "domain")
    some = [rows[np.sort(rng.permutation(len(rows))[:MOST_ROWS])].astype(np.float32) for rows in (reference, window)]
    X, y = np.concatenate(some), np.repeat([0, 1], [len(rows) for rows in some])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=200))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    unseen = cross_val_predict(model, X, y, cv=folds, method="decision_function")
    n, m = (len(rows) for rows in some)
    auc = (float(rankdata(unseen)[n:].sum()) - m * (m + 1) / 2) / (n * m)
    by_chance = 2.576 * sqrt((n + m + 1) / (12 * n * m))  # of the rank sum without drift; Mann and Whitney, 1947
    scores = model.fit(X, y).decision_function(window.astype(np.float32))
    return Domain(auc, by_chance, scores)


def telling_words(reference: Sequence[str], window: Sequence[str], *, most: int = 10) -> list[tuple[str, float]]:
    """The words that came up or went away most, with their z: above 0 it is more frequent in the window.

    Log-odds of the share of texts with the word. Monroe, Colaresi and Quinn, Fightin' Words, 2008. O(words).
    """
    before, now = (Counter(word for words in words_of(texts) for word in words) for texts in (reference, window))
    n, m = len(reference), len(window)
    found = []
    for word in before.keys() | now.keys():
        a, b = before[word] + PRIOR, now[word] + PRIOR
        change = np.log(b / (m + 2 * PRIOR - b)) - np.log(a / (n + 2 * PRIOR - a))
        found.append((word, float(change / sqrt(1 / a + 1 / b))))
    return sorted(found, key=lambda pair: (-abs(pair[1]), pair[0]))[:most]


def telling_columns(
    reference: Mapping[str, Column], window: Mapping[str, Column], *, most: int = 10
) -> list[tuple[str, float]]:
    """Columns by how far their values moved: the Kolmogorov-Smirnov statistic, or the largest change of a share."""
    found = []
    for name, before in reference.items():
        features = column_features(before)
        moved = np.abs(features(before).mean(axis=0) - features(window[name]).mean(axis=0))
        found.append((name, float(moved.max())))
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:most]

"""How far several opinions of one model disagree: (n_samples, n_items, n_classes) -> (n_items,) scores.

Opinions come from a committee, bagging, an ensemble or MC dropout. All are linear in the pool and hold about 20 MB
beyond input and answer, however many opinions there are. A probability of 0 adds nothing to an entropy.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from querist.core.checks import blocks
from querist.core.types import Probabilities, Scores
from querist.stages.uncertainty_scoring.measures import logs

CELLS = 500_000
"""Numbers of a block."""
DECIMALS = 12
"""The same terms summed in another order differ by less; rounding leaves them tied, for the generator to decide."""


def vote_entropy(samples: Probabilities, /) -> Scores:
    """Entropy of the votes in nats, from 0 (one mind) to log(min(n_samples, n_classes)). Engelson and Dagan, 1996."""
    return _by_block(lambda part: _entropy(_votes(part)), samples)


def consensus_entropy(samples: Probabilities, /) -> Scores:
    """Entropy of the mean opinion in nats: all uncertainty, of the item and of the model."""
    return _by_block(lambda part: _entropy(part.mean(axis=0)), samples)


def expected_entropy(samples: Probabilities, /) -> Scores:
    """Mean entropy of the opinions in nats: the aleatoric part, doubt that more labels will not take away."""
    return _by_block(lambda part: _entropy(part).mean(axis=0), samples)


def bald(samples: Probabilities, /) -> Scores:
    """Consensus entropy less expected entropy: the epistemic part, doubt that labels can take away; in nats.

    The mutual information of label and model, from 0 to log(n_samples). Houlsby et al., 2011; Gal et al., 2017.
    """
    return _by_block(lambda part: _entropy(part.mean(axis=0)) - _entropy(part).mean(axis=0), samples)


def mean_kl(samples: Probabilities, /) -> Scores:
    """Mean of KL(opinion || consensus), which is the same number as `bald`. McCallum and Nigam, 1998."""
    return _by_block(lambda part: _divergence(part).mean(axis=0), samples)


def max_disagreement(samples: Probabilities, /) -> Scores:
    """Largest KL(opinion || consensus) in nats, from 0 to log(n_samples)."""
    return _by_block(lambda part: _divergence(part).max(axis=0), samples)


def variation_ratio(samples: Probabilities, /) -> Scores:
    """Share of the opinions that do not vote with the majority, from 0 to 1 - 1/n_classes. Freeman, 1965."""
    return _by_block(lambda part: 1 - _votes(part).max(axis=1), samples)


def predictive_variance(samples: Probabilities, /) -> Scores:
    """Variance of the class probabilities over the opinions, summed over the classes, from 0 to 1."""
    return _by_block(lambda part: part.var(axis=0).sum(axis=1), samples)


def decompose(samples: Probabilities, /) -> tuple[Scores, Scores]:
    """(epistemic, aleatoric) parts of the consensus entropy, in nats: `bald` and `expected_entropy`.

    Depeweg et al., 2018.
    """
    return bald(samples), expected_entropy(samples)


def _votes(part: Probabilities) -> NDArray[np.float64]:
    """(n_items, n_classes) share of the opinions whose first class this is; of equal classes the first one counts."""
    first = part.argmax(axis=2)
    cells = np.arange(part.shape[1]) * part.shape[2] + first
    counts = np.bincount(cells.ravel(), minlength=part.shape[1] * part.shape[2])
    return counts.reshape(part.shape[1:]) / len(part)


def _entropy(proba: Probabilities) -> Scores:
    scores: Scores = -np.einsum("...c,...c->...", proba, logs(proba))
    return scores


def _divergence(part: Probabilities) -> Scores:
    """(n_samples, n_items) KL(opinion || consensus)."""
    scores: Scores = np.einsum("snc,snc->sn", part, logs(part) - logs(part.mean(axis=0)))
    return scores


def _by_block(measure: Callable[[Probabilities], Scores], samples: Probabilities) -> Scores:
    n_samples, n_items, n_classes = samples.shape
    scores = np.empty(n_items)
    for block in blocks(n_items, max(1, CELLS // (n_samples * n_classes))):
        part = measure(np.asarray(samples[:, block], dtype=np.float64))
        scores[block] = np.maximum(np.round(part, DECIMALS), 0.0)
    return scores

"""Finds parts by name: built-ins in tables of strings, strangers by entry point or as `package.module:name`."""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import Any

from querist.core.errors import SettingError, UnknownName

BUILT_IN: dict[str, dict[str, str]] = {
    "measures": {
        "least_confidence": "querist.stages.uncertainty_scoring.measures:least_confidence",
        "margin": "querist.stages.uncertainty_scoring.measures:margin",
        "ratio": "querist.stages.uncertainty_scoring.measures:ratio",
        "entropy": "querist.stages.uncertainty_scoring.measures:entropy",
    },
    "label_measures": {
        "least_confidence": "querist.stages.uncertainty_scoring.multilabel:least_confidence",
        "margin": "querist.stages.uncertainty_scoring.multilabel:margin",
        "entropy": "querist.stages.uncertainty_scoring.multilabel:entropy",
        "score": "querist.stages.uncertainty_scoring.multilabel:signed",
        "max_loss": "querist.stages.uncertainty_scoring.multilabel:max_loss",
        "mean_max_loss": "querist.stages.uncertainty_scoring.multilabel:mean_max_loss",
        "mmc": "querist.stages.uncertainty_scoring.multilabel:mmc",
        "cardinality": "querist.stages.uncertainty_scoring.multilabel:inconsistency",
        "adaptive": "querist.stages.uncertainty_scoring.multilabel:adaptive",
    },
    "sample_measures": {
        "vote_entropy": "querist.stages.uncertainty_scoring.samples:vote_entropy",
        "consensus_entropy": "querist.stages.uncertainty_scoring.samples:consensus_entropy",
        "expected_entropy": "querist.stages.uncertainty_scoring.samples:expected_entropy",
        "bald": "querist.stages.uncertainty_scoring.samples:bald",
        "mean_kl": "querist.stages.uncertainty_scoring.samples:mean_kl",
        "max_disagreement": "querist.stages.uncertainty_scoring.samples:max_disagreement",
        "variation_ratio": "querist.stages.uncertainty_scoring.samples:variation_ratio",
        "predictive_variance": "querist.stages.uncertainty_scoring.samples:predictive_variance",
    },
    "strategies": {
        "auto": "querist.stages.query_strategy.auto:Auto",
        "random": "querist.stages.query_strategy.random:Random",
        "uncertainty": "querist.stages.query_strategy.uncertainty:Uncertainty",
        "kmeans": "querist.stages.query_strategy.kmeans:KMeansDiversity",
        "core_set": "querist.stages.query_strategy.core_set:CoreSet",
        "badge": "querist.stages.query_strategy.badge:Badge",
        "typiclust": "querist.stages.query_strategy.typiclust:TypiClust",
        "prob_cover": "querist.stages.query_strategy.prob_cover:ProbCover",
        "density": "querist.stages.query_strategy.density:InformationDensity",
        "graph_density": "querist.stages.query_strategy.graph_density:GraphDensity",
        "cluster_margin": "querist.stages.query_strategy.cluster_margin:ClusterMargin",
        "ranked_batch": "querist.stages.query_strategy.ranked_batch:RankedBatch",
        "cal": "querist.stages.query_strategy.cal:Contrastive",
        "dal": "querist.stages.query_strategy.dal:Discriminative",
        "drift": "querist.stages.query_strategy.drift:Drift",
        "qbc": "querist.stages.query_strategy.qbc:QueryByCommittee",
        "bald": "querist.stages.query_strategy.bald:Bald",
        "batch_bald": "querist.stages.query_strategy.batch_bald:BatchBald",
        "eer": "querist.stages.query_strategy.eer:ExpectedErrorReduction",
        "model_change": "querist.stages.query_strategy.model_change:ExpectedModelChange",
        "fisher": "querist.stages.query_strategy.fisher:Fisher",
        "stratified": "querist.stages.query_strategy.stratified:Stratified",
        "quota": "querist.stages.query_strategy.quota:Quota",
        "quire": "querist.stages.query_strategy.quire:Quire",
        "hierarchical": "querist.stages.query_strategy.hierarchical:Hierarchical",
        "mixture": "querist.stages.query_strategy.mixture:Mixture",
        "per_cost": "querist.stages.query_strategy.costs:PerCost",
        "bandit": "querist.stages.query_strategy.bandit:Bandit",
    },
    "encoders": {
        "tfidf": "querist.models.encoders.tfidf:Tfidf",
        "hashing": "querist.models.encoders.hashing:Hashing",
        "sentence-embeddings": "querist.models.encoders.sentence:SentenceEmbeddings",
        "pixels": "querist.models.encoders.pixels:Pixels",
        "table": "querist.models.encoders.table:Table",
    },
    "heads": {
        "logistic": "querist.models.heads:logistic",
        "svm": "querist.models.heads:svm",
        "boosting": "querist.models.heads:boosting",
        "forest": "querist.models.heads:forest",
        "naive-bayes": "querist.models.heads:naive_bayes",
    },
    "learners": {
        "tfidf-logistic": "querist.models.learners:tfidf_logistic",
        "tfidf-svm": "querist.models.learners:tfidf_svm",
        "tfidf-naive-bayes": "querist.models.learners:tfidf_naive_bayes",
        "hashing-logistic": "querist.models.learners:hashing_logistic",
        "embeddings-logistic": "querist.models.learners:embeddings_logistic",
        "pixels-logistic": "querist.models.learners:pixels_logistic",
        "pixels-forest": "querist.models.learners:pixels_forest",
        "table-boosting": "querist.models.learners:table_boosting",
        "table-forest": "querist.models.learners:table_forest",
        "table-logistic": "querist.models.learners:table_logistic",
    },
    "readers": {
        "csv": "querist.stages.raw_data.delimited:read_csv",
        "tsv": "querist.stages.raw_data.delimited:read_tsv",
        "jsonl": "querist.stages.raw_data.jsonl:read_jsonl",
        "parquet": "querist.stages.raw_data.parquet:read_parquet",
        "images": "querist.stages.raw_data.images:read_images",
        "arrays": "querist.stages.raw_data.arrays:read_arrays",
    },
    "drift": {
        "kl_classes": "querist.stages.monitoring.views:kl_classes",
        "kl_entropy": "querist.stages.monitoring.views:kl_entropy",
        "mmd": "querist.stages.monitoring.views:mmd",
        "js_classes": "querist.stages.monitoring.views:js_classes",
        "js_entropy": "querist.stages.monitoring.views:js_entropy",
        "psi_classes": "querist.stages.monitoring.views:psi_classes",
        "psi_entropy": "querist.stages.monitoring.views:psi_entropy",
        "chi2_classes": "querist.stages.monitoring.views:chi2_classes",
        "ks_entropy": "querist.stages.monitoring.views:ks_entropy",
        "ks_lengths": "querist.stages.monitoring.views:ks_lengths",
        "unseen_words": "querist.stages.monitoring.views:unseen_words",
        "columns": "querist.stages.monitoring.views:columns",
    },
}
"""Group -> name -> where it lives. Entry points use the same groups, as `querist.strategies` and so on."""


def available(group: str) -> list[str]:
    return sorted({*BUILT_IN[group], *(entry.name for entry in _entries(group, tuple(sys.path)))})


@cache
def _entries(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """To look through every installed package takes milliseconds, too long for each query; `path` is where they lie."""
    return tuple(entry_points(group=f"querist.{group}"))


def find(group: str, name: str) -> Any:  # Any: whatever the plugin is; its protocol is checked where it is used
    """The object behind a name, an entry point or an import path. Raises UnknownName, listing what is available."""
    if name in BUILT_IN[group]:
        return load(BUILT_IN[group][name])
    for entry in _entries(group, tuple(sys.path)):
        if entry.name == name:
            return _load_entry(entry)
    if is_path(name):
        return load(name)
    raise UnknownName(group.removesuffix("s").replace("strategie", "strategy"), name, available(group))


def is_path(name: str) -> bool:
    """Whether `module:name` names a module that could be imported, rather than a plugin with a suffix."""
    module, colon, _ = name.partition(":")
    return bool(colon) and ("." in module or (module.isidentifier() and find_spec(module) is not None))


def load(path: str) -> Any:
    """`package.module:name` imported. Raises SettingError saying which half is missing."""
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        raise SettingError(
            f"cannot import {path!r}: no module named {error.name!r}; is its package installed?"
        ) from error
    except AttributeError:
        raise SettingError(f"cannot import {path!r}: module {module!r} has no {name!r}") from None


def _load_entry(entry: EntryPoint) -> Any:  # Any: whatever the plugin is
    """Raises SettingError naming the package when its code cannot be imported."""
    try:
        return entry.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        package = f"the package {entry.dist.name} {entry.dist.version}" if entry.dist else "an installed package"
        remedy = f"`pip install --upgrade {entry.dist.name}`" if entry.dist else "install it again"
        raise SettingError(
            f"{entry.name!r} ({entry.value}) of {package} cannot be imported: {error}; {remedy}, or remove the package"
        ) from error

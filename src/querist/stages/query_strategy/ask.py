"""From the name in the settings to a strategy, and from a strategy to an answer one can trust."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from querist.core.checks import check_embeddings, check_independent, check_proba, check_scores
from querist.core.errors import PoolExhausted, SettingError, ShapeError, StrategyError, UnknownName
from querist.core.protocols import Strategy
from querist.core.types import GIB, Embeddings, Indices, Pool, Selection
from querist.plugins import BUILT_IN, available, find, is_path
from querist.stages.query_strategy import foreign
from querist.stages.query_strategy.construct import construct, refuse_settings
from querist.stages.query_strategy.uncertainty import Uncertainty

Weight = TypeVar("Weight", float, float | list[float])
NEEDS: dict[str, tuple[str, ...]] = {
    "scores": ("scores",),
    "proba": ("proba",),
    "embeddings": ("embed",),
    "samples": ("samples",),
    "previous_proba": (),
    "labeled_embeddings": ("labeled_embeddings",),
    "labels": ("labeled_codes",),
    "labeled_proba": ("labeled_proba",),
    "model": ("classifier", "X", "labeled"),
    "train": ("train", "labeled"),
    "costs": ("costs",),
}
"""What a strategy may need, and the fields of the pool that hold it."""
WITHOUT_CLASSES = frozenset({"scores", "embeddings", "labeled_embeddings", "costs"})
"""What says nothing of the one class of an item: a strategy that needs no more can ask where items have several."""


def make(
    spec: Any,  # Any: a name, or a strategy (querist's, modAL's, scikit-activeml's) as it is
    params: Mapping[str, Any] | None = None,
    measures: Mapping[str, Weight] | None = None,
    *,
    several: bool = False,
) -> tuple[Strategy, dict[str, Weight]]:
    """The strategy of a spec and the measures that go with it; `several` for items with several labels.

    A spec is a strategy ("kmeans"), a strategy and its measure ("kmeans:entropy"), a measure alone ("entropy": its
    highest scores), an import path ("package.module:name"), or an object. Raises UnknownName or SettingError.
    """
    if several:
        strategy, weights = _make(spec, params, measures, "label_measures")
        return refuse_one_label(strategy, spec if isinstance(spec, str) else name_of(strategy)), weights
    return _make(spec, params, measures, "measures")


def _make(
    spec: Any, params: Mapping[str, Any] | None, measures: Mapping[str, Weight] | None, kind: str
) -> tuple[Strategy, dict[str, Weight]]:
    params, weights = dict(params or {}), dict(measures or {"margin": 1.0})
    if not isinstance(spec, str):
        return _build(spec, params, getattr(spec, "__name__", type(spec).__name__)), weights
    name, _, measure = spec.partition(":")
    if name not in available("strategies") and is_path(spec):
        return _build(find("strategies", spec), params, spec), weights
    if measure:
        find(kind, measure)
        weights = {measure: 1.0}
    if name in available("strategies"):
        return _build(find("strategies", name), params, name), weights
    if name in available(kind) and not measure:
        return _build(Uncertainty, params, name), {name: 1.0}
    raise UnknownName("strategy", name, [*available("strategies"), *available(kind)])


def refuse_one_label(strategy: Strategy, name: str) -> Strategy:
    """The strategy, if it can ask about items with several labels. Raises SettingError, listing those that can."""
    if _takes_sets(strategy):
        return strategy
    able = [one for one in sorted(BUILT_IN["strategies"]) if _takes_sets(find("strategies", one))]
    raise SettingError(
        f'strategy {name!r} needs one class for each item, and data.labels is "several"; those that work from scores '
        f"and embeddings alone can be had: {', '.join(able)}"
    )


def _takes_sets(strategy: Any) -> bool:  # Any: a strategy or its class, whose needs may be known only once it is made
    needs = getattr(strategy, "needs", None)
    return bool(getattr(strategy, "several", False)) or (isinstance(needs, frozenset) and needs <= WITHOUT_CLASSES)


def ask(strategy: Strategy, pool: Pool, batch_size: int, rng: np.random.Generator) -> Selection:
    """The strategy's answer, with pool and answer checked.

    Raises ShapeError on a pool with NaN or wrong shapes, StrategyError when the pool lacks what the strategy needs or
    the answer breaks the contract, PoolExhausted when the batch is larger than the pool.
    """
    name = name_of(strategy)
    if batch_size < 1:
        raise SettingError(f"a batch of {batch_size} items asks nothing; batch_size must be at least 1")
    if batch_size > pool.n_items:
        raise PoolExhausted(
            f"asked for {batch_size} items but the pool holds {pool.n_items}; "
            "lower query.batch_size or ingest more data"
        )
    pool = _checked(pool, strategy.needs, spares_of(strategy), name)
    _check_memory(strategy, pool, batch_size, name)
    return _check_answer(strategy(pool, batch_size, rng), pool.n_items, batch_size, name)


def spares_of(strategy: Strategy) -> frozenset[str]:
    """What it needs where the pool has it, and does without where not."""
    found: frozenset[str] = getattr(strategy, "spares", frozenset())
    return found


def name_of(strategy: Strategy) -> str:
    return str(getattr(strategy, "name", None) or getattr(strategy, "__name__", None) or type(strategy).__name__)


def _build(found: Any, params: dict[str, Any], name: str) -> Strategy:  # Any: whatever stood behind the name
    adapted = foreign.adapt(found, params, name)
    if adapted is not None:
        return adapted
    if inspect.isclass(found) or (inspect.isfunction(found) and not hasattr(found, "needs")):
        found = construct(found, params, name)
    else:
        refuse_settings(params, name)
    if not (callable(found) and hasattr(found, "needs")):
        raise StrategyError(
            f"{name!r} is no strategy: it must be callable as strategy(pool, batch_size, rng) and have `needs`, "
            "or be a modAL query function or a scikit-activeml query strategy"
        )
    strategy: Strategy = found
    return strategy


def _checked(pool: Pool, needs: frozenset[str], spares: frozenset[str], name: str) -> Pool:
    """The pool, with what the strategy needs present and of the right shape; `embed` checks its answers."""
    for need in sorted(needs):
        if need not in NEEDS:
            raise StrategyError(f"strategy {name!r} needs {need!r}, which no pool has; known are {sorted(NEEDS)}")
        missing = [part for part in NEEDS[need] if getattr(pool, part) is None]
        if missing and need not in spares:
            raise StrategyError(f"strategy {name!r} needs {need}, and this pool has none (no {', '.join(missing)})")
    if pool.scores is not None:
        pool = replace(pool, scores=check_scores(pool.scores, n_items=pool.n_items))
    if pool.proba is not None and "proba" in needs:
        proba = check_independent(pool.proba) if pool.several else check_proba(pool.proba, n_items=pool.n_items)
        pool = replace(pool, proba=proba)
    if pool.labeled_embeddings is not None:
        check_embeddings(pool.labeled_embeddings)
    if (embed := pool.embed) is not None:

        def checked_embed(at: Indices | slice) -> Embeddings:
            count = len(range(*at.indices(pool.n_items))) if isinstance(at, slice) else len(at)
            return check_embeddings(embed(at), n_items=count)

        pool = replace(pool, embed=checked_embed)
    return pool


def _check_memory(strategy: Strategy, pool: Pool, batch_size: int, name: str) -> None:
    tell = getattr(strategy, "bytes_needed", None)
    if tell is None:
        return
    n_dims = 0 if pool.embed is None else pool.embed(slice(0, 1)).shape[1]
    n_classes = 0 if pool.proba is None else pool.proba.shape[1]
    refuse_beyond(tell(pool.n_items, n_dims, n_classes, batch_size), pool, name)


def refuse_beyond(needed: int, pool: Pool, name: str) -> None:
    """Raises StrategyError when that many bytes are more than the pool allows."""
    if needed > pool.memory_bytes:
        raise StrategyError(
            f"strategy {name!r} needs {needed / GIB:.1f} GiB for {pool.n_items} items and may use "
            f"{pool.memory_bytes / GIB:.1f}; choose another strategy, or raise query.memory_gib"
        )


def _check_answer(selection: Selection, n_items: int, batch_size: int, name: str) -> Selection:
    if not isinstance(selection, Selection):
        raise StrategyError(f"strategy {name!r} answered {type(selection).__name__}; it must return a Selection")
    indices, scores = np.asarray(selection.indices), np.asarray(selection.scores)
    if indices.ndim != 1 or indices.dtype.kind not in "iu":
        raise StrategyError(f"strategy {name!r} answered indices of shape {indices.shape} and type {indices.dtype}")
    if len(indices) != batch_size:
        raise StrategyError(f"strategy {name!r} answered {len(indices)} items, asked were {batch_size}")
    if indices.min() < 0 or indices.max() >= n_items:
        wrong = indices[(indices < 0) | (indices >= n_items)][0]
        raise StrategyError(f"strategy {name!r} answered item {wrong}, outside the pool 0..{n_items - 1}")
    if len(np.unique(indices)) < batch_size:
        raise StrategyError(f"strategy {name!r} answered {batch_size - len(np.unique(indices))} items more than once")
    if selection.reasons and len(selection.reasons) != batch_size:
        raise StrategyError(f"strategy {name!r} gave {len(selection.reasons)} reasons for {batch_size} items")
    if scores.shape != indices.shape:
        raise StrategyError(f"strategy {name!r} answered {len(indices)} items and scores of shape {scores.shape}")
    try:
        check_scores(scores)
    except ShapeError as error:
        raise StrategyError(f"strategy {name!r}: {error}") from None
    return replace(selection, indices=indices.astype(np.intp))

"""Every strategy on 25,000 to 200,000 synthetic items: seconds, memory beyond its inputs, growth with the pool."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from synthetic import Data, Head
from table import Row, print_table
from timed import Query, measure

SIZES = (25_000, 50_000, 100_000, 200_000)
N_CLASSES = 10
LIMIT_SECONDS = 60.0
LIMIT_GROWTH = 1.1
"""Slope of log(seconds) over log(items); linear is 1, and timing blurs it."""
HALF_THE_ROWS_MB = 0.5 * 1536 / 1e6
"""Half an item's embedding, 384 float32."""


def measure_alone(name: str, *, predict: bool = True) -> Query:
    """The highest scores of a measure; with `predict` the clock covers the predictions too, as for every library."""

    def prepare(data: Data) -> Callable[[], Any]:
        import querist

        given = data.predict(data.pool)
        return lambda: querist.select(name, data.batch_size, proba=data.predict(data.pool) if predict else given, rng=0)

    return prepare


def strategy(name: str, **params: Any) -> Query:
    """Through querist.select where it has an argument for all that the strategy needs."""

    def prepare(data: Data) -> Callable[[], Any]:
        import querist
        from querist.stages.query_strategy.ask import ask, make

        made, _ = make(name, params)
        k, needs = data.batch_size, made.needs
        if needs & {"model", "train"}:
            pool = _pool(data)
            return lambda: ask(made, pool, k, np.random.default_rng(0)).indices
        with_labels = bool(needs & {"labels", "labeled_proba"})
        rows = data.everything if with_labels else data.pool
        given: dict[str, Any] = {"embeddings": rows}
        if with_labels:
            given["labels"] = np.r_[np.full(len(data.pool), -1), data.y]
        elif "labeled_embeddings" in needs:
            given["labeled_embeddings"] = data.labeled
        if needs & {"scores", "proba"}:
            given["proba"] = data.predict(rows)
        if "samples" in needs:
            given["samples"] = data.opinions()
        if "costs" in needs:
            given["costs"] = np.random.default_rng(2).uniform(1, 5, len(rows))
        return lambda: querist.select(made, k, rng=0, **given)

    return prepare


def core_set_warm(data: Data) -> Callable[[], Any]:
    """The second round, with the memory of the first."""
    import querist
    from querist.core.memory import Memory

    labels, memory = np.r_[np.full(len(data.pool), -1), data.y], Memory()
    first = querist.select("core_set", data.batch_size, embeddings=data.everything, labels=labels, memory=memory, rng=0)
    labels[first] = 0

    def call() -> Any:
        return querist.select(
            "core_set", data.batch_size, embeddings=data.everything, labels=labels, memory=memory.copy(), rng=0
        )

    return call


def _pool(data: Data) -> Any:
    """A pool with a model, for strategies that ask one."""
    from querist.core.types import Pool
    from querist.testing.strategies import ToyModel

    proba = data.predict(data.pool)
    first, second = np.sort(proba, axis=1)[:, :-3:-1].T
    return Pool(
        n_items=len(data.pool),
        proba=proba,
        scores=1 - (first - second),
        embed=lambda at: data.pool[at],
        labeled_embeddings=data.labeled,
        labeled_codes=data.y,
        classifier=Head(data),
        X=lambda: data.pool,
        labeled=(data.labeled, data.y),
        train=lambda X, y: ToyModel.fit(X, y, data.n_classes),
        classes=tuple(map(str, range(data.n_classes))),
    )


QUERIES: dict[str, Query] = {
    "entropy": measure_alone("entropy"),
    "margin": measure_alone("margin"),
    "least_confidence": measure_alone("least_confidence"),
    "entropy_given": measure_alone("entropy", predict=False),
    "kmeans": strategy("kmeans"),
    "kmeans_pool": strategy("kmeans", clusters=300, candidates="pool"),
    "kmeans_pool:candidates": strategy("kmeans", clusters=300),
    "core_set": strategy("core_set"),
    "core_set:warm": core_set_warm,
    **{
        name: strategy(name)
        for name in (
            *("auto", "random", "stratified", "quota", "mixture", "per_cost", "bandit"),
            *("badge", "typiclust", "prob_cover", "density", "graph_density", "cluster_margin", "ranked_batch"),
            *("cal", "dal", "drift", "qbc", "bald", "batch_bald", "eer", "model_change", "fisher"),
        )
    },
}
"""All but those for small pools, and `uncertainty` by its measures."""


def missing() -> list[str]:
    """Queries whose strategy this version does not have."""
    from querist.plugins import available

    known = {*available("strategies"), *available("measures"), "entropy_given", "kmeans_pool"}
    return [name for name in QUERIES if name.split(":")[0] not in known]


def run(names: Sequence[str], sizes: Sequence[int]) -> dict[str, dict[int, dict[str, Any]]]:
    """Strategy -> items -> what `measure` found; each in a process of its own."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for name in names:
        for n in sizes:
            result = measure(sys.executable, Path(__file__), name, n, N_CLASSES)
            result.pop("picks", None)
            found.setdefault(name, {})[n] = result
            print(json.dumps({"strategy": name, "items": n, **result}), file=sys.stderr, flush=True)
    return found


def rows(names: Sequence[str] = (), sizes: Sequence[int] = SIZES) -> list[Row]:
    absent = missing()
    chosen = [name for name in names or QUERIES if name not in absent]
    table = [Row(f"{name}: {_sizes(sizes)} items", *_judged(by_size)) for name, by_size in run(chosen, sizes).items()]
    return table + [
        Row(name, "not run: querist has no such strategy", "") for name in absent if name in (names or absent)
    ]


def growth(seconds: dict[int, float]) -> float:
    """Slope of log(seconds) over log(items), by least squares."""
    return float(np.polyfit(np.log(list(seconds)), np.log(list(seconds.values())), 1)[0])


def _judged(by_size: dict[int, dict[str, Any]]) -> tuple[str, str]:
    """What was measured, and the limits, with those that were missed."""
    shown = " / ".join(f"{r['seconds']:.3g}" if "seconds" in r else r.get("over", "failed") for r in by_size.values())
    failures = [result["failed"] for result in by_size.values() if "failed" in result]
    seconds = {n: result["seconds"] for n, result in by_size.items() if "seconds" in result}
    n = max(by_size)
    limit_mb = HALF_THE_ROWS_MB * n
    target = f"< {LIMIT_SECONDS:.0f} s, < {limit_mb:.0f} MB, exponent < {LIMIT_GROWTH}"
    if len(seconds) < len(by_size):
        return f"{shown} s {' '.join(failures[:1])}".rstrip(), f"{target}: missed"
    extra = by_size[n]["extra_mb"]
    slope = growth(seconds) if len(seconds) > 1 else math.nan
    missed = [
        what
        for what, wrong in (
            ("time", seconds[n] >= LIMIT_SECONDS),
            ("memory", extra >= limit_mb),
            ("growth", slope >= LIMIT_GROWTH),
        )
        if wrong
    ]
    exponent = "" if math.isnan(slope) else f", exponent {slope:.2f}"
    return f"{shown} s, {extra:.0f} MB{exponent}", target + (f": missed {', '.join(missed)}" if missed else "")


def _sizes(sizes: Sequence[int]) -> str:
    return " / ".join(f"{n:,}" for n in sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(QUERIES)} (default: all)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="N", help="items in the pool")
    parser.add_argument("--markdown", action="store_true", help="a table for the documentation")
    options = parser.parse_args()
    if unknown := set(options.names) - set(QUERIES):
        parser.error(f"unknown strategy {sorted(unknown)[0]!r}; available: {', '.join(QUERIES)}")
    found = rows(options.names, options.sizes)
    if not options.markdown:
        print_table(found)
        return
    print("| what | measured | target |", "| --- | --- | --- |", sep="\n")
    for row in found:
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()

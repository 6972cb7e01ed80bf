"""Makes docs/study/results.md and its curves from the runs that run.py left.

python benchmarks/study/report.py runs.jsonl more.jsonl.gz --into docs/study
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from analysis import BASELINE, LEAST_PAIRS, LEVEL, Cell, Curve, Verdict, curves, judge, lost, read_runs
from cells import FULL, REGIMES
from charts import curves_svg
from sets import SETS

METRIC = {
    **dict.fromkeys(SETS, "accuracy"),
    **dict.fromkeys(("sms-spam", "mail", "reviews-label", "reviews-stars", "reviews-whole"), "macro_f1"),
}
"""What a set is judged by: macro-F1 where one class holds most of the items."""
GROUPS = {"TF-IDF": ("tfidf",), "MiniLM": ("minilm",), "images and tables": ("pixels", "patches", "table")}
META = ("auto",)
"""Not among the single strategies that the best one is sought from."""
MISSED = 1.0
"""Per cent that the default may lose to the best single strategy."""
MARK = {1: " ▲", -1: " **▼**", 0: ""}
Verdicts = Mapping[Cell, Mapping[str, Verdict]]
T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, metavar="FILE", help="later files win over earlier ones")
    parser.add_argument("--into", type=Path, default=Path("docs/study"))
    options = parser.parse_args()
    runs = read_runs(options.runs)
    by_metric = {metric: curves(runs, metric) for metric in ("accuracy", "macro_f1")}
    chosen = {cell: by_metric[METRIC[cell[0]]][cell] for cell in by_metric["accuracy"]}
    options.into.mkdir(parents=True, exist_ok=True)
    drawn = []
    for regime in REGIMES:
        if found := {cell: own for cell, own in chosen.items() if cell[2] == regime}:
            drawn.append(f"curves-{regime}.svg")
            (options.into / drawn[-1]).write_text(curves_svg(ordered(found)), encoding="utf-8")
    text = page(chosen, by_metric, drawn, errors=sum("error" in run for run in runs))
    (options.into / "results.md").write_text(text, encoding="utf-8")


def page(
    chosen: Mapping[Cell, Mapping[str, Curve]],
    by_metric: Mapping[str, Mapping[Cell, Mapping[str, Curve]]],
    drawn: Sequence[str],
    errors: int,
) -> str:
    verdicts = judged(chosen)
    names = by_rank(verdicts)
    n_runs = sum(len(curve.repeats) for own in chosen.values() for curve in own.values())
    parts = [
        "# Results of the study",
        f"Made by `benchmarks/study/report.py` from {n_runs:,} runs{f' ({errors} failed)' if errors else ''}; "
        "[what was compared, and what follows from it](README.md).",
        "Numbers are areas under the learning curve in points (100 = always right): accuracy, or macro-F1 on "
        + ", ".join(name for name in SETS if METRIC[name] == "macro_f1")
        + f". ▲ better and **▼** worse than random: paired t-test over the repeats, p < {LEVEL} after Holm's "
        "correction over the strategies of a cell. A cell is a set with one kind of features and one size of seed set; "
        "a blank one was not played, and strategies played on less than half of the cells come last.",
        "## All cells",
        "The best is the best single strategy of a cell with hindsight; for the fair loss it is the one that the other "
        "repeats of the cell would have made one choose.",
        overview(names, verdicts),
        "## Where auto loses more than 1 % to the best",
        misses(verdicts, chosen),
        "## Where each is worse than random",
        failures(names, verdicts),
    ]
    for regime, terms in REGIMES.items():
        of_regime = ordered({cell: found for cell, found in verdicts.items() if cell[2] == regime})
        if not of_regime:
            continue
        last = terms.seed + terms.rounds * terms.batch
        batches = f"batches of {terms.batch} to {last:,} labels"
        what = f": {terms.what}" if terms.what else ""
        parts.append(f"## Seed set of {terms.seed:,}, {batches}, pools of at most {terms.pool:,}{what}")
        for group, kinds in GROUPS.items():
            cells = {cell: found for cell, found in of_regime.items() if cell[1] in kinds}
            if cells:
                parts += [f"### {group}: gain over random", gains(names, cells, chosen)]
                parts += ["Loss to the best single strategy, per cent of its area:", losses(names, cells)]
        parts += [f"![Learning curves]({name})" for name in drawn if name == f"curves-{regime}.svg"]
    other = {"accuracy": "macro_f1", "macro_f1": "accuracy"}
    second = judged({cell: by_metric[other[METRIC[cell[0]]]][cell] for cell in chosen})
    parts += ["## By the other metric", "Macro-F1 where the above is accuracy, and the other way round."]
    parts.append(overview(by_rank(second), second))
    return "\n\n".join(parts) + "\n"


def judged(chosen: Mapping[Cell, Mapping[str, Curve]]) -> dict[Cell, dict[str, Verdict]]:
    """Cells where there is something to judge."""
    found = {cell: judge(own, among_best=set(own) - set(META)) for cell, own in chosen.items()}
    return {cell: own for cell, own in found.items() if own}


def ordered(cells: Mapping[Cell, T]) -> dict[Cell, T]:
    return {cell: cells[cell] for cell in sorted(cells, key=lambda c: (list(SETS).index(c[0]), c[1]))}


def of_strategy(name: str, verdicts: Verdicts) -> dict[Cell, Verdict]:
    return {cell: found[name] for cell, found in verdicts.items() if name in found}


def by_rank(verdicts: Verdicts) -> list[str]:
    """The strategy with the least mean loss to the best first; those played on less than half of the cells last."""
    own = {name: of_strategy(name, verdicts) for name in {name for found in verdicts.values() for name in found}}
    rare = {name: 2 * len(found) < len(verdicts) for name, found in own.items()}
    return sorted(own, key=lambda name: (rare[name], np.mean([v.loss for v in own[name].values()])))


def overview(names: Sequence[str], verdicts: Verdicts) -> str:
    head = [
        "strategy",
        "cells",
        "mean rank",
        "gain over random",
        "loss to the best %",
        "worst",
        "fair loss %",
        "▲",
        "▼",
    ]
    rows = []
    for name in names:
        own = of_strategy(name, verdicts)
        found = list(own.values())
        worst = max(own, key=lambda cell: own[cell].loss)
        rows.append(
            [
                f"`{name}`",
                str(len(found)),
                f"{np.mean([v.rank for v in found]):.1f}",
                f"{100 * np.mean([v.difference for v in found]):+.2f}",
                f"{np.mean([v.loss for v in found]):.1f}",
                f"{own[worst].loss:.1f} ({' '.join(worst)})",
                f"{np.mean([v.fair_loss for v in found]):.1f}",
                str(sum(v.sign > 0 for v in found)),
                f"**{n}**" if (n := sum(v.sign < 0 for v in found)) else "0",
            ]
        )
    return table(head, rows)


def failures(names: Sequence[str], verdicts: Verdicts) -> str:
    lines = []
    for name in names:
        worse = {cell: v for cell, v in of_strategy(name, verdicts).items() if v.sign < 0}
        if worse:
            told = ", ".join(f"{' '.join(cell)} ({100 * v.difference:+.1f})" for cell, v in ordered(worse).items())
            lines.append(f"- `{name}`: {told}")
    return "\n".join(lines) or "None is, on any cell."


def misses(verdicts: Verdicts, chosen: Mapping[Cell, Mapping[str, Curve]]) -> str:
    """The cells, the largest loss first; on the repeats that both were played on, with its standard error."""
    rows = []
    for cell, found in verdicts.items():
        for name in META:
            if name in found and found[name].loss > MISSED:
                best = max((other for other in found if other not in META), key=lambda other: found[other].area)
                loss, error, pairs = lost(chosen[cell][name], chosen[cell][best])
                if pairs < LEAST_PAIRS:
                    continue
                rows.append((loss, [" ".join(cell), f"`{best}`", f"{loss:.1f}", f"{error:.1f}", str(pairs)]))
    head = ["cell", "best", "loss %", "standard error", "pairs"]
    return table(head, [line for _, line in sorted(rows, reverse=True)]) if rows else "On none."


def gains(names: Sequence[str], verdicts: Verdicts, chosen: Mapping[Cell, Mapping[str, Curve]]) -> str:
    rows = [["`random`: its area", *(f"{100 * found[BASELINE].area:.1f}" for found in verdicts.values())]]
    whole = [chosen[cell].get(FULL) for cell in verdicts]
    rows.append(["whole pool: its score", *("" if c is None else f"{100 * c.areas.mean():.1f}" for c in whole)])
    for name in names:
        if name != BASELINE and of_strategy(name, verdicts):
            rows.append([f"`{name}`", *(_gain(found.get(name)) for found in verdicts.values())])
    return table(["strategy", *(cell[0] for cell in verdicts)], rows)


def _gain(verdict: Verdict | None) -> str:
    return "" if verdict is None else f"{100 * verdict.difference:+.1f}{MARK[verdict.sign]}"


def losses(names: Sequence[str], verdicts: Verdicts) -> str:
    rows = [
        [f"`{name}`", *(f"{found[name].loss:.1f}" if name in found else "" for found in verdicts.values())]
        for name in names
        if of_strategy(name, verdicts)
    ]
    return table(["strategy", *(cell[0] for cell in verdicts)], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()

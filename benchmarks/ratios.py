"""Markdown tables of the comparison: one line of ratios for each contest, then everything that was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

OURS = "querist"
SAME_PICKS = {"entropy", "entropy_given", "margin", "least_confidence", "core_set"}
"""Contests with one right answer."""
NO_RIVALS = {"kmeans_pool:clustering alone", "core_set:lightweight"}
"""Half of the work, and another method: shown beside the others only."""
GOALS = {
    **dict.fromkeys(("entropy", "entropy_given", "margin", "least_confidence", "kmeans"), 1 / 1.2),
    "kmeans_pool:candidates": 10,
    "core_set": 7,
    "core_set:warm": 80,
    "badge": 100,
}
"""How many times as fast as the best of the others querist is to be."""

Found = Sequence[tuple[Any, dict[str, Any]]]  # Any: a Case of compare.py, which imports this module
Lines = dict[tuple[str, str], dict[int, dict[str, Any]]]
"""(library, query) -> items -> result."""


def markdown(found: Found, shown: dict[str, str]) -> str:
    contests: dict[tuple[str, int], Lines] = {}
    for case, result in found:
        lines = contests.setdefault((case.query.split(":")[0], case.n_classes), {})
        lines.setdefault((case.library, case.query), {})[case.n_pool] = result
    classes_of: dict[str, int] = {}
    for contest, _ in contests:
        classes_of[contest] = classes_of.get(contest, 0) + 1
    named = {key: f"{key[0]}, {key[1]} classes" if classes_of[key[0]] > 1 else key[0] for key in contests}
    ratios = [line for key, lines in contests.items() for line in _ratios(named[key], lines, shown)]
    parts = [_table(("contest", "items", OURS, "best of the others", "ratio", "goal"), ratios)]
    parts += [f"**{named[key]}**\n\n{_details(key[0], lines, shown)}" for key, lines in contests.items()]
    return "\n\n".join(parts)


def _ratios(contest: str, lines: Lines, shown: dict[str, str]) -> Iterable[tuple[str, ...]]:
    """Ours against the fastest other at the largest size at which both ended."""
    others = {key: by_size for key, by_size in lines.items() if key[0] != OURS and key[1] not in NO_RIVALS}
    for (library, query), by_size in lines.items():
        both = [n for n in by_size if _ended(by_size[n]) and any(_ended(other.get(n, {})) for other in others.values())]
        if library != OURS or not both:
            continue
        n = max(both)
        mine = by_size[n]
        best = min((key for key in others if _ended(others[key].get(n, {}))), key=lambda key: others[key][n]["seconds"])
        theirs = others[best][n]
        variant = query.partition(":")[2]
        yield (
            f"{contest}, {variant}" if variant else contest,
            f"{n:,}",
            _cell(mine),
            f"{_name(best, shown)}: {_cell(theirs)}",
            f"{_number(ratio := theirs['seconds'] / mine['seconds'])} x",
            _goal(query, ratio),
        )


def _goal(query: str, ratio: float) -> str:
    goal = GOALS.get(query)
    if goal is None:
        return ""
    return f"{_number(goal)} x" if ratio >= goal else f"**{_number(goal)} x, missed**"


def _number(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:,.0f}"


def _details(contest: str, lines: Lines, shown: dict[str, str]) -> str:
    sizes = sorted({n for by_size in lines.values() for n in by_size})
    same = contest in SAME_PICKS
    head = ("library", *(f"{n:,}" for n in sizes), "times ours", *(("same picks",) if same else ()))
    ours = lines.get((OURS, contest), {})
    rows = []
    for key, by_size in lines.items():
        row = [_name(key, shown), *(_cell(by_size.get(n, {})) for n in sizes), _times(by_size, ours)]
        rows.append((*row, *((_common(by_size, ours) if ":" not in key[1] else "",) if same else ())))
    return _table(head, rows)


def _times(by_size: dict[int, dict[str, Any]], ours: dict[int, dict[str, Any]]) -> str:
    """Their seconds over ours, at the largest size at which both ended."""
    both = [n for n in by_size if _ended(by_size[n]) and _ended(ours.get(n, {}))]
    if not both:
        return ""
    n = max(both)
    at = "" if n == max(ours) else f" (at {n:,})"
    return f"{_number(by_size[n]['seconds'] / ours[n]['seconds'])}{at}"


def _common(by_size: dict[int, dict[str, Any]], ours: dict[int, dict[str, Any]]) -> str:
    both = [n for n in by_size if _ended(by_size[n]) and _ended(ours.get(n, {}))]
    if not both:
        return ""
    mine, theirs = set(ours[max(both)]["picks"]), set(by_size[max(both)]["picks"])
    return f"{len(mine & theirs)} of {len(mine)}"


def _cell(result: dict[str, Any]) -> str:
    if _ended(result):
        seconds = result["seconds"]
        shown = f"{seconds:.3f}" if seconds < 1 else _number(seconds)
        return f"{shown} s, {result['extra_mb']:,.0f} MB"
    if "over" in result:
        return f"over {result['over']}"
    if "skipped" in result:
        return f"not run ({result['skipped']})"
    return f"failed: {result['failed']}" if "failed" in result else ""


def _ended(result: dict[str, Any]) -> bool:
    return "seconds" in result


def _name(key: tuple[str, str], shown: dict[str, str]) -> str:
    variant = key[1].partition(":")[2]
    return f"{shown[key[0]]} ({variant})" if variant else shown[key[0]]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))

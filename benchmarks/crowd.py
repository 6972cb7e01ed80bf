"""One label from several answers: majority, weighted and Dawid-Skene against the truth. Needs QUERIST_DATA.

The sets are real answers, but for `team`: three made-up people who are right in 95, 85 and 70 of 100 items. Answers
arrive in random order, since ties go to the newest; with fewer answers an item than the set holds, they are drawn. A
difference is the mean over items of right or wrong against majority, with its 95 % interval over items.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from querist.stages.human_labeling.agreement import krippendorff_alpha
from querist.stages.human_labeling.resolve import Method, Vote, resolve, sort_out, tabulate

METHODS: tuple[Method, ...] = ("majority", "weighted", "dawid_skene")
SIZES: dict[str, tuple[int, ...]] = {
    "dog_breeds": (2, 3, 5, 10),
    "movie_sentences": (2, 3, 5, 10, 20),
    "cifar10n": (2, 3),
    "amazon_snippets": (2, 3, 5),
    "team": (2, 3),
}
TEAM = {"ann": 0.95, "bob": 0.85, "cy": 0.70}
REPEATS = 10


class Answers(NamedTuple):
    """`by_item`: who said what; `truth` None where it is the majority of the answers that were not drawn."""

    by_item: Mapping[str, Sequence[tuple[str, str]]]
    truth: Mapping[str, str] | None


class Found(NamedTuple):
    """(n_items,) share of the repeats in which each item came out right, by method."""

    right: dict[Method, np.ndarray]
    alpha: float

    def accuracy(self, method: Method) -> float:
        return float(self.right[method].mean())

    def gain(self, method: Method) -> tuple[float, float]:
        """Over majority, and half the width of its interval."""
        apart = self.right[method] - self.right["majority"]
        return float(apart.mean()), 1.96 * float(apart.std(ddof=1)) / float(np.sqrt(len(apart)))


def read(folder: Path, name: str) -> Answers:
    if name == "cifar10n":
        rows = _rows(folder / "cifar10n-12k" / "annotations.csv.gz")
        truth = {r["path"]: r["label"] for r in _rows(folder / "cifar10n-12k" / "labels.csv.gz")}
        return _answers(((r["path"], r["slot"], r["label"]) for r in rows), truth)
    if name == "team":
        return _team(np.random.default_rng(0))
    if name == "amazon_snippets":
        rows = _rows(folder / "crowd-amazon-snippets" / "ratings.csv.gz")
        return _answers(((r["item"], r["position"], r["sign"]) for r in rows), None)
    rows = _rows(folder / "crowd-workers" / f"{name}_annotations.csv.gz")
    truth = {r["item"]: r["gold"] for r in _rows(folder / "crowd-workers" / f"{name}_gold.csv.gz")}
    return _answers(((r["item"], r["worker"], r["label"]) for r in rows), truth)


def compare(answers: Answers, size: int, *, repeats: int = REPEATS, methods: Sequence[Method] = METHODS) -> Found:
    items = list(answers.by_item if answers.truth is None else answers.truth)
    right = {method: np.zeros(len(items)) for method in methods}
    alphas = []
    for repeat in range(repeats):
        votes, truth = _drawn(answers, size, np.random.default_rng(repeat))
        for method in methods:
            resolved = resolve(votes, method=method)
            right[method] += [resolved.get(item) == truth[item] for item in items]
        table = tabulate(sort_out(votes)[0])
        alphas.append(krippendorff_alpha(table.codes, len(table.labels)))
    return Found({method: counted / repeats for method, counted in right.items()}, float(np.mean(alphas)))


def _drawn(answers: Answers, size: int, rng: np.random.Generator) -> tuple[list[Vote], Mapping[str, str]]:
    votes, others = [], {}
    for item, given in answers.by_item.items():
        order = rng.permutation(len(given))
        votes += [Vote(item, *given[at], f"{place:04d}") for place, at in enumerate(order[:size])]
        if answers.truth is None:
            others[item] = Counter(given[at][1] for at in order[size:]).most_common(1)[0][0]
    return votes, others if answers.truth is None else answers.truth


def _team(rng: np.random.Generator, n_items: int = 1000, n_classes: int = 10) -> Answers:
    """Whoever is wrong gives one of the other classes, each as likely."""
    truth = rng.integers(0, n_classes, n_items)
    rows = []
    for item, true in enumerate(truth):
        for who, accuracy in TEAM.items():
            wrong = (true + rng.integers(1, n_classes)) % n_classes
            rows.append((f"i{item}", who, str(true if rng.random() < accuracy else wrong)))
    return _answers(iter(rows), {f"i{item}": str(true) for item, true in enumerate(truth)})


def _answers(rows: Iterator[tuple[str, str, str]], truth: Mapping[str, str] | None) -> Answers:
    by_item: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for item, who, label in rows:
        by_item[item].append((who, label))
    return Answers(by_item, truth and {item: truth[item] for item in by_item if item in truth})


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SIZES)} (default: all)")
    names = parser.parse_args().names or list(SIZES)
    folder = Path(os.environ.get("QUERIST_DATA") or parser.error("set QUERIST_DATA to the folder of the data sets"))
    print(
        "| set | answers an item | alpha | majority | weighted | Dawid-Skene |\n| --- | --- | --- | --- | --- | --- |"
    )
    for name in names:
        answers = read(folder, name)
        for size in SIZES[name]:
            found = compare(answers, size)
            cells = [f"{found.accuracy('majority'):.1%}"]
            for method in METHODS[1:]:
                gain, half = found.gain(method)
                cells.append(f"{found.accuracy(method):.1%} ({100 * gain:+.1f} ± {100 * half:.1f})")
            print(f"| {name} | {size} | {found.alpha:.2f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

"""How often a window without drift exceeds a threshold: real items in random order, many references, three sizes.

Each reference is a random sample of a set's items, its windows are random samples of the others. "To" is the upper end
of the 95 % interval of the mean over references, for the windows of one share its luck. Reads `QUERIST_DATA`.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import tempfile
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np
from table import Row, print_table

from querist.core.types import Indices
from querist.pipeline.monitoring.references import find_model
from querist.pipeline.monitoring.traffic import RawItems
from querist.pipeline.project import Project
from querist.stages.monitoring.calibrate import Calibration, calibrate, confirm
from querist.stages.monitoring.reference import Sample
from querist.stages.monitoring.views import View, views

SIZES = (100, 500, 2_000)
N_ITEMS, N_TRAINED, REFERENCE = 24_000, 2_000, 10_000
LEVEL, PATIENCE = 0.01, 2
COMMON = """
[objective]
metric = "accuracy"
[seed_set]
size = 300
draw = "random"
[evaluation]
resamples = 100
[data]
"""


class Set(NamedTuple):
    file: str
    settings: str
    tests: tuple[str, ...] = ("kl_classes", "kl_entropy", "mmd")


SETS = {
    "reviews": Set("flipkart-reviews/reviews.csv.gz", 'text = ["title", "text"]\nlabel = "label"\n'),
    "prices": Set(
        "drift-electricity/elec.csv.gz",
        'kind = "tabular"\nlabel = "class"\nnumeric = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand"]\n',
        ("kl_classes", "kl_entropy", "mmd", "columns"),
    ),
    "mail": Set("drift-spam-mail/mail.csv.gz", 'text = ["subject", "text"]\nlabel = "label"\n'),
}


class Rates(NamedTuple):
    """By reference the share of its windows over a threshold, and of pairs of windows that are both over."""

    over: list[float]
    alarms: list[float]


def rows(names: Sequence[str], sizes: Sequence[int], references: int, windows: int) -> list[Row]:
    found = []
    for name in names:
        world = items_of(SETS[name])
        for size in (size for size in sizes if 3 * size <= len(world)):
            rates = rates_of(world, SETS[name].tests, size, references, windows)
            mean, half = np.mean(rates.over), 1.96 * np.std(rates.over, ddof=1) / sqrt(references)
            said = f"{mean:.2%} (to {mean + half:.2%}) of {references * windows:,}, alarms {np.mean(rates.alarms):.3%}"
            found.append(Row(f"{name}, windows of {size:,}", said, f"{LEVEL:.0%}"))
    return found


def rates_of(world: Sample, tests: tuple[str, ...], size: int, references: int, windows: int) -> Rates:
    over, alarms = [], []
    for number in range(references):
        rng = np.random.default_rng([number, size])
        order = rng.permutation(len(world))
        n = max(min(REFERENCE, len(world) - 2 * size), 2 * size)
        reference, rest = world.take(np.sort(order[:n])), order[n:]
        made = views(reference, tests)
        calibration = calibrate(reference, made, tests, size, level=LEVEL, rng=rng)
        drawn = [rng.choice(rest, size, replace=False) for _ in range(windows)]
        said = judged(world, reference, made, calibration, drawn, rng)
        over.append(float(np.mean(said)))
        alarms.append(float(np.mean([all(said[at : at + PATIENCE]) for at in range(len(said) - PATIENCE + 1)])))
    return Rates(over, alarms)


def judged(
    world: Sample,
    reference: Sample,
    tests: dict[str, View],
    calibration: Calibration,
    windows: Sequence[Indices],
    rng: np.random.Generator,
) -> list[bool]:
    """Whether each window drifts by the thresholds and by the permutation test, as `querist monitor check` decides."""
    features = {name: view.features(world) for name, view in tests.items()}
    before = {name: view.features(reference).mean(axis=0, dtype=np.float64) for name, view in tests.items()}
    found = []
    for at in windows:
        now = {name: features[name][at].mean(axis=0, dtype=np.float64) for name in tests}
        values = {n: float(view.compare(before[n], now[n], len(reference), len(at))) for n, view in tests.items()}
        said = calibration.judge(values)
        if said.over:
            said = confirm(said, calibration, reference, world.take(at), tests, values, rng)
        found.append(bool(said.over))
    return found


def items_of(one: Set) -> Sample:
    """Up to N_ITEMS items as a model that learned from others of the same set sees them."""
    with gzip.open(Path(os.environ["QUERIST_DATA"]) / one.file, "rt", encoding="utf-8") as file:
        every = list(csv.DictReader(file))
    order = np.random.default_rng(0).permutation(len(every))
    trained, rest = order[: min(N_TRAINED, len(every) // 6)], order[min(N_TRAINED, len(every) // 6) :][:N_ITEMS]
    with tempfile.TemporaryDirectory(prefix="querist-bench-") as base:
        folder = Path(base)
        (folder / "querist.toml").write_text(COMMON + one.settings, encoding="utf-8")
        for file_name, chosen in (("first.csv", trained), ("rest.csv", rest)):
            with (folder / file_name).open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(every[0]))
                writer.writeheader()
                writer.writerows(every[at] for at in chosen)
        project = Project(folder)
        project.ingest(folder / "first.csv")
        project.run(rounds=0, oracle="label")
        reader = RawItems(project, find_model(project))
        items = reader.cleaned([item for _, item in reader.items(folder / "rest.csv") if item is not None])
        proba, embeddings = reader.predict(items)
    columns = {name.removeprefix("x."): np.asarray(v) for name, v in items.items() if name.startswith("x.")}
    return Sample(proba.astype(np.float32), embeddings, columns=columns)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SETS), metavar="NAME", help=f"of {', '.join(SETS)}")
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--references", type=int, default=60)
    parser.add_argument("--windows", type=int, default=100, help="of each reference")
    print_table(rows(**vars(parser.parse_args())))

"""Each example as it stands: its settings, its data in full through ingest, and a round on a part of the data."""

import csv
import gzip
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from querist import Project, config

EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Example:
    """`read` to `test` are the counts its README gives; the short run looks at one row of `every`."""

    folder: str
    data: str
    oracle: str
    read: int
    quarantined: int
    pool: int
    validation: int
    test: int
    every: int


REVIEWS = "flipkart-reviews/reviews.csv.gz"
ALL = [
    Example("ecommerce_reviews", REVIEWS, "label", 205_052, 3, 89_717, 10_059, 10_975, 100),
    Example("ecommerce_reviews/by_stars", REVIEWS, "stars", 205_052, 3, 89_717, 10_059, 10_975, 100),
    Example("question_types", "trec/trec.csv.gz", "label", 5_952, 0, 4_806, 559, 500, 6),
    Example("bank_intents", "banking77/banking77.csv.gz", "label", 13_083, 0, 8_896, 1_051, 3_076, 10),
    Example("digits", "mnist-10k/mnist10k.npz", "labels", 10_000, 0, 7_162, 800, 1_997, 20),
    Example("electricity", "drift-electricity/elec.csv.gz", "class", 45_312, 0, 36_099, 4_499, 4_705, 50),
]
TOP = [example for example in ALL if "/" not in example.folder]
"""Without the second target of the same data."""
examples = pytest.mark.parametrize("example", ALL, ids=lambda example: example.folder)


def test_every_example_is_tested_and_described():
    found = {path.parent for path in EXAMPLES.rglob(config.FILE_NAME)}
    assert found - {EXAMPLES / "a_month"} == {EXAMPLES / example.folder for example in ALL}, (
        "tests/month plays that one"
    )
    described = {path.parent for path in EXAMPLES.rglob("README.md")}
    assert all({folder, folder.parent} & described for folder in found)


@examples
def test_settings_are_valid_and_say_why(example):
    settings = config.load(EXAMPLES / example.folder / config.FILE_NAME)
    assert settings.objective.why
    assert example.oracle == settings.data.label


@pytest.mark.long
@pytest.mark.parametrize("example", TOP, ids=lambda example: example.folder)
def test_ingest_counts_what_the_data_holds(example, tmp_path, data_folder):
    report = project(example, tmp_path).ingest(data_folder / example.data)
    counts = {"read": report.read, "quarantined": report.quarantined, **report.primary}
    assert counts == {
        "read": example.read,
        "quarantined": example.quarantined,
        "pool": example.pool,
        "validation": example.validation,
        "test": example.test,
    }


@pytest.mark.long
@examples
def test_a_round_on_a_part_of_the_data_ends_with_a_measured_model(example, tmp_path, data_folder):
    source = tmp_path / Path(example.data).name
    write_part(data_folder / example.data, source, example.every)
    found = project(example, tmp_path, seed=200, batch=20)
    found.ingest(source)
    outcome = found.run(rounds=1, oracle=example.oracle)
    assert outcome.status == "done"
    rounds = found.status()["rounds"]
    assert [row["asked"] for row in rounds] == [200, 20]
    assert all(0 < row["low"] <= row["value"] <= row["high"] <= 1 for row in rounds)


def project(example: Example, folder: Path, *, seed: int | None = None, batch: int | None = None) -> Project:
    """The example's project in a folder of its own, with a smaller seed set and batch where given."""
    text = (EXAMPLES / example.folder / config.FILE_NAME).read_text(encoding="utf-8")
    for setting, value in (("size", seed), ("batch_size", batch)):
        if value is not None:
            text, changed = re.subn(rf"(?m)^{setting} = \d+$", f"{setting} = {value}", text)
            assert changed == 1
    (folder / config.FILE_NAME).write_text(text, encoding="utf-8")
    return Project(folder)


def write_part(source: Path, target: Path, every: int) -> None:
    if source.suffix == ".npz":
        with np.load(source) as arrays:
            np.savez(target, **{name: arrays[name][::every] for name in arrays})
        return
    with (
        gzip.open(source, "rt", newline="", encoding="utf-8") as rows,
        gzip.open(target, "wt", newline="", encoding="utf-8", compresslevel=1) as part,
    ):
        reader, writer = csv.reader(rows), csv.writer(part)
        writer.writerow(next(reader))
        writer.writerows(row for number, row in enumerate(reader) if number % every == 0)

"""The real data sets, from QUERIST_DATA."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from querist.config import parse
from querist.pipeline.ingest import IngestReport, ingest
from querist.snapshots import TEST, Snapshot


def run(base: Path, source: Path, **data: object) -> tuple[IngestReport, Snapshot]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    report = ingest(source, parse({"data": data}), base=base, parent=None, quarantine=base / "quarantine", now=now)
    return report, Snapshot.open(base / "snapshots", report.snapshot)


@pytest.mark.long
def test_product_reviews_lose_their_three_shifted_rows_and_nothing_else(tmp_path, data_folder):
    report, snapshot = run(
        tmp_path,
        data_folder / "flipkart-reviews" / "reviews.csv.gz",
        id="id",
        text=["title", "text"],
        label="label",
        split="split",
        context=["product", "price", "stars"],
        checks={"stars": list("12345")},
    )
    assert report.read == 205_052
    assert report.reasons == {"stars is not one of 1, 2, 3, 4, 5": 3}
    assert report.added == 205_049
    assert 110_000 < report.groups < 112_000
    assert 990 <= report.conflicting_groups <= 1_000
    assert report.groups_across_splits == 0
    titles = [row.split("\n")[0] for shard in snapshot.shards for row in snapshot.items(shard)["text"]]
    assert titles.count("nan") == 24_664


@pytest.mark.long
def test_digits_from_arrays_keep_their_given_holdout(tmp_path, data_folder):
    report, snapshot = run(
        tmp_path,
        data_folder / "mnist-10k" / "mnist10k.npz",
        kind="image",
        image="images",
        label="labels",
        split="is_test",
    )
    assert report.rows["test"] == 2_000
    assert report.rows["validation"] > 700
    assert list(report.classes.values()) == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]
    assert not np.any(snapshot.primary() & (snapshot.splits() == TEST) & (snapshot.labels()[0] < 0))


@pytest.mark.long
def test_photos_are_found_in_the_zip_beside_their_table(tmp_path, data_folder):
    report, _ = run(
        tmp_path,
        data_folder / "cifar10n-12k" / "labels.csv.gz",
        kind="image",
        image="path",
        label="label",
        split="split",
        context=["crowd_worst"],
    )
    assert (report.added, report.quarantined, report.rows["test"]) == (12_000, 0, 2_000)


@pytest.mark.long
def test_a_numeric_stream_is_read_as_a_table(tmp_path, data_folder):
    columns = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]
    source = data_folder / "drift-electricity" / "elec.csv.gz"
    report, snapshot = run(tmp_path, source, kind="tabular", id="t", numeric=columns, label="class")
    assert report.added == snapshot.n_items == 45_312
    assert snapshot.take([1], ["x.nswprice"])["x.nswprice"].to_pylist() == [0.051699]


def test_questions_that_stand_in_both_splits_are_used_in_the_holdout_only(tmp_path, data_folder):
    source = data_folder / "trec" / "trec.csv.gz"
    report, _ = run(tmp_path, source, id="id", text=["text"], label="label", split="split")
    assert report.groups_across_splits >= 10
    assert report.primary["test"] == 500
    assert report.added == 5_952

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.errors import DataError, ShapeError, SnapshotCorrupt, UnknownName
from querist.snapshots import SPLITS, Manifest, ShardWriter, Snapshot, location, write_manifest
from querist.snapshots.folder import Folder

SCHEMA = {
    "id": "string",
    "group": "uint64",
    "primary": "bool",
    "split": "dictionary<string>",
    "label": "string",
    "text": "string",
}
SCHEMA |= {"c.shop": "string"}
LABELS = ["no", "yes", None]


def table(first: int, n: int) -> pa.Table:
    rows = range(first, first + n)
    splits = pa.DictionaryArray.from_arrays(pa.array([i % 3 for i in rows], pa.int8()), pa.array(SPLITS))
    return pa.table(
        {
            "id": [f"i{i}" for i in rows],
            "group": [i // 2 for i in rows],
            "primary": [i % 2 == 0 for i in rows],
            "split": splits,
            "label": pa.array([LABELS[i % 3] for i in rows], pa.string()),
            "text": [f"text {i}" for i in rows],
            "c.shop": [f"s{i % 2}" for i in rows],
        }
    )


def write(url: str | Path, n: int, parent: Snapshot | None = None, shard_rows: int = 4) -> Snapshot:
    start = parent.n_items if parent else 0
    writer = ShardWriter(Folder(url), start=start, shard_rows=shard_rows)
    for first in range(start, start + n, 3):
        writer.add(table(first, min(3, start + n - first)))
    shards = writer.close()
    manifest = Manifest(
        parent=parent.id if parent else None,
        root=parent.root_id if parent else None,
        n_root_shards=parent.n_root_shards if parent else len(shards),
        kind="text",
        schema=SCHEMA,
        shards=(*(parent.shards if parent else ()), *shards),
        classes=("no", "yes"),
        preprocessing=[],
        splits={"validation": 0.1},
        counts={},
        source="rows.csv",
        created_at=f"2026-01-01T00:00:{start:02d}",
    )
    write_manifest(Folder(url), manifest)
    return Snapshot.open(url, manifest.id)


@pytest.fixture
def snapshot(tmp_path):
    return write(tmp_path, 10)


def test_rows_are_cut_into_shards_that_know_where_they_start(snapshot):
    assert [(shard.start, shard.rows) for shard in snapshot.shards] == [(0, 4), (4, 4), (8, 2)]
    assert snapshot.n_items == 10
    assert snapshot.root_id == snapshot.id
    assert snapshot.n_root_shards == 3


def test_columns_come_as_small_arrays(snapshot):
    assert snapshot.splits().tolist() == [i % 3 for i in range(10)]
    assert snapshot.primary().tolist() == [i % 2 == 0 for i in range(10)]
    codes, classes = snapshot.labels()
    assert codes.tolist() == [0, 1, -1] * 3 + [0], "the others of a group lie in other splits here, and lend nothing"
    assert classes == ("no", "yes")
    assert snapshot.labels("shop")[0].tolist() == [0, 1] * 5
    assert snapshot.labels("shop", ["s1"])[0].tolist() == [-1, 0] * 5
    assert snapshot.items(snapshot.shards[2]) == {"text": ["text 8", "text 9"]}


def test_an_unknown_column_lists_those_available(snapshot):
    with pytest.raises(UnknownName, match=r"'shopp'.*Did you mean 'shop'"):
        snapshot.labels("shopp")
    with pytest.raises(UnknownName, match="'texts'"):
        snapshot.take([0], ["texts"])


@given(st.lists(st.integers(0, 29)))
@settings(max_examples=30)
def test_take_gives_the_rows_in_the_order_asked(tmp_path_factory, positions):
    snapshot = write(tmp_path_factory.getbasetemp() / "take", 30, shard_rows=12)
    assert snapshot.take(positions, ["id"])["id"].to_pylist() == [f"i{i}" for i in positions]


def test_take_reads_across_row_groups(tmp_path, monkeypatch):
    monkeypatch.setattr("querist.snapshots.writer.ROW_GROUP_ROWS", 3)
    snapshot = write(tmp_path, 20, shard_rows=10)
    for positions in ([9, 0, 3, 3, 19, 11], [5], list(range(20))[::-1]):
        assert snapshot.take(positions, ["id"])["id"].to_pylist() == [f"i{i}" for i in positions]


def test_take_refuses_positions_outside(snapshot):
    with pytest.raises(ShapeError, match=r"0\.\.9"):
        snapshot.take([10])


def test_find_gives_positions_of_ids(snapshot):
    assert snapshot.find(["i9", "i0", "none"]) == {"i0": 0, "i9": 9}


def test_a_child_lists_the_parents_shards_first_and_keeps_positions(tmp_path, snapshot):
    child = write(tmp_path, 5, snapshot)
    grandchild = write(tmp_path, 2, child)
    assert child.shards[:3] == snapshot.shards
    assert child.take(range(10)).equals(snapshot.take(range(10)))
    assert (grandchild.root_id, grandchild.n_root_shards, grandchild.parent) == (snapshot.id, 3, child.id)
    assert {path.stem for path in (tmp_path / "manifests").iterdir()} == {snapshot.id, child.id, grandchild.id}


def test_the_same_content_has_the_same_id_whatever_its_source_and_time(snapshot):
    manifest = snapshot.manifest
    assert replace(manifest, source="other", created_at="later", counts={"a": 1}).id == manifest.id
    assert replace(manifest, preprocessing=[{"name": "unicode"}]).id != manifest.id
    assert replace(manifest, parent="x").id != manifest.id


def test_verify_finds_a_flipped_byte_and_a_missing_shard(tmp_path, snapshot):
    assert snapshot.verify() == []
    first, second = (tmp_path / shard.name for shard in snapshot.shards[:2])
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(content)
    second.unlink()
    assert snapshot.verify() == [f"{first}: its bytes differ from their checksum", f"{second}: missing"]
    with pytest.raises(SnapshotCorrupt, match=second.name):
        snapshot.take([5])


@pytest.mark.parametrize("key", ["source", "kind", "id"])
def test_verify_finds_a_changed_manifest(tmp_path, snapshot, key):
    path = tmp_path / "manifests" / f"{snapshot.id}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: "image"}))
    assert Snapshot.open(tmp_path, snapshot.id).verify() == [f"{path}: the manifest was changed"]


def test_an_unreadable_manifest_names_its_file(tmp_path, snapshot):
    (tmp_path / "manifests" / f"{snapshot.id}.json").write_text("{")
    with pytest.raises(SnapshotCorrupt, match=snapshot.id):
        Snapshot.open(tmp_path, snapshot.id)


def test_an_unknown_snapshot_lists_those_available(tmp_path, snapshot):
    with pytest.raises(DataError, match=f"no snapshot 'abc'.*{snapshot.id}"):
        Snapshot.open(tmp_path, "abc")


def test_any_fsspec_url_will_do():
    snapshot = write("memory://here/snapshots", 10)
    assert snapshot.verify() == []
    assert snapshot.take([9, 1], ["text"])["text"].to_pylist() == ["text 9", "text 1"]
    assert Snapshot.open("memory://here/snapshots", snapshot.id).n_items == snapshot.n_items


def test_a_location_is_a_url_or_a_folder_from_the_base(tmp_path):
    assert location("s3://bucket/x", tmp_path) == "s3://bucket/x"
    assert location("snapshots", tmp_path) == str(tmp_path / "snapshots")
    assert location("/data/snapshots", tmp_path) == "/data/snapshots"


def test_nothing_half_written_is_left_behind(tmp_path, snapshot):
    assert not list(tmp_path.rglob("*.part"))
    assert np.array_equal(Snapshot.open(str(tmp_path), snapshot.id).splits(), snapshot.splits())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sha256", "../../../etc/passwd"),
        ("sha256", "A" * 64),
        ("sha256", "a" * 64 + "\n"),
        ("rows", -1),
        ("rows", 1.5),
        ("rows", True),
        ("start", "0"),
        ("bytes", None),
    ],
)
def test_a_manifest_from_outside_leads_to_no_other_path_and_no_odd_position(tmp_path, snapshot, field, value):
    path = tmp_path / "manifests" / f"{snapshot.id}.json"
    values = json.loads(path.read_text())
    values["shards"][0][field] = value
    path.write_text(json.dumps(values))
    with pytest.raises(SnapshotCorrupt, match=r"is no readable manifest .*restore it"):
        Snapshot.open(tmp_path, snapshot.id)

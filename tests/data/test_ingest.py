import io
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from querist.config import Settings, parse
from querist.core.errors import DataError, SettingError
from querist.pipeline.exchange import intake
from querist.pipeline.ingest import IngestReport, ingest
from querist.snapshots import POOL, TEST, VALIDATION, Snapshot
from querist.stages.raw_data.arrays import rows_of


def pillow():
    return pytest.importorskip("PIL.Image", reason="the extra images is not installed")


NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEAD = "id,text,label\n"
DATA = {"id": "id", "text": ["text"], "label": "label"}


def setting(**data: object) -> Settings:
    return parse({"data": {**DATA, **data}})


def run(base: Path, source, *, parent: str | None = None, to: Settings | None = None) -> IngestReport:
    if isinstance(source, str):
        base.mkdir(parents=True, exist_ok=True)
        (base / "rows.csv").write_text(source)
        source = base / "rows.csv"
    return ingest(source, to or setting(), base=base, parent=parent, quarantine=base / "quarantine", now=NOW)


def opened(base: Path, report: IngestReport) -> Snapshot:
    return Snapshot.open(base / "snapshots", report.snapshot)


def column(snapshot: Snapshot, name: str) -> list[object]:
    return snapshot.take(range(snapshot.n_items), [name])[name].to_pylist()


def test_good_rows_become_items_and_bad_ones_are_counted_and_kept_aside(tmp_path):
    report = run(
        tmp_path, HEAD + "1,good <b>day</b>,a\n2,bad\n3, ,b\n1,good <b>day</b>,a\n1,other,a\n4,<p>,a\n5,bye,b\n"
    )
    assert (report.read, report.added, report.repeated, report.quarantined) == (7, 2, 1, 4)
    snapshot = opened(tmp_path, report)
    assert column(snapshot, "text") == ["good day", "bye"]
    assert column(snapshot, "id") == ["1", "5"]
    assert snapshot.classes == ("a", "b")
    lines = [json.loads(line) for line in Path(str(report.quarantine)).read_text().splitlines()]
    assert [(line["line"], line["reason"]) for line in lines] == [
        (3, "2 fields where the header has 3"),
        (4, "no text"),
        (6, "same id as an earlier row with other content"),
        (7, "no text left after pre-processing"),
    ]
    assert lines[2]["row"] == '{"id": "1", "text": "other", "label": "a"}'
    assert not (tmp_path / ".ingest").exists()


def test_without_ids_the_content_names_the_item_and_whole_repeats_are_dropped(tmp_path):
    report = run(tmp_path, "text,label\na,x\na,x\na,y\nA!,x\n", to=setting(id=None))
    assert (report.added, report.repeated, report.groups, report.duplicates) == (3, 1, 1, 2)
    assert (report.near_duplicates, report.conflicting_groups, report.conflicting_items) == (1, 1, 3)
    snapshot = opened(tmp_path, report)
    assert snapshot.primary().tolist() == [True, False, False]
    assert len(set(column(snapshot, "id"))) == 3


def test_the_same_source_gives_the_same_snapshot_anywhere(tmp_path):
    rows = HEAD + "".join(f"{i},text {i},a\n" for i in range(100))
    first, second = run(tmp_path / "one", rows), run(tmp_path / "two", rows)
    assert first.snapshot == second.snapshot
    again = run(tmp_path / "one", rows)
    assert again.snapshot == first.snapshot
    assert len(list((tmp_path / "one" / "snapshots" / "manifests").iterdir())) == 1


def test_ingesting_again_adds_nothing_and_names_the_parent(tmp_path):
    first = run(tmp_path, HEAD + "1,one,a\n2,two,b\n")
    again = run(tmp_path, HEAD + "1,one,a\n2,two,b\n", parent=first.snapshot)
    assert (again.snapshot, again.added, again.repeated) == (first.snapshot, 0, 2)
    assert again.rows == first.rows


def test_a_child_keeps_positions_splits_and_primary_items(tmp_path):
    first = run(tmp_path, HEAD + "".join(f"{i},text {i},b\n" for i in range(50)))
    parent = opened(tmp_path, first)
    more = HEAD + "1,text 1,b\n2,changed,b\n100,TEXT 7!,a\n101,new,c\n"
    second = run(tmp_path, more, parent=first.snapshot)
    child = opened(tmp_path, second)
    assert (second.added, second.repeated, second.quarantined) == (2, 1, 1)
    assert column(child, "id")[:50] == column(parent, "id")
    assert np.array_equal(child.splits()[:50], parent.splits())
    assert child.primary().tolist() == [True] * 50 + [False, True]
    assert child.splits()[50] == child.splits()[7]
    assert child.classes == ("b", "a", "c")
    assert (second.groups, second.duplicates, second.conflicting_items) == (51, 1, 2)
    assert (child.parent, child.root_id, child.n_root_shards) == (parent.id, parent.id, 1)
    assert second.classes == {"a": 1, "b": 50, "c": 1}


def test_a_label_lent_within_a_group_is_not_counted_as_a_row_of_its_own(tmp_path):
    first = run(tmp_path, HEAD + "1,same,\n2,Same,a\n")
    second = run(tmp_path, HEAD + "3,more,a\n", parent=first.snapshot)
    assert opened(tmp_path, second).labels()[0].tolist() == [0, 0, 0]
    assert second.classes == {"a": 2}


def test_a_child_must_be_of_the_parents_making(tmp_path):
    first = run(tmp_path, HEAD + "1,one,a\n")
    other = parse({"data": DATA, "preprocessing": {"steps": ["lowercase"]}})
    with pytest.raises(SettingError, match=r"another preprocessing \(unicode 1, "):
        run(tmp_path, HEAD + "2,two,a\n", parent=first.snapshot, to=other)
    with pytest.raises(SettingError, match="another schema"):
        run(tmp_path, HEAD + "2,two,a\n", parent=first.snapshot, to=setting(context=["label"]))


def test_given_splits_hold_and_the_missing_one_is_drawn_from_the_pool(tmp_path):
    rows = "".join(f"{i},text {i},a,{'test' if i % 5 == 0 else 'train'}\n" for i in range(1000))
    report = run(tmp_path, "id,text,label,split\n" + rows, to=setting(split="split"))
    snapshot = opened(tmp_path, report)
    tests = np.arange(1000) % 5 == 0
    assert np.array_equal(snapshot.splits() == TEST, tests)
    assert 0.05 < (snapshot.splits()[~tests] == VALIDATION).mean() < 0.15
    assert report.rows["test"] == report.primary["test"] == 200


def test_a_child_draws_its_splits_as_its_root_did(tmp_path):
    to = setting(split="split")
    head = "id,text,label,split\n"
    first = run(tmp_path, head + "1,a,x,validation\n2,b,x,test\n3,c,x,pool\n", to=to)
    second = run(tmp_path, head + "".join(f"{i},t{i},x,pool\n" for i in range(10, 99)), parent=first.snapshot, to=to)
    assert set(opened(tmp_path, second).splits()[3:].tolist()) == {POOL}


def test_a_group_on_both_sides_is_used_in_the_holdout_only_and_reported(tmp_path):
    rows = "id,text,label,split\n1,same,a,train\n2,Same.,a,test\n3,else,a,train\n"
    report = run(tmp_path, rows, to=setting(split="split"))
    assert report.groups_across_splits == 1
    assert opened(tmp_path, report).primary().tolist() == [False, True, True]
    assert any("in several splits" in warning for warning in report.warnings)


def test_no_usable_row_is_an_error_and_nothing_is_written(tmp_path):
    with pytest.raises(DataError, match=r"no usable row: 2 read, 2 x no text"):
        run(tmp_path, HEAD + "1,,a\n2,,a\n")
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.parametrize(
    ("content", "to"),
    [
        ("id,body\n1,a\n", setting()),
        (HEAD + "1,a,b\n", setting(context=["gone"])),
        (HEAD + "1,a,b\n", parse({"data": DATA, "preprocessing": {"steps": ["none"]}})),
        (HEAD + "1,a,b\n", parse({"data": {"kind": "tabular"}})),
    ],
)
def test_a_bad_setting_is_an_error_and_nothing_is_written(tmp_path, content, to):
    with pytest.raises(SettingError):
        run(tmp_path, content, to=to)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def test_declared_classes_keep_their_order_and_refuse_others(tmp_path):
    report = run(tmp_path, HEAD + "1,one,a\n2,two,c\n", to=setting(classes=["b", "a"]))
    assert opened(tmp_path, report).classes == ("b", "a")
    assert report.reasons == {"label is not among the classes": 1}
    refused = json.loads(Path(report.quarantine).read_text())
    assert refused["reason"] == "label is not among the classes: 'c' is none of b, a"


def test_nested_json_is_kept_as_json(tmp_path):
    line = json.dumps({"id": 1, "text": ["it's", {"a": None}], "label": "a", "shop": {"at": [1, 2]}})
    (tmp_path / "rows.jsonl").write_text(line + "\n")
    report = run(tmp_path, tmp_path / "rows.jsonl", to=setting(context=["shop"]))
    snapshot = opened(tmp_path, report)
    assert snapshot.take([0], ["text", "c.shop"]).to_pylist() == [
        {"text": '["it\'s", {"a": null}]', "c.shop": '{"at": [1, 2]}'}
    ]


def test_a_missing_shard_is_made_again_from_its_source(tmp_path):
    first, second = HEAD + "1,one,a\n2,two,b\n", HEAD + "3,three,a\n4,four,b\n"
    root = run(tmp_path, first)
    child = run(tmp_path, second, parent=root.snapshot)
    shards = opened(tmp_path, child).shards
    for shard in shards:
        (tmp_path / "snapshots" / shard.name).unlink()
    with pytest.raises(DataError, match=rf"snapshot {root.snapshot} lacks shards, and rows.csv does not give those"):
        run(tmp_path, HEAD + "5,five,a\n", parent=child.snapshot)
    again = run(tmp_path, first, parent=child.snapshot, to=setting(classes=["a", "b", "c"]))
    assert (again.snapshot, again.added, again.repeated) == (child.snapshot, 0, 2)
    with pytest.raises(DataError, match=rf"snapshot {child.snapshot} lacks shards"):
        run(tmp_path, first, parent=child.snapshot)
    assert run(tmp_path, second, parent=child.snapshot).snapshot == child.snapshot
    assert opened(tmp_path, child).verify() == []
    assert len(list((tmp_path / "snapshots" / "manifests").iterdir())) == 2


def test_arrays_in_memory_are_a_source(tmp_path):
    to = parse({"data": {"kind": "tabular", "numeric": ["X_0", "X_1"], "label": "label"}})
    report = run(tmp_path, rows_of(np.array([[1.0, 2.0], [3.0, np.nan]]), [0, 1]), to=to)
    snapshot = opened(tmp_path, report)
    items = snapshot.items(snapshot.shards[0])
    assert items["x.X_0"] == [1.0, 3.0]
    assert np.isnan(items["x.X_1"][1])
    assert snapshot.classes == ("0", "1")


def test_images_are_stored_as_bytes(tmp_path):
    pillow()
    pixels = np.random.default_rng(0).integers(0, 255, (3, 9, 9), dtype=np.uint8)
    to = parse({"data": {"kind": "image", "image": "image", "label": "label"}})
    snapshot = opened(tmp_path, run(tmp_path, rows_of(pixels, ["a", "b", "a"]), to=to))
    stored = snapshot.items(snapshot.shards[0])["image"]
    assert np.array_equal(np.asarray(pillow().open(io.BytesIO(stored[1]))), pixels[1])


def test_blocks_do_not_change_the_outcome(tmp_path, monkeypatch):
    rows = HEAD + "".join(f"{i},text {i % 40},{i % 2}\n" for i in [*range(60), *range(30)])
    whole = run(tmp_path / "whole", rows)
    monkeypatch.setattr(intake, "BLOCK_ROWS", 7)
    assert run(tmp_path / "parts", rows) == whole.__class__(**{**whole.__dict__, "quarantine": None})


rows = st.tuples(st.integers(0, 8), st.sampled_from("abcd"), st.sampled_from(["x", "y", ""]))


@given(st.lists(st.lists(rows, min_size=1, max_size=12), min_size=1, max_size=4))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_ingested_in_whatever_parts_adds_up(tmp_path_factory, parts):
    base = tmp_path_factory.mktemp("parts")
    parent, known = None, {}
    for part in parts:
        content = HEAD + "".join(f"{id},{text},{label}\n" for id, text, label in part)
        report = run(base, content, parent=parent)
        for id, text, label in part:
            known.setdefault(str(id), (text, label or None))
        assert report.read == len(part) == report.added + report.repeated + report.quarantined
        parent = report.snapshot
    snapshot = opened(base, report)
    stored = snapshot.take(range(snapshot.n_items), ["id", "text", "label"]).to_pylist()
    assert {row["id"]: (row["text"], row["label"]) for row in stored} == known
    texts = np.array(column(snapshot, "text"))
    assert sorted(texts[snapshot.primary()]) == sorted(set(texts))
    assert all(len(set(snapshot.splits()[texts == text])) == 1 for text in texts)
    assert report.groups == len(set(texts))
    assert snapshot.verify() == []


KILLED = """
import sys
from datetime import datetime
from pathlib import Path
from querist.config import parse
from querist.pipeline.ingest import ingest
base = Path(sys.argv[1])
settings = parse({"data": {"id": "id", "text": ["text"], "label": "label"}})
print("go", flush=True)
ingest(base / "rows.csv", settings, base=base, parent=None, quarantine=base / "q", now=datetime(2026, 1, 1))
"""


@pytest.mark.long
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_at_any_moment_nothing_is_published_and_a_second_run_succeeds(tmp_path):
    content = HEAD + "".join(f"{i},text number {i},{i % 2}\n" for i in range(30_000))
    expected = run(tmp_path / "whole", content)
    base = tmp_path / "killed"
    base.mkdir()
    (base / "rows.csv").write_text(content)
    for wait in (0.1, 0.25, 0.4):
        process = subprocess.Popen([sys.executable, "-c", KILLED, base], stdout=subprocess.PIPE, env=os.environ)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.kill()
        process.communicate()
        published = {path.name for path in base.glob("snapshots/manifests/*.json")}
        assert published in (set(), {path.name for path in tmp_path.glob("whole/snapshots/manifests/*.json")})
    assert run(base, content).snapshot == expected.snapshot
    assert opened(base, expected).verify() == []

import gzip
import io
import json
import tracemalloc
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from querist.config.data import DataSettings
from querist.core.errors import DataError, SettingError, ShapeError
from querist.stages.raw_data.arrays import rows_of
from querist.stages.raw_data.rows import BadRow, Row
from querist.stages.raw_data.sources import open_source


def pillow():
    return pytest.importorskip("PIL.Image", reason="the extra images is not installed")


TEXT = DataSettings(text=["text"], label="label")
IMAGE = DataSettings(kind="image", label="label")


def png(colour: int = 0) -> bytes:
    file = io.BytesIO()
    pillow().new("L", (4, 4), colour).save(file, "PNG")
    return file.getvalue()


def lines(*objects: object) -> str:
    return "".join(json.dumps(o) + "\n" for o in objects)


def test_json_lines_are_rows_and_what_is_left_out_is_missing(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(lines({"text": "a", "label": "x"}, {"text": "b"}))
    assert list(open_source(path, TEXT)) == [
        Row(1, {"text": "a", "label": "x"}),
        Row(2, {"text": "b", "label": None}),
    ]


def test_a_bad_json_line_is_a_bad_row(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    content = lines({"text": "a", "label": "x"}).encode() + b'{"text": \n[1]\n\n{"text": "b\xff"}\n{"text": "c"}\n'
    path.write_bytes(gzip.compress(content))
    data = TEXT.model_copy(update={"encoding": "utf-8"})
    rows = list(open_source(path, data))
    assert [(r.line, r.reason) for r in rows if isinstance(r, BadRow)] == [
        (2, "not valid JSON"),
        (3, "not a JSON object"),
        (5, "bytes that do not decode"),
    ]
    assert [r.values["text"] for r in rows if isinstance(r, Row)] == ["a", "c"]


def test_a_key_that_no_json_line_has_is_a_missing_column(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(lines({"text": "a"}, {"text": "b"}))
    with pytest.raises(SettingError, match=r"no column 'label'. Available: text"):
        open_source(path, TEXT)


def test_parquet_gives_only_the_columns_asked_for(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a", None], "label": [1, 2], "other": [0.5, 1.5]}), path)
    assert list(open_source(path, TEXT)) == [
        Row(1, {"text": "a", "label": 1}),
        Row(2, {"text": None, "label": 2}),
    ]


def test_parquet_of_one_large_row_group_does_not_lie_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    texts = pa.array([rng.bytes(25_000).hex() for _ in range(1000)])
    pq.write_table(
        pa.table({"text": texts, "label": ["x"] * 1000}),
        tmp_path / "rows.parquet",
        write_batch_size=32,
        compression="none",
    )
    assert pq.ParquetFile(tmp_path / "rows.parquet").num_row_groups == 1
    usual, counted = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(counted)
    try:
        assert sum(1 for _ in open_source(tmp_path / "rows.parquet", TEXT)) == 1000
    finally:
        pa.set_memory_pool(usual)
    assert counted.max_memory() < 30 << 20, "the column has 48 MiB"


def test_a_file_that_is_no_parquet_is_one_clear_error(tmp_path):
    (tmp_path / "rows.parquet").write_bytes(b"text,label\n")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        open_source(tmp_path / "rows.parquet", TEXT)


def test_a_folder_of_images_takes_labels_from_its_subfolders(tmp_path):
    for name in ("dog/b.PNG", "cat/a.png", "dog/notes.txt", "top.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(png())
    rows = list(open_source(tmp_path, IMAGE))
    assert [(r.values["path"], r.values["label"]) for r in rows if isinstance(r, Row)] == [
        ("top.png", None),
        ("cat/a.png", "cat"),
        ("dog/b.PNG", "dog"),
    ]


def test_a_zip_of_images_reads_like_a_folder(tmp_path):
    with ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in ("train/dog/1.png", "__MACOSX/dog/1.png", "train/cat/2.png"):
            archive.writestr(name, png())
    rows = list(open_source(tmp_path / "images.zip", IMAGE))
    assert [r.values["label"] for r in rows if isinstance(r, Row)] == ["cat", "dog"]


def test_a_folder_without_images_says_so(tmp_path):
    with pytest.raises(DataError, match="holds no image"):
        open_source(tmp_path, IMAGE)


def test_a_table_names_images_beside_it_in_folders_and_in_zips(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "here.png").write_bytes(png(1))
    (tmp_path / "photos" / "there.png").write_bytes(png(2))
    with ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("a/zipped.png", png(3))
    secret = tmp_path.parent / "secret.png"
    secret.write_bytes(png(4))
    names = ["here.png", "there.png", "a/zipped.png", "gone.png", "../secret.png", str(secret)]
    (tmp_path / "t.csv").write_text("\n".join(["file,label", *(f"{name},x" for name in names)]))
    rows = list(open_source(tmp_path / "t.csv", DataSettings(kind="image", image="file", label="label")))
    assert [r.values["file"] for r in rows if isinstance(r, Row)] == [png(1), png(2), png(3)]
    assert [r.line for r in rows if isinstance(r, BadRow)] == [5, 6, 7]


def test_a_damaged_zip_member_is_a_bad_row(tmp_path):
    path = tmp_path / "images.zip"
    with ZipFile(path, "w") as archive:
        archive.writestr("a/1.png", png(1))
        archive.writestr("a/2.png", png(2))
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 4] ^= 1
    path.write_bytes(content)
    rows = list(open_source(path, IMAGE))
    assert [type(row) for row in rows] == [BadRow, Row]


def test_arrays_become_columns(tmp_path):
    path = tmp_path / "set.npz"
    np.savez(path, X=np.array([[1.0, 2.0], [3.0, 4.0]]), y=np.array([0, 1]))
    data = DataSettings(kind="tabular", numeric=["X_0", "X_1"], label="y")
    assert list(open_source(path, data)) == [
        Row(1, {"X_0": 1.0, "X_1": 2.0, "y": 0}),
        Row(2, {"X_0": 3.0, "X_1": 4.0, "y": 1}),
    ]


def test_arrays_of_bytes_with_three_or_four_axes_are_images(tmp_path):
    np.savez(tmp_path / "set.npz", images=np.zeros((2, 4, 4, 3), np.uint8), labels=np.array(["a", "b"]))
    rows = list(open_source(tmp_path / "set.npz", DataSettings(kind="image", image="images", label="labels")))
    assert [r.values["images"].shape for r in rows if isinstance(r, Row)] == [(4, 4, 3)] * 2


def test_a_pickle_in_an_npz_is_never_loaded(tmp_path):
    np.savez(tmp_path / "set.npz", text=np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="without pickle"):
        open_source(tmp_path / "set.npz", DataSettings(text=["text"]))


def test_arrays_of_different_lengths_are_refused(tmp_path):
    np.savez(tmp_path / "set.npz", text=np.array(["a", "b"]), label=np.array([1]))
    with pytest.raises(DataError, match="differ in length"):
        open_source(tmp_path / "set.npz", TEXT)


def test_rows_of_texts_tables_and_matrices():
    assert list(rows_of(["a"], ["x"], id=[7])) == [Row(1, {"text": "a", "label": "x", "id": 7})]
    assert list(rows_of({"age": [3], "city": ["Rome"]})) == [Row(1, {"age": 3, "city": "Rome"})]
    assert list(rows_of(np.array([[1.0, 2.0]]), split=["test"])) == [Row(1, {"X_0": 1.0, "X_1": 2.0, "split": "test"})]
    assert next(rows_of(np.zeros((1, 2, 2), np.uint8))).values["image"].shape == (2, 2)
    with pytest.raises(ShapeError, match=r"\(1, 2, 2, 5\)"):
        rows_of(np.zeros((1, 2, 2, 5)))


def test_rows_of_a_data_frame_are_its_columns():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"text": ["a", "b"]}, index=[5, 6])
    assert [row.values for row in rows_of(frame, [1, 0])] == [{"text": "a", "label": 1}, {"text": "b", "label": 0}]


def test_a_reader_can_come_by_import_path(tmp_path):
    Path(tmp_path / "rows.odd").write_text("a,b\nc,d\n")
    data = DataSettings(text=["text"], format="querist.stages.raw_data.delimited:read_csv")
    with pytest.raises(SettingError, match="no column 'text'"):
        open_source(tmp_path / "rows.odd", data)


def test_an_npz_is_read_in_parts_in_either_order_of_its_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("querist.stages.raw_data.arrays.BLOCK_BYTES", 64)
    X, names = np.arange(60, dtype=np.float32).reshape(20, 3), np.array([f"n{i}" for i in range(20)])
    for name, array in (("c.npz", X), ("f.npz", np.asfortranarray(X))):
        np.savez_compressed(tmp_path / name, X=array, text=names)
        rows = list(open_source(tmp_path / name, DataSettings(text=["text"])))
        assert [row.values["X_1"] for row in rows] == X[:, 1].tolist()
        assert [(row.line, row.values["text"]) for row in rows][-1] == (20, "n19")


def test_an_npz_much_larger_than_what_is_read_at_once_does_not_lie_in_memory(tmp_path):
    np.savez_compressed(tmp_path / "large.npz", images=np.zeros((1500, 128, 256), np.uint8))
    tracemalloc.start()
    n = sum(1 for _ in open_source(tmp_path / "large.npz", DataSettings(kind="image", image="images")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n == 1500
    assert peak < 24 << 20, "the array itself has 47 MiB"


def test_an_npz_that_ends_too_early_is_one_clear_error(tmp_path):
    np.savez(tmp_path / "whole.npz", text=np.array(["a", "b"]))
    with ZipFile(tmp_path / "whole.npz") as whole, ZipFile(tmp_path / "torn.npz", "w") as torn:
        torn.writestr("text.npy", whole.read("text.npy")[:-4])
    with pytest.raises(DataError, match="ends before its last row"):
        list(open_source(tmp_path / "torn.npz", DataSettings(text=["text"])))


def test_a_parquet_text_that_is_no_utf_8_is_a_bad_row_and_the_others_are_read(tmp_path):
    whole = pa.array([b"one", b"tw\xff", b"three"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 3, whole.buffers())
    pq.write_table(pa.table({"text": texts}), tmp_path / "f.parquet")
    found = list(open_source(tmp_path / "f.parquet", DataSettings(kind="text", text=["text"])))
    assert [getattr(row, "reason", None) or row.values["text"] for row in found] == ["one", "not valid UTF-8", "three"]

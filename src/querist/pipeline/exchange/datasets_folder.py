"""Parquet of labels, alone or as a folder that `datasets.load_dataset` reads: data/*.parquet and a card."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from querist.core.errors import DataError
from querist.pipeline.exchange.label_files import LISTS

SPLITS = {"pool": "train", "validation": "validation", "test": "test"}
KEY = b"huggingface"
MARK = "# Written by querist labels export"
"""A comment in the card: only a folder that has it is written again."""
CODES = "list of codes"
TYPES = {
    "seconds": "float64",
    "confidence": "float64",
    "round": "int64",
    "rank": "int64",
}
"""Columns that may be empty from top to bottom, and are no text."""


def write_parquet(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow.parquet as pq

    pq.write_table(_table(rows), file)


def read_parquet(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows by "row 3", counted from 1; a column of class codes is read as the names that its schema gives."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}") from None
    names = _class_names(table.schema.metadata or {})
    plain = [f.name for f in table.schema if not pa.types.is_nested(f.type) or f.name in LISTS]
    for number, row in enumerate(table.select(plain).to_pylist(), start=1):
        for column, known in names.items():
            code = row.get(column)
            if isinstance(code, list):
                row[column] = [known[one] for one in code if 0 <= one < len(known)]
            elif isinstance(code, int):
                row[column] = known[code] if 0 <= code < len(known) else None
        yield f"row {number}", {name: value.strip() if isinstance(value, str) else value for name, value in row.items()}


def write(folder: Path, rows: Sequence[Mapping[str, Any]], classes: Sequence[str], *, name: str) -> None:
    """`label` and `resolved` become class codes, lists of names lists of codes; the pool is the split train. Images are
    bytes with their path."""
    import pyarrow.parquet as pq

    card = folder / "README.md"
    if folder.exists() and any(folder.iterdir()):
        if not card.exists() or MARK not in card.read_text(encoding="utf-8", errors="replace"):
            raise DataError(f"{folder} holds other files; name a folder that is new or empty")
        for old in (folder / "data").glob("*.parquet"):
            old.unlink()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    code = {label: at for at, label in enumerate(classes)}
    coded = [{**r, "label": _coded(r["label"], code), "resolved": _coded(r["resolved"], code)} for r in rows]
    several = any(isinstance(r[column], list) for r in rows for column in ("label", "resolved"))
    table = _table(coded, dict.fromkeys(("label", "resolved"), CODES if several else "int64"))
    features = {field.name: _feature(field, classes) for field in table.schema}
    table = table.replace_schema_metadata({KEY: json.dumps({"info": {"features": features}})})
    splits = []
    for split, called in SPLITS.items():
        chosen = [place for place, row in enumerate(rows) if row["split"] == split]
        if chosen:
            splits.append(called)
            pq.write_table(table.take(chosen), folder / "data" / f"{called}-00000-of-00001.parquet")
    card.write_text(_card(features, splits, name), encoding="utf-8")


def read(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    files = sorted(folder.glob("data/*.parquet")) or sorted(folder.glob("*.parquet"))
    if not files:
        raise DataError(f"{folder} holds no Parquet file; name a folder with data/*.parquet")
    for file in files:
        for place, row in read_parquet(file):
            yield f"{file.name}, {place}", row


def _table(rows: Sequence[Mapping[str, Any]], types: Mapping[str, str] | None = None) -> Any:  # Any: a pyarrow table
    import pyarrow as pa

    known = {**TYPES, **(types or {})}
    arrays = {}
    for name in dict.fromkeys(name for row in rows for name in row) or ("id", "label"):
        values = [row.get(name) for row in rows]
        kind = pa.list_(pa.int64()) if known.get(name) == CODES else None
        kind = pa.type_for_alias(known[name]) if name in known and kind is None else kind
        array = pa.array(values, kind)
        arrays[name] = array.cast(pa.string()) if pa.types.is_null(array.type) else array
    return pa.table(arrays)


def _coded(label: str | list[str] | None, code: Mapping[str, int]) -> Any:  # Any: a code or several
    return [code[name] for name in label] if isinstance(label, list) else code.get(label or "")


def _feature(field: Any, classes: Sequence[str]) -> dict[str, Any]:  # Any: a pyarrow field
    if field.name in ("label", "resolved"):
        names = {"names": list(classes), "_type": "ClassLabel"}
        return {"feature": names, "_type": "Sequence"} if str(field.type).startswith("list") else names
    if str(field.type).startswith("list"):
        return {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}
    return (
        {"_type": "Image"}
        if field.name == "image"
        else {"dtype": str(field.type).replace("double", "float64"), "_type": "Value"}
    )


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    try:
        features = json.loads(metadata.get(KEY, b"{}")).get("info", {}).get("features", {})
        inner = {name: f.get("feature", f) for name, f in features.items()}
        return {name: list(f["names"]) for name, f in inner.items() if f.get("_type") == "ClassLabel"}
    except (ValueError, AttributeError, KeyError, TypeError):
        return {}


def _card(features: Mapping[str, Mapping[str, Any]], splits: Sequence[str], name: str) -> str:
    """The card; JSON strings are YAML strings, too."""
    lines = ["---", MARK, "configs:", "- config_name: default", "  data_files:"]
    for split in splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    lines += ["dataset_info:", "  features:"]
    for column, feature in features.items():
        lines.append(f"  - name: {json.dumps(column)}")
        of = feature.get("feature", feature)
        deeper = "  " if of is not feature else ""
        lines += ["    sequence:"] if deeper and of["_type"] == "ClassLabel" else []
        if of["_type"] == "ClassLabel":
            lines += [] if deeper else ["    dtype:"]
            lines += ["      class_label:", "        names:"]
            lines += [f"          '{code}': {json.dumps(label)}" for code, label in enumerate(of["names"])]
        elif deeper:
            lines.append(f"    sequence: {of['dtype']}")
        else:
            lines.append(f"    dtype: {'image' if feature['_type'] == 'Image' else feature['dtype']}")
    about = (
        "One row for each answer. `label` is what one person said (empty: a skip), `resolved` what all answers to the "
        "item say together. The pool is the split `train`; `validation` and `test` are the items kept apart."
    )
    return "\n".join([*lines, "---", "", f"# {name}", "", about, ""])

"""Rows to items: every column checked, everything odd refused with its reason."""

from __future__ import annotations

import io
import json
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from querist.config.data import DataSettings
from querist.core.errors import MissingExtra, SettingError
from querist.core.label_sets import EMPTY, LabelSets
from querist.snapshots import POOL, TEST, VALIDATION
from querist.stages.raw_data.rows import BadRow, Row, feature_columns, refuse
from querist.stages.raw_data.textfiles import is_broken

UNGIVEN = -1
SHOWN_CLASSES, SHOWN_CHARACTERS = 20, 80
SPLIT_WORDS = {
    "": UNGIVEN,
    **dict.fromkeys(("pool", "train", "training", "unlabeled", "0", "false", "no"), POOL),
    **dict.fromkeys(("validation", "valid", "val", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "holdout", "eval", "1", "true", "yes"), TEST),
}

Values = dict[str, Any]  # Any: what the reader gave; this module is where it gets its type


@dataclass(frozen=True, slots=True)
class Item:
    """A checked row. `features` follow `model_columns`; `split` is a code or UNGIVEN; `row` is kept for refusals."""

    row: Row
    id: str | None
    features: tuple[Any, ...]  # Any: str, bytes or float by column
    label: str | None
    split: int
    context: tuple[str | None, ...]


def model_columns(data: DataSettings) -> dict[str, str]:
    """Columns of an item and their Arrow types, in order."""
    if data.kind == "text":
        return {"text": "string"}
    if data.kind == "image":
        return {"image": "binary"}
    return {f"x.{c}": "double" for c in data.numeric} | {f"x.{c}": "string" for c in data.categorical}


def item_builder(data: DataSettings) -> Callable[[Row], Item | BadRow]:
    """The function that turns a row into an item, or into a BadRow with the reason."""
    features, label = _features(data), _label(data)
    checks = [(column, _check(column, allowed)) for column, allowed in data.checks.items()]

    def build(row: Row) -> Item | BadRow:
        values = row.values
        try:
            for column, check in checks:
                check(values.get(column))
            return Item(
                row,
                None if data.id is None else _id(values.get(data.id)),
                features(values),
                label(values),
                UNGIVEN if data.split is None else _split(values.get(data.split)),
                tuple([as_text(values.get(column)) or None for column in data.context]),
            )
        except _Refusal as refusal:
            return refuse(row, refusal.reason, refusal.detail)
        except RecursionError:
            return BadRow(row.line, "values nested too deeply")

    return build


class _Refusal(Exception):
    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def as_text(value: object) -> str:
    """Text of a value: nothing is "", 3.0 is "3", True is "true", a list or dict its JSON; "null" and "NA" are texts
    like any other."""
    if isinstance(value, str):
        if is_broken(value):
            raise _Refusal("broken characters (lone surrogates)")
        return value
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        number = float(value)
        return "" if math.isnan(number) else str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise _Refusal("bytes that do not decode") from None
    if isinstance(value, list | dict):
        return as_text(json.dumps(value, ensure_ascii=False, default=as_text))
    return str(value)


def as_number(value: object) -> float:
    """A finite number, or NaN for an empty value."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        number = float(value)  # type: ignore[arg-type]  # refused below if it has no __float__
    except (TypeError, ValueError, OverflowError):
        raise _Refusal("not a number") from None
    if math.isinf(number):
        raise _Refusal("not a finite number")
    return number


def _features(data: DataSettings) -> Callable[[Values], tuple[Any, ...]]:
    columns = feature_columns(data)

    def text(values: Values) -> tuple[str]:
        parts = [part for column in columns if (part := as_text(values.get(column))) and not part.isspace()]
        if not parts:
            raise _Refusal("no text")
        return ("\n".join(parts),)

    def image(values: Values) -> tuple[bytes]:
        return (_image(values.get(columns[0])),)

    def table(values: Values) -> tuple[float | str, ...]:
        numbers = [_in_column(column, as_number, values) for column in data.numeric]
        words = [as_text(values.get(column)).strip() for column in data.categorical]
        if all(map(math.isnan, numbers)) and not any(words):
            raise _Refusal("no value in any feature column")
        return (*numbers, *words)

    return {"text": text, "image": image, "tabular": table}[data.kind]


def _in_column(column: str, read: Callable[[object], float], values: Values) -> float:
    try:
        return read(values.get(column))
    except _Refusal as refusal:
        raise _Refusal(f"{column} is {refusal}") from None


def _image(value: object) -> bytes:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtra("reading images", "images") from None
    if isinstance(value, dict):  # how some Parquet files hold an image: {"bytes": ..., "path": ...}
        value = value.get("bytes")
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        file = io.BytesIO()
        Image.fromarray(value).save(file, "PNG")
        return file.getvalue()
    if not isinstance(value, bytes) or not value:
        raise _Refusal("no image")
    try:
        with Image.open(io.BytesIO(value)) as image:
            image.load()
    except (OSError, EOFError, SyntaxError, ValueError, struct.error, zlib.error, Image.DecompressionBombError):
        raise _Refusal("undecodable image") from None
    return value


def _label(data: DataSettings) -> Callable[[Values], str | None]:
    column, renamed = data.label, data.label_map
    known = dict.fromkeys(data.classes or [*renamed, *renamed.values()])
    what = "among the classes" if data.classes else "in label_map"
    more = f" and {len(known) - SHOWN_CLASSES} more" if len(known) > SHOWN_CLASSES else ""
    listed = ", ".join(list(known)[:SHOWN_CLASSES]) + more

    def named(found: str) -> str:
        name = renamed.get(found, found)
        if known and name not in known:
            raise _Refusal(f"{column} is not {what}", f"{found[:SHOWN_CHARACTERS]!r} is none of {listed}")
        return name

    def one(values: Values) -> str | None:
        found = "" if column is None else as_text(values.get(column)).strip()
        return named(found) if found else None

    def several(values: Values) -> str | None:
        assert sets is not None  # the other function is taken where there are none
        found = values.get(str(column))
        given = found.tolist() if isinstance(found, np.ndarray) else found
        if isinstance(given, list | tuple):
            return _joined([named(as_text(name).strip()) for name in given], sets)
        text = as_text(given).strip()
        if isinstance(given, dict) or (text and sets.read(text) is None):
            raise _Refusal(f"{column} names no label", f"write names with {sets.separator!r} between, or {EMPTY}")
        return _joined([named(name) for name in sets.read(text) or ()], sets) if text else None

    sets = data.sets
    return one if sets is None or column is None else several


def _joined(names: list[str], sets: LabelSets) -> str:
    try:
        sets.check(names)
    except SettingError:
        raise _Refusal(f"a label holds {sets.separator!r}, which separates labels, or cannot be a name") from None
    return sets.join(names)


def _check(column: str, allowed: list[str] | str) -> Callable[[object], None]:
    def number(value: object) -> None:
        if math.isnan(as_number(value)):
            raise _Refusal("not a number")

    def one_of(value: object) -> None:
        if as_text(value).strip() not in words:
            raise _Refusal(f"not one of {', '.join(allowed)}")

    words = frozenset(allowed)
    test = number if allowed == "number" else one_of

    def check(value: object) -> None:
        try:
            test(value)
        except _Refusal as refusal:
            raise _Refusal(f"{column} is {refusal}") from None

    return check


def _split(value: object) -> int:
    code = SPLIT_WORDS.get(as_text(value).strip().lower())
    if code is None:
        raise _Refusal("split is none of pool, validation, test")
    return code


def _id(value: object) -> str:
    text = as_text(value).strip()
    if not text:
        raise _Refusal("no id")
    return text

"""One version of a deployed folder, ready to answer."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import querist.plugins as plugins
from querist.config.data import DataSettings, PreprocessingSettings
from querist.core.errors import DataError, QueristError
from querist.core.label_sets import predicted, surest
from querist.core.types import Codes, Matrix, Probabilities, Scores
from querist.stages.deploy.bundle import Bundle, open_bundle, read_file
from querist.stages.monitoring.reference import FILE_NAME as REFERENCE
from querist.stages.monitoring.reference import load as load_reference
from querist.stages.preprocessing.steps import Step, apply, declare, resolve
from querist.stages.raw_data.items import item_builder, model_columns
from querist.stages.raw_data.rows import BadRow, Row, feature_columns

RawItem = Mapping[str, Any]
"""As it came: {"text": ...}, {"image": bytes} or {"columns": {...}}."""


class Refused(QueristError):
    """An item that this model cannot read; the message holds nothing of the item."""

    def __init__(self, detail: str, *, status: int = 422) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True)
class Batch:
    """What the model made of n items: their features, `proba` (n, n_classes), and the texts that it read, if any."""

    rows: Matrix
    proba: Probabilities
    texts: list[str] | None


@dataclass(frozen=True)
class Answers:
    """n answers: `codes` (n,) of the likeliest classes, `uncertainty` (n,) by margin, `abstain` (n,).

    Of several labels `codes` (m,) are those of all items, one after the other; an item is as sure as the label that is
    least so, and its uncertainty is the mean over labels.
    """

    codes: Codes
    confidence: Scores
    uncertainty: Scores
    abstain: NDArray[np.bool_]


class ServedModel:
    """Reads items like the project read its own: the same columns, the same refusals, the same preprocessing steps."""

    def __init__(self, bundle: Bundle, folder: Path, *, pixels: int) -> None:
        facts = bundle.facts
        self.facts, self.version, self.classes = facts, bundle.version, bundle.classes
        self.kind: str = facts["kind"]
        self._bundle, self._folder, self._pixels = bundle, folder, pixels
        data = DataSettings.model_validate(facts["data"])
        self.sets = data.sets
        self.columns, self._types = feature_columns(data), model_columns(data)
        self._build = item_builder(data)
        self._steps = _steps(facts["preprocessing"], self.kind)
        self._margin: Callable[[Probabilities], Scores] = plugins.find("measures", "margin")
        self._threshold: float | None = facts["abstain"]["threshold"]

    def read(self, items: Sequence[RawItem]) -> list[tuple[Any, ...]]:  # Any: str, bytes or float by column
        """The features of raw items by column. Raises Refused, which says the number of the first that is none."""
        return [self._read(number, item) for number, item in enumerate(items)]

    def predict(self, items: Sequence[tuple[Any, ...]]) -> Batch:
        """Cleans, encodes and predicts what `read` gave. Raises DataError or ValueError where an item cannot be."""
        columns = apply(self._steps, dict(zip(self._types, map(list, zip(*items, strict=True)), strict=True)))
        rows = self._bundle.encoder.transform(columns)
        return Batch(rows, self._bundle.learner.predict_proba(rows), columns.get("text"))

    def answers(self, proba: Probabilities) -> Answers:
        confidence = proba.max(axis=1) if self.sets is None else surest(proba)
        unsure = np.zeros(len(proba), dtype=np.bool_) if self._threshold is None else confidence < self._threshold
        if self.sets is not None:
            return Answers(predicted(proba).nonzero()[1], confidence, (1 - np.abs(2 * proba - 1)).mean(axis=1), unsure)
        return Answers(proba.argmax(axis=1), confidence, self._margin(proba), unsure)

    def project(self, rows: Matrix) -> NDArray[np.float32]:
        """(n, n_dims) embeddings of features, as those of the drift reference."""
        return self._bundle.projection(rows)

    def unseen(self, texts: Sequence[str]) -> NDArray[np.float64] | None:
        """(n,) the share of words that the drift reference lacks; None where it knows none."""
        return None if self._reference is None else self._reference.unseen(texts)

    def warm(self) -> None:
        """One prediction, so that the first request does not pay for late imports."""
        if self.kind == "image":
            from PIL import Image

            file = io.BytesIO()
            Image.new("RGB", (32, 32)).save(file, "PNG")
            self.predict([(file.getvalue(),)])
        else:
            self.predict([tuple(0.0 if kind == "double" else "warm up" for kind in self._types.values())])

    @cached_property
    def _reference(self) -> Any:  # Any: a Reference, or None where the version was built without one
        if REFERENCE not in self.facts["files"]:
            return None
        return load_reference(read_file(self._folder, self.facts, REFERENCE))

    def _read(self, number: int, item: RawItem) -> tuple[Any, ...]:
        if "columns" in item:
            given = item["columns"]
            if strange := [name for name in self.columns if name not in given]:
                raise Refused(f"item {number} lacks column {strange[0]!r}; this model reads {', '.join(self.columns)}")
            values = {name: given[name] for name in self.columns}
        elif self.kind in item and (self.kind == "image" or len(self.columns) == 1):
            values = {self.columns[0]: item[self.kind]}
        else:
            wanted = {"text": '"text"', "image": '"image"'}.get(self.kind, f'"columns" ({", ".join(self.columns)})')
            raise Refused(f"item {number} is {' and '.join(map(repr, item))}, but this model reads {wanted}")
        if self.kind == "image":
            self._check_size(number, values[self.columns[0]])
        built = self._build(Row(number, values))
        if isinstance(built, BadRow):
            raise Refused(f"item {number}: {built.reason}")
        return built.features

    def _check_size(self, number: int, content: Any) -> None:
        """An image of a few bytes can unpack to gigabytes; its header tells."""
        from PIL import Image

        try:
            with Image.open(io.BytesIO(content)) as image:
                n_pixels = image.size[0] * image.size[1]
        except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError):
            raise Refused(f"item {number}: undecodable image") from None
        if n_pixels > self._pixels:
            raise Refused(f"item {number} has {n_pixels} pixels; an image has at most {self._pixels}", status=413)


def open_model(folder: Path, version: str, *, pixels: int) -> ServedModel:
    """A version of the deployed folder, checked, opened and warmed."""
    model = ServedModel(open_bundle(folder, version), folder, pixels=pixels)
    model.warm()
    return model


def _steps(declared: Mapping[str, Any], kind: str) -> tuple[Step, ...]:
    """The preprocessing of the build. Raises DataError where this querist has another version of a step."""
    wanted = declared["steps"]
    found = resolve(PreprocessingSettings(steps=[{"name": step["name"], **step["settings"]} for step in wanted]), kind)
    if (here := declare(found)) != wanted:
        other = next(was["name"] for was, now in zip(wanted, here, strict=True) if was != now)
        raise DataError(f"preprocessing step {other!r} has changed since the version was built; build it again")
    return found

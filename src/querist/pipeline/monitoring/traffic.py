"""What the model meets: windows of a prediction log, or of a file of raw items that it predicts now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.core.errors import DataError
from querist.core.hashing import key_of
from querist.models.encoding import fit_encoder
from querist.models.matrices import load_arrays
from querist.models.persistence import load
from querist.models.projection import Projection
from querist.pipeline.monitoring.references import columns_of
from querist.stages.monitoring.logs import models_logged, read_log
from querist.stages.monitoring.reference import Reference, comparable
from querist.stages.monitoring.sample import Sample
from querist.stages.preprocessing.steps import apply, resolve
from querist.stages.raw_data.items import Item, item_builder, model_columns
from querist.stages.raw_data.rows import BadRow, Row, feature_columns, needed_columns
from querist.stages.raw_data.sources import open_source
from querist.store.models import Model, list_models

if TYPE_CHECKING:
    from querist.pipeline.project import Project


@dataclass(frozen=True)
class Window:
    """`sample` beside what the `reference` can be compared with; `where` finds its rows again, `key` names their
    content and, of a log, its times: the same items met again on another day are news, a file read again is not;
    `texts` (n,) where they are known."""

    reference: Sample
    sample: Sample
    where: dict[str, Any]
    key: str
    texts: Sequence[str] = field(default_factory=tuple)


def logged_model(project: Project, folder: Path) -> Model:
    """The model whose predictions the log holds; where there were several, the one that answered last.

    Raises DataError for an empty log, or one of models that this project does not have.
    """
    logged = models_logged(folder)
    if not logged:
        raise DataError(f"{folder} holds no logged prediction yet; check the folder, or wait until some are written")
    with project.ledger.read() as tx:
        models = list_models(tx)
    known = {model.version: model for model in models}
    found = next((known[version] for version in reversed(logged) if version in known), None)
    if found is None:
        raise DataError(
            f"{folder} holds predictions of {', '.join(logged)}, and this project has no such model; name the log of a "
            "model that was built from it"
        )
    return found


def log_windows(
    project: Project, folder: Path, model: Model, reference: Reference, size: int, *, after: str | None
) -> Iterator[Window]:
    """Whole windows of the log later than `after`, oldest first; what is left over waits for the next look."""
    rows = read_log(folder, model.version, after=None if after is None else datetime.fromisoformat(after))
    for start in range(0, 0 if rows is None else len(rows) - size + 1, size):
        assert rows is not None  # else there is no start
        part = rows.rows(slice(start, start + size))
        kept, sample = comparable(reference.sample, part)
        where = {"log": str(folder), "version": model.version, "from": _iso(part.at[0]), "to": _iso(part.at[-1])}
        texts = [item_values(item).get("text", "") for item in part.items] if all(part.items) else []
        key = key_of(sample.proba, sample.embeddings, where["from"], where["to"])
        yield Window(kept, sample, where, key, texts if any(texts) else [])


def file_windows(project: Project, file: Path, model: Model, reference: Reference, size: int) -> Iterator[Window]:
    """Whole windows of a file's items, in its order; all of it is one where it holds fewer than `size`.

    Rows that an ingest would put into quarantine are left out.
    """
    reader = RawItems(project, model)
    found = [(row, item) for row, item in reader.items(file) if item is not None]
    size = min(size, max(len(found), 1))
    for start in range(0, len(found) - size + 1, size):
        part = found[start : start + size]
        where = {"data": str(file), "first_row": part[0][0].line, "last_row": part[-1][0].line}
        items = reader.cleaned([item for _, item in part])
        proba, embeddings = reader.predict(items)
        texts = items.get("text")
        sample = reference.of(proba, embeddings, texts=texts, columns=columns_of(items))
        yield Window(reference.sample, sample, where, key_of(sample.proba, sample.embeddings), texts or ())


def rows_of(project: Project, where: dict[str, Any]) -> list[Row | BadRow]:
    """The raw rows behind a window, to be ingested; empty where the log kept no items."""
    data = project.settings.data
    if "data" in where:
        rows = open_source(Path(where["data"]), data)
        return [row for row in rows if where["first_row"] <= row.line <= where["last_row"]]
    until = datetime.fromisoformat(where["to"])
    read = read_log(where["log"], where["version"], until=until)
    if read is None:
        return []
    first = np.datetime64(datetime.fromisoformat(where["from"]).replace(tzinfo=None), "us")
    rows_ = []
    for line, (at, request, item) in enumerate(zip(read.at, read.request_ids, read.items, strict=True), 1):
        if at >= first and item is not None:
            rows_.append(Row(line, _as_row(data, item_values(item), request)))
    return list(rows_)


def item_values(item: str | None) -> dict[str, Any]:
    """What was sent to the served model: {"text": ...} or {"columns": {...}}."""
    found = json.loads(item) if item else {}
    return found if isinstance(found, dict) else {}


def _as_row(data: Any, values: dict[str, Any], request: str) -> dict[str, Any]:  # Any: DataSettings; columns by name
    """The columns that an ingest asks for; what a request does not hold is empty."""
    row: dict[str, Any] = dict.fromkeys(needed_columns(data))
    if data.kind == "text":
        row[feature_columns(data)[0]] = values.get("text")
    row |= {name: value for name, value in values.get("columns", {}).items() if name in row}
    if data.id is not None:
        row[data.id] = request
    return row


class RawItems:
    """Raw items to what the current model says of them, cleaned and encoded like the items of the project."""

    def __init__(self, project: Project, model: Model) -> None:
        spec, features = project.features()
        if model.learner["features"] != features.space:
            raise DataError("the learner of the settings is not that of the model; `querist run` trains it first")
        settings = project.settings
        cache = project.folder / settings.storage.features
        self._data, self._steps = settings.data, resolve(settings.preprocessing, project.snapshot.kind)
        self._encoder, folder = fit_encoder(
            spec.encoder, spec.encoder_params, project.snapshot, cache=cache, seed=settings.project.seed
        )
        self._project_rows = Projection.restore(load_arrays(folder / "projection.npz"))
        self._learner = load(project.artifacts.get(model.artifact), trusted=settings.learner.trusted_types)

    def items(self, file: Path) -> Iterator[tuple[Any, Item | None]]:
        build = item_builder(self._data)
        for row in open_source(file, self._data):
            item = None if isinstance(row, BadRow) else build(row)
            yield row, item if isinstance(item, Item) else None

    def cleaned(self, items: Sequence[Item]) -> dict[str, list[Any]]:
        columns = {name: [item.features[at] for item in items] for at, name in enumerate(model_columns(self._data))}
        return apply(self._steps, columns)

    def predict(self, items: dict[str, list[Any]]) -> tuple[Any, Any]:
        X = self._encoder.transform(items)
        return self._learner.predict_proba(X), self._project_rows(X).astype(np.float16)


def _iso(at: np.datetime64) -> str:
    moment: datetime = at.astype("datetime64[us]").item()
    return moment.replace(tzinfo=UTC).isoformat()

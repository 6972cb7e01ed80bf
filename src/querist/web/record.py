"""/api/v1: the record for the lead and for other systems: status, rounds, annotations, labels in and out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import FileResponse
from pydantic import Field

from querist.core.errors import DataError, HoldoutError
from querist.http.problems import documented
from querist.pipeline import record
from querist.pipeline.accounts.people import Person
from querist.pipeline.human_labeling.predictor import Predictor, Subject
from querist.pipeline.human_labeling.seen import seen_of
from querist.pipeline.project import Project
from querist.pipeline.reporting.round_record import metrics_by_round, show_round
from querist.store.annotations import page_of_annotations
from querist.store.rounds import list_queries
from querist.web.downloads import ENDINGS, download
from querist.web.people import Lead, Reader, lead, needs
from querist.web.record_schemas import (
    AnnotationOut,
    Annotations,
    Imported,
    Metrics,
    PredictionRequest,
    Predictions,
    Queries,
    QueryOut,
    RoundDetail,
    RoundOut,
    Rounds,
    StatusOut,
    Training,
)
from querist.web.repeats import Repeatable, once
from querist.web.trainer import Trainer

Number = Annotated[int, Field(ge=0, le=10**6)]
Limit = Annotated[int, Query(ge=1, le=1_000)]
Cursor = Annotated[str | None, Query(pattern=r"^\d{1,15}$", description="`next` of the page before.")]


def router(project: Project, trainer: Trainer) -> APIRouter:
    predictor = Predictor(project)
    responses = documented(400, 401, 403, 404, 408, 409, 413, 422)
    api = APIRouter(prefix="/api/v1", tags=["record"], route_class=Repeatable, responses=responses)

    @api.get("/status")
    def status(_: Lead) -> StatusOut:
        """Where the project stands: data, rounds, quality, spending, and what it waits for."""
        return StatusOut.model_validate(record.status(project))

    @api.get("/rounds")
    def rounds(_: Lead, cursor: Cursor = None, limit: Limit = 100) -> Rounds:
        """One row for each round: labels, the metric with its interval, warnings."""
        rows = record.round_table(project)
        start = int(cursor or 0)
        rest = start + limit < len(rows)
        shown = [RoundOut(**row) for row in rows[start : start + limit]]
        return Rounds(rounds=shown, next=str(start + limit) if rest else None)

    @api.get("/rounds/{number}")
    def round(number: Number, _: Lead) -> RoundDetail:
        """Everything the record holds about one round but its queries."""
        shown = show_round(project, number)
        return RoundDetail.model_validate({name: value for name, value in shown.items() if name != "queries"})

    @api.get("/rounds/{number}/queries")
    def queries(number: Number, _: Lead, cursor: Cursor = None, limit: Limit = 100) -> Queries:
        """What a round asked, with what the model thought of it, in the order asked."""
        start = int(cursor or 0)
        with project.ledger.read() as tx:
            found = list_queries(tx, number, start=start, limit=limit + 1)
        shown = [
            QueryOut(
                item=q.item,
                rank=q.rank + 1,
                score=q.score,
                parts=dict(q.parts),
                strategy=q.strategy,
                model_version=q.model_version,
                wanted=q.wanted,
                **seen_of(q.payload),
                prediction=q.payload.get("prediction"),
                reason=q.payload.get("reason", ""),
                at=q.at,
            )
            for q in found[:limit]
        ]
        return Queries(queries=shown, next=str(start + limit) if len(found) > limit else None)

    @api.get("/metrics")
    def metrics(_: Lead) -> Metrics:
        """Every metric of every round, with its interval."""
        return Metrics.model_validate({"rounds": {str(n): found for n, found in metrics_by_round(project).items()}})

    @api.post("/predictions")
    def predictions(given: PredictionRequest, _: Lead) -> Predictions:
        """What the current model thinks of items that were asked, or of any texts."""
        version, found = predictor.predict([Subject(one.item, one.text) for one in given.subjects])
        return Predictions(model_version=version, predictions=found)

    @api.get("/annotations")
    def annotations(_: Reader, cursor: Cursor = None, limit: Limit = 100) -> Annotations:
        """All that people said, in the order it arrived; ask again from `next` for what is new."""
        with project.ledger.read() as tx:
            found, last = page_of_annotations(tx, after=int(cursor or 0), limit=limit)
        shown = [
            AnnotationOut(
                **{name: getattr(a, name) for name in AnnotationOut.model_fields if name != "details"},
                details=dict(a.details),
            )
            for a in found
        ]
        return Annotations(annotations=shown, next=None if last is None else str(last))

    @api.post("/labels/import")
    def import_labels(
        person: Annotated[Person, Depends(once(needs("lead", "labels")))],
        data: Annotated[bytes, Body(media_type="text/csv")] = b"",
        format: Literal["csv", "jsonl", "parquet", "label-studio"] = "csv",
        holdout: bool = False,
    ) -> Imported:
        """All of a file with the columns id and label (or of Label Studio's JSON export), or nothing; sending it again
        adds nothing."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"labels{ENDINGS[format]}"
            file.write_bytes(data)
            try:
                return Imported(**project.import_labels(file, annotator=person.name, holdout=holdout))
            except (DataError, HoldoutError) as error:  # where it lay on the server helps nobody
                raise type(error)(str(error).replace(str(file), "the file")) from None

    @api.get("/labels/export", response_class=FileResponse, responses={200: {"content": {"*/*": {}}}})
    def export_labels(
        _: Reader, format: Literal["csv", "jsonl", "parquet", "datasets", "label-studio"] = "csv"
    ) -> FileResponse:
        """All answers that stand, with annotator, time, note, round, model and resolved label; a zip where they are
        several files.
        """
        return download(project, format)

    @api.get("/training")
    def training(_: Lead) -> Training:
        """What the loop does at the moment."""
        return Training(state=trainer.state.kind, since=trainer.state.since, why=trainer.state.why)

    @api.post("/rounds/next")
    def next_round(_: Annotated[Person, Depends(once(lead))]) -> Training:
        """Trains and opens the next round now, if the open one is complete; asking twice starts it once."""
        trainer.look()
        return Training(state=trainer.state.kind, since=trainer.state.since, why=trainer.state.why)

    return api

"""/api/v1/webhooks: labels from another system, signed, and the log of what others were told."""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from querist.core.errors import DataError, Replayed, SignatureError
from querist.core.label_sets import LONGEST
from querist.http.problems import Problem, documented
from querist.pipeline.exchange.signatures import HEADER
from querist.pipeline.exchange.webhooks import Received, receive_labels
from querist.pipeline.exchange.webhooks import deliveries as log
from querist.pipeline.project import Project
from querist.store.webhooks import State
from querist.web.people import Lead
from querist.web.tasks import STORABLE

Label = Annotated[str, Field(min_length=1, max_length=LONGEST, pattern=STORABLE)]
Limit = Annotated[int, Query(ge=1, le=1_000)]
Text = Annotated[str, Field(min_length=1, max_length=1_000, pattern=STORABLE)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LabelIn(Strict):
    """One answer; `label` null is a skip. `id` is made by the sender: the same one again changes nothing."""

    id: Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[\w:.-]+$")]
    item: Text
    label: Label | None
    annotator: Annotated[str, Field(min_length=1, max_length=200)]
    seconds: float | None = Field(default=None, ge=0, le=1e9, allow_inf_nan=False)
    note: str = Field(default="", max_length=2_000)
    at: str | None = Field(default=None, max_length=40, examples=["2026-01-31T12:00:00+00:00"])


class LabelsIn(Strict):
    """`id` names the delivery, which is taken once; without it the signature does."""

    id: Text | None = None
    annotations: list[LabelIn] = Field(min_length=1, max_length=5_000)


class Taken(Strict):
    """How many annotations were read, stored, and known before."""

    read: int
    added: int
    unchanged: int


class DeliveryOut(Strict):
    """One event for one receiver: `status` is that of its last answer, `next_at` when it is due or was delivered."""

    id: str
    url: str
    event: str
    at: str
    state: State
    attempts: int
    status: int | None
    error: str
    tried_at: str | None
    next_at: str


class Deliveries(Strict):
    deliveries: list[DeliveryOut]


async def _body(request: Request) -> bytes:
    return await request.body()


def _schema() -> dict[str, Any]:
    """Of LabelsIn, in one piece: its parts could not be found from inside another document."""
    schema = LabelsIn.model_json_schema()
    schema["properties"]["annotations"]["items"] = schema.pop("$defs")["LabelIn"]
    return schema


def router(project: Project) -> APIRouter:
    api = APIRouter(prefix="/api/v1/webhooks", tags=["webhooks"])
    asked = {"content": {"application/json": {"schema": _schema()}}, "required": True}

    @api.post("/labels", responses=documented(400, 401, 404, 408, 409, 413, 422), openapi_extra={"requestBody": asked})
    def labels(
        body: Annotated[bytes, Depends(_body)],
        signature: Annotated[str, Header(alias=HEADER)] = "",
    ) -> Taken:
        """Takes labels, all or none. The header is `t=<unix seconds>,v1=<hex of HMAC-SHA256 of "t.body">`."""
        if not os.environ.get(project.settings.webhooks.incoming_secret_env):
            raise Problem(404, "this project takes no labels by webhook")
        try:
            found = receive_labels(project, body, signature, _parse)
        except SignatureError as error:
            raise Problem(401, str(error)) from None
        except Replayed as error:
            raise Problem(409, str(error)) from None
        return Taken(**{name: found[name] for name in Taken.model_fields})

    @api.get("/deliveries", responses=documented(401, 403, 408, 413, 422))
    def deliveries(_: Lead, state: State | None = None, limit: Limit = 100) -> Deliveries:
        """What this project told others, or is to tell them: the newest first, of one state or all."""
        return Deliveries(deliveries=[DeliveryOut(**one) for one in log(project, state=state, limit=limit)])

    return api


def _parse(body: bytes) -> Received:
    try:
        given = LabelsIn.model_validate_json(body)
    except ValidationError as error:
        places = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False)]
        raise DataError("; ".join(places[:5])) from None
    return Received(given.id, [_row(one) for one in given.annotations])


def _row(one: LabelIn) -> dict[str, Any]:
    skip = "yes" if one.label is None else ""
    kept = one.model_dump(include={"label", "annotator", "seconds", "note", "at"})
    return {"id": one.item, "annotation_id": one.id, "skip": skip, **kept}

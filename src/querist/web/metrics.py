"""/metrics for Prometheus, and /api/v1/alerts, by which Alertmanager opens the next round."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from querist.core.addresses import is_loopback
from querist.core.errors import Busy
from querist.http.problems import Problem, documented
from querist.pipeline.accounts.people import Person
from querist.pipeline.metrics.exposition import CONTENT_TYPE, exposition
from querist.pipeline.monitoring.alerting import Fired, receive_alerts
from querist.pipeline.project import Project
from querist.web.people import Visitor, lead, needs
from querist.web.repeats import Repeatable, once
from querist.web.tasks import STORABLE
from querist.web.trainer import Trainer

FORWARDED = ("forwarded", "x-forwarded-for")
AGAIN_SECONDS = "30"
Word = Annotated[str, Field(max_length=200, pattern=STORABLE)]


class AlertLabels(BaseModel):
    """Others may come beside them."""

    alertname: Word = ""
    project: Word = ""
    action: Word = ""


class AlertIn(BaseModel):
    """What querist reads of an alert."""

    status: Literal["firing", "resolved"]
    labels: AlertLabels
    startsAt: datetime
    fingerprint: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[0-9a-f]+$")]


class AlertsIn(BaseModel):
    """The body of Alertmanager's webhook, version 4."""

    alerts: list[AlertIn] = Field(max_length=1_000)


class Answer(BaseModel):
    """`taken` alerts asked for a round of this project; `opened` says whether it was opened by them, now."""

    taken: int
    round: int | None
    opened: bool
    reason: str


_reader = needs("lead", "metrics")


async def reader(request: Request, person: Visitor) -> None:
    """Programs on the same machine need no token, unless they speak for others."""
    host = request.client.host if request.client else ""
    if not is_loopback(host) or any(name in request.headers for name in FORWARDED):
        await _reader(request, person)


def router(project: Project, trainer: Trainer) -> APIRouter:
    api = APIRouter(tags=["operations"], route_class=Repeatable)
    metrics = None

    @api.get(
        "/metrics",
        dependencies=[Depends(reader)],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}, **documented(400, 401, 403)},
    )
    def scrape() -> Response:
        """The loop for Prometheus."""
        nonlocal metrics
        metrics = metrics or exposition(project)
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    @api.post("/api/v1/alerts", responses=documented(400, 401, 403, 408, 409, 413, 422, 503))
    def alerts(given: AlertsIn, _: Annotated[Person, Depends(once(lead))]) -> Answer:
        """Alertmanager's webhook: an alert with the label `action` = `reactivate` opens a drift round of its project.

        While one is open, no other is opened, however many alerts come.
        """
        try:
            found = receive_alerts(project, [_fired(one) for one in given.alerts])
        except Busy as error:  # Alertmanager tries again after a 5xx alone
            raise Problem(503, str(error), headers={"retry-after": AGAIN_SECONDS}) from None
        if found["opened"]:
            trainer.look()
        return Answer(**found)

    return api


def _fired(one: AlertIn) -> Fired:
    return Fired(
        name=one.labels.alertname,
        project=one.labels.project,
        action=one.labels.action,
        firing=one.status == "firing",
        key=f"{one.fingerprint} {one.startsAt.isoformat()}",
    )

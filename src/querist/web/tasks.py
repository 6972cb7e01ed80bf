"""/api/v1: items under lease, answers in, the labels and their keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from querist.core.errors import SnapshotCorrupt
from querist.core.label_sets import LONGEST
from querist.http.problems import Problem, documented
from querist.pipeline.human_labeling.labeling import MOST_AT_ONCE, Answer, Desk
from querist.web.people import Annotator
from querist.web.reasons import phrase
from querist.web.trainer import Kind, Trainer

Tab = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$", examples=["t-1"])]
STORABLE = r"^[^\x00]*$"
"""PostgreSQL cannot hold NUL: an answer with one would fail, and be sent again, for ever."""
Item = Annotated[str, Field(min_length=1, max_length=1_000, pattern=STORABLE)]
Id = Annotated[str, Field(min_length=8, max_length=64, pattern=r"^[\w-]+$")]
KINDS = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg", b"GIF8": "image/gif", b"BM": "image/bmp"}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LeaseRequest(Strict):
    tab: Tab
    n: int = Field(default=20, ge=1, le=MOST_AT_ONCE)


class Task(Strict):
    """What a person sees of an item; `reason` says in the language of the page why it was asked."""

    item: str
    round: int
    rank: int
    score: float | None
    text: str | None
    image: str | None
    columns: dict[str, Any]
    context: dict[str, Any]
    reason: str
    prediction: dict[str, float] | None


class Progress(Strict):
    """Of the newest round, and of the person: standing answers today (UTC) and overall."""

    round: int | None
    round_total: int
    round_done: int
    today: int
    mine: int


class Waiting(Strict):
    """Why there is nothing for this tab: what the loop does, for how long by now, and at which `step` it trains; what
    is `over` (the goal, a budget, the deadline or the pool); and how many open items are out of reach."""

    state: Kind
    seconds: float
    step: str
    over: str
    in_other_tabs: int
    with_others: int


class Leased(Strict):
    """`waiting` is null where there are tasks."""

    tasks: list[Task]
    progress: Progress
    waiting: Waiting | None


class RenewRequest(Strict):
    tab: Tab


class Renewed(Strict):
    renewed: int


class ReleaseRequest(Strict):
    tab: Tab
    items: list[Item] | None = Field(default=None, max_length=MOST_AT_ONCE)


class Released(Strict):
    released: int


class Details(Strict):
    reason: str | None = Field(default=None, max_length=200, description="Why the item was skipped.")
    flag: bool | None = None
    made_at: str | None = Field(default=None, max_length=40, description="The browser's own time.")


class AnswerIn(Strict):
    """An answer (`label` null is a skip), or with `undo` the withdrawal of the answer `supersedes`. Where an item may
    have several labels, `label` is all of them with the separator of GET /labels between, or `(none)`.
    """

    id: Id
    item: Item
    label: str | None = Field(default=None, max_length=LONGEST)
    seconds: float | None = Field(default=None, ge=0, le=1e9, allow_inf_nan=False)
    note: str = Field(default="", max_length=2_000, pattern=STORABLE)
    details: Details = Details()
    undo: bool = False
    supersedes: Id | None = None


class Submission(Strict):
    tab: Tab
    annotations: list[AnswerIn] = Field(max_length=MOST_AT_ONCE)


class ResultOut(Strict):
    id: str
    status: Literal["stored", "known", "refused"]
    why: str


class Submitted(Strict):
    results: list[ResultOut]
    progress: Progress


class LabelOut(Strict):
    name: str
    key: str


class Labels(Strict):
    """`separator` stands between the labels of an item; null where an item has one label."""

    labels: list[LabelOut]
    separator: str | None


def router(desk: Desk, trainer: Trainer) -> APIRouter:
    responses = documented(401, 403, 408, 413, 422)
    api = APIRouter(prefix="/api/v1", tags=["tasks"], responses=responses)

    @api.post("/tasks/lease")
    def lease(wanted: LeaseRequest, person: Annotator) -> Leased:
        """Items for one tab of the person's browser: those it holds already, then the next ones in order."""
        found = desk.lease(person.name, wanted.tab, wanted.n)
        elsewhere = found.pop("elsewhere")
        for task in found["tasks"]:
            task["reason"] = phrase(task["reason"], desk.settings.language)
        return Leased.model_validate({**found, "waiting": elsewhere and {**elsewhere, **trainer.told()}})

    @api.post("/tasks/renew")
    def renew(given: RenewRequest, person: Annotator) -> Renewed:
        """Prolongs what the tab holds."""
        return Renewed(renewed=desk.renew(person.name, given.tab))

    @api.post("/tasks/release")
    def release(given: ReleaseRequest, person: Annotator) -> Released:
        """Gives back what the tab holds, so that others may have it at once."""
        return Released(released=desk.release(person.name, given.tab, given.items))

    @api.post("/annotations")
    def submit(given: Submission, person: Annotator) -> Submitted:
        """Stores answers. Sending one again is harmless; one that is refused says why and does not stop the others."""
        answers = [Answer(**{**vars(a), "details": a.details.model_dump(exclude_none=True)}) for a in given.annotations]
        results, progress = desk.submit(person.name, answers)
        return Submitted(results=[ResultOut(**vars(r)) for r in results], progress=Progress.model_validate(progress))

    @api.get("/labels")
    def labels(_: Annotator) -> Labels:
        """The labels that may be given, with their keys on the page."""
        separator = desk.sets.separator if desk.sets else None
        return Labels(labels=[LabelOut(**label) for label in desk.labels], separator=separator)

    return api


def images(desk: Desk) -> APIRouter:
    pictures = APIRouter(responses=documented(401, 404, 422))

    @pictures.get("/images/{name}", response_class=Response, responses={200: {"content": {"image/*": {}}}})
    def image(name: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")], request: Request, _: Annotator) -> Response:
        """An image that was asked, by the SHA-256 of its bytes."""
        try:
            data = desk.project.artifacts.get(name)
        except SnapshotCorrupt:
            raise Problem(404, "there is no such image") from None
        kind = next((kind for start, kind in KINDS.items() if data.startswith(start)), None)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            kind = "image/webp"
        if kind is None:  # models and score arrays lie beside the images
            raise Problem(404, "there is no such image")
        return Response(data, media_type=kind, headers={"cache-control": "private, max-age=86400, immutable"})

    return pictures

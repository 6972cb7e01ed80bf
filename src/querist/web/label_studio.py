"""Label Studio's ML backend protocol: predictions when it asks for them, a pull when it says that something changed."""

from __future__ import annotations

import base64
import hmac
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Request
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from querist.core.errors import QueristError
from querist.http.origin import from_this_machine
from querist.http.problems import Problem, respond
from querist.pipeline.exchange.label_studio import control_items, pull, without_suggestion
from querist.pipeline.human_labeling.predictor import Predictor, Subject
from querist.pipeline.project import Project
from querist.stages.human_labeling.label_studio import find_control, prediction_of

log = logging.getLogger(__name__)
MODEL_CLASS = "querist"
NO_MODEL = "none"
PAUSE_SECONDS = 1.0
"""Joins the events of one click, and bounds how often strangers can make us ask."""


class PredictRequest(BaseModel):
    """What querist reads of a request: each task's data, and the label config, which says how an answer is put."""

    tasks: list[dict[str, Any]]
    label_config: str


def router(project: Project) -> APIRouter:
    """Under /ml, behind Locked: attach `http://HOST:PORT/ml` in Label Studio, with the basic auth of the settings."""
    backend = APIRouter(prefix="/ml", include_in_schema=False)
    predictor = Predictor(project)
    pulling = Coalesced(lambda: _pull(project))

    def version() -> str:
        return next(reversed(predictor.versions()), NO_MODEL)

    @backend.get("/")
    @backend.get("/health")
    def health() -> dict[str, str]:
        return {"status": "UP", "model_class": MODEL_CLASS}

    @backend.get("/metrics")
    def metrics() -> dict[str, str]:
        return {}

    @backend.get("/versions")
    def versions() -> dict[str, list[str]]:
        return {"versions": predictor.versions()}

    @backend.post("/setup")
    def setup() -> dict[str, str]:
        # The request holds an API token of Label Studio, which querist neither needs nor reads.
        return {"model_version": version()}

    @backend.post("/predict")
    def predict(asked: PredictRequest) -> dict[str, list[dict[str, Any]]]:
        subjects = [_subject(task.get("data")) for task in asked.tasks]
        made_by, found = predictor.predict(subjects)
        labels = next((list(proba) for proba in found if proba), [])
        sets = project.settings.data.sets
        control = find_control(asked.label_config, labels, several=sets is not None)
        results = [prediction_of(proba, control, version=made_by or NO_MODEL, sets=sets) for proba in found]
        hidden = control_items(project, {one.item for one in subjects if one.item is not None})
        return {
            "results": [
                without_suggestion(result) if one.item in hidden else result
                for one, result in zip(subjects, results, strict=True)
            ]
        }

    # Label Studio sends events without the basic auth. Nothing that they say is believed: they only ask for a pull.
    @backend.post("/webhook", status_code=201)
    def webhook(later: BackgroundTasks) -> dict[str, str]:
        # Label Studio waits for a second and tries once: every event is taken unread, and asked for later.
        later.add_task(pulling)
        return {"status": "ok"}

    @backend.post("/train", status_code=201)
    def train(later: BackgroundTasks) -> dict[str, str]:
        later.add_task(pulling)
        return {"status": "ok"}

    @backend.post("/job_status")
    def job_status() -> dict[str, str]:
        return {"job_status": "finished"}

    @backend.post("/validate")
    @backend.post("/delete")
    @backend.post("/duplicate_model")
    def accepted() -> dict[str, str]:
        return {"status": "ok"}

    return backend


class Locked:
    """Asks for the password of what lies under /ml, events aside, before a body is read."""

    def __init__(self, app: ASGIApp, project: Project) -> None:
        self.app, self._variable = app, project.settings.label_studio.backend_auth_env

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/ml/") and scope["path"] != "/ml/webhook":
            try:
                check(Request(scope), os.environ.get(self._variable, ""))
            except Problem as problem:
                await respond(problem.status, problem.detail, problem.headers)(scope, receive, send)
                return
        await self.app(scope, receive, send)


class Coalesced:
    """Work that runs once for all the calls that came while it ran, one at a time, with a pause before it."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._wanted = threading.Event()
        self._busy = threading.Lock()

    def __call__(self) -> None:
        self._wanted.set()
        while self._wanted.is_set() and self._busy.acquire(blocking=False):
            try:
                time.sleep(PAUSE_SECONDS)
                self._wanted.clear()
                self._work()
            finally:
                self._busy.release()


def check(request: Request, expected: str) -> None:
    """Raises Problem unless the request brings the expected user:password, or comes from this machine and none is."""
    if not expected:
        if not from_this_machine(request):
            raise Problem(403, "the ML backend answers this machine only, until label_studio.backend_auth_env is set")
        return
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        found = base64.b64decode(given, validate=True)
    except ValueError:  # binascii.Error, or letters beyond ASCII
        found = b""
    if kind.lower() != "basic" or not hmac.compare_digest(found, expected.encode()):
        raise Problem(401, "wrong user or password", headers={"www-authenticate": 'Basic realm="querist"'})


def _subject(data: Any) -> Subject:
    if not isinstance(data, dict):
        return Subject()
    item, text = data.get("querist_id"), data.get("text")
    return Subject(item if isinstance(item, str) else None, text if isinstance(text, str) else None)


def _pull(project: Project) -> None:
    try:
        found = pull(Project(project.folder, clock=project.clock))
    except QueristError as error:
        log.warning("the pull that Label Studio asked for failed: %s", error)
        return
    log.info("pulled from Label Studio project %d: %d answers", found.project, found.answers)

"""Requests with an Idempotency-Key: sent again, they get the answer of the first time and change nothing.

After the draft draft-ietf-httpapi-idempotency-key-header. The key belongs to the person and the token. An answer that
is no success is not kept: nothing was done, so the key is free again. What could not be kept is given all the same;
then the work may be done again: at least once.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from querist.core.errors import LedgerError
from querist.core.hashing import key_of
from querist.http.problems import Problem
from querist.pipeline.accounts.people import Person
from querist.pipeline.project import Project
from querist.store import requests

LOG = logging.getLogger("querist.repeats")
AGAIN_SECONDS = "5"
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r'^("[!#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$',
        description="Made by the sender, a UUID for each request. Sent again under its key within a day, a request "
        "gets the first answer. 422: the key stands for another request; 409: the first is under way.",
        examples=["8e03978e-40d5-43e8-bc93-6894a57f9324"],
    ),
]


@dataclass(frozen=True)
class Claim:
    """A key that stands for the request under way since `at`."""

    project: Project
    caller: str
    key: str
    at: datetime

    def end(self, response: Response | None) -> None:
        """Keeps the answer; without one the key is free again. What the ledger refuses here undoes no work."""
        try:
            with self.project.ledger.begin() as tx:
                if response is None:
                    requests.forget(tx, self.caller, self.key, claimed=self.at)
                else:
                    status, answer = response.status_code, bytes(response.body).decode()
                    requests.keep(tx, self.caller, self.key, claimed=self.at, status=status, answer=answer)
        except LedgerError:
            LOG.warning("the end of a request with an Idempotency-Key is not on record; its key is free in two minutes")


class Given(Exception):
    """The request was answered before."""

    def __init__(self, status: int, answer: str) -> None:
        super().__init__(status)
        self.response = Response(answer, status, media_type="application/json")


class Repeatable(APIRoute):
    """The routes of a router whose answers, in JSON, are kept where `once` says who asks."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        work = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                response = await work(request)
            except Given as before:
                return before.response
            except Exception:
                if claim := getattr(request.state, "claim", None):
                    await run_in_threadpool(claim.end, None)
                raise
            if claim := getattr(request.state, "claim", None):
                await run_in_threadpool(claim.end, response)
            return response

        return handle


def once(allowed: Callable[..., Awaitable[Person]]) -> Callable[..., Awaitable[Person]]:
    """A dependency as `allowed` (see `needs`), which works on the request of a key once.

    Whoever may no longer ask gets no kept answer either.
    """

    who = Depends(allowed)

    async def claimed(request: Request, person: Person = who, key: Key = None) -> Person:
        if key is not None:
            if len(request.headers.getlist("idempotency-key")) > 1:
                raise Problem(400, "the request has several Idempotency-Keys; send one")
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            caller = key_of(person.name, token.strip() if scheme.lower() == "bearer" else "")
            project: Project = request.app.state.project
            claim = Claim(project, caller, key.strip('"'), project.clock())
            await run_in_threadpool(_claim, request, await request.body(), claim)
        return person

    return claimed


def _claim(request: Request, body: bytes, claim: Claim) -> None:
    parts = [request.method, request.url.path, request.url.query, request.headers.get("content-type", "")]
    fingerprint = key_of(*parts, body)
    with claim.project.ledger.begin() as tx:
        before = requests.claim(tx, claim.caller, claim.key, fingerprint, now=claim.at)
    if before is None:
        request.state.claim = claim
    elif before.request != fingerprint:
        raise Problem(422, "this Idempotency-Key stands for another request; make a new one for each request")
    elif before.status is None:
        detail = "the request of this Idempotency-Key is under way; ask again in a few seconds"
        raise Problem(409, detail, headers={"retry-after": AGAIN_SECONDS})
    else:
        raise Given(before.status, before.answer)

"""Who asks: the person behind a request, and what their role may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from fastapi import Depends, Request

from querist.web.problems import Problem

Role = Literal["annotator", "lead", "admin"]
RANK = {"annotator": 0, "lead": 1, "admin": 2}


@dataclass(frozen=True)
class Person:
    name: str
    role: Role


class Gate(Protocol):
    def person(self, request: Request) -> Person | None:
        """The person whose session or token the request carries. Raises Problem 403 where an unsafe request under a
        session lacks its CSRF value."""
        ...


def _at_least(role: Role, request: Request) -> Person:
    person: Person | None = request.app.state.gate.person(request)
    if person is None:
        raise Problem(401, "sign in first")
    if RANK[person.role] < RANK[role]:
        raise Problem(403, f"this takes the role {role}; yours is {person.role}")
    return person


def annotator(request: Request) -> Person:
    return _at_least("annotator", request)


def lead(request: Request) -> Person:
    return _at_least("lead", request)


def admin(request: Request) -> Person:
    return _at_least("admin", request)


Annotator = Annotated[Person, Depends(annotator)]
Lead = Annotated[Person, Depends(lead)]
Admin = Annotated[Person, Depends(admin)]

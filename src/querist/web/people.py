"""Who asks: the person behind a request, and what their role and the scope of their token allow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Annotated, Protocol
from urllib.parse import quote

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from querist.http.problems import Problem
from querist.pipeline.accounts.people import Person
from querist.store.accounts import Role
from querist.web.sessions import given_csrf

TOKEN = HTTPBearer(auto_error=False, description="A token of `querist users token`; pages have a session instead.")


class Gate(Protocol):
    def person(self, request: Request) -> Person | None:
        """The person whose session or token the request carries. Raises Problem 403 where an unsafe request under a
        session lacks its CSRF value (`request.state.csrf`).
        """
        ...

    def csrf(self, request: Request) -> str:
        """The CSRF value of the request's session, for the page."""
        ...


async def _read_csrf(request: Request) -> None:
    request.state.csrf = await given_csrf(request)


def visitor(
    request: Request,
    _: Annotated[None, Depends(_read_csrf)],
    __: Annotated[HTTPAuthorizationCredentials | None, Security(TOKEN)],
) -> Person | None:
    """Whoever asks, signed in or not."""
    gate: Gate = request.app.state.gate
    return gate.person(request)


class Forbidden(Problem):
    """403: who asks may not have this, for their role or the scopes of their token."""

    def __init__(self, person: Person, role: Role, scopes: Collection[str]) -> None:
        yours = "" if person.scopes is None else f" and the scopes {', '.join(sorted(person.scopes)) or 'none'}"
        wanted = f"this takes the role {role} (a token: the scope {' or '.join(scopes)})"
        super().__init__(403, f"{wanted}; yours is {person.role}{yours}")
        self.person, self.role = person, role


def opens_page(request: Request) -> bool:
    """Whether a browser asks for a page, rather than a program for data."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


Visitor = Annotated[Person | None, Depends(visitor)]


def needs(role: Role, *scopes: str) -> Callable[[Request, Person | None], Awaitable[Person]]:
    """A dependency that gives the person, if the role is at least `role` and a token has one of the scopes.

    Others get 401 or 403, a browser that opens a page is sent to the sign-in.
    """

    async def allowed(request: Request, person: Visitor) -> Person:
        if person is None:
            if opens_page(request):
                raise Problem(303, headers={"location": f"/sign-in?next={quote(request.url.path)}"})
            raise Problem(401, "sign in first", headers={"www-authenticate": "Bearer"})
        if not any(person.may(role, scope) for scope in scopes):
            raise Forbidden(person, role, scopes)
        return person

    return allowed


annotator, lead = needs("annotator", "tasks"), needs("lead", "rounds")
Annotator = Annotated[Person, Depends(annotator)]
Lead = Annotated[Person, Depends(lead)]
Reader = Annotated[Person, Depends(needs("lead", "labels", "rounds"))]
"""Takes the labels out."""
Admin = Annotated[Person, Depends(needs("admin", "admin"))]

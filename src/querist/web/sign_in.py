"""The pages by which people come in and out: sign-in, invitation, password, sign-out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from querist.core.errors import AccountError
from querist.http.attempts import Attempts
from querist.pipeline.accounts import sign_in
from querist.pipeline.project import Project
from querist.web.auth import Gate
from querist.web.people import Visitor
from querist.web.sessions import same_origin
from querist.web.sign_in_page import SignInPage, address

PER_NAME, PER_ADDRESS, MINUTES = 10, 50, 10
Field = Annotated[str, Form()]


def router(project: Project, gate: Gate) -> APIRouter:
    page = SignInPage(project, gate)
    words, show, enter = page.words, page.show, page.enter
    by_name, by_address = Attempts(PER_NAME, minutes=MINUTES), Attempts(PER_ADDRESS, minutes=MINUTES)
    pages = APIRouter(include_in_schema=False)

    def guess(request: Request, name: str, form: str) -> Response | None:
        """Counts one guess at a password; the answer when there were too many, or another page sent it."""
        if not same_origin(request):
            return show(request, form, status=403, said=words["account_elsewhere"])
        now = project.clock()
        if wait := by_address.take(address(request), now=now) or by_name.take(name[:100], now=now):
            return page.wait(request, form, wait)
        return None

    def guessed(request: Request, name: str) -> None:
        by_address.give_back(address(request))
        by_name.forget(name[:100])

    @pages.get("/sign-in")
    def ask(request: Request, next: str = "/") -> Response:
        return show(request, "alone" if gate.alone else "sign-in", next=next)

    @pages.post("/sign-in")
    def enter_by_password(request: Request, name: Field = "", password: Field = "", next: Field = "/") -> Response:
        if refusal := guess(request, name, "sign-in"):
            return refusal
        try:
            secret = sign_in.sign_in(project, name, password, address=address(request))
        except AccountError:
            return show(request, "sign-in", status=403, said=words["account_wrong"], name=name, next=next)
        guessed(request, name)
        return enter(request, secret, next)

    @pages.get("/invite/{token}")
    def ask_invited(request: Request, token: str) -> Response:
        try:
            return show(request, "invitation", name=sign_in.invited(project, token))
        except AccountError:
            return show(request, "over", status=404, said=words["account_over"])

    @pages.post("/invite/{token}")
    def enter_by_invitation(request: Request, token: str, password: Field = "") -> Response:
        if not same_origin(request):
            return show(request, "over", status=403, said=words["account_elsewhere"])
        try:
            name = sign_in.invited(project, token)
        except AccountError:
            return show(request, "over", status=404, said=words["account_over"])
        try:
            return enter(request, sign_in.accept(project, token, password))
        except AccountError:
            return show(request, "invitation", status=422, said=words["account_weak"], name=name)

    @pages.get("/password")
    def ask_new(request: Request, person: Visitor) -> Response:
        if person is None:
            return RedirectResponse("/sign-in?next=/password", 303)
        return show(request, "alone" if gate.alone else "password", name=person.name)

    @pages.post("/password")
    def change(request: Request, person: Visitor, old: Field = "", password: Field = "") -> Response:
        if person is None or person.scopes is not None:
            return RedirectResponse("/sign-in?next=/password", 303)
        if refusal := guess(request, person.name, "password"):
            return refusal
        try:
            secret = sign_in.change_password(project, person.name, old, password)
        except AccountError:
            return show(request, "password", status=422, said=words["account_unchanged"], name=person.name)
        guessed(request, person.name)
        return enter(request, secret)

    @pages.post("/sign-out")
    def leave(request: Request, person: Visitor) -> Response:
        if person is not None:
            sign_in.sign_out(project, gate.secret(request))
        response = RedirectResponse("/sign-in", 303)
        response.delete_cookie(gate.cookie)
        return response

    return pages

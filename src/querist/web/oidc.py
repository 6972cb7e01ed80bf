"""The way to the OpenID Connect provider, and back."""

from __future__ import annotations

from secrets import token_urlsafe
from urllib.parse import quote, unquote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from querist.core.errors import AccountError, ServiceError, SignatureError
from querist.http.attempts import Attempts
from querist.pipeline.accounts import identities
from querist.pipeline.accounts.oidc import Provider, Visit
from querist.pipeline.project import Project
from querist.web.auth import Gate
from querist.web.sign_in import MINUTES, PER_ADDRESS
from querist.web.sign_in_page import OUR_PATH, SignInPage, address

THERE, BACK = "/sign-in/oidc", "/sign-in/oidc/callback"
VISIT_SECONDS, LONGEST_PATH = 600, 1_000


def router(project: Project, gate: Gate, provider: Provider) -> APIRouter:
    page, by_address = SignInPage(project, gate), Attempts(PER_ADDRESS, minutes=MINUTES)
    cookie, name = f"{gate.cookie}_visit", project.settings.oidc.name
    pages = APIRouter(include_in_schema=False)

    def back(request: Request) -> str:
        """By the name under which the person reached us, so that the same browser comes back with its cookie."""
        return f"{request.url.scheme}://{request.headers['host']}{BACK}"

    def sorry(request: Request, error: AccountError | ServiceError | SignatureError, path: str) -> Response:
        status, why = 403, "account_provider_none" if isinstance(error, AccountError) else "account_provider_refused"
        if isinstance(error, ServiceError):
            status, why = 502, "account_provider_down"
        return page.show(request, "sign-in", status=status, said=page.words[why].format(name=name), next=path)

    @pages.get(THERE)
    def go(request: Request, next: str = "/") -> Response:
        if gate.alone:
            return RedirectResponse("/sign-in", 303)
        if wait := by_address.take(address(request), now=project.clock()):
            return page.wait(request, "sign-in", wait)
        visit = Visit(token_urlsafe(32), back(request))
        try:
            response = RedirectResponse(identities.begin(project, provider, visit, address=address(request)), 303)
        except ServiceError as error:
            return sorry(request, error, next)
        path = next if OUR_PATH.fullmatch(next) and len(next) <= LONGEST_PATH else "/"
        response.set_cookie(
            cookie,
            f"{visit.secret}.{quote(path, safe='')}",
            max_age=VISIT_SECONDS,
            path=THERE,
            httponly=True,
            samesite="lax",  # the provider sends the person back from another site
            secure=request.url.scheme == "https",
        )
        return response

    @pages.get(BACK)
    def come_back(request: Request) -> Response:
        if gate.alone:
            return RedirectResponse("/sign-in", 303)
        if wait := by_address.take(address(request), now=project.clock()):
            return page.wait(request, "sign-in", wait)
        secret, _, path = request.cookies.get(cookie, "").partition(".")
        visit, answer = Visit(secret or token_urlsafe(32), back(request)), dict(request.query_params)
        try:
            session = identities.enter(project, provider, visit, answer, address=address(request))
        except (AccountError, ServiceError, SignatureError) as error:
            response = sorry(request, error, unquote(path) or "/")
        else:
            response = page.enter(request, session, unquote(path))
            for _ in (THERE, BACK):  # neither was a failure
                by_address.give_back(address(request))
        response.delete_cookie(cookie, path=THERE)
        return response

    return pages

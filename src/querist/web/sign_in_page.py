"""The page behind which everything else lies: its forms, what it says, and the session that opens it."""

from __future__ import annotations

import re
from math import ceil
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates

from querist.http.attempts import network
from querist.pipeline.project import Project
from querist.web.auth import Gate
from querist.web.sessions import set_cookie
from querist.web.texts import texts

TEMPLATES = Jinja2Templates(directory=Path(__file__).parent / "templates")
OUR_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


class SignInPage:
    def __init__(self, project: Project, gate: Gate) -> None:
        self.words = texts(project.settings.labeling.language)
        self._settings, self._gate = project.settings, gate

    def show(self, request: Request, form: str, *, status: int = 200, said: str = "", **values: str) -> Response:
        context = {
            "say": self.words,
            "language": self._settings.labeling.language,
            "project": self._settings.project.name,
            "provider": self._settings.oidc.name if self._settings.oidc.issuer else "",
            "csrf": self._gate.csrf(request),
            "form": form,
            "said": said,
            **values,
        }
        return TEMPLATES.TemplateResponse(request, "sign_in.html", context, status)

    def wait(self, request: Request, form: str, seconds: float) -> Response:
        """There were too many attempts."""
        said = self.words["account_wait"].format(minutes=ceil(seconds / 60))
        response = self.show(request, form, status=429, said=said)
        response.headers["retry-after"] = str(ceil(seconds))
        return response

    def enter(self, request: Request, secret: str, path: str = "/") -> Response:
        response = RedirectResponse(path if OUR_PATH.fullmatch(path) else "/", 303)
        set_cookie(request, response, self._gate.cookie, secret)
        return response


def address(request: Request) -> str:
    """Of the connection itself: a header could say anything."""
    return network(request.client.host) if request.client else ""

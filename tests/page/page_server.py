"""Serves a project until it is killed: `python page_server.py FOLDER PORT`. The cookie `who` says who asks."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import Request

from querist.http.problems import Problem
from querist.pipeline.project import Project
from querist.web.app import create_app
from querist.web.people import Person


class ByCookie:
    def person(self, request: Request) -> Person | None:
        name = request.cookies.get("who")
        if name and request.method == "POST" and request.headers.get("x-csrf-token") != self.csrf(request):
            raise Problem(403, "wrong CSRF value")
        return Person(name, "annotator") if name else None

    def csrf(self, request: Request) -> str:
        return f"csrf-{request.cookies.get('session', '')}"


if __name__ == "__main__":
    app = create_app(Project(sys.argv[1]), gate=ByCookie())
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")

"""The gate: whose request this is, and to which names the server answers."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from ipaddress import ip_address

from fastapi import Request

from querist.http.problems import Problem
from querist.pipeline.accounts.people import Person, check_binding, count_users, this_user
from querist.pipeline.accounts.sign_in import make_link, of_session, of_token
from querist.pipeline.project import Project
from querist.web.sessions import SAFE, cookie_name, csrf_value, same_origin, same_value

HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^][:/@\s]+)(:\d{1,5})?", re.IGNORECASE)


class Gate:
    """Of one server: `host` is the address it listens on, `names` are further host names by which it is reached.

    Without any account the owner works alone and comes in by a one-time URL. Raises SettingError where people on other
    machines could come in and nobody has an account.
    """

    def __init__(self, project: Project, *, host: str = "127.0.0.1", names: Collection[str] = ()) -> None:
        n_users = count_users(project)
        check_binding(host, n_users)
        self.project, self.alone = project, n_users == 0
        self.cookie = cookie_name(str(project.folder))
        self.names = {name.lower() for name in ("localhost", host, socket.gethostname(), *names)}

    def one_time_path(self) -> str:
        """Lets the owner in once, from a browser; to be printed after the server's address."""
        return f"/?token={make_link(self.project, this_user())}"

    def knows(self, host: str) -> bool:
        """Whether a Host header is ours. A page elsewhere can point its own name to this machine (DNS rebinding), but
        not an address in digits.
        """
        found = HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower().removesuffix(".")
        try:
            return bool(ip_address(name.strip("[]")))
        except ValueError:
            return name in self.names

    def person(self, request: Request) -> Person | None:
        """The person whose token or session the request carries. Raises Problem 403 where an unsafe request under a
        session lacks its CSRF value (`request.state.csrf`) or comes from another page.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return of_token(self.project, token.strip())
        if not (secret := self.secret(request)):
            return None
        person = of_session(self.project, secret, alone=self.alone)
        if person is not None and request.method not in SAFE:
            given = getattr(request.state, "csrf", "")
            if not same_origin(request) or not same_value(given, csrf_value(secret)):
                raise Problem(403, "the page is out of date or the request came from elsewhere; load the page again")
        return person

    def csrf(self, request: Request) -> str:
        """The CSRF value of the request's session, for the page; empty without a session."""
        return csrf_value(secret) if (secret := self.secret(request)) else ""

    def secret(self, request: Request) -> str:
        return request.cookies.get(self.cookie, "")

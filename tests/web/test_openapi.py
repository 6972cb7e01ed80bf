"""The OpenAPI document is complete and honest: schemathesis tries it out."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("schemathesis", reason="schemathesis is not installed")

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance

from querist.pipeline.accounts.people import add_user, make_token
from querist.pipeline.project import Project
from querist.web.app import create_app
from querist.web.auth import Gate

BY_CONTENT = {"POST /api/v1/labels/import", "POST /api/v1/webhooks/labels"}
"""What a file or a signature holds, no schema can say."""

KEY = re.compile(r'"[!#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255}')


@pytest.mark.long
def test_no_request_breaks_the_server_nor_gets_an_undocumented_answer(waiting: Project) -> None:
    add_user(waiting, "lea", "admin", by="test")
    token = make_token(waiting, "lea", ["admin"], days=None, by="test")[1]
    app = create_app(waiting, gate=Gate(waiting, names=["testserver"]))
    api = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    tried = []
    for found in api.get_all_operations():
        operation = found.ok()
        # The header below signs every request in.
        left_out = [ignored_auth, positive_data_acceptance] if operation.label in BY_CONTENT else [ignored_auth]
        try_out(operation.as_strategy(), headers={"authorization": f"Bearer {token}"}, excluded_checks=left_out)
        tried.append(operation.label)
    assert {"POST /api/v1/annotations", "POST /api/v1/labels/import", "GET /images/{name}"} <= set(tried)


def try_out(cases: Any, **options: Any) -> None:
    @given(case=cases)
    @settings(max_examples=15, database=None, suppress_health_check=list(HealthCheck))
    def send(case: Any) -> None:
        if KEY.fullmatch((case.headers or {}).get("Idempotency-Key", "")):
            case.headers["Idempotency-Key"] = uuid4().hex  # one for each request, which no schema can say
        case.call_and_validate(**options)

    send()

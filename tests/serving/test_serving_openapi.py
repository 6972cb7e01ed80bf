"""The OpenAPI document of a served model is complete and honest: schemathesis tries it out."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("schemathesis", reason="schemathesis is not installed")

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance
from served import running, until

from querist.serving.app import create_app

BY_CONTENT = {"POST /v1/predict", "POST /v1/model/reload"}
"""Whether a model reads texts or images, and who reloads it, no schema can say."""


@pytest.mark.long
def test_no_request_breaks_the_server_nor_gets_an_undocumented_answer(deployed) -> None:
    with running(create_app(deployed[0])) as port:
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200)
        api = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/v1/openapi.json")
        tried = []
        for found in api.get_all_operations():
            operation = found.ok()
            left_out = [positive_data_acceptance] if operation.label in BY_CONTENT else []
            try_out(operation.as_strategy(), excluded_checks=left_out)
            tried.append(operation.label)
    assert BY_CONTENT | {"GET /metrics", "GET /v1/rollout"} <= set(tried)


def try_out(cases: Any, **options: Any) -> None:
    @given(case=cases)
    @settings(max_examples=30, database=None, suppress_health_check=list(HealthCheck))
    def send(case: Any) -> None:
        case.call_and_validate(**options)

    send()

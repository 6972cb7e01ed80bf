"""Errors as problem details (RFC 9457): a status, a title, what to do. Never the text of an item."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from querist.core.errors import Busy, DataError, HoldoutError, NoSuchRound, QueristError, ServiceError, SettingError

MEDIA_TYPE = "application/problem+json"
STATUS = {NoSuchRound: 404, HoldoutError: 409, Busy: 409, SettingError: 400, DataError: 400, ServiceError: 502}


class ProblemDetails(BaseModel):
    """What every answer with a status from 400 up looks like."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""


class Problem(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, detail: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, headers or {}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: each of these statuses answers problem details."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def respond(status: int, detail: str = "", headers: dict[str, str] | None = None) -> Response:
    body = ProblemDetails(title=HTTPStatus(status).phrase, status=status, detail=detail).model_dump()
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem, and describes problems in its OpenAPI document."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schemas = made().setdefault("components", {}).setdefault("schemas", {})
            schemas["ProblemDetails"] = ProblemDetails.model_json_schema()
        return made()

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI's own documentation shows

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> Response:
        return respond(error.status, error.detail, error.headers)

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        return respond(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        whole = any(e["loc"][0] == "body" and e["type"] == "model_attributes_type" for e in error.errors())
        if whole and "json" not in request.headers.get("content-type", ""):
            return respond(422, "the body was not read as JSON; send it with the header content-type: application/json")
        places = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]  # not the input itself
        return respond(422, "; ".join(places[:5]))

    @app.exception_handler(QueristError)
    async def _querist(_: Request, error: QueristError) -> Response:
        status = next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)
        return respond(status, str(error))

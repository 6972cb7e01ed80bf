"""The HTTP API of a served model."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from querist.core.errors import DataError, QueristError
from querist.core.hashing import unit_hash
from querist.core.label_sets import predicted
from querist.core.types import Probabilities
from querist.http.origin import from_this_machine
from querist.http.problems import Problem, documented
from querist.serving.batching import QueueFull
from querist.serving.metrics import Metrics
from querist.serving.model import Answers, RawItem, Refused, ServedModel
from querist.serving.recorder import Recorder, Said
from querist.serving.schemas import Health, Item, Items, ModelFacts, Predictions, Readiness, Reloaded, RolloutFacts
from querist.serving.settings import ServingSettings
from querist.serving.switch import Open, Part, Switch

RETRY = {"retry-after": "1"}
NOT_READY = "no model is loaded yet"


def router(switch: Switch, settings: ServingSettings, metrics: Metrics, recorder: Recorder | None) -> APIRouter:
    api = APIRouter()
    shadowing: set[asyncio.Task[None]] = set()

    @api.post("/v1/predict", response_model=Predictions, responses=documented(400, 408, 413, 422, 429, 500, 503, 504))
    async def predict(body: Items | Item, request: Request) -> Response:
        """Predicts one item or up to 1,024 of them."""
        items = [item.raw() for item in body.items] if isinstance(body, Items) else [body.raw()]
        request_id, fields = request.state.request_id, request.state.fields
        check_length(items, settings.item_characters)
        picked = switch.state.pick(request_id)
        if picked is None:
            raise Problem(503, NOT_READY, headers=RETRY)
        role, one = picked
        fields |= {"version": one.model.version, "role": role, "items": len(items)}
        if settings.log_items:
            fields["texts"] = [shown(item) for item in items]
        begun = asyncio.get_running_loop().time()
        try:
            part = await ask(one, items, settings.request_seconds)
        except Problem as problem:
            if problem.status >= 500:
                one.traffic.failed()
            raise
        proba = part.batch.proba[part.span]
        answers = one.model.answers(proba)
        one.traffic.answered(answers, asyncio.get_running_loop().time() - begun)
        metrics.answered(role, one.model.classes, answers)
        if recorder is not None and unit_hash(f"log {request_id}") < settings.log_share:
            recorder.add(Said(datetime.now(UTC), request_id, one.model, part.batch, part.span, items))
        if switch.state.shadowed(request_id):
            task = asyncio.create_task(compare(switch, metrics, items, one, proba))
            shadowing.add(task)
            task.add_done_callback(shadowing.discard)
        content = {
            "request_id": request_id,
            "model_version": one.model.version,
            "predictions": predictions(one.model, proba, answers),
        }
        return JSONResponse(content, headers={"x-model-version": one.model.version})

    @api.get("/healthz")
    async def healthz() -> Health:
        """Whether the process answers."""
        return Health(status="ok")

    @api.get("/readyz", responses=documented(503))
    async def readyz() -> Readiness:
        """Whether a model is loaded and warm, and which."""
        return Readiness(status="ok", version=stable(switch).model.version)

    @api.get("/v1/model", responses=documented(503))
    async def model() -> ModelFacts:
        """The facts of the current version."""
        facts = {name: value for name, value in stable(switch).model.facts.items() if name not in ("files", "data")}
        return ModelFacts.model_validate(facts)

    @api.post("/v1/model/reload", responses=documented(403, 409))
    async def reload(request: Request) -> Reloaded:
        """Opens the folder's current version at once, instead of at the next look. For this machine, or by token."""
        check_operator(request, settings.token)
        before = switch.state.roles.get("stable")
        try:
            await switch.refresh()
        except QueristError as error:
            raise Problem(409, str(error)) from None
        return Reloaded(before=before.model.version if before else None, now=stable(switch).model.version)

    @api.get("/v1/rollout")
    async def rollout() -> RolloutFacts:
        """What each version did since it has its role, and the shadow beside the version that answered."""
        state = switch.state
        roles = {role: {"version": one.model.version, **one.traffic.facts()} for role, one in state.roles.items()}
        return RolloutFacts.model_validate(
            {
                "every": state.rollout.every,
                "share": state.rollout.share,
                "roles": roles,
                "shadow": state.agreement.facts(),
            }
        )

    @api.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def exposition() -> Response:
        """Metrics for Prometheus."""
        return Response(metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    return api


async def ask(one: Open, items: Sequence[RawItem], seconds: float) -> Part:
    """The model's answer, or a Problem that says why there is none."""
    try:
        async with asyncio.timeout(seconds):
            return await one.lane.submit(items)
    except QueueFull as full:
        raise Problem(503, str(full), headers=RETRY) from None
    except TimeoutError:
        raise Problem(504, f"no answer within {seconds:g} seconds; send fewer items or try again later") from None
    except Refused as refused:
        raise Problem(refused.status, str(refused)) from None
    except DataError as error:
        raise Problem(422, str(error)) from None
    except Exception as error:  # of a plugin or a library: its message may hold an item, its name does not
        raise Problem(500, f"the model failed on this request ({type(error).__name__})") from None


async def compare(
    switch: Switch, metrics: Metrics, items: Sequence[RawItem], answered: Open, proba: Probabilities
) -> None:
    """The same items to the shadow; it is never waited for, and skips what it has no time for."""
    state = switch.state
    shadow = state.roles.get("shadow")
    if shadow is None:
        return
    begun = asyncio.get_running_loop().time()
    try:
        part = await shadow.lane.submit(items)
    except QueueFull:
        metrics.skipped.inc(len(items))
        return
    except Exception:  # of a plugin or a library; a shadow may fail, and the count says that it did
        shadow.traffic.failed()
        return
    other = part.batch.proba[part.span]
    answers = shadow.model.answers(other)
    shadow.traffic.answered(answers, asyncio.get_running_loop().time() - begun)
    metrics.answered("shadow", shadow.model.classes, answers)
    metrics.compared.inc(len(items))
    sets = answered.model.sets
    agreed = state.agreement.add(answered.model.classes, proba, shadow.model.classes, other, sets=sets)
    metrics.agreed.inc(agreed)


def predictions(model: ServedModel, proba: Probabilities, answers: Answers) -> list[dict[str, Any]]:
    classes = model.classes
    said: list[tuple[str, Any]]  # Any: a class, or a list of them
    if model.sets is None:
        said = [("label", classes[code]) for code in answers.codes.tolist()]
    else:
        said = [("labels", [classes[code] for code in np.flatnonzero(row)]) for row in predicted(proba)]
    rows = zip(said, proba.tolist(), answers.uncertainty.tolist(), answers.abstain.tolist(), strict=True)
    return [
        {
            name: label,
            "probabilities": dict(zip(classes, row, strict=True)),
            "uncertainty": min(max(unsure, 0.0), 1.0),  # a rounding error beyond either end is none
            "abstain": abstain,
        }
        for (name, label), row, unsure, abstain in rows
    ]


def check_length(items: Sequence[RawItem], most: int) -> None:
    for number, item in enumerate(items):
        texts = (
            [item["text"]] if "text" in item else [v for v in item.get("columns", {}).values() if isinstance(v, str)]
        )
        if (n := sum(map(len, texts))) > most:
            raise Problem(413, f"item {number} has {n} characters; an item has at most {most}")


def check_operator(request: Request, token: str) -> None:
    """A page in a browser on this machine is not the operator: it says where it comes from."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return
    if not from_this_machine(request) or "origin" in request.headers:
        raise Problem(403, "only this machine may do that, or the bearer of the server's token")


def stable(switch: Switch) -> Open:
    found = switch.state.roles.get("stable")
    if found is None:
        raise Problem(503, NOT_READY, headers=RETRY)
    return found


def shown(item: RawItem) -> Any:  # Any: JSON
    return f"<{len(item['image'])} bytes>" if "image" in item else item.get("text", item.get("columns"))

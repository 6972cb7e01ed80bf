"""The application of a deployed folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware import Middleware

from querist.http import problems
from querist.http.limits import BodyLimit, SafeHeaders
from querist.serving.metrics import Metrics
from querist.serving.observed import Observed
from querist.serving.rate import RateLimit
from querist.serving.recorder import Recorder
from querist.serving.routes import router
from querist.serving.settings import ServingSettings
from querist.serving.switch import Switch
from querist.stages.monitoring.logs import PredictionLog


def create_app(folder: str | Path, settings: ServingSettings | None = None) -> FastAPI:
    """Answers for the folder's current version, and follows when that changes; not ready until one is loaded."""
    settings = settings or ServingSettings()
    metrics = Metrics()
    recorder = Recorder(PredictionLog(settings.log_folder), settings.log_keep) if settings.log_folder else None
    switch = Switch(Path(folder), settings, metrics)
    metrics.watch(lambda: switch.n_waiting, recorder.counts if recorder else {})

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(switch.watch())
        yield
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await switch.close()
        if recorder:
            recorder.close()

    app = FastAPI(
        title="querist, a served model",
        version=version("querist"),
        summary="Class probabilities of items, by the current version of a deployed folder.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=life,
        middleware=[
            Middleware(Observed, metrics=metrics),
            Middleware(SafeHeaders),
            Middleware(RateLimit, per_minute=settings.per_minute),
            Middleware(BodyLimit, most=settings.body_bytes),
        ],
    )
    problems.install(app)
    app.include_router(router(switch, settings, metrics, recorder))
    return app

"""The web application of one project."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.middleware import Middleware

from querist import __version__
from querist.http import problems
from querist.http.limits import BodyLimit, SafeHeaders
from querist.pipeline.accounts.oidc import Provider
from querist.pipeline.human_labeling.labeling import Desk
from querist.pipeline.project import Project
from querist.web import auth, label_studio, lead, metrics, oidc, page, record, sign_in, tasks, webhooks
from querist.web.deliverer import Deliverer
from querist.web.door import Door
from querist.web.people import Gate
from querist.web.trainer import Trainer

HERE = Path(__file__).parent
UPLOAD_BYTES = 64 << 20
UPLOADS = ("/api/v1/labels/import", "/api/v1/webhooks/labels", "/ml/predict", "/ml/webhook")


def create_app(project: Project, *, gate: Gate) -> FastAPI:
    """The labeling page, the lead's pages and the HTTP API; `gate` says who asks."""
    trainer, deliverer = Trainer(project), Deliverer(project)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        trainer.start()
        deliverer.start()
        yield
        trainer.stop()
        deliverer.stop()

    door = [Middleware(Door, gate=gate)] if isinstance(gate, auth.Gate) else []
    app = FastAPI(
        title="querist",
        version=__version__,
        summary=f"The labeling of {project.settings.project.name}.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
        lifespan=life,
        middleware=[
            Middleware(SafeHeaders),
            *door,
            Middleware(label_studio.Locked, project=project),
            Middleware(BodyLimit, larger=dict.fromkeys(UPLOADS, UPLOAD_BYTES)),
        ],
    )
    app.state.gate, app.state.project = gate, project
    problems.install(app)
    page.install(app, project.settings.labeling.language)
    desk = Desk(project)
    if isinstance(gate, auth.Gate):
        app.include_router(sign_in.router(project, gate))
        if project.settings.oidc.issuer:
            app.include_router(oidc.router(project, gate, Provider(project.settings.oidc)))
    app.include_router(page.router(desk))
    app.include_router(tasks.router(desk, trainer))
    app.include_router(tasks.images(desk))
    app.include_router(record.router(project, trainer))
    app.include_router(lead.router(project, desk, trainer))
    app.include_router(webhooks.router(project))
    app.include_router(metrics.router(project, trainer))
    app.include_router(label_studio.router(project))
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    return app

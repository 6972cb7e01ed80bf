"""GET /: the annotator's page. What it needs to start comes with it; the items come over /api/v1."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from markdown_it import MarkdownIt
from markupsafe import Markup

from querist.core.hashing import key_of
from querist.core.label_sets import EMPTY
from querist.http.problems import respond
from querist.pipeline.human_labeling.labeling import Desk
from querist.web.people import Forbidden, opens_page
from querist.web.texts import texts

TEMPLATES = Jinja2Templates(directory=Path(__file__).parent / "templates")


def guidelines(text_or_path: str, base: Path) -> Markup:
    """Markdown, or the file it names, as HTML in which no markup of the author's own stands and no style."""
    text = text_or_path
    if text and "\n" not in text and len(text) < 1_000 and (base / text).is_file():
        text = (base / text).read_text(encoding="utf-8")
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(text)
    for token in tokens:
        token.attrs.pop("style", None)  # alignment of table cells, which the Content-Security-Policy refuses
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))  # noqa: S704  # html=False escapes it


def router(desk: Desk) -> APIRouter:
    project, settings = desk.project, desk.settings
    words = texts(settings.language)
    beside = guidelines(settings.guidelines, project.folder)
    # Answers that a browser keeps belong to one project, whatever else is served from this address later.
    place = key_of(project.settings.project.name, str(project.folder))[:12]
    pages = APIRouter(include_in_schema=False)

    @pages.get("/")
    def page(request: Request) -> Response:
        gate = request.app.state.gate
        person = gate.person(request)
        if person is None:
            return RedirectResponse("/sign-in", 303)
        setup = {
            "place": place,
            "person": person.name,
            "labels": desk.labels,
            "swipe": settings.swipe,
            "several": desk.sets and {"separator": desk.sets.separator, "none": EMPTY},
            "shown": desk.shown_to(person.name),
            "idle_seconds": settings.idle_seconds,
            "lease_minutes": settings.lease_minutes,
            "language": settings.language,
            "starts_itself": settings.start_rounds,
            "texts": dict(words),
        }
        context = {
            "say": words,
            "language": settings.language,
            "project": project.settings.project.name,
            "person": person,
            "csrf": gate.csrf(request),
            "guidelines": beside,
            "several": desk.sets is not None,
            "setup": setup,
        }
        return TEMPLATES.TemplateResponse(request, "label.html", context)

    return pages


def install(app: FastAPI, language: str) -> None:
    """Whoever opens a page that is not for them reads so; programs get problem details."""
    words = texts(language)

    @app.exception_handler(Forbidden)
    async def _forbidden(request: Request, error: Forbidden) -> Response:
        if not opens_page(request) or request.url.path.startswith("/api/"):
            return respond(error.status, error.detail)
        told = {"role": words[f"role_{error.person.role}"], "wanted": words[f"role_{error.role}"]}
        context = {"say": words, "language": language, "name": error.person.name, **told}
        return TEMPLATES.TemplateResponse(request, "forbidden.html", context, error.status)

"""/lead: the loop, the queue, the people, their agreement, and what a lead settles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from querist.core.label_sets import EMPTY
from querist.http.problems import Problem
from querist.pipeline.exchange.exports import FORMATS
from querist.pipeline.human_labeling import lead, review
from querist.pipeline.human_labeling.agreement import agreement
from querist.pipeline.human_labeling.labeling import Desk
from querist.pipeline.project import Project
from querist.stages.reporting.audiences import Audience
from querist.stages.reporting.charts import learning_curve_svg
from querist.web import figures
from querist.web.lead_texts import lead_texts
from querist.web.lead_words import in_words
from querist.web.people import Lead
from querist.web.tasks import STORABLE
from querist.web.trainer import Trainer

TEMPLATES = Jinja2Templates(directory=Path(__file__).parent / "templates")
FEW_LABELS = 12
"""So many labels have a button each; of more, those that somebody gave have one, and a list has the others."""

Text = Annotated[str, Form(max_length=1_000, pattern=STORABLE)]
Texts = Annotated[Sequence[Text], Form()]
Start = Annotated[int, Query(ge=0, le=10**7)]
Kind = Literal["disputed", "remarks", "relabel", "rulings"]


def router(project: Project, desk: Desk, trainer: Trainer) -> APIRouter:
    language = project.settings.labeling.language
    words = lead_texts(language)
    pages = APIRouter(prefix="/lead", include_in_schema=False)
    write = {
        "number": partial(figures.number, language=language),
        "percent": partial(figures.percent, language=language),
        "moment": figures.moment,
    }

    def show(request: Request, person: Lead, name: str, **values: Any) -> Response:  # Any: what the page shows
        context = {
            "say": words,
            "language": language,
            "project": project.settings.project.name,
            "person": person,
            "csrf": request.app.state.gate.csrf(request),
            "page": name,
            "ago": partial(figures.ago, now=project.clock(), words=words),
            **write,
            **values,
        }
        return TEMPLATES.TemplateResponse(request, f"lead_{name}.html", context)

    @pages.get("")
    def overview(request: Request, person: Lead, started: bool = False) -> Response:
        return show(
            request,
            person,
            "overview",
            work=lead.overview(project),
            state=trainer.state,
            itself=project.settings.labeling.start_rounds,
            started=started,
            settings=in_words(project.settings, words),
            formats=FORMATS,
            has_charts=_has_charts(),
            has_report=all(map(find_spec, ("altair", "vl_convert", "mermaidx"))),
        )

    @pages.post("/next")
    def next_round(_: Lead) -> Response:
        trainer.look()
        return RedirectResponse("/lead?started=true", 303)

    @pages.get("/report")
    def report(_: Lead, audience: Audience = "lead") -> Response:
        from querist.pipeline.reporting.report import live_report

        page, policy = live_report(project, audience)
        alone = f"{policy}; frame-ancestors 'none'"
        return HTMLResponse(page, headers={"content-security-policy": alone})

    @pages.get("/learning-curve.svg")
    def curve(_: Lead) -> Response:
        rows = lead.overview(project)["rounds"]
        drawn = _curve(tuple((r["round"], r["metric"], r["labels"], r["value"], r["low"], r["high"]) for r in rows))
        if drawn is None:
            raise Problem(404, "there is nothing to draw yet, or the extra charts is not installed")
        return Response(drawn, media_type="image/svg+xml")

    @pages.get("/queue")
    def queue(request: Request, person: Lead, released: int | None = None) -> Response:
        return show(request, person, "queue", queue=lead.who_has_what(project), released=released)

    @pages.post("/release")
    def release(person: Lead, annotator: Text) -> Response:
        n = lead.release(project, annotator, by=person.name)
        return RedirectResponse(f"/lead/queue?released={n}", 303)

    @pages.get("/people")
    def people(request: Request, person: Lead) -> Response:
        return show(request, person, "people", **lead.people(project))

    @pages.get("/agreement")
    def agreed(request: Request, person: Lead, round: str = "") -> Response:
        rounds = lead.round_numbers(project)
        chosen = int(round) if round.isdecimal() and int(round) in rounds else None
        found = {**agreement(project, round=chosen), "sets": desk.sets is not None}
        return show(request, person, "agreement", found=found, rounds=rounds, round=chosen)

    @pages.get("/review")
    def reviewed(
        request: Request, person: Lead, show_: Annotated[Kind, Query(alias="show")] = "disputed", start: Start = 0
    ) -> Response:
        found: Mapping[str, Any]
        match show_:
            case "disputed":
                found = review.disputed(project, start=start)
            case "remarks":
                found = review.remarks(project)
            case "relabel":
                found = review.relabel_or_wait(project)
            case "rulings":
                found = {"rows": review.rulings(project)}
        return show(request, person, "review", kind=show_, found=found, **choices())

    @pages.get("/review/item")
    def one(
        request: Request, person: Lead, item: Annotated[str, Query(max_length=1_000, pattern=STORABLE)]
    ) -> Response:
        return show(request, person, "review", kind="", found={"items": review.cards(project, [item])}, **choices())

    @pages.post("/review")
    def rule(
        request: Request, person: Lead, item: Text, label: Text = "", none: Text = "", labels: Texts = ()
    ) -> Response:
        sets = project.settings.data.sets
        chosen = sets.join(labels) if sets and labels else label
        if not chosen and not none:
            raise Problem(400, "no label was chosen; go back and choose one")
        review.rule(project, item, chosen or None, by=person.name)
        return RedirectResponse(_from(request), 303)

    @pages.post("/review/take-back")
    def take_back(request: Request, person: Lead, item: Text) -> Response:
        review.take_back(project, item, by=person.name)
        return RedirectResponse(_from(request), 303)

    def choices() -> dict[str, Any]:
        names = [label["name"] for label in desk.labels]
        shown = {"labels": names, "few": FEW_LABELS, "at_once": review.AT_ONCE}
        return {**shown, "several": desk.sets is not None, "no_label": EMPTY}

    return pages


def _from(request: Request) -> str:
    """The review page that sent the form, as far as the browser tells."""
    parts = urlsplit(request.headers.get("referer", ""))
    ours = parts.netloc == request.headers.get("host") and parts.path in ("/lead/review", "/lead/review/item")
    return parts._replace(scheme="", netloc="", fragment="").geturl() if ours else "/lead/review"


def _has_charts() -> bool:
    return find_spec("altair") is not None and find_spec("vl_convert") is not None


@lru_cache(maxsize=8)
def _curve(rows: tuple[tuple[int, str, int, float | None, float | None, float | None], ...]) -> str | None:
    names = ("round", "metric", "labels", "value", "low", "high")
    return learning_curve_svg([dict(zip(names, row, strict=True)) for row in rows], None)

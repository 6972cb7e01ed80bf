"""The report as one HTML file: no network, for screens light and dark, phones, paper and screen readers."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from querist.core.errors import MissingExtra
from querist.stages.reporting import words
from querist.stages.reporting.audiences import CHARTS, SECTIONS, Audience, charts_for
from querist.stages.reporting.charts import charts
from querist.stages.reporting.charts.drawing import inline, thinned, to_svg
from querist.stages.reporting.diagram import darker, draw, in_words, mermaid
from querist.stages.reporting.linked import in_pieces, linked, proof
from querist.stages.reporting.tables import tables
from querist.stages.reporting.tiles import tiles

FOLDER = Path(__file__).parent / "templates"
FOLD_FROM = 25
"""Rounds beyond these newest ones are folded away."""
STATES = {"green": "✓", "amber": "!", "red": "✗"}


def policy() -> str:
    """The Content-Security-Policy of the page: its own style and script, pictures within it, and nothing else."""
    style, script = (b64encode(hashlib.sha256(_own(kind).encode()).digest()).decode() for kind in ("css", "js"))
    own = f"style-src 'sha256-{style}'; script-src 'sha256-{script}'"
    return f"default-src 'none'; {own}; img-src data:; base-uri 'none'; form-action 'none'"


def html(found: Mapping[str, Any], *, audience: Audience) -> str:
    """The page for one kind of reader. Raises MissingExtra."""
    try:
        from jinja2 import Environment, FileSystemLoader
        from markupsafe import Markup
    except ImportError as error:
        raise MissingExtra("the report as HTML", "report") from error
    made = charts(found, charts_for(audience))
    sections = SECTIONS[audience]
    pages = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_finalize
    )
    pages.filters |= {
        "count": words.count,
        "figure": words.figure,
        "percent": words.percent,
        "hours": words.hours,
        "seconds": words.seconds,
        "moment": words.moment,
        "named": words.named,
        "pieces": in_pieces,
        "proof": lambda link: proof(link, sections),
        "money": lambda amount: words.money(amount, found["objective"]["currency"]),
    }
    return pages.get_template("report.html").render(
        found=found,
        audience=audience,
        sections=sections,
        css=Markup(_own("css")),  # noqa: S704  # a file of this package
        script=Markup(_own("js")),  # noqa: S704  # likewise
        policy=Markup(policy()),  # noqa: S704  # our words
        headline=linked(found["headline"]["sentence"], found["headline"]["evidence"]),
        svg={name: Markup(inline(to_svg(chart), chart)) for name, chart in made.items()},  # noqa: S704  # our drawing
        charts={name: (chart, thinned(chart.rows)) for name, chart in made.items()},
        charts_of=CHARTS,
        diagram=_diagram(found) if "diagram" in sections else None,
        interval=words.interval,
        states=STATES,
        fold=max(len(found["rounds"]) - FOLD_FROM, 0),
        settings=json.dumps(found["settings"], indent=1, ensure_ascii=False),
        tiles=tiles(found),
        **tables(found),
    )


def _own(kind: str) -> str:
    return (FOLDER / f"report.{kind}").read_text(encoding="utf-8")


def _diagram(found: Mapping[str, Any]) -> dict[str, str]:
    """The flowchart as two pictures, since Mermaid's own styles would have to be allowed in the page."""
    svg = draw(mermaid(found["stages"])).svg()
    light, dark = (b64encode(drawn.encode()).decode() for drawn in (svg, darker(svg)))
    return {"light": light, "dark": dark, "words": in_words(found["stages"])}


def _finalize(value: Any) -> Any:  # Any: whatever a template prints
    return words.printable(value) if type(value) is str else "" if value is None else value

"""Writes the report: one file for one reader, its charts alone, or the flowchart alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from querist.core.errors import DataError, SettingError
from querist.pipeline.reporting.findings import Since, findings
from querist.stages.reporting.audiences import Audience

if TYPE_CHECKING:
    from querist.pipeline.project import Project

DIAGRAMS = (".svg", ".png", ".mmd")


def write_report(project: Project, out: Path, *, audience: Audience = "lead", since: Since = None) -> Path:
    """Writes .html, .md, .json or .pptx, by the file's name. Raises SettingError for another, and MissingExtra."""
    if out.suffix.lower() not in WRITERS:
        raise SettingError(f"cannot write a report as {out.name!r}; name a file that ends in {', '.join(WRITERS)}")
    page = _named(out, project.folder) if out.suffix.lower() == ".html" else None
    _write(out, WRITERS[out.suffix.lower()](findings(project, since=since, page=page), audience))
    return out


def _named(out: Path, folder: Path) -> str:
    """As the project knows it; a report that goes to others names no folder of this machine."""
    whole = out.absolute()
    return str(whole.relative_to(folder)) if whole.is_relative_to(folder) else out.name


def live_report(project: Project, audience: Audience) -> tuple[str, str]:
    """The report as it stands now, and the Content-Security-Policy that it needs. Raises MissingExtra."""
    from querist.stages.reporting.html import html, policy

    return html(findings(project), audience=audience), policy()


def write_figures(project: Project, folder: Path, *, interactive: bool = False) -> list[Path]:
    """Each chart as SVG, PNG and CSV, and as a page that answers the pointer where `interactive` (0.9 MB each)."""
    from querist.stages.reporting.charts import charts
    from querist.stages.reporting.charts.drawing import to_html, to_png, to_svg

    written = []
    for name, chart in charts(findings(project)).items():
        _write(folder / f"{name}.svg", to_svg(chart).encode())
        _write(folder / f"{name}.png", to_png(chart))
        written += [folder / f"{name}.svg", folder / f"{name}.png", _write_csv(folder / f"{name}.csv", chart.rows)]
        if interactive:
            _write(folder / f"{name}.html", to_html(chart).encode())
            written.append(folder / f"{name}.html")
    return written


def diagram(project: Project) -> str:
    """The flowchart of this project as Mermaid source."""
    from querist.stages.reporting.diagram import mermaid

    return mermaid(findings(project)["stages"])


def write_diagram(project: Project, out: Path) -> Path:
    """The flowchart as .svg, .png or .mmd (its source). Raises SettingError for another name, and MissingExtra."""
    from querist.stages.reporting.diagram import draw

    kind = out.suffix.lower()
    if kind not in DIAGRAMS:
        raise SettingError(f"cannot write a diagram as {out.name!r}; name a file that ends in {', '.join(DIAGRAMS)}")
    source = diagram(project)
    if kind == ".mmd":
        _write(out, source.encode())
    else:
        drawn = draw(source)
        _write(out, drawn.png() if kind == ".png" else drawn.svg().encode())
    return out


def summary_in_a_paragraph(project: Project) -> str:
    from querist.stages.reporting.bullets import bullets

    return bullets(findings(project))


def _html(found: Mapping[str, Any], audience: Audience) -> bytes:
    from querist.stages.reporting.html import html

    return html(found, audience=audience).encode()


def _markdown(found: Mapping[str, Any], audience: Audience) -> bytes:
    from querist.stages.reporting.report_markdown import report_markdown

    return report_markdown(found, audience=audience).encode()


def _json(found: Mapping[str, Any], audience: Audience) -> bytes:
    return (json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _slides(found: Mapping[str, Any], audience: Audience) -> bytes:
    from querist.stages.reporting.deck import deck

    return deck(found)


WRITERS: dict[str, Callable[[Mapping[str, Any], Audience], bytes]] = {
    ".html": _html,
    ".md": _markdown,
    ".json": _json,
    ".pptx": _slides,
}


def _write_csv(path: Path, rows: Any) -> Path:  # Any: the figures of a chart, dicts of one shape
    from querist.pipeline.exchange.label_files import quoted

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(rows[0])
        writer.writerows(map(quoted, row.values()) for row in rows)
    return path


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise DataError(f"cannot write {path} ({error.strerror}); name a place where you may write") from None

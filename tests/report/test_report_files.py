"""`querist report` and `querist diagram` on projects, empty and with rounds."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from report_findings import HOSTILE, sample_findings

from querist.cli import cli
from querist.core.errors import SettingError
from querist.pipeline.project import Project
from querist.pipeline.reporting.findings import findings
from querist.pipeline.reporting.report import write_report
from querist.stages.reporting.deck import deck

for extra in ("altair", "vl_convert", "jinja2", "mermaidx", "pptx"):
    pytest.importorskip(extra, reason="the extra report is not installed")


@pytest.fixture
def project(folder: Path, reviews: Path, clock: Callable[[], datetime]) -> Project:
    made = Project(folder, clock=clock)
    made.ingest(reviews)
    made.run(rounds=2, oracle="label")
    return made


def querist(*arguments: str) -> str:
    found = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def test_the_findings_hold_what_the_rounds_did(project: Project) -> None:
    found = findings(project)
    assert [(row["round"], row["asked"], row["answers"]) for row in found["rounds"]] == [
        (0, 20, 20),
        (1, 10, 10),
        (2, 10, 10),
    ]
    assert found["status"]["spent"]["labels"] == 40
    assert found["status"]["last"]["round"] == 2
    assert sum(row["answers"] for row in found["labels"]) == 40
    assert found["news"]["answers"] == 40
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("inside", [True, False])
def test_a_report_counts_itself_and_names_no_folder_of_this_machine(
    project: Project, tmp_path: Path, inside: bool
) -> None:
    out = project.folder / "reports" / "report.html" if inside else tmp_path / "else" / "where.html"
    page = write_report(project, out, audience="engineer").read_text(encoding="utf-8")
    assert f"{'reports/report.html' if inside else 'where.html'} shows accuracy of the newest round" in page
    assert str(tmp_path) not in page
    assert "no HTML page shows the newest round" not in page


def test_what_is_new_begins_where_it_is_told(project: Project) -> None:
    assert findings(project, since=date(2030, 1, 1))["news"]["rounds"] == []
    assert findings(project, since=date(2026, 1, 1))["news"]["rounds"] == [0, 1, 2]
    assert findings(project, since="monday")["news"]["since"] == "2025-12-29"


def test_an_empty_project_has_a_good_page_that_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    for kind in ("html", "md", "json", "pptx"):
        write_report(Project(folder), tmp_path / f"report.{kind}", audience="engineer")
    page = (tmp_path / "report.html").read_text()
    assert "Nothing can be told yet: no data yet" in page
    assert "<code>querist ingest FILE</code>" in page
    assert "cannot tell yet" in page


def test_a_project_that_waits_for_its_seed_set_says_so(folder: Path, reviews: Path, tmp_path: Path) -> None:
    settings = folder / "querist.toml"
    settings.write_text(settings.read_text().replace('label = "label"', 'classes = ["pos", "neg"]'))
    project = Project(folder)
    project.ingest(reviews)
    write_report(project, tmp_path / "report.html")
    project.run()
    write_report(project, tmp_path / "report.html")
    assert "items wait for a label" in (tmp_path / "report.html").read_text()


def test_the_command_writes_each_kind_of_file(project: Project, tmp_path: Path) -> None:
    for kind in ("html", "md", "json", "pptx"):
        out = tmp_path / f"out.{kind}"
        assert querist("report", "--project", str(project.folder), "--out", str(out)) == f"wrote {out}\n"
    assert json.loads((tmp_path / "out.json").read_text())["project"] == "reviews"
    assert "accuracy" in querist("report", "--bullets", "--project", str(project.folder))


def test_the_default_file_lies_in_the_project_and_a_weekly_one_has_its_week(project: Project) -> None:
    querist("report", "--project", str(project.folder), "--audience", "executive")
    querist("report", "--project", str(project.folder), "--weekly")
    names = {path.name for path in (project.folder / "reports").glob("report*.html")}
    assert "report.html" in names
    assert any("-W" in name for name in names)


def test_another_kind_of_file_is_refused_with_those_that_are_known(project: Project, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"\.html, \.md, \.json, \.pptx"):
        write_report(project, tmp_path / "report.docx")
    with pytest.raises(SettingError, match=r"\.svg, \.png, \.mmd"):
        cli.main(["diagram", "--project", str(project.folder), "--out", "x.gif"], standalone_mode=False)


def test_the_figures_are_pictures_and_tables(project: Project, tmp_path: Path) -> None:
    querist("report", "figures", str(tmp_path / "figures"), "--project", str(project.folder))
    with (tmp_path / "figures" / "learning-curve-labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["labels"] for row in rows if row["curve"] == "this project"] == ["20", "30", "40"]
    for kind in ("svg", "png"):
        assert (tmp_path / "figures" / f"learning-curve-labels.{kind}").stat().st_size > 1_000


def test_the_diagram_is_printed_or_drawn(project: Project, tmp_path: Path) -> None:
    source = querist("diagram", "--project", str(project.folder))
    assert "seed set of 20" in source
    assert "accuracy" in source
    querist("diagram", "--project", str(project.folder), "--out", str(tmp_path / "loop.svg"))
    assert "<svg" in (tmp_path / "loop.svg").read_text()


@pytest.mark.parametrize("text", ["clothes", HOSTILE])
def test_the_deck_has_five_slides_with_the_result_first_and_a_chart_to_edit(text: str) -> None:
    from pptx import Presentation

    slides: Any = list(Presentation(BytesIO(deck(sample_findings(text=text)))).slides)
    assert len(slides) == 5
    words = [" ".join(s.text_frame.text for s in slide.shapes if s.has_text_frame) for slide in slides]
    assert "Macro-F1 0.71 → 0.84 with 1,200 labels" in words[0]
    chart = next(shape for shape in slides[1].shapes if shape.has_chart).chart
    assert [series.name for series in chart.plots[0].series] == ["random", "this project", "goal"]
    assert "Next\n20 items wait" in words[4]


def test_every_slide_keeps_to_its_room() -> None:
    from pptx import Presentation

    made: Any = Presentation(BytesIO(deck(sample_findings(rounds=300))))
    for slide in made.slides:
        for shape in slide.shapes:
            assert shape.left >= 0
            assert shape.left + shape.width <= made.slide_width
            assert shape.top + shape.height <= made.slide_height

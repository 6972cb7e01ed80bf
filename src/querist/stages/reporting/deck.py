"""The report as five slides, with the curve as a chart that can be edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from typing import Any

from querist.core.errors import MissingExtra
from querist.stages.reporting.charts.curves import learning_curve
from querist.stages.reporting.charts.drawing import OTHER, OURS
from querist.stages.reporting.diagram import draw, in_words, mermaid
from querist.stages.reporting.linked import whole
from querist.stages.reporting.words import count, hours, interval, money, named, of_budget, percent, printable

WIDTH, HEIGHT, EDGE = 13.333, 7.5, 0.7
INK, SOFT = "1B1F24", "565D66"
MOST_LINES = 7
LONGEST = 220


def deck(found: Mapping[str, Any]) -> bytes:
    """A .pptx of five slides: result, learning curve, pipeline, plan and savings, risks and next step."""
    try:
        from pptx import Presentation
        from pptx.util import Inches
    except ImportError as error:
        raise MissingExtra("the report as slides", "report") from error
    slides = Presentation()
    slides.slide_width, slides.slide_height = Inches(WIDTH), Inches(HEIGHT)
    _result(_slide(slides, found["project"]), found)
    _curve(_slide(slides, "Learning curve"), found)
    _pipeline(_slide(slides, "Pipeline"), found)
    _lines(_slide(slides, "Plan and savings"), _plan(found))
    _lines(_slide(slides, "Risks and next step"), _ahead(found))
    written = BytesIO()
    slides.save(written)
    return written.getvalue()


def _slide(slides: Any, title: str) -> Any:  # Any: python-pptx has no types we could check
    from pptx.util import Inches, Pt

    slide = slides.slides.add_slide(slides.slide_layouts[5])
    heading = slide.shapes.title
    heading.left, heading.top, heading.width, heading.height = map(Inches, (EDGE, 0.4, WIDTH - 2 * EDGE, 0.9))
    heading.text_frame.text = _short(title, 90)
    _look(heading.text_frame.paragraphs[0], Pt(30), INK, bold=True)
    return slide


def _result(slide: Any, found: Mapping[str, Any]) -> None:
    from pptx.util import Pt

    frame = _box(slide, 1.6, 3.0)
    frame.text = _short(whole(found["headline"]["sentence"]).replace("`", ""), 400)
    _look(frame.paragraphs[0], Pt(32), INK, bold=True)
    spent, currency = found["status"]["spent"], found["objective"]["currency"]
    told = [f"{count(spent['labels'])} labels"]
    told += [money(spent["money"], currency)] if spent["money"] else []
    told += [hours(spent["hours"])] if spent["hours"] else []
    below = _box(slide, 5.0, 1.4)
    below.text = f"Spent so far: {', '.join(told)}"
    _look(below.paragraphs[0], Pt(20), SOFT)
    if found["objective"]["why"]:
        added = below.add_paragraph()
        added.text = _short(found["objective"]["why"])
        _look(added, Pt(18), SOFT)


def _curve(slide: Any, found: Mapping[str, Any]) -> None:
    from pptx.chart.data import XyChartData
    from pptx.dml.color import RGBColor
    from pptx.enum.chart import XL_CHART_TYPE, XL_LEGEND_POSITION
    from pptx.util import Inches, Pt

    drawn = learning_curve(found)
    if drawn is None:
        _lines(slide, ["No round is evaluated on labeled holdout items yet."])
        return
    data = XyChartData()
    for name in dict.fromkeys(row["curve"] for row in drawn.rows):
        series = data.add_series(name)
        for row in drawn.rows:
            if row["curve"] == name:
                series.add_data_point(row["labels"], row["value"])
    if (goal := found["objective"]["goal"]) is not None:
        series = data.add_series("goal")
        for x in (drawn.rows[0]["labels"], max(row["labels"] for row in drawn.rows)):
            series.add_data_point(x, goal)
    place = map(Inches, (EDGE, 1.4, WIDTH - 2 * EDGE, 4.9))
    frame = slide.shapes.add_chart(XL_CHART_TYPE.XY_SCATTER_LINES_NO_MARKERS, *place, data)
    frame.name = drawn.title
    frame._element.nvGraphicFramePr.cNvPr.set("descr", printable(drawn.words))
    chart = frame.chart
    chart.has_legend, chart.has_title = True, False
    chart.legend.position, chart.legend.include_in_layout = XL_LEGEND_POSITION.TOP, False
    chart.font.size = Pt(14)
    colours = {"this project": OURS, "random": OTHER, "goal": "#1d7a46"}
    for series in chart.plots[0].series:
        series.smooth = False
        series.format.line.width = Pt(2.5)
        series.format.line.color.rgb = RGBColor.from_string(colours[series.name][1:].upper())
    for axis, title in ((chart.category_axis, "labels"), (chart.value_axis, named(found["metric"]))):
        axis.has_title, axis.axis_title.text_frame.text = True, title
        axis.has_major_gridlines = False
    chart.value_axis.minimum_scale = max(round(min(row["low"] for row in drawn.rows) - 0.02, 2), 0.0)
    caption = _box(slide, 6.4, 0.8)
    caption.text = _short(drawn.words, 300)
    _look(caption.paragraphs[0], Pt(14), SOFT)


def _pipeline(slide: Any, found: Mapping[str, Any]) -> None:
    from pptx.util import Inches

    picture = BytesIO(draw(mermaid(found["stages"])).png())
    placed = slide.shapes.add_picture(picture, Inches(EDGE), Inches(1.5), width=Inches(WIDTH - 2 * EDGE))
    room = Inches(HEIGHT - 1.9)
    if placed.height > room:
        placed.width, placed.height = round(placed.width * room / placed.height), room
        placed.left = round((Inches(WIDTH) - placed.width) / 2)
    placed._element.nvPicPr.cNvPr.set("descr", printable(in_words(found["stages"])))


def _plan(found: Mapping[str, Any]) -> list[str]:
    last, objective = found["status"]["last"], found["objective"]
    goal = "" if objective["goal"] is None else f", goal {objective['goal']:g}"
    metric = interval(last["value"], last["low"], last["high"]) if last else "not measured yet"
    told = [f"{named(found['metric'])}: {metric}{goal}"]
    write: dict[str, Callable[[float], str]] = {"labels": count, "hours": hours}
    write["money"] = lambda amount: money(amount, objective["currency"])
    for row in found["plan"]:
        if row["what"] in write:
            amount = write[row["what"]]
            budget = None if row["of"] is None else f"{amount(row['of'])} ({percent(row['share'])})"
            told.append(f"{row['what'].capitalize()}: {of_budget(amount(row['now']), budget)}")
    savings = found["savings"]
    said = [savings[part]["sentence"] for part in ("forecast", "control") if savings[part]]
    if savings["baseline"]:
        said.append(savings["baseline"]["how"])
    return [*told, *map(whole, said)]


def _ahead(found: Mapping[str, Any]) -> list[str]:
    risks = [whole(risk["sentence"]) for risk in found["risks"]] or ["No risk found in the record."]
    step = found["next_step"]
    commands = f" ({', '.join(step['commands'])})" if step["commands"] else ""
    return [*risks[: MOST_LINES - 1], f"Next: {step['sentence']}{commands}"]


def _lines(slide: Any, lines: Sequence[str]) -> None:
    from pptx.util import Pt

    frame = _box(slide, 1.6, HEIGHT - 2.2)
    for at, line in enumerate(lines[:MOST_LINES]):
        paragraph = frame.paragraphs[0] if at == 0 else frame.add_paragraph()
        paragraph.text = _short(line)
        paragraph.space_after = Pt(12)
        _look(paragraph, Pt(20), INK)


def _box(slide: Any, top: float, height: float) -> Any:
    from pptx.util import Inches

    frame = slide.shapes.add_textbox(*map(Inches, (EDGE, top, WIDTH - 2 * EDGE, height))).text_frame
    frame.word_wrap = True
    return frame


def _look(paragraph: Any, size: Any, colour: str, *, bold: bool = False) -> None:
    from pptx.dml.color import RGBColor
    from pptx.enum.text import PP_ALIGN

    paragraph.alignment = PP_ALIGN.LEFT
    paragraph.font.size, paragraph.font.bold = size, bold
    paragraph.font.color.rgb = RGBColor.from_string(colour)


def _short(text: str, most: int = LONGEST) -> str:
    said = " ".join(printable(text).replace("`", "").split())
    return said if len(said) <= most else f"{said[: most - 1]}…"

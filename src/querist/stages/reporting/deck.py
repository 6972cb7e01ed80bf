"""The report as five slides, with the curve as a chart that can be edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from math import floor
from typing import Any

from querist.core.errors import MissingExtra
from querist.stages.reporting.charts.curves import FITTED, learning_curve
from querist.stages.reporting.charts.drawing import GOAL, OTHER, OURS
from querist.stages.reporting.diagram import draw, in_words, mermaid
from querist.stages.reporting.linked import whole
from querist.stages.reporting.tiles import tiles
from querist.stages.reporting.words import count, hours, interval, moment, money, named, percent, printable

WIDTH, HEIGHT, EDGE = 13.333, 7.5, 0.7
INK, SOFT, RULE, TINT, ACCENT = "1B1F24", "565D66", "D9DCE0", "E8F0F8", "1F5688"
ROOM = WIDTH - 2 * EDGE
MOST_LINES = 5
LONGEST = 300


def deck(found: Mapping[str, Any]) -> bytes:
    """A .pptx of five slides: result, learning curve, pipeline, plan and savings, risks and next step."""
    try:
        from pptx import Presentation
        from pptx.util import Inches
    except ImportError as error:
        raise MissingExtra("the report as slides", "report") from error
    slides = Presentation()
    slides.slide_width, slides.slide_height = Inches(WIDTH), Inches(HEIGHT)
    titles = (found["project"], "Learning curve", "Pipeline", "Plan and savings", "Risks and next step")
    for title, fill in zip(titles, (_result, _curve, _pipeline, _plan, _ahead), strict=True):
        fill(_slide(slides, title, found), found)
    written = BytesIO()
    slides.save(written)
    return written.getvalue()


def _slide(slides: Any, title: str, found: Mapping[str, Any]) -> Any:  # Any: python-pptx has no types we could check
    from pptx.util import Inches

    slide = slides.slides.add_slide(slides.slide_layouts[5])
    heading = slide.shapes.title
    heading.left, heading.top, heading.width, heading.height = map(Inches, (EDGE, 0.4, ROOM, 0.9))
    _say(heading.text_frame, title, 30, bold=True, most=90)
    _say(_box(slide, 6.9, 0.4), f"{found['project']}, {moment(found['generated_at'])}", 12, SOFT, most=120)
    return slide


def _result(slide: Any, found: Mapping[str, Any]) -> None:
    sentence = _short(whole(found["headline"]["sentence"]), 400)
    _say(
        _box(slide, 1.4, 2.6),
        sentence,
        30 if len(sentence) < 130 else 26 if len(sentence) < 250 else 22,
        bold=True,
        most=400,
    )
    shown, gap = tiles(found), 0.25
    large = 24 if all(len(tile.big) < 12 for tile in shown) else 18
    width = (ROOM - gap * (len(shown) - 1)) / len(shown)
    for at, tile in enumerate(shown):
        frame = _box(slide, 4.2, 1.6, EDGE + at * (width + gap), width, colour=TINT)
        for text, size, colour, bold in (
            (tile.title, 13, SOFT, False),
            (tile.big, large, INK, True),
            (tile.small, 12, SOFT, False),
        ):
            _say(frame, text, size, colour, bold=bold)
    if found["objective"]["why"]:
        _say(_box(slide, 6.0, 0.8), found["objective"]["why"], 16, SOFT)


def _curve(slide: Any, found: Mapping[str, Any]) -> None:
    from pptx.chart.data import XyChartData
    from pptx.dml.color import RGBColor
    from pptx.enum.chart import XL_CHART_TYPE, XL_LEGEND_POSITION
    from pptx.util import Inches, Pt

    drawn = learning_curve(found)
    if drawn is None:
        _say(_box(slide, 1.6, 1.0), "No round is evaluated on labeled holdout items yet.", 20)
        _next(slide, found)
        return
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in drawn.rows:
        if row["how"] == FITTED:
            continue
        lines.setdefault(row["curve"], []).append((row["labels"], row["value"]))
    if (goal := found["objective"]["goal"]) is not None:
        lines["goal"] = [
            (x, goal) for x in (drawn.rows[0]["labels"], max(x for line in lines.values() for x, _ in line))
        ]
    data = XyChartData()
    for name, points in sorted(lines.items(), key=lambda line: -len(line[1])):  # LibreOffice hides longer ones behind
        series = data.add_series(name)
        for point in points:
            series.add_data_point(*point)
    place = map(Inches, (EDGE, 1.3, ROOM, 4.8))
    frame = slide.shapes.add_chart(XL_CHART_TYPE.XY_SCATTER_LINES_NO_MARKERS, *place, data)
    frame.name = drawn.title
    frame._element.nvGraphicFramePr.cNvPr.set("descr", printable(drawn.words))
    chart = frame.chart
    chart.has_legend, chart.has_title = True, False
    chart.legend.position, chart.legend.include_in_layout = XL_LEGEND_POSITION.TOP, False
    chart.font.size = Pt(14)
    colours = {"this project": OURS, "random": OTHER, "goal": GOAL}
    for series in chart.plots[0].series:
        series.smooth = False
        series.format.line.width = Pt(2.5)
        series.format.line.color.rgb = RGBColor.from_string(colours[series.name][1:].upper())
    axes = ((chart.category_axis, "labels", "#,##0"), (chart.value_axis, named(found["metric"]), "0.00"))
    for axis, title, numbers in axes:
        axis.has_title, axis.axis_title.text_frame.text = True, title
        axis.has_major_gridlines = False
        axis.tick_labels.number_format, axis.tick_labels.number_format_is_linked = numbers, False
    chart.value_axis.has_major_gridlines = True
    chart.value_axis.major_gridlines.format.line.color.rgb = RGBColor.from_string(RULE)
    chart.value_axis.minimum_scale = max(floor(20 * min(row["low"] for row in drawn.rows)) / 20, 0.0)
    _say(_box(slide, 6.15, 0.7), drawn.words, 14, SOFT, most=300)


def _pipeline(slide: Any, found: Mapping[str, Any]) -> None:
    from pptx.util import Inches

    picture = BytesIO(draw(mermaid(found["stages"])).png())
    placed = slide.shapes.add_picture(picture, Inches(EDGE), Inches(1.4), width=Inches(ROOM))
    room = Inches(HEIGHT - 2.1)
    if placed.height > room:
        placed.width, placed.height = round(placed.width * room / placed.height), room
        placed.left = round((Inches(WIDTH) - placed.width) / 2)
    placed._element.nvPicPr.cNvPr.set("descr", printable(in_words(found["stages"])))


def _plan(slide: Any, found: Mapping[str, Any]) -> None:
    last, objective, savings = found["status"]["last"], found["objective"], found["savings"]
    goal = "no goal set" if objective["goal"] is None else f"goal {objective['goal']:g}"
    reached = interval(last["value"], last["low"], last["high"]) if last else "not measured yet"
    rows = [("", "now", "plan", "share of the plan"), (named(found["metric"]), reached, goal, "")]
    write: dict[str, Callable[[float], str]] = {"labels": count, "hours": hours}
    write["money"] = lambda amount: money(amount, objective["currency"])
    for row in found["plan"]:
        if row["what"] in write:
            amount, of = write[row["what"]], row["of"]
            plan = ("no budget set", "") if of is None else (amount(of), percent(row["share"]))
            rows.append((row["what"], amount(row["now"]), *plan))
    bottom = 1.4 + _table(slide, 1.4, rows) + 0.3
    said = [savings[part]["sentence"] for part in ("verdict", "forecast", "control") if savings[part]]
    said += [savings["baseline"]["how"]] if savings["baseline"] else []
    _lines(slide, bottom, 6.7 - bottom, said)


def _ahead(slide: Any, found: Mapping[str, Any]) -> None:
    risks = [risk["sentence"] for risk in found["risks"]] or ["no risk found in the record"]
    _lines(slide, 1.4, 3.6, risks)
    _next(slide, found)


def _next(slide: Any, found: Mapping[str, Any]) -> None:
    """The step to take now, in a box at the foot of the slide."""
    step = found["next_step"]
    frame = _box(slide, 5.3, 1.2, colour=TINT)
    _say(frame, "Next", 13, SOFT)
    commands = f" ({', '.join(step['commands'])})" if step["commands"] else ""
    _say(frame, f"{step['sentence']}{commands}", 18, ACCENT, bold=True)


def _table(slide: Any, top: float, rows: Sequence[Sequence[str]]) -> float:
    """Draws it, the first row as its head and the first column as names, and gives its height in inches."""
    from pptx.util import Inches

    height = 0.42 * len(rows)
    place = map(Inches, (EDGE, top, ROOM, height))
    table = slide.shapes.add_table(len(rows), len(rows[0]), *place).table
    table.horz_banding = False
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            cell = table.cell(number, column)
            _fill(cell.fill, TINT if number == 0 else "FFFFFF")
            _say(cell.text_frame, text, 16, SOFT if number == 0 else INK, bold=column == 0)
    return height


def _lines(slide: Any, top: float, height: float, lines: Sequence[str]) -> None:
    """Sentences below each other, smaller where they are many or long."""
    shown = [_short(whole(line)) for line in lines[:MOST_LINES]]
    frame = _box(slide, top, height)
    for line in shown:
        _say(frame, line, 20 if sum(map(len, shown)) < 600 else 16, after=10)


def _box(
    slide: Any, top: float, height: float, left: float = EDGE, width: float = ROOM, *, colour: str | None = None
) -> Any:
    from pptx.enum.text import MSO_AUTO_SIZE
    from pptx.util import Inches

    box = slide.shapes.add_textbox(*map(Inches, (left, top, width, height)))
    if colour is not None:
        _fill(box.fill, colour)
    frame = box.text_frame
    frame.word_wrap, frame.auto_size = True, MSO_AUTO_SIZE.NONE
    return frame


def _fill(fill: Any, colour: str) -> None:
    from pptx.dml.color import RGBColor

    fill.solid()
    fill.fore_color.rgb = RGBColor.from_string(colour)


def _say(
    frame: Any, text: str, size: int, colour: str = INK, *, bold: bool = False, most: int = LONGEST, after: int = 4
) -> None:
    """One more paragraph; in an empty frame, the first."""
    from pptx.dml.color import RGBColor
    from pptx.enum.text import PP_ALIGN
    from pptx.util import Pt

    paragraph = frame.add_paragraph() if frame.text else frame.paragraphs[0]
    paragraph.text = _short(text, most)
    paragraph.alignment, paragraph.space_after = PP_ALIGN.LEFT, Pt(after)
    paragraph.font.size, paragraph.font.bold = Pt(size), bold
    paragraph.font.color.rgb = RGBColor.from_string(colour)


def _short(text: str, most: int = LONGEST) -> str:
    """Without what stands for commands, and cut between words."""
    said = " ".join(printable(text).replace("`", "").split())
    return said if len(said) <= most else f"{said[: most - 1].rsplit(' ', 1)[0].rstrip(',;:')}…"

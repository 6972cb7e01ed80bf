"""A chart: an Altair specification with its figures and its meaning in words; drawn to SVG or PNG without a browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from xml.etree import ElementTree

from querist.core.errors import MissingExtra
from querist.stages.reporting.words import printable

Row = TypeVar("Row")

INK, SOFT, LINE = "#1b1f24", "#565d66", "#d9dce0"
OURS, OTHER, GOAL, THIRD = "#0b62a4", "#b8500b", "#1d7a46", "#8a4a9e"
"""Told apart by the colour-blind, too: blue, orange, green, purple; each is also named beside its line."""
VARIABLES = {
    INK: "--ink",
    SOFT: "--soft",
    LINE: "--rule",
    OURS: "--ours",
    OTHER: "--other",
    GOAL: "--goal",
    THIRD: "--third",
}
"""What each colour is called on a page, which has a light and a dark one for it."""
SVG = "{http://www.w3.org/2000/svg}"
LEFT_OUT = frozenset({"role", "style", "font-family", "class"})
TOLD = ("point", "bar", "rect mark")
"""What vl-convert calls the marks that stand for one figure each, and are labelled with it."""
MOST_POINTS = 100
"""One for each five pixels, the size of its mark: more would lie on each other."""
WIDTH, HALF, HEIGHT = 520, 400, 280
FONT = "DejaVu Sans"
"""A wide font, so that what is drawn for it is not cut off where the reader's is another."""


@dataclass(frozen=True)
class Chart:
    """`rows` are its figures, one dict a point; `words` say what it shows to whoever cannot see it; `series` has the
    colour of each by its name, where there are several that a reader may want to see alone."""

    name: str
    title: str
    words: str
    rows: Sequence[Mapping[str, Any]]
    layers: Any  # an Altair chart, which is an extra without types
    width: int = WIDTH
    series: Mapping[str, str] = field(default_factory=dict)

    def specification(self, background: str = "transparent") -> dict[str, Any]:
        """In the words of Vega-Lite, without characters that no SVG can hold: at those its drawing aborts."""
        configured = (
            self.layers.properties(width=self.width, height=HEIGHT, background=background)
            .configure(font=FONT, aria=True)
            .configure_view(stroke=None)
            .configure_axis(
                labelColor=SOFT,
                titleColor=INK,
                gridColor=LINE,
                domainColor=SOFT,
                tickColor=SOFT,
                labelFontSize=13,
                titleFontSize=13,
                titleFontWeight="normal",
            )
            .configure_text(color=INK, fontSize=13)
        )
        clean: dict[str, Any] = _printable(configured.to_dict())
        return clean


def _printable(value: Any) -> Any:  # Any: whatever JSON can hold
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable(key): _printable(inner) for key, inner in value.items()}
    return [_printable(inner) for inner in value] if isinstance(value, list) else value


def altair() -> Any:
    """The module, or the error that says how to have it."""
    try:
        import altair
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise MissingExtra("charts", "report") from error
    return altair


def to_svg(chart: Chart) -> str:
    """For a light page, as a file of its own."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(chart.specification())
    return svg


def to_png(chart: Chart, *, scale: float = 2.0) -> bytes:
    import vl_convert

    png: bytes = vl_convert.vegalite_to_png(chart.specification("white"), scale=scale)
    return png


def to_html(chart: Chart) -> str:
    """A page of its own in which the chart answers the pointer; all it needs is inside."""
    import vl_convert

    page: str = vl_convert.vegalite_to_html(chart.specification("white"), bundle=True)
    return page


def inline(svg: str, chart: Chart) -> str:
    """The SVG as part of a page: its colours are the page's, its points and series are told, and it has its words.

    It keeps no style of its own, which a strict page would refuse, and its ids are told from those of other charts.
    """
    ElementTree.register_namespace("", SVG[1:-1])
    root = ElementTree.fromstring(svg)  # noqa: S314  # drawn by vl-convert a moment ago
    series = {colour: printable(name) for name, colour in chart.series.items()}
    for element in root.iter():
        told = element.get("aria-label") if element.get("aria-roledescription") in TOLD else None
        drawn_in = element.get("fill"), element.get("stroke")
        if "mark" in element.get("aria-roledescription", "") or told:
            name = next((series[colour] for colour in drawn_in if colour in series), None)
            element.attrib |= {} if name is None else {"data-series": name}
        for name, value in list(element.attrib.items()):
            if name in LEFT_OUT or name.startswith("aria-"):
                del element.attrib[name]
            elif name == "id":
                element.set(name, f"chart-{chart.name}-{value}")
            elif value in VARIABLES:
                element.set(name, f"var({VARIABLES[value]})")
            else:
                element.set(name, value.replace("url(#", f"url(#chart-{chart.name}-"))
        if told:
            ElementTree.SubElement(element, f"{SVG}title").text = told
    names = {part: f"chart-{chart.name}-{part}" for part in ("title", "desc")}
    for at, (part, said) in enumerate((("title", chart.title), ("desc", chart.words))):
        made = ElementTree.Element(f"{SVG}{part}", id=names[part])
        made.text = printable(said)
        root.insert(at, made)
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    root.attrib |= {"role": "img", "aria-labelledby": " ".join(names.values())}
    return ElementTree.tostring(root, encoding="unicode")


def told(rows: Sequence[Mapping[str, Any]], say: Callable[[Mapping[str, Any]], str]) -> list[dict[str, Any]]:
    """Rows with what their point says of itself, for `description="told:N"`."""
    return [{**row, "told": say(row)} for row in rows]


def thinned(rows: Sequence[Row], most: int = MOST_POINTS) -> list[Row]:
    """At most so many, evenly spread, with the first and the last."""
    if len(rows) <= most:
        return list(rows)
    return [rows[round(at * (len(rows) - 1) / (most - 1))] for at in range(most)]

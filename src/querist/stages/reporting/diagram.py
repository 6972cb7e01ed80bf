"""The pipeline of this project as a Mermaid flowchart: the nine stages, what each holds now, the loop apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from querist.core.errors import MissingExtra
from querist.stages.reporting.words import printable

INK, SOFT, PAPER = "#1b1f24", "#565d66", "#ffffff"
STAGE, STAGE_EDGE = "#f1f3f5", "#8d959e"
LOOP, LOOP_EDGE = "#e3eefa", "#265a8c"
NOW, NOW_EDGE = "#ffe9b0", "#7a5a00"
DARK = {
    INK: "#e9ecef",
    SOFT: "#a3abb5",
    PAPER: "#171b20",
    STAGE: "#2a3038",
    STAGE_EDGE: "#78828e",
    LOOP: "#1f3a57",
    LOOP_EDGE: "#8dbdea",
    NOW: "#57430f",
    NOW_EDGE: "#f0cf74",
}
"""What each colour becomes on a dark page."""
BEFORE = ("raw_data", "preprocessing", "initial_model")
LOOP_STAGES = ("uncertainty_scoring", "query_strategy", "human_labeling", "retraining", "evaluation")
LONGEST = 60
CONFIG = {
    # Labels as HTML: drawn as SVG text they take five seconds in place of one.
    "flowchart": {"nodeSpacing": 28, "rankSpacing": 34, "wrappingWidth": 190},
    "themeVariables": {
        "fontFamily": "DejaVu Sans, sans-serif",
        "fontSize": "14px",
        "primaryTextColor": INK,
        "titleColor": INK,
        "lineColor": SOFT,
        "textColor": INK,
        "clusterBkg": PAPER,
        "clusterBorder": LOOP_EDGE,
        "edgeLabelBackground": PAPER,
    },
}


def mermaid(stages: Sequence[Mapping[str, Any]]) -> str:
    """Mermaid source. `stages` hold name, title, lines (what is in the box) and whether it is `now`, in order."""
    own = {stage["name"]: stage for stage in stages}
    lines = ["flowchart TB", '  subgraph before [" "]', "    direction LR"]
    lines += [f"    {_box(own[name])}" for name in BEFORE]
    lines += [f"    {' --> '.join(BEFORE)}", "  end", '  subgraph loop ["The loop"]', "    direction LR"]
    lines += [f"    {_box(own[name])}" for name in LOOP_STAGES]
    lines += [f"    {' --> '.join(LOOP_STAGES)}", "    evaluation -->|next round| uncertainty_scoring", "  end"]
    lines += [f"  {_box(own['deploy'])}", "  before --> loop", "  loop --> deploy"]
    lines += [
        f"  classDef stage fill:{STAGE},stroke:{STAGE_EDGE},color:{INK}",
        f"  classDef loop fill:{LOOP},stroke:{LOOP_EDGE},color:{INK}",
        f"  classDef now fill:{NOW},stroke:{NOW_EDGE},color:{INK},stroke-width:3px",
        f"  class {','.join((*BEFORE, 'deploy'))} stage",
        f"  class {','.join(LOOP_STAGES)} loop",
        f"  style before fill:none,stroke:none,color:{INK}",
        f"  style loop fill:{PAPER},stroke:{LOOP_EDGE},color:{INK}",
    ]
    now = [stage["name"] for stage in stages if stage["now"]]
    return "\n".join([*lines, *([f"  class {','.join(now)} now"] if now else [])]) + "\n"


def in_words(stages: Sequence[Mapping[str, Any]]) -> str:
    """What the picture shows, for whoever cannot see it."""
    told = [f"{s['title']}: {', '.join(s['lines'])}{' (the loop is here)' if s['now'] else ''}" for s in stages]
    return "Pipeline. " + "; ".join(told) + "."


def draw(source: str) -> Any:  # Any: mermaidx's Diagram, an extra without types
    """The drawn diagram, with `svg()` and `png()`: the real Mermaid, without browser and network."""
    try:
        import mermaidx
    except ImportError as error:
        raise MissingExtra("a report with its diagram", "report") from error
    return mermaidx.render(source, theme="base", config=CONFIG)


def darker(svg: str) -> str:
    """The same picture for a dark page."""
    for light, dark in DARK.items():
        svg = svg.replace(light, dark)
    return svg


def _box(stage: Mapping[str, Any]) -> str:
    title, *lines = map(escape, (stage["title"], *stage["lines"]))
    text = "<br/>".join((f"<b>{title}</b>", *lines))
    return f'{stage["name"]}["{text}"]'


def escape(text: str) -> str:
    """Text that Mermaid takes for nothing but text: all but letters, digits and a few signs by their number."""
    line = " ".join(printable(text).split())
    short = line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
    return "".join(c if c.isalnum() or c in " .,:-" else f"#{ord(c)};" for c in short)

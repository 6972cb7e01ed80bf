"""strategies: what there is to choose from."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import click

from querist.cli import console
from querist.cli.loop import json_option

if TYPE_CHECKING:
    from querist.stages.query_strategy.describe import About

WIDTH = 110


@click.command()
@click.argument("name", required=False)
@json_option
def strategies(name: str | None, as_json: bool) -> None:
    """List the strategies that a project can use, or say all about one."""
    from querist.stages.query_strategy.describe import about, about_all

    if name is not None:
        found = about(name)
        console.print_json(as_dict(found)) if as_json else click.echo(page(found))
        return
    listed = about_all()
    console.print_json([as_dict(one) for one in listed]) if as_json else click.echo(table(listed))


def as_dict(one: About) -> dict[str, Any]:
    return {
        "name": one.name,
        "sentence": one.sentence,
        "needs": list(one.needs),
        "settings": dict(one.settings),
        "small_pools": one.small_pools,
        **{word.lower(): said for word, said in one.lines.items()},
    }


def table(listed: list[About]) -> str:
    width = max(len(one.name) for one in listed)
    rows = []
    for one in listed:
        below = [f"needs {', '.join(one.needs) or 'nothing'}"]
        below += [f"cost {one.lines['Cost']}"] if "Cost" in one.lines else []
        rows.append(hanging(f"{one.name:<{width}}  {one.sentence}", width + 2))
        rows.append(hanging(" " * (width + 2) + "; ".join(below), width + 2))
    return "\n".join(
        [
            *rows,
            "",
            "A measure by its name (margin, entropy, ...) asks its highest scores, and NAME:MEASURE",
            "gives a strategy its measure. `querist strategies NAME` says all about one.",
        ]
    )


def page(one: About) -> str:
    from querist.stages.query_strategy.describe import literal

    settings = [f"{name} = {literal(value)}" for name, value in one.settings.items()]
    parts = [
        one.name,
        "",
        one.text,
        "",
        f"Needs: {', '.join(one.needs) or 'nothing'}.",
        hanging(f"Settings (query.params): {', '.join(settings) or 'none'}.", 2),
        *(hanging(f"{word}: {said}", 2) for word, said in one.lines.items()),
    ]
    return "\n".join(parts)


def hanging(text: str, indent: int) -> str:
    """Wrapped, with every line but the first indented."""
    return textwrap.fill(text, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)

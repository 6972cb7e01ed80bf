"""What a strategy says of itself, for people who choose one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from querist.core.errors import QueristError
from querist.plugins import available, find
from querist.stages.query_strategy.ask import make

LINES = ("Source", "Cost", "Memory", "When")
"""The lines that end a strategy's docstring, each with its word in front."""


@dataclass(frozen=True)
class About:
    """`needs` is what the loop computes for it, `settings` are those of `query.params` with their defaults, `lines`
    the docstring's ends by their word, and `text` what stands before them."""

    name: str
    sentence: str
    needs: tuple[str, ...]
    settings: Mapping[str, Any]
    lines: Mapping[str, str]
    text: str

    @property
    def small_pools(self) -> bool:
        return "small pools" in self.lines.get("Cost", "")


def about(name: str) -> About:
    """What the strategy behind a name or an import path says of itself. Raises UnknownName, listing the strategies."""
    part = find("strategies", name)
    text, lines = split(inspect.getdoc(part) or "")
    parameters = inspect.signature(part).parameters.values() if takes_settings(part) else ()
    return About(
        name=name,
        sentence=first_sentence(text),
        needs=tuple(sorted(_needs(part, name))),
        settings={p.name: None if p.default is p.empty else p.default for p in parameters},
        lines=lines,
        text=text,
    )


def about_all() -> list[About]:
    """Every strategy, built in or of an installed package; of one that cannot be loaded, why."""
    found = []
    for name in available("strategies"):
        try:
            found.append(about(name))
        except QueristError as error:
            found.append(About(name, str(error), (), {}, {}, str(error)))
    return found


def split(doc: str) -> tuple[str, dict[str, str]]:
    """The text of a docstring, and its ends `Source: ...` and so on by their word, each on one line."""
    parts = re.split(rf"^({'|'.join(LINES)}):", doc, flags=re.MULTILINE)
    return parts[0].strip(), {word: " ".join(said.split()) for word, said in zip(parts[1::2], parts[2::2], strict=True)}


def first_sentence(text: str) -> str:
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", paragraph, maxsplit=1)[0]


def takes_settings(part: Any) -> bool:  # Any: a class or function of a plugin
    return inspect.isclass(part) and part.__init__ is not object.__init__


def literal(value: Any) -> str:  # Any: a setting's value
    """A value as TOML writes it; TOML has no word for nothing."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(literal, value)) + "]"
    return str(value)


def _needs(part: Any, name: str) -> frozenset[str]:  # Any: a class or function of a plugin
    """Those of the strategy as made without settings; a wrapper's depend on what it wraps."""
    try:
        return make(name)[0].needs
    except QueristError:
        found: frozenset[str] = getattr(part, "needs", frozenset())
        return found if isinstance(found, frozenset) else frozenset()

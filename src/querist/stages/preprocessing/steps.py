"""The declared, versioned list of small steps that made the items what they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from querist.config.data import PreprocessingSettings
from querist.core.errors import SettingError, UnknownName
from querist.core.protocols import Items
from querist.stages.preprocessing import image, text

Settings = dict[str, Any]  # Any: each step has its own


@dataclass(frozen=True)
class Kind:
    """What stands behind a step's name. Raise `version` whenever its output changes: it is part of snapshot ids."""

    of: str
    run: Callable[..., Any] | None  # None: fitted and applied by the model's encoder
    version: int = 1
    defaults: Settings = field(default_factory=dict)
    check: Callable[[Settings], None] = lambda settings: None


@dataclass(frozen=True)
class Step:
    name: str
    settings: Settings
    kind: Kind


KINDS: dict[str, Kind] = {
    "unicode": Kind("text", text.unicode),
    "html": Kind("text", text.strip_html),
    "control": Kind("text", text.control),
    "whitespace": Kind("text", text.whitespace),
    "lowercase": Kind("text", str.lower),
    "urls": Kind("text", text.masker(text.URL), defaults={"token": "[url]"}),
    "users": Kind("text", text.masker(text.USER), defaults={"token": "[user]"}),
    "emails": Kind("text", text.masker(text.EMAIL), defaults={"token": "[email]"}),
    "numbers": Kind("text", text.masker(text.NUMBER), defaults={"token": "[number]"}),
    "orientation": Kind("image", image.orientation),
    "mode": Kind("image", image.mode, defaults={"to": "RGB"}, check=image.check_mode),
    "size": Kind("image", image.size, defaults={"exact": None, "min": None, "max": None}, check=image.check_size),
    "scale": Kind("tabular", None, defaults={"method": "standard"}),
    "one_hot": Kind("tabular", None, defaults={"min_count": 1, "max_categories": 256}),
}
DEFAULTS: dict[str, list[str | Settings]] = {
    "text": ["unicode", "html", "control", "whitespace"],
    "image": ["orientation"],
    "tabular": ["scale", "one_hot"],
}


def resolve(settings: PreprocessingSettings, kind: str) -> tuple[Step, ...]:
    """Steps as set, or the defaults of the kind of item. Raises UnknownName or SettingError naming the step."""
    steps = DEFAULTS[kind] if settings.steps is None else settings.steps
    return tuple(_resolve(step, kind) for step in steps)


def declare(steps: Sequence[Step]) -> list[Settings]:
    """What goes into the snapshot's identity."""
    return [{"name": step.name, "version": step.kind.version, "settings": step.settings} for step in steps]


def apply(steps: Sequence[Step], items: Items) -> dict[str, list[Any]]:
    """The items after all steps; a text may come out empty."""
    done = {column: list(values) for column, values in items.items()}
    functions = [partial(run, **step.settings) if step.settings else run for step in steps if (run := step.kind.run)]
    if "text" in done:
        for function in functions:
            done["text"] = [function(value) for value in done["text"]]
    if "image" in done and functions:
        done["image"] = [image.apply_to_bytes(functions, value) for value in done["image"]]
    return done


def tabular_settings(steps: Sequence[Step]) -> dict[str, Any]:
    """What the table encoder takes: `scale` (method) and `one_hot` (settings), None where a step is not declared."""
    declared = {step.name: step.settings for step in steps}
    return {"scale": declared.get("scale", {}).get("method"), "one_hot": declared.get("one_hot")}


def _resolve(step: str | Settings, kind: str) -> Step:
    given: Settings = {"name": step} if isinstance(step, str) else dict(step)
    if "name" not in given:
        raise SettingError(f"a preprocessing step has no name: {step!r}; write {{name = ..., setting = ...}}")
    name = given.pop("name")
    known = {other: value for other, value in KINDS.items() if value.of == kind}
    if name not in known:
        raise UnknownName(f"preprocessing step for {kind} items", name, known)
    defaults = known[name].defaults
    for setting in given:
        if setting not in defaults:
            raise UnknownName(f"setting of step {name!r}", setting, defaults)
    settings = {**defaults, **given}
    known[name].check(settings)
    return Step(name, settings, known[name])

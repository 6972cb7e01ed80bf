"""Settings to keyword arguments, with a sentence for each way that can go wrong."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from querist.core.errors import SettingError, UnknownName

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def construct(factory: Any, params: Mapping[str, Any], name: str) -> Any:  # Any: a class or function of a plugin
    """`factory(**params)`. Raises SettingError on an unknown setting, listing the known ones, or on a missing one."""
    known = inspect.signature(factory).parameters
    check_settings(known, params, name)
    if missing := [setting for setting in required(known) if setting not in params]:
        raise SettingError(f"strategy {name!r} needs the settings {missing}; give them under query.params")
    return factory(**params)


def check_settings(known: Mapping[str, inspect.Parameter], params: Mapping[str, Any], name: str) -> None:
    if any(p.kind is p.VAR_KEYWORD for p in known.values()):
        return
    for setting in params:
        if setting not in known:
            raise UnknownName(f"setting of strategy {name!r}:", setting, known)


def refuse_settings(params: Mapping[str, Any], name: str) -> None:
    if params:
        raise SettingError(f"strategy {name!r} is an object and takes no settings, got {sorted(params)}; remove them")


def required(known: Mapping[str, inspect.Parameter]) -> list[str]:
    return [name for name, p in known.items() if p.default is p.empty and p.kind not in VARIADIC]

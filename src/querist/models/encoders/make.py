"""An encoder by name and settings."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any, cast

from querist import plugins
from querist.core.errors import SettingError, UnknownName
from querist.core.protocols import Encoder


def make_encoder(name: str, params: Mapping[str, Any]) -> Encoder:
    """The unfitted encoder. Raises UnknownName on a name or a setting that does not exist, listing those that do."""
    factory = plugins.find("encoders", name)
    known = list(signature(factory).parameters)
    for setting in params:
        if setting not in known:
            raise UnknownName(f"setting of encoder {name!r}", setting, known)
    return cast(Encoder, factory(**params))


def kind_of(name: str) -> str | None:
    """What an encoder reads (text, image or tabular); None where a plugin does not say."""
    return getattr(plugins.find("encoders", name), "kind", None)


def ngram_range(setting: str, value: Any) -> tuple[int, int] | None:  # Any: as written in the settings
    """(shortest, longest) n-gram, or None where the part is switched off by an empty list, false or None."""
    if not value:
        return None
    pair = tuple(value) if isinstance(value, (list, tuple)) else ()
    if len(pair) != 2 or not all(isinstance(n, int) and n >= 1 for n in pair) or pair[0] > pair[1]:
        raise SettingError(f"{setting} = {value!r} must be two whole numbers, shortest and longest, such as [1, 2]")
    return pair[0], pair[1]


def whole_number(setting: str, value: Any, *, least: int) -> int:  # Any: as written in the settings
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise SettingError(f"{setting} = {value!r} must be a whole number, {least} or more")
    return value

"""How a served model answers: limits, batches, a second version beside it, what it writes down."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationError

from querist.config.section import Section
from querist.core.errors import SettingError

PREFIX = "QUERIST_SERVING_"


class ServingSettings(Section):
    max_batch: int = Field(default=64, description="Items that one call of the model takes together.", ge=1)
    max_wait_ms: float = Field(
        default=0.0,
        description="How long a batch that is not full waits for more while requests overlap; one alone never waits. "
        "0 takes what has gathered during the call before, which is best for models of a few milliseconds.",
        ge=0,
        le=1000,
    )
    queue_items: int = Field(default=2048, description="Items that may wait; beyond them requests get 503.", ge=1)
    request_seconds: float = Field(default=30.0, description="Time for an answer; beyond it a request gets 504.", gt=0)
    body_bytes: int = Field(default=8 << 20, description="Size of a request's body; larger ones get 413.", ge=1024)
    item_characters: int = Field(
        default=100_000, description="Characters of one item; requests with longer ones get 413.", ge=1
    )
    image_pixels: int = Field(default=50_000_000, description="Pixels of one image; larger ones get 413.", ge=1)
    per_minute: int | None = Field(
        default=None,
        description="Requests that one address may make in a minute before it gets 429; unset: no limit.",
        ge=1,
    )
    token: str = Field(
        default="",
        description="Bearer token that may reload from other machines; unset: only this one may.",
        repr=False,
    )
    poll_seconds: float = Field(
        default=1.0, description="How often the folder is looked at for another current version.", gt=0
    )
    shadow: str | None = Field(default=None, description="Version that predicts some requests too, for comparison.")
    every: int = Field(default=10, description="The shadow predicts each request of this number.", ge=1)
    canary: str | None = Field(default=None, description="Version that answers a share of the requests.")
    share: float = Field(default=0.05, description="Share of requests that the canary answers.", ge=0, le=1)
    log_folder: str = Field(default="", description="Folder of the prediction log (Parquet); unset: none is kept.")
    log_share: float = Field(default=1.0, description="Share of requests that the prediction log keeps.", ge=0, le=1)
    log_keep: Literal["features", "texts", "none"] = Field(
        default="features",
        description="What the prediction log keeps of an item: its embedding and length, those and the item itself "
        "(so that drift can become questions), or no item at all, only what was answered.",
    )
    log_items: bool = Field(default=False, description="Whether the request log (stderr) holds the items' texts.")


def settings(given: Mapping[str, Any] | None = None, *, env: Mapping[str, str] | None = None) -> ServingSettings:
    """Settings from the environment (QUERIST_SERVING_MAX_BATCH and so on) and over them what is given.

    Raises SettingError naming the setting, its value and its meaning.
    """
    found = os.environ if env is None else env
    values: dict[str, Any] = {
        name: found[PREFIX + name.upper()] for name in ServingSettings.model_fields if PREFIX + name.upper() in found
    }
    values |= given or {}
    try:
        return ServingSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = str(first["loc"][0])
        field = ServingSettings.model_fields.get(name)
        said = "" if name == "token" else f" = {first['input']!r}"
        meaning = f" {field.description}" if field else f" Available: {', '.join(ServingSettings.model_fields)}."
        raise SettingError(f"serving setting {name}{said}: {first['msg']}.{meaning}") from None

"""Which models may answer for real."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from querist.config.section import Section


class DeploySettings(Section):
    folder: str = Field(default="deploy", description="Folder of the deployed versions, from the project's own.")
    max_class_fall: float = Field(
        default=0.05,
        description="How much recall or F1 of any class may fall against the served model before the gate holds.",
        ge=0,
        le=1,
    )
    approve: Literal["never", "always"] = Field(
        default="never",
        description="always: a person approves a model that passed the gate, by `querist deploy promote --by NAME`.",
    )
    risk: float | None = Field(
        default=None,
        description="Share of wrong answers that is borne: the served model abstains where it is less sure than the "
        "labeled validation items show to be needed. Unset: it never abstains.",
        gt=0,
        lt=1,
    )

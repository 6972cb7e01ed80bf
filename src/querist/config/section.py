"""A section of `querist.toml`."""

from pydantic import BaseModel, ConfigDict

Names = list[str]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

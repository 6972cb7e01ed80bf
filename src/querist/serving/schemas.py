"""What goes in and what comes out."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

MOST_ITEMS = 1024


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextItem(_Input):
    text: str = Field(description="The item, as raw as the project's own data.")

    def raw(self) -> dict[str, Any]:
        return {"text": self.text}


class ImageItem(_Input):
    image: Base64Bytes = Field(description="The bytes of an image file, in base64.")

    def raw(self) -> dict[str, Any]:
        return {"image": self.image}


class ColumnsItem(_Input):
    columns: dict[str, str | float | bool | None] = Field(description="Values by column; others are ignored.")

    def raw(self) -> dict[str, Any]:
        return {"columns": self.columns}


Item = TextItem | ImageItem | ColumnsItem


class Items(_Input):
    items: Annotated[list[Item], Field(min_length=1, max_length=MOST_ITEMS)]


class Prediction(BaseModel):
    label: str | None = Field(default=None, description="The likeliest class, also where the model abstains.")
    labels: list[str] | None = Field(
        default=None, description="In place of it where an item may have several: those that are likelier than not."
    )
    probabilities: dict[str, float]
    uncertainty: float = Field(
        description="1 - (P(first) - P(second)), from 0 (sure) to 1 (tied); of several labels the mean over labels.",
        ge=0,
        le=1,
    )
    abstain: bool = Field(description="Whether the model is less sure than the risk that is borne asks for.")


class Predictions(BaseModel):
    request_id: str
    model_version: str
    predictions: list[Prediction] = Field(description="In the order of the items.")


class Health(BaseModel):
    status: str


class Readiness(BaseModel):
    status: str
    version: str


class ModelFacts(BaseModel):
    """model.json of the current version, without the names of files."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    version: str
    model_version: str
    pipeline_version: str
    kind: str
    classes: list[str]
    columns: list[str]


class Reloaded(BaseModel):
    before: str | None
    now: str


class Role(BaseModel):
    version: str
    requests: int
    failed: int
    items: int
    labels: dict[str, int]
    mean_confidence: float | None
    abstained: float | None
    p50_ms: float | None
    p99_ms: float | None


class Disagreed(BaseModel):
    stable: str
    shadow: str
    items: int


class Agreed(BaseModel):
    """`agreement` with its 95 % interval; `distance` is the mean total variation distance of the probabilities."""

    items: int
    agreement: float | None
    low: float | None
    high: float | None
    distance: float | None
    disagreed: list[Disagreed]


class RolloutFacts(BaseModel):
    every: int = Field(description="The shadow predicts one request of this number.")
    share: float = Field(description="Share of requests that the canary answers.")
    roles: dict[str, Role] = Field(description="stable, and canary and shadow where they are.")
    shadow: Agreed = Field(description="The shadow beside what answered the same items.")

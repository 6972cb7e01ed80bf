"""What the items are, and where they lie."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from querist.config.section import Names, Section
from querist.core.errors import SettingError
from querist.core.label_sets import LabelSets


class DataSettings(Section):
    kind: Literal["text", "image", "tabular"] = Field(default="text", description="What an item is.")
    source: str = Field(default="", description="File, folder or zip that `querist ingest` reads when none is given.")
    format: str = Field(
        default="auto",
        description="Reader: auto (by file name), csv, tsv, jsonl, parquet, images, arrays, or a plugin.",
    )
    encoding: str = Field(
        default="auto", description="Text encoding of csv, tsv and jsonl; auto looks at the first megabyte."
    )
    id: str | None = Field(default=None, description="Column with a unique id; without it the content names the item.")
    text: Names = Field(default_factory=list, description="Text columns, joined by a line break.")
    image: str | None = Field(
        default=None, description="Column with the image (bytes, array or a path beside the table)."
    )
    numeric: Names = Field(default_factory=list, description="Numeric columns of a tabular item.")
    categorical: Names = Field(default_factory=list, description="Categorical columns of a tabular item.")
    label: str | None = Field(default=None, description="Column with the known labels; may be empty for most rows.")
    label_map: dict[str, str] = Field(
        default_factory=dict, description='Renames label values, e.g. {"1" = "negative"}.'
    )
    classes: Names = Field(
        default_factory=list, description="Allowed labels; other values go to quarantine. Empty: as found."
    )
    labels: Literal["one", "several"] = Field(
        default="one", description="Labels that an item has: exactly one, or several (also none at all)."
    )
    label_separator: str = Field(
        default=";",
        description='Sign between the labels of an item under labels = "several", in files and on record; (none) '
        "stands for no label. Leave it as it is once labels are on record.",
    )
    split: str | None = Field(
        default=None, description="Column with pool, validation or test (also train, dev, holdout)."
    )
    context: Names = Field(default_factory=list, description="Columns that annotators see and the model does not.")
    checks: dict[str, list[str] | Literal["number"]] = Field(
        default_factory=dict, description='Allowed values of a column, or "number"; other rows go to quarantine.'
    )
    deduplicate: bool = Field(
        default=True, description="Use one item of each group of duplicates; the others stay on record."
    )

    @property
    def sets(self) -> LabelSets | None:
        """How the labels of an item are written where it may have several; None where it has one."""
        return LabelSets(self.label_separator) if self.labels == "several" else None

    def refuse_several(self, what: str) -> None:
        """Raises SettingError for what is there only for items with one label: "a model is deployed"."""
        if self.labels == "several":
            raise SettingError(f'{what} only where each item has one label, and data.labels is "several"')

    @field_validator("label_separator")
    @classmethod
    def _separates(cls, sign: str) -> str:
        if len(sign) != 1 or sign.isalnum() or sign in "()[]\"'\\" or not sign.isprintable() or sign.isspace():
            raise ValueError("must be one sign such as ; | , / or +")
        return sign

    @model_validator(mode="after")
    def _names_are_no_sets(self) -> Self:
        if self.sets:
            try:
                self.sets.check([*self.classes, *self.label_map.values()])
            except SettingError as error:
                raise ValueError(str(error)) from None
        return self


class PreprocessingSettings(Section):
    steps: list[str | dict[str, Any]] | None = Field(
        default=None,
        description="Steps in order, by name or as {name = ..., setting = ...}; unset: the defaults of the kind.",
    )


class SplitSettings(Section):
    validation: float = Field(default=0.1, description="Share of groups kept for calibration and search.", ge=0, lt=1)
    test: float = Field(
        default=0.1, description="Share of groups kept as the holdout, never asked, never trained on.", ge=0, lt=1
    )
    salt: str = Field(default="querist", description="Changes which groups fall into which split.")

    @model_validator(mode="after")
    def _pool_remains(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError("validation + test must leave a share for the pool")
        return self


class StorageSettings(Section):
    ledger: str = Field(
        default="sqlite:///.querist/ledger.db", description="Database URL: sqlite:///file or postgresql+psycopg://..."
    )
    snapshots: str = Field(default="snapshots", description="Folder or fsspec URL of the snapshots.")
    artifacts: str = Field(default=".querist/artifacts", description="Folder or fsspec URL of models and score arrays.")
    features: str = Field(
        default=".querist/features", description="Local folder of cached features; may be deleted at any time."
    )

"""`querist.toml`: every setting, its default and its meaning. The reference in docs/ is generated from here."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from querist.config.data import DataSettings, PreprocessingSettings, SplitSettings, StorageSettings
from querist.config.deploy import DeploySettings
from querist.config.loop import (
    EvaluationSettings,
    LearnerSettings,
    ObjectiveSettings,
    ProjectSettings,
    QuerySettings,
    RetrainingSettings,
    SeedSettings,
)
from querist.config.monitoring import MonitoringSettings
from querist.config.oidc import OidcSettings
from querist.config.orchestration import OrchestrationSettings
from querist.config.people import LabelingSettings, LabelStudioSettings, TrackingSettings, WebhookSettings
from querist.config.section import Section
from querist.core.errors import DataError, SettingError, UnknownName

FILE_NAME = "querist.toml"
FORM = re.compile(r"(list|dict|literal)\[.*\]|str|int|float|bool")
"""What pydantic puts into the path of an error to tell the forms of a union apart."""


class Settings(Section):
    project: ProjectSettings = Field(default=ProjectSettings(), description="The project itself.")
    objective: ObjectiveSettings = Field(
        default=ObjectiveSettings(), description="What is to be reached, at what cost."
    )
    data: DataSettings = Field(default=DataSettings(), description="Where the raw data lies and what its columns mean.")
    preprocessing: PreprocessingSettings = Field(default=PreprocessingSettings(), description="Cleaning of items.")
    splits: SplitSettings = Field(default=SplitSettings(), description="Pool, validation and holdout.")
    seed_set: SeedSettings = Field(default=SeedSettings(), description="The first labeled items.")
    learner: LearnerSettings = Field(default=LearnerSettings(), description="The model.")
    query: QuerySettings = Field(default=QuerySettings(), description="Which items are asked.")
    labeling: LabelingSettings = Field(default=LabelingSettings(), description="How people label.")
    retraining: RetrainingSettings = Field(default=RetrainingSettings(), description="When the model is trained again.")
    evaluation: EvaluationSettings = Field(default=EvaluationSettings(), description="How quality is measured.")
    oidc: OidcSettings = Field(default=OidcSettings(), description="Signing in through a provider.")
    webhooks: WebhookSettings = Field(default=WebhookSettings(), description="Who else is told what happens.")
    label_studio: LabelStudioSettings = Field(
        default=LabelStudioSettings(), description="The Label Studio that people label in, if they do."
    )
    tracking: TrackingSettings = Field(
        default=TrackingSettings(), description="Which tracking systems follow the rounds."
    )
    deploy: DeploySettings = Field(default=DeploySettings(), description="Which models may answer for real.")
    monitoring: MonitoringSettings = Field(
        default=MonitoringSettings(), description="When what the model meets is no longer what it learned from."
    )
    orchestration: OrchestrationSettings = Field(
        default=OrchestrationSettings(), description="Who runs the loop in place of `querist serve`."
    )
    storage: StorageSettings = Field(default=StorageSettings(), description="Where everything is kept.")

    @model_validator(mode="after")
    def _one_swipe_is_one_label(self) -> Self:
        if self.data.sets and self.labeling.swipe:
            raise ValueError('labeling.swipe gives the one label of an item, and data.labels is "several"; remove it')
        return self


def parse(values: dict[str, Any], *, origin: str = "settings") -> Settings:
    """Settings from plain values. Raises SettingError naming the setting, its value and its meaning."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingError("\n".join(_explain(e, origin) for e in _by_setting(error.errors()))) from None


def load(path: Path) -> Settings:
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; run `querist init` to create one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is not valid TOML in UTF-8: {error}") from None
    return parse(values, origin=str(path))


def sections() -> dict[str, type[Section]]:
    return {name: type(field.default) for name, field in Settings.model_fields.items()}


def _by_setting(errors: Iterable[Any]) -> Iterable[Any]:  # Any: pydantic's ErrorDetails
    """One error for each value, whatever forms it might have had: pydantic tells one for each form of a union."""
    found: dict[tuple[str, ...], Any] = {}
    for error in errors:
        place, form = tuple(str(part) for part in error["loc"]), FORM.fullmatch
        name = (*place[:2], *(part for part in place[2:] if not form(part)))
        if len(name) < len(place) and name in found:
            found[name]["msg"] += f", or: {error['msg']}"
        else:
            found[name] = {**error, "loc": name}
    return found.values()


def _explain(error: Any, origin: str) -> str:  # Any: pydantic's ErrorDetails
    path = [str(part) for part in error["loc"]]
    name = ".".join(path) or "settings"
    if error["type"] == "extra_forbidden":
        known = sections() if len(path) == 1 else sections()[path[0]].model_fields
        return f"{origin}: {UnknownName('setting', path[-1], known)}"
    message = error["msg"].removeprefix("Value error, ")
    section = sections().get(path[0]) if path else None
    field = section.model_fields.get(path[1]) if section and len(path) > 1 else None
    if field is None:
        return f"{origin}: {name}: {message}"
    return f"{origin}: {name} = {error['input']!r}: {message}. It means: {field.description}"

"""`querist.toml`: every setting, its default and its meaning. The reference in docs/ is generated from here."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from querist.core.errors import DataError, SettingError, UnknownName

FILE_NAME = "querist.toml"
Names = list[str]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProjectSettings(Section):
    name: str = Field(default="my-project", description="Name shown in reports.", min_length=1)
    seed: int = Field(
        default=0, description="Seed of every random draw; the same seed and data give the same queries.", ge=0
    )


class ObjectiveSettings(Section):
    metric: str = Field(
        default="macro_f1",
        description="The metric that counts: accuracy, macro_f1, micro_f1, weighted_f1, roc_auc, average_precision, "
        "log_loss, cohen_kappa, mcc, or f1:CLASS, recall:CLASS, precision:CLASS.",
    )
    goal: float | None = Field(default=None, description="Stop when the metric reaches this with its confidence bound.")
    budget_labels: int | None = Field(
        default=None,
        description="Labels that may be asked, seed set included; labels that came with the data are free.",
        ge=1,
    )
    budget_money: float | None = Field(default=None, description="Money that labels may cost, in `currency`.", gt=0)
    budget_hours: float | None = Field(default=None, description="Hours people may spend labeling.", gt=0)
    cost_per_label: float | None = Field(default=None, description="Price of one label, in `currency`.", ge=0)
    currency: str = Field(default="EUR", description="Currency of costs.")
    seconds_per_label: float | None = Field(
        default=None, description="Seconds one label takes, used where no measured time came with it.", gt=0
    )
    deadline: date | None = Field(default=None, description="Last day of labeling; the loop stops after it.")
    owner: str = Field(default="", description="Who answers for the goal.")
    why: str = Field(default="", description="One sentence: why active learning matters here.")

    @model_validator(mode="after")
    def _budgets_have_a_price(self) -> Self:
        if self.budget_money is not None and not self.cost_per_label:
            raise ValueError("budget_money needs cost_per_label (the price of one label)")
        return self


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


class SeedSettings(Section):
    size: int | None = Field(default=None, description="Items in the seed set; takes precedence over `share`.", ge=1)
    share: float = Field(
        default=0.05, description="Share of the pool in the seed set; 0.05 to 0.10 is the usual advice.", gt=0, lt=1
    )
    draw: Literal["auto", "balanced", "stratified", "random", "typical"] = Field(
        default="auto",
        description="How the seed set is drawn: by class (balanced, stratified), random, or typical (cluster the pool, "
        "take the most typical item of each cluster). auto: balanced where labels exist, else typical.",
    )


class LearnerSettings(Section):
    name: str = Field(
        default="auto",
        description="Learner by name, or a scikit-learn estimator as package.module:Class. auto: tfidf-logistic for "
        "text, pixels-logistic for images, table-boosting for tabular.",
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Hyper-parameters of the learner.")
    encoder: str | None = Field(default=None, description="Encoder by name, instead of the learner's own.")
    encoder_params: dict[str, Any] = Field(default_factory=dict, description="Settings of the encoder.")
    class_weight: Literal["balanced"] | dict[str, float] | None = Field(
        default=None, description="Class weights in training."
    )
    calibration: Literal["none", "temperature", "platt", "isotonic"] = Field(
        default="temperature", description="How probabilities are calibrated."
    )
    calibrate_on: Literal["auto", "validation", "cross-validation"] = Field(
        default="auto", description="Data that fit the calibration; auto: the validation split where it has labels."
    )
    search: dict[str, list[Any]] = Field(
        default_factory=dict, description="Hyper-parameter values to try on the validation split, e.g. {C = [1, 10]}."
    )
    trusted_types: Names = Field(
        default_factory=list, description="Types of a custom estimator that may be loaded back."
    )


class QuerySettings(Section):
    strategy: str = Field(default="auto", description="Strategy by name, name:measure, or package.module:name.")
    batch_size: int = Field(default=100, description="Items asked in a round; 100 to 500 suits most teams.", ge=1)
    measures: dict[str, float | list[float]] = Field(
        default_factory=lambda: dict[str, float | list[float]](margin=1.0),
        description="Measures and their weights. A weight of [start, end] moves from one to the other as the budget is "
        "spent, e.g. {margin = [1, 0], entropy = [0, 1]}.",
        min_length=1,
    )
    combination: Literal["rank", "quantile", "product"] = Field(
        default="rank",
        description="How several measures become one score: the weighted mean of their ranks, of their values between "
        "the 5 % and 95 % quantiles, or their weighted product.",
    )
    horizon: int = Field(
        default=20, description="Rounds in which weights of [start, end] move where no budget is set.", ge=1
    )
    class_weights: dict[str, float] = Field(
        default_factory=dict,
        description="How much a label matters when items are scored, 1 unless named, e.g. {complaint = 5}: scores are "
        "multiplied by the weight that an item's label is expected to have.",
    )
    params: dict[str, Any] = Field(default_factory=dict, description="Settings of the strategy, e.g. {clusters = 50}.")
    committee: int = Field(default=5, description="Models behind strategies that ask several opinions.", ge=2)
    memory_gib: float = Field(
        default=1.0, description="Memory that a strategy may use beyond its inputs, in GiB; more is refused.", gt=0
    )

    @field_validator("measures", mode="before")
    @classmethod
    def _weights_are_numbers_or_pairs(cls, measures: Any) -> Any:  # Any: as written in the file
        for name, weight in measures.items() if isinstance(measures, dict) else ():
            if not (_not_negative(weight) or (isinstance(weight, list | tuple) and len(weight) == 2)):
                raise ValueError(f"the weight of {name} must be a number of 0 or more, or [start, end]")
            if isinstance(weight, list | tuple) and not all(map(_not_negative, weight)):
                raise ValueError(f"the weights [start, end] of {name} must be numbers of 0 or more")
        return measures

    @field_validator("measures")
    @classmethod
    def _some_weight_remains(cls, measures: dict[str, float | list[float]]) -> dict[str, float | list[float]]:
        for place, when in ((0, "start"), (1, "end")):
            if not any(w[place] if isinstance(w, list) else w for w in measures.values()):
                raise ValueError(f"all weights are 0 at the {when}; give at least one measure a positive weight")
        return measures

    @field_validator("class_weights")
    @classmethod
    def _labels_matter(cls, weights: dict[str, float]) -> dict[str, float]:
        if wrong := [name for name, weight in weights.items() if not _not_negative(weight)]:
            raise ValueError(f"the weight of {wrong[0]} must be a number of 0 or more")
        return weights


class LabelingSettings(Section):
    overlap: int = Field(default=1, description="People who answer the same item.", ge=1)
    overlap_share: float = Field(
        default=1.0,
        description="Share of the items that `overlap` people answer; the others have one answer.",
        ge=0,
        le=1,
    )
    resolve: Literal["majority", "dawid_skene", "weighted"] = Field(
        default="majority",
        description="How answers become one label: by majority, by Dawid and Skene's model of who confuses what, or "
        "by votes that weigh as much as the person agrees with others.",
    )
    show_prediction: Literal["before", "after", "never", "half"] = Field(
        default="after",
        description="When annotators see what the model thinks: before or after their answer, never, or before it for "
        "a random half of the annotators, so that its pull can be measured.",
    )
    guidelines: str = Field(
        default="", description="Text or path of a Markdown file that annotators see beside the items."
    )
    keys: dict[str, str] = Field(
        default_factory=dict, description='Key of a label on the page, e.g. {positive = "p"}; others get 1, 2, 3, ...'
    )
    lease_minutes: float = Field(
        default=10.0, description="Minutes an item stays with a person who does nothing; then others may have it.", gt=0
    )
    idle_seconds: float = Field(
        default=120.0, description="Seconds without a key or touch after which time is no longer counted as work.", gt=0
    )
    gold_share: float = Field(
        default=0.0, description="Share of items with a known answer mixed in, to see how right people are.", ge=0, lt=1
    )
    start_rounds: bool = Field(
        default=True, description="`querist serve` trains and opens the next round by itself once a round is complete."
    )
    language: str = Field(default="en", description="Language of the page: en or de.")


class RetrainingSettings(Section):
    when: Literal["batch", "labels", "plateau"] = Field(
        default="batch",
        description="When to retrain in full: after each batch, when `min_labels` new labels have arrived, or when the "
        "validation loss has stopped improving (warm updates in between, where the learner can).",
    )
    min_labels: int = Field(default=500, description='New labels that trigger retraining under when = "labels".', ge=1)
    patience: int = Field(default=2, description='Rounds without improvement under when = "plateau".', ge=1)
    min_improvement: float = Field(
        default=0.005, description="Relative fall of the validation loss that counts as improvement.", ge=0
    )
    warm_start: bool = Field(default=False, description="Start training from the last model where the learner can.")


class EvaluationSettings(Section):
    metrics: list[str] = Field(
        default_factory=lambda: ["accuracy", "macro_f1", "log_loss"],
        description="Metrics recorded besides the objective's.",
    )
    confidence: float = Field(default=0.95, description="Level of the confidence intervals.", gt=0.5, lt=1)
    resamples: int = Field(default=1000, description="Bootstrap resamples behind an interval.", ge=100)
    calibration_tolerance: float = Field(
        default=0.05,
        description="Calibration error that is tolerated before a round's record carries a warning.",
        ge=0,
        le=1,
    )


WebhookEvent = Literal["round.opened", "annotation.created", "annotation.undone", "round.completed", "round.evaluated"]


class WebhookSettings(Section):
    urls: list[str] = Field(default_factory=list, description="Addresses that are told what happens; none by default.")
    events: list[WebhookEvent] = Field(
        default_factory=lambda: list[WebhookEvent](get_args(WebhookEvent)), description="What they are told."
    )
    secret_env: str = Field(
        default="QUERIST_WEBHOOK_SECRET",
        description="Environment variable with the secret that signs what is sent.",
        min_length=1,
    )
    incoming_secret_env: str = Field(
        default="QUERIST_INCOMING_SECRET",
        description="Environment variable with the secret of whoever sends labels; while it is empty none are taken.",
        min_length=1,
    )
    allow_private: bool = Field(
        default=False, description="Also send to addresses of private networks and of this machine."
    )
    include_items: bool = Field(
        default=False, description="Also send what annotators see of an item, such as its text."
    )

    @field_validator("urls")
    @classmethod
    def _addresses_can_be_reached(cls, urls: list[str]) -> list[str]:
        for url in urls:
            try:
                parts = urlsplit(url)
                fine = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            except ValueError:
                fine = False
            if not fine or not url.isascii() or not url.isprintable() or " " in url:
                raise ValueError("each must be an address such as https://example.org/hook")
            if parts.username is not None or parts.password is not None:
                raise ValueError("an address holds no name or password; the receiver checks the signature instead")
        return list(dict.fromkeys(urls))


class LabelStudioSettings(Section):
    url: str = Field(default="http://localhost:8080", description="Where Label Studio answers.", min_length=1)
    project: int | None = Field(
        default=None,
        description="Number of the project in Label Studio; unset: `push` creates one and knows it again by its "
        "description.",
        ge=1,
    )
    token_env: str = Field(
        default="LABEL_STUDIO_API_KEY",
        description="Environment variable with the token of a Label Studio account.",
        min_length=1,
    )
    backend_auth_env: str = Field(
        default="QUERIST_ML_AUTH",
        description="Environment variable with the user:password that Label Studio gives to querist's ML backend; "
        "while it is empty only programs on the same machine are answered.",
        min_length=1,
    )


class StorageSettings(Section):
    ledger: str = Field(
        default="sqlite:///.querist/ledger.db", description="Database URL: sqlite:///file or postgresql+psycopg://..."
    )
    snapshots: str = Field(default="snapshots", description="Folder or fsspec URL of the snapshots.")
    artifacts: str = Field(default=".querist/artifacts", description="Folder or fsspec URL of models and score arrays.")
    features: str = Field(
        default=".querist/features", description="Local folder of cached features; may be deleted at any time."
    )


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
    webhooks: WebhookSettings = Field(default=WebhookSettings(), description="Who else is told what happens.")
    label_studio: LabelStudioSettings = Field(
        default=LabelStudioSettings(), description="The Label Studio that people label in, if they do."
    )
    storage: StorageSettings = Field(default=StorageSettings(), description="Where everything is kept.")


def _not_negative(value: Any) -> bool:  # Any: as written in the file
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


def parse(values: dict[str, Any], *, origin: str = "settings") -> Settings:
    """Settings from plain values. Raises SettingError naming the setting, its value and its meaning."""
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingError("\n".join(_explain(e, origin) for e in error.errors())) from None


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

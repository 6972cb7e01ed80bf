"""What the loop is to reach, and how it learns, asks and measures."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from querist.config.section import Names, Section


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
    stop_on: list[Literal["flat", "stable", "uninformative"]] = Field(
        default_factory=list,
        description="Advice that ends the loop: flat (the curve rises by less than the holdout can tell), stable "
        "(models in a row predict the same), uninformative (the model is sure of nearly all that it asks). Advice not "
        "named here is only given.",
    )
    owner: str = Field(default="", description="Who answers for the goal.")
    why: str = Field(default="", description="One sentence: why active learning matters here.")

    @model_validator(mode="after")
    def _budgets_have_a_price(self) -> Self:
        if self.budget_money is not None and not self.cost_per_label:
            raise ValueError("budget_money needs cost_per_label (the price of one label)")
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
    control_share: float = Field(
        default=0.0,
        description="Share of the items asked after the seed set that are drawn at random, apart from the strategy: "
        "they tell how good the model is on the pool, and what random sampling would have reached.",
        ge=0,
        lt=1,
    )
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
    over_labels: Literal["mean", "max"] = Field(
        default="mean",
        description='How the scores of an item\'s labels become one under data.labels = "several": their mean, or the '
        "score of the label the model is least sure of.",
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
    cost: str | None = Field(
        default=None, description="Context column with what each item's label costs, for the strategy per_cost."
    )
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


class RetrainingSettings(Section):
    when: Literal["batch", "labels", "plateau", "schedule"] = Field(
        default="batch",
        description="When to retrain in full: after each batch, when `min_labels` new labels have arrived, when the "
        "validation loss has stopped improving (warm updates in between, where the learner can), or with the first "
        "batch after `every_days`. A drift round and `querist retrain` always do.",
    )
    min_labels: int = Field(default=500, description='New labels that trigger retraining under when = "labels".', ge=1)
    patience: int = Field(default=2, description='Rounds without improvement under when = "plateau".', ge=1)
    every_days: float = Field(default=7.0, description='Days between trainings under when = "schedule".', gt=0)
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
    stratified: bool = Field(
        default=False,
        description="Resample class by class: right only where the holdout was itself drawn so, by shares set before.",
    )
    slices: list[str] = Field(
        default_factory=list,
        description="Context columns by whose values quality is looked at; empty: all that have 30 values at most.",
    )
    calibration_tolerance: float = Field(
        default=0.05,
        description="Calibration error that is tolerated before a round's record carries a warning.",
        ge=0,
        le=1,
    )


def _not_negative(value: Any) -> bool:  # Any: as written in the file
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")

"""When what the model meets is no longer what it learned from."""

from __future__ import annotations

from pydantic import Field

from querist.config.section import Names, Section


class MonitoringSettings(Section):
    log: str = Field(default="", description="Folder of the served model's prediction log, where `--log` names none.")
    window: int = Field(
        default=500,
        description="Items that are compared with the reference at a time; at most half of it. Large windows see small "
        "drift, small ones see it sooner.",
        ge=30,
    )
    tests: Names = Field(
        default_factory=lambda: ["kl_classes", "kl_entropy", "mmd"],
        description="Tests that decide together whether a window has drifted; the others are computed beside them.",
        min_length=1,
    )
    false_alarm: float = Field(
        default=0.01,
        description="Share of windows without drift in which any of the tests may exceed its threshold.",
        gt=0,
        le=0.2,
    )
    draws: int = Field(default=1000, description="Windows drawn from the reference behind each threshold.", ge=400)
    consecutive: bool = Field(
        default=False,
        description="Draw runs of neighbours from the reference instead of single items, for data whose neighbours are "
        "alike, such as a stream in time order.",
    )
    patience: int = Field(default=2, description="Windows in a row that must exceed a threshold for an alarm.", ge=1)
    cool_down: int = Field(
        default=2, description="Windows that are looked at without counting after an alarm is over.", ge=0
    )
    random_share: float = Field(
        default=0.2,
        description="Share of a drift round that is drawn at random from what has drifted, to measure quality there.",
        ge=0,
        lt=1,
    )
    reference_size: int = Field(
        default=10_000, description="Most items of a model's reference, which a window is compared with.", ge=60
    )

"""How people label, and who else is told."""

from __future__ import annotations

from typing import Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from querist.config.section import Section

WebhookEvent = Literal["round.opened", "annotation.created", "annotation.undone", "round.completed", "round.evaluated"]


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
    swipe: dict[Literal["left", "right"], str] = Field(
        default_factory=dict,
        description='Label given on a phone by drawing the item aside, e.g. {left = "negative", right = "positive"}.',
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
    train_at: float = Field(
        default=1.0,
        description="Share of a round's items that must have their answers before the next round is made: below 1, "
        "people go on with the others while the model trains, and what they say of those counts a round later.",
        gt=0,
        le=1,
    )
    start_rounds: bool = Field(
        default=True, description="`querist serve` trains and opens the next round by itself once a round is complete."
    )
    language: str = Field(default="en", description="Language of the page: en or de.")


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


class TrackingSettings(Section):
    tensorboard: str = Field(default="", description="Folder for TensorBoard, written after each round.")
    mlflow: str = Field(
        default="",
        description="Address of an MLflow server, or sqlite:///FILE, written to after each round.",
    )


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
    send_answers: bool = Field(
        default=True,
        description="Whether `push` also sends the answers that people gave in querist to items that are tasks there, "
        "and takes back those that were undone or corrected since.",
    )
    backend_auth_env: str = Field(
        default="QUERIST_ML_AUTH",
        description="Environment variable with the user:password that Label Studio gives to querist's ML backend; "
        "while it is empty only programs on the same machine are answered.",
        min_length=1,
    )

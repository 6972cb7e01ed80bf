"""Who runs the loop in place of `querist serve`."""

from __future__ import annotations

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from querist.config.section import Section


class OrchestrationSettings(Section):
    airflow_url: str = Field(
        default="", description="Airflow that is told when a round is complete, e.g. http://airflow.internal:8080."
    )
    prefect_url: str = Field(
        default="", description="Prefect's API that is told when a round is complete, e.g. http://prefect:4200/api."
    )
    credentials_env: str = Field(
        default="QUERIST_ORCHESTRATOR",
        description="Environment variable with a token, or user:password; where it is empty querist comes without.",
        min_length=1,
    )
    page_url: str = Field(
        default="", description="Where people reach `querist serve`; the log of a workflow's run links to it."
    )

    @property
    def told(self) -> bool:
        """Whether an orchestrator starts the trainings, so that `querist serve` leaves them to it."""
        return bool(self.airflow_url or self.prefect_url)

    @field_validator("airflow_url", "prefect_url", "page_url")
    @classmethod
    def _addresses_can_be_reached(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            fine = not url or (parts.scheme in ("http", "https") and parts.hostname and parts.port != 0)
        except ValueError:
            fine = False
        if not fine or not url.isascii() or not url.isprintable() or " " in url or "@" in url:
            raise ValueError("must be an address such as http://localhost:8080, without a name or password")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _one_at_a_time(self) -> Self:
        if self.airflow_url and self.prefect_url:
            raise ValueError("name airflow_url or prefect_url, not both: one orchestrator runs the loop")
        return self

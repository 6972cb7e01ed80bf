"""Signing in through a provider that knows the people already."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from querist.config.section import Names, Section
from querist.core.addresses import is_private_way

DISPLAYED = ("name", "given_name", "family_name", "nickname", "middle_name")
"""Claims that anybody may call themselves by."""


class OidcSettings(Section):
    issuer: str = Field(
        default="",
        description="OpenID Connect provider by which people may sign in, written as it calls itself, e.g. "
        "https://id.example.org/realms/team. Empty: passwords only.",
    )
    client_id: str = Field(default="", description="What querist is called at the provider.")
    client_secret_env: str = Field(
        default="QUERIST_OIDC_SECRET",
        description="Environment variable with the client's secret; empty for a client that has none.",
    )
    name: str = Field(
        default="single sign-on", description="What the button says after `Sign in with`.", min_length=1, max_length=60
    )
    scopes: Names = Field(
        default_factory=lambda: ["openid", "email", "profile"], description="What the provider is asked to tell."
    )
    claim: str = Field(
        default="email",
        description="Claim that is the name of the account, at a person's first sign-in; an email only if the provider "
        "has verified it. Take none that people choose themselves.",
        min_length=1,
    )
    accounts: Literal["existing", "create"] = Field(
        default="existing",
        description="existing: only people with an account come in. create: others get one, as annotators.",
    )
    role_claim: str = Field(default="", description="Claim with a person's roles or groups, for `roles`.")
    roles: dict[str, Literal["annotator", "lead", "admin"]] = Field(
        default_factory=dict,
        description='Role of each value of `role_claim`, e.g. {label-leads = "lead"}: set at every sign-in, the '
        "highest counts, and who has none of them is an annotator. Empty: roles stay as `querist users role` set them.",
    )

    @field_validator("issuer")
    @classmethod
    def _issuer_can_be_trusted(cls, issuer: str) -> str:
        if issuer and (not is_private_way(issuer) or any(sign in issuer for sign in "?#@")):
            raise ValueError("must be an https address without a query; http only on this machine")
        return issuer

    @field_validator("scopes")
    @classmethod
    def _openid_is_asked(cls, scopes: list[str]) -> list[str]:
        if "openid" not in scopes:
            raise ValueError("must hold openid")
        return scopes

    @field_validator("claim")
    @classmethod
    def _names_one_person(cls, claim: str) -> str:
        if claim in DISPLAYED:
            raise ValueError("is what people call themselves; take email, preferred_username or sub")
        return claim

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.issuer and not self.client_id:
            raise ValueError("issuer needs client_id, what querist is called at the provider")
        if bool(self.role_claim) != bool(self.roles):
            raise ValueError("role_claim and roles need each other; set both or neither")
        return self

"""Signing in through the provider: which account a person has there known by a subject, and with which role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from querist.core.errors import AccountError, ServiceError, SignatureError
from querist.pipeline.accounts.people import NAME
from querist.pipeline.accounts.sign_in import new_session
from querist.store import accounts, audit, identities
from querist.store.accounts import ROLES, Account, Role

if TYPE_CHECKING:
    from querist.config.oidc import OidcSettings
    from querist.pipeline.accounts.oidc import Provider, Visit
    from querist.pipeline.project import Project
    from querist.store.ledger import Tx

BY = "OpenID Connect"
Claims = Mapping[str, Any]  # Any: what the provider tells


def begin(project: Project, provider: Provider, visit: Visit, *, address: str) -> str:
    """Where the person at `address` signs in. Raises ServiceError when the provider does not answer."""
    with _noted(project, address):
        return provider.address(visit)


def enter(project: Project, provider: Provider, visit: Visit, answer: Mapping[str, str], *, address: str) -> str:
    """The secret of a new session, for the person who came back from the provider with `answer`.

    Raises ServiceError when the provider does not answer, SignatureError when its word cannot be trusted, AccountError
    when the person has no account that is open.
    """
    with _noted(project, address):
        claims = provider.claims(visit, answer, now=project.clock())
        with project.ledger.begin() as tx:
            name = _account(project, tx, claims)
            audit.note(tx, name, "signed in", now=project.clock(), address=address, by=BY)
            return new_session(project, tx, name)


@contextmanager
def _noted(project: Project, address: str) -> Iterator[None]:
    """Whatever goes wrong is in the audit log."""
    try:
        yield
    except (AccountError, ServiceError, SignatureError) as error:
        with project.ledger.begin() as tx:
            audit.note(tx, "", "sign-in refused", now=project.clock(), address=address, by=BY, why=str(error))
        raise


def _account(project: Project, tx: Tx, claims: Claims) -> str:
    settings, subject = project.settings.oidc, str(claims["sub"])
    name = identities.find_name(tx, settings.issuer, subject)
    if name is None:
        name = _first_time(project, tx, claims)
    account = accounts.find_account(tx, name)
    if account is None or account.disabled:
        raise AccountError(f"the account {name!r} is disabled")
    role = _role(settings, claims)
    if role not in (None, account.role):
        accounts.change_account(tx, name, role=role)
        audit.note(tx, name, "role changed", now=project.clock(), user=name, role=str(role), by=BY)
    return name


def _first_time(project: Project, tx: Tx, claims: Claims) -> str:
    """Gives the account of the person's name to the subject: nobody else has it from now on."""
    settings, now = project.settings.oidc, project.clock()
    name, subject = claims.get(settings.claim), str(claims["sub"])
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise AccountError(f"the claim {settings.claim!r} is missing, or can be no account's name")
    verified = claims.get("email_verified")
    if settings.claim == "email" and not (verified is True or verified == "true"):  # some providers write it as text
        raise AccountError(f"the provider has not verified the email {name!r}")
    if accounts.find_account(tx, name) is None:
        if settings.accounts == "existing":
            raise AccountError(f"no account is named {name!r}; see `querist users add` and oidc.accounts")
        accounts.add_account(tx, Account(name, "annotator"), now=now)
        audit.note(tx, name, "user added", now=now, user=name, role="annotator", by=BY)
    elif identities.is_bound(tx, settings.issuer, name):
        raise AccountError(f"the account {name!r} is another subject's; `querist users unbind {name}` would free it")
    identities.bind(tx, settings.issuer, subject, name, now=now)
    audit.note(tx, name, "identity bound", now=now, user=name, subject=subject, issuer=settings.issuer)
    return name


def _role(settings: OidcSettings, claims: Claims) -> Role | None:
    """The highest that the provider gives; None where it does not rule."""
    if not settings.role_claim:
        return None
    told = claims.get(settings.role_claim, [])
    values = told if isinstance(told, list) else [told]
    held = [settings.roles[value] for value in values if isinstance(value, str) and value in settings.roles]
    return max(held, key=ROLES.index, default="annotator")

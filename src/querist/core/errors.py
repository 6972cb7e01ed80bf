"""Every error querist raises on purpose.

QueristError
├── SettingError     a setting or argument that cannot work            (exit status 2)
│   ├── AccountError an account, password, invitation or token that cannot be had
│   ├── UnknownName  a name that is no plugin, metric or column; lists what is available
│   └── MissingExtra an optional dependency is not installed; says which extra to install
├── DataError        a file or column that is missing or unreadable    (exit status 2)
├── HoldoutError     somebody tried to query, show or train on a holdout item (exit status 2)
├── SignatureError   a webhook or a sign-in whose signature, time or origin cannot be trusted
├── Replayed         a webhook that was received before
├── ShapeError       an array of the wrong shape or with NaN in it
├── PoolExhausted    more items were asked for than the pool holds
├── StrategyError    a strategy broke its contract (repeats, wrong count, out of range)
├── SnapshotCorrupt  stored bytes differ from their checksum
├── LedgerError      the ledger cannot do what was asked (schema too new, refused by the database)
│   └── NoSuchRound  a round that is not on record; lists those that are (exit status 2)
├── ServiceError     another program that querist talks to cannot be reached, or refuses
└── Busy             another process is working on this project
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class QueristError(Exception):
    """Base of all errors of querist; `exit_status` is what the command line returns."""

    exit_status = 1


class SettingError(QueristError):
    exit_status = 2


class AccountError(SettingError):
    pass


class UnknownName(SettingError):
    """A name that is not among those available; the message lists them."""

    def __init__(self, what: str, name: object, available: Iterable[str]) -> None:
        names = sorted(map(str, available))
        close = get_close_matches(str(name), names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        listed = ", ".join(names) or "none"
        super().__init__(f"unknown {what} {name!r}.{hint} Available: {listed}.")


class MissingExtra(SettingError):
    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional dependency: pip install 'querist[{extra}]'")


class DataError(QueristError):
    exit_status = 2


class HoldoutError(QueristError):
    exit_status = 2


class SignatureError(QueristError):
    pass


class Replayed(QueristError):
    pass


class ShapeError(QueristError, ValueError):
    pass


class PoolExhausted(QueristError, ValueError):
    pass


class StrategyError(QueristError):
    pass


class SnapshotCorrupt(QueristError):
    pass


class LedgerError(QueristError):
    pass


class NoSuchRound(LedgerError):
    exit_status = 2


class ServiceError(QueristError):
    pass


class Busy(QueristError):
    pass

"""Under which conditions a step ran: all that it rests on besides the rows of the ledger and the stored bytes."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from querist.config import Settings
from querist.store.analyses import Analysis, add_analysis, list_analyses
from querist.store.ledger import Tx

if TYPE_CHECKING:
    from querist.step import Context

LIBRARIES = ("numpy", "scipy", "scikit-learn", "pyarrow", "skops", "torch", "sentence-transformers")
UNDECIDING = frozenset({"storage", "webhooks", "label_studio", "tracking", "deploy", "monitoring", "orchestration"})
"""Sections that cannot change a result: where things lie, whom else to tell, and when to look again."""


@dataclass(frozen=True)
class Conditions:
    """`settings` is their key, `oracle` the column that answered in place of people, `annotations` the number of the
    last one that had arrived.
    """

    step: str
    settings: str
    snapshot: str
    oracle: str | None
    annotations: int
    libraries: Mapping[str, str]


def deciding(settings: Settings) -> dict[str, Any]:
    """Every setting that can change a result, as plain values."""
    plain = {"stratified"} if not settings.evaluation.stratified else set()  # a key of before it was there stays
    undeciding: dict[str, Any] = {**dict.fromkeys(UNDECIDING, True), "evaluation": {"slices"} | plain}
    if settings.labeling.train_at == 1:
        undeciding |= {"labeling": {"train_at"}}
    if settings.data.sets is None:  # these say nothing of items with one label
        undeciding |= {"data": {"labels", "label_separator"}, "query": {"over_labels"}}
    return settings.model_dump(mode="json", exclude=undeciding)


@cache
def libraries() -> dict[str, str]:
    """The versions of what computes, for those that are installed."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def note(tx: Tx, step: str, annotations: int, ctx: Context) -> None:
    """Puts the conditions of a step on record; the settings themselves only where they have changed."""
    now = Conditions(step, ctx.settings_key, ctx.snapshot.id, ctx.oracle, annotations, libraries())
    add_analysis(tx, "step", asdict(now), round=ctx.round, now=ctx.now)
    last = list_analyses(tx, "settings", last=1)
    if not last or last[0].result["key"] != ctx.settings_key:
        kept = {"key": ctx.settings_key, "settings": deciding(ctx.settings)}
        add_analysis(tx, "settings", kept, round=ctx.round, now=ctx.now)


def conditions(tx: Tx, round: int | None = None) -> dict[tuple[int, str], Conditions]:
    """(round, step) -> its conditions; a round of an earlier querist has none."""
    rows: Sequence[Analysis] = list_analyses(tx, "step", round=round)
    return {(row.round, row.result["step"]): Conditions(**row.result) for row in rows if row.round is not None}


def settings_by_key(tx: Tx) -> dict[str, dict[str, Any]]:
    return {row.result["key"]: row.result["settings"] for row in list_analyses(tx, "settings")}

"""What a round done again leaves otherwise than on record, and why it may."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from typing import TYPE_CHECKING, Any

from querist import __version__
from querist.core.errors import SnapshotCorrupt
from querist.core.hashing import key_of
from querist.pipeline.conditions import Conditions, libraries
from querist.store.analyses import list_analyses
from querist.store.ledger import Tx
from querist.store.models import list_metrics, list_models
from querist.store.rounds import list_queries
from querist.store.steps import Done

if TYPE_CHECKING:
    from querist.pipeline.project import Project

NEAR = 1e-6
"""Figures that differ by less, relatively, are the same: another processor rounds the last digits another way."""
BYTES = ("scores", "labels")
"""What a step left in the artifacts and later ones rest on; memory between rounds only saves time."""
SETTINGS, SETTINGS_KEY = "settings on record", "hash of the settings"
UNCOMPARED = ("items", "scores", "memory")
"""Hashes of what is compared itself, or of figures whose last digit may differ."""


@dataclass(frozen=True)
class Difference:
    """What a step left on record, and what it leaves when it is done again."""

    step: str
    what: str
    recorded: Any  # text, a number or nothing
    again: Any


@dataclass(frozen=True)
class Recorded:
    """A round as the record has it."""

    round: int
    steps: list[Done]
    under: Mapping[str, Conditions]
    settings: Mapping[str, Mapping[str, Any]]
    settings_key: str


def in_settings(recorded: Recorded) -> Iterator[Difference]:
    """Settings whose content is not what the round's hash says."""
    opened = next((step for step in recorded.steps if "n_queries" in step.result), None)
    if opened and recorded.under[opened.name].settings != recorded.settings_key:
        yield Difference(opened.name, SETTINGS_KEY, recorded.settings_key, recorded.under[opened.name].settings)
    for key in dict.fromkeys(recorded.under[step.name].settings for step in recorded.steps):
        if (now := key_of(recorded.settings[key])) != key:
            first = next(step.name for step in recorded.steps if recorded.under[step.name].settings == key)
            yield Difference(first, SETTINGS, key, now)


def in_bytes(project: Project, recorded: Recorded) -> Iterator[Difference]:
    """Stored bytes of the round that are lost or changed."""
    with project.ledger.read() as tx:
        models = {model.version: model.artifact for model in list_models(tx)}
        kept = list_analyses(tx, "evaluation", round=recorded.round, last=1)
    for step in recorded.steps:
        names = {kind: step.result[kind] for kind in BYTES if step.result.get(kind)}
        names |= {"model": models[version]} if (version := step.result.get("version")) in models else {}
        names |= {"predictions": kept[0].result["predictions"]} if kept and step.name == "evaluation" else {}
        for kind, name in names.items():
            try:
                project.artifacts.get(name)
            except SnapshotCorrupt as error:
                yield Difference(step.name, f"stored {kind}", name, str(error))


def left(tx: Tx, step: Done | None) -> dict[str, Any]:
    """What a step left in the ledger, flat: name -> text, number or nothing."""
    if step is None:
        return {}
    found = dict(_flat({k: v for k, v in step.result.items() if k not in UNCOMPARED}))
    if "n_queries" in step.result:
        for q in list_queries(tx, step.round):
            name = f"query {q.rank + 1}"
            found |= {name: q.item, f"score of {name}": q.score, f"model of {name}": q.model_version}
            found |= {f"{part} of {name}": value for part, value in q.parts.items()}
    for model in list_models(tx) if step.result.get("plan", "none") != "none" else ():
        if model.version == step.result["version"]:
            found |= _flat({"validation_loss": model.validation_loss, "parent": model.parent, "learner": model.learner})
    if step.name == "evaluation":
        for m in list_metrics(tx, step.round):
            found |= {m.name: m.value, f"{m.name} (low)": m.low, f"{m.name} (high)": m.high}
    return found


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def compared(step: str, recorded: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*recorded, *again]):
        then, now = recorded.get(name), again.get(name)
        if then != now and not _near(then, now):
            yield Difference(step, name, then, now)


def _near(a: Any, b: Any) -> bool:
    figures = isinstance(a, int | float) and isinstance(b, int | float)
    return figures and isclose(a, b, rel_tol=NEAR, abs_tol=NEAR)


def causes(recorded: Recorded, differences: Sequence[Difference]) -> list[str]:
    """What is known to be otherwise than then, from which the differences may come."""
    found: list[str] = []
    if any(d.what in (SETTINGS, SETTINGS_KEY) for d in differences):
        found.append("the settings on record are not those whose hash the round holds: they were changed afterwards")
    if any(d.what.startswith("stored ") for d in differences):
        found.append("stored bytes are lost or were changed afterwards; restore them from a backup")
    for code in sorted({s.code_version for s in recorded.steps} - {__version__}):
        found.append(f"querist {code} ran the round, this is querist {__version__}")
    now = libraries()
    for name in dict.fromkeys(name for under in recorded.under.values() for name in under.libraries):
        versions = {under.libraries.get(name) for under in recorded.under.values()}
        if changed := sorted(str(v) for v in versions if v != now.get(name)):
            found.append(f"{name} was {' and '.join(changed)}, now it is {now.get(name) or 'not installed'}")
    return found or [
        "code, libraries and settings are those of then: the record or stored bytes were changed afterwards, or the "
        "learner or the strategy does not give the same twice"
    ]

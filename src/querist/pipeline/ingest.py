"""From a source to a snapshot: read, check, clean, group, split, write; the manifest comes last."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from querist.config import Settings
from querist.core.errors import DataError, SettingError
from querist.core.label_sets import LabelSets
from querist.pipeline.exchange.intake import Intake, Opened, Progress, open_rows, stored_schema, take_in
from querist.snapshots import SPLITS, Manifest, ShardWriter, Snapshot, location, write_manifest
from querist.snapshots.folder import Folder
from querist.stages.preprocessing.groups import Groups, conflicts, n_near_duplicates
from querist.stages.preprocessing.splits import Assignment, assign
from querist.stages.preprocessing.steps import declare, resolve
from querist.stages.raw_data.rows import Row

STAGING = ".ingest"
TELLING_SHARE = 0.01

Json = dict[str, Any]  # Any: whatever JSON can hold


@dataclass(frozen=True)
class IngestReport:
    """What one ingest did (`read` to `quarantine`), and what the snapshot holds now (`rows` to `classes`).

    `rows` and `primary` count by split, `classes` by label. `duplicates` are rows beyond the first of their group, of
    which `near_duplicates` differ before normalisation; `conflicting_items` lie in groups with more than one label.
    """

    snapshot: str
    read: int
    added: int
    repeated: int
    quarantined: int
    reasons: dict[str, int]
    quarantine: str | None
    rows: dict[str, int]
    primary: dict[str, int]
    groups: int
    duplicates: int
    near_duplicates: int
    conflicting_groups: int
    conflicting_items: int
    groups_across_splits: int
    classes: dict[str, int]
    warnings: list[str]


def ingest(
    source: Path | Iterable[Row] | Opened,
    settings: Settings,
    *,
    base: Path,
    parent: str | None,
    quarantine: Path,
    now: datetime,
    progress: Progress | None = None,
) -> IngestReport:
    """Makes a snapshot of the source (with `parent`: its child), or names the parent when nothing new was in it.

    Rows that cannot be used go to a JSON-lines file in the folder `quarantine`. A relative `storage.snapshots` counts
    from `base`. Where the parent lacks shards, the source must be what they were made of, and they are made again.
    Raises DataError when no row is usable. Stopped anywhere, it has published nothing.
    """
    data, told = settings.data, progress or _quiet
    steps = resolve(settings.preprocessing, data.kind)
    url = location(settings.storage.snapshots, base)
    folder = Folder(url)
    old = None if parent is None else Snapshot.open(url, parent)
    draft: Json = {"kind": data.kind, "schema": stored_schema(data), "preprocessing": declare(steps)}
    if old is not None:
        _require_same(old.manifest, draft)
    last, (old, torn) = old, _whole(old, folder)
    name, rows = source if isinstance(source, Opened) else open_rows(source, settings)
    staging = base / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        staged, refused = staging / "rows.arrow", staging / "quarantine.jsonl"
        intake = take_in(rows, data, steps, old, staged=staged, quarantine=refused, progress=told)
        if len(intake.groups):
            draft |= {"source": name, "created_at": now.isoformat()}
            manifest = _publish(intake, old, torn, settings, draft, staged, folder, told)
        elif torn is not None:
            raise _not_its_source(torn, name)
        elif old is not None:
            manifest = old.manifest
        else:
            reasons = "; ".join(f"{count} x {reason}" for reason, count in intake.reasons.most_common(3))
            raise DataError(f"{name} holds no usable row: {intake.read} read{', ' if reasons else ''}{reasons}")
        kept = quarantine / f"{name}-{now:%Y%m%dT%H%M%S}.jsonl" if intake.reasons else None
        if kept is not None:
            quarantine.mkdir(parents=True, exist_ok=True)
            shutil.move(refused, kept)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    if last is not None and torn is not None:
        manifest = last.manifest
    added = 0 if torn is not None else len(intake.groups)
    return IngestReport(
        snapshot=manifest.id,
        read=intake.read,
        added=added,
        repeated=intake.repeated + len(intake.groups) - added,
        quarantined=intake.reasons.total(),
        reasons=dict(intake.reasons.most_common()),
        quarantine=None if kept is None else str(kept),
        warnings=_warnings(intake, manifest, settings),
        **manifest.counts,
    )


def _whole(snapshot: Snapshot | None, folder: Folder) -> tuple[Snapshot | None, Manifest | None]:
    """The nearest ancestor that has all its shards, and its child that lacks some; or the snapshot itself and None."""
    torn = None
    while snapshot is not None and not all(folder.exists(shard.name) for shard in snapshot.shards):
        torn = snapshot.manifest
        snapshot = None if torn.parent is None else Snapshot.open(folder.url, torn.parent)
    return snapshot, torn


def _not_its_source(torn: Manifest, name: str) -> DataError:
    return DataError(
        f"snapshot {torn.id} lacks shards, and {name} does not give those again; ingest {torn.source} as it was, with "
        "the settings and the querist of then, or restore the shards from a backup"
    )


def _publish(
    intake: Intake,
    old: Snapshot | None,
    torn: Manifest | None,
    settings: Settings,
    draft: Json,
    staged: Path,
    folder: Folder,
    told: Progress,
) -> Manifest:
    """The new snapshot after `old`; or `torn`, which was there already, once its shards are made again."""
    keys = np.concatenate([_old_groups(old), intake.groups])
    groups = Groups.of(keys)
    drawn = old.manifest if old else torn
    splits = drawn.splits if drawn else _split_settings(intake, settings)
    assignment = assign(
        keys,
        groups,
        intake.given,
        **splits,
        deduplicate=settings.data.deduplicate,
        old_splits=old.splits() if old else None,
        old_primary=old.primary() if old else None,
    )
    known = old.given_labels("label", old.classes, settings.data.sets)[0] if old else np.empty(0, np.int32)
    labels = np.concatenate([known.astype(np.int32), intake.labels])
    counts = _counts(keys, groups, assignment, labels, intake, old, settings.data.sets)
    before = old.shards if old else ()
    n_old = old.n_items if old else 0
    shards = _write(staged, assignment, n_old, list(draft["schema"]), folder, told)
    if torn is not None:
        if (*before, *shards) != torn.shards:
            raise _not_its_source(torn, draft["source"])
        return torn
    wanted = settings.data.classes or sorted(counts["classes"])
    classes = old.classes if old else ()
    manifest = Manifest(
        **draft,
        parent=old.id if old else None,
        root=old.root_id if old else None,
        n_root_shards=old.n_root_shards if old else len(shards),
        shards=(*before, *shards),
        classes=(*classes, *(name for name in wanted if name not in classes)),
        splits=splits,
        counts=counts,
    )
    write_manifest(folder, manifest)
    return manifest


def _write(
    staged: Path, assignment: Assignment, n_old: int, columns: list[str], folder: Folder, told: Progress
) -> tuple[Any, ...]:
    import pyarrow as pa

    writer, total, at = ShardWriter(folder, start=n_old), len(assignment.splits) - n_old, n_old
    with pa.OSFile(str(staged)) as file, pa.ipc.open_stream(file) as batches:
        for batch in batches:
            rows = slice(at, at + batch.num_rows)
            names = pa.DictionaryArray.from_arrays(pa.array(assignment.splits[rows]), pa.array(SPLITS))
            table = pa.Table.from_batches([batch]).append_column("split", names)
            writer.add(table.append_column("primary", pa.array(assignment.primary[rows])).select(columns))
            at = rows.stop
            told("write", at - n_old, total)
    return writer.close()


def _counts(
    keys: Any,
    groups: Groups,
    assignment: Assignment,
    labels: Any,
    intake: Intake,
    old: Snapshot | None,
    sets: LabelSets | None,
) -> Json:
    torn, torn_items = conflicts(groups, labels)
    near = n_near_duplicates(intake.groups, intake.variants)
    numbers = np.bincount(labels[labels >= 0], minlength=len(intake.label_names)).tolist()
    classes: Counter[str] = Counter()
    for value, n in zip(intake.label_names, numbers, strict=True):
        classes.update(dict.fromkeys([value] if sets is None else sets.names(value), n))
    return {
        "rows": _by_split(assignment.splits),
        "primary": _by_split(assignment.splits[assignment.primary]),
        "groups": len(groups),
        "duplicates": len(keys) - len(groups),
        "near_duplicates": near + (old.manifest.counts["near_duplicates"] if old else 0),
        "conflicting_groups": torn,
        "conflicting_items": torn_items,
        "groups_across_splits": assignment.groups_across_splits,
        "classes": dict(sorted(classes.items())),
    }


def _split_settings(intake: Intake, settings: Settings) -> Json:
    """Shares, and the splits that a split column lacks, which are then drawn from its pool rows."""
    present = set(np.unique(intake.given).tolist())
    lacking = [name for code, name in enumerate(SPLITS) if code > 0 and code not in present]
    drawn = lacking if settings.data.split is not None else []
    shares = settings.splits
    return {"validation": shares.validation, "test": shares.test, "salt": shares.salt, "drawn": drawn}


def _old_groups(old: Snapshot | None) -> Any:  # Any: (n,) uint64
    parts = [old.read(shard, ["group"])["group"].to_numpy() for shard in old.shards] if old else []
    return np.concatenate([np.empty(0, np.uint64), *parts])


def _by_split(splits: Any) -> dict[str, int]:
    return {name: int((splits == code).sum()) for code, name in enumerate(SPLITS)}


def _require_same(parent: Manifest, draft: Json) -> None:
    for part, wanted in draft.items():
        found = getattr(parent, part)
        if found != wanted or (isinstance(found, dict) and list(found) != list(wanted)):
            raise SettingError(
                f"snapshot {parent.id} was made with another {part} ({_told(found)}) than the settings now say "
                f"({_told(wanted)}); set them back, or start a new project for a new root"
            )


def _told(part: Any) -> str:  # Any: what a manifest holds of the kind, the columns or the steps
    """text string, c.price string; or unicode 1, urls 1 (token='[url]'), with the version of each step."""
    if isinstance(part, dict):
        return ", ".join(f"{name} {kind}" for name, kind in part.items())
    if not isinstance(part, list):
        return str(part)
    given = [", ".join(f"{key}={value!r}" for key, value in step["settings"].items()) for step in part]
    named = [f"{step['name']} {step['version']}" for step in part]
    return ", ".join(f"{name} ({values})" if values else name for name, values in zip(named, given, strict=True))


def _warnings(intake: Intake, manifest: Manifest, settings: Settings) -> list[str]:
    counts, found = manifest.counts, []
    if intake.reasons.total() > TELLING_SHARE * intake.read:
        found.append(f"{intake.reasons.total()} of {intake.read} rows read are in quarantine")
    if counts["conflicting_groups"]:
        found.append(
            f"{counts['conflicting_items']} rows lie in {counts['conflicting_groups']} groups of duplicates that carry "
            "more than one label; the first row of a group counts"
        )
    if counts["groups_across_splits"]:
        found.append(
            f"{counts['groups_across_splits']} groups of duplicates have rows in several splits; "
            "those outside the holdout are set aside"
        )
    shares = (manifest.splits["validation"], manifest.splits["test"])
    if shares != (settings.splits.validation, settings.splits.test):
        found.append(f"splits keep the shares they were first drawn with: validation {shares[0]}, test {shares[1]}")
    found += [f"no {name} item" for name in SPLITS if not counts["primary"][name] and name != "validation"]
    return found


def _quiet(stage: str, done: int, total: int | None) -> None:
    return None

"""The deployed folder: versions of a model beside each other, one of them current; nothing in it is a pickle.

versions/VERSION/  model.json (its facts), model.skops, encoder.npz, projection.npz, reference.npz, model-card.md
current            the version that answers
previous           the one before it
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError, SettingError, SnapshotCorrupt, UnknownName
from querist.core.hashing import key_of, sha256
from querist.core.protocols import Encoder, Items
from querist.core.types import Embeddings, Probabilities
from querist.models.encoders.make import make_encoder
from querist.models.learner import ScikitLearner
from querist.models.persistence import load
from querist.models.projection import Projection

FORMAT = 1
FACTS, LEARNER, CARD = "model.json", "model.skops", "model-card.md"
ENCODER, PROJECTION, REFERENCE = "encoder.npz", "projection.npz", "reference.npz"
DECIDING = ("model_version", "pipeline_version", "kind", "classes", "data", "preprocessing", "learner", "abstain")
"""The facts that an answer rests on, besides the files."""
BESIDE = (PROJECTION, REFERENCE, CARD)
"""Files that no answer rests on."""
HERE = "bundle:"
"""Before a setting of the encoder that is a folder of the version itself."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Bundle:
    """One version, opened: `facts` are those of model.json."""

    facts: Mapping[str, Any]
    learner: ScikitLearner
    encoder: Encoder
    projection: Projection

    @property
    def version(self) -> str:
        return str(self.facts["version"])

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.facts["classes"])

    def predict(self, items: Items) -> tuple[Probabilities, Embeddings]:
        """(n, n_classes) float64 and (n, n_dims) float32 of items that the preprocessing steps have gone over."""
        rows = self.encoder.transform(items)
        return self.learner.predict_proba(rows), self.projection(rows)


def write_bundle(folder: Path, facts: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """Adds a version to the folder and returns its name, the hash of all that its answers rest on; one that is there
    already stays as it is."""
    named = {name: sha256(data) for name, data in files.items()}
    decided = {name: facts.get(name) for name in DECIDING}
    version = key_of(decided, {name: named[name] for name in named if name not in BESIDE})[:12]
    to = _inside(folder, version)
    if to.is_dir():
        return version
    beside = to.with_name(f".{version}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for name, data in files.items():
        (beside / name).parent.mkdir(parents=True, exist_ok=True)
        (beside / name).write_bytes(data)
    whole = {"format": FORMAT, "version": version, **facts, "files": named}
    (beside / FACTS).write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    try:
        beside.rename(to)
    except OSError:
        if not to.is_dir():
            raise
        shutil.rmtree(beside)  # another process was faster with the same version
    return version


def open_bundle(folder: Path, version: str) -> Bundle:
    """The model of a version, every file checked against its checksum before it is opened.

    Raises UnknownName for a version that is not there, SnapshotCorrupt for a file that is missing or changed.
    """
    facts = read_facts(folder, version)
    learner = facts["learner"]
    params = {name: _located(folder, facts, value) for name, value in learner["encoder_params"].items()}
    encoder = make_encoder(learner["encoder"], params)
    if getattr(encoder, "identity", "") != learner.get("identity", ""):
        raise SettingError(
            f"version {version} was built with other weights of the encoder {learner['encoder']!r} than are installed; "
            "install those, or build again"
        )
    files = {name: read_file(folder, facts, name) for name in (LEARNER, ENCODER, PROJECTION)}
    return Bundle(
        facts=facts,
        learner=load(files[LEARNER], trusted=learner.get("trusted_types", ())),
        encoder=encoder.restore(_arrays(files[ENCODER])),
        projection=Projection.restore(_arrays(files[PROJECTION])),
    )


def read_facts(folder: Path, version: str) -> dict[str, Any]:
    """model.json of a version. Raises UnknownName where there is none, DataError for another format."""
    path = _inside(folder, version) / FACTS
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnknownName(f"version in {folder}:", version, versions(folder)) from None
    except ValueError as error:
        raise SnapshotCorrupt(f"{path} is no JSON ({error}); build the version again") from None
    if facts.get("format") != FORMAT:
        raise DataError(f"{path} has format {facts.get('format')!r}, this querist reads {FORMAT}; build it again")
    return facts


def read_file(folder: Path, facts: Mapping[str, Any], name: str) -> bytes:
    """The bytes of a file as they were built. Raises SnapshotCorrupt when they are missing or changed."""
    path = _inside(folder, facts["version"]) / name
    wanted = facts["files"].get(name)
    if wanted is None or not path.is_file() or sha256(data := path.read_bytes()) != wanted:
        raise SnapshotCorrupt(f"{path} is missing or not as it was built; build the version again")
    return data


def versions(folder: Path) -> list[str]:
    """Those that are there whole, by name."""
    return sorted(path.parent.name for path in (folder / "versions").glob(f"[!.]*/{FACTS}"))


def current(folder: Path) -> str | None:
    """The version that answers, if any."""
    return _named(folder / "current")


def previous(folder: Path) -> str | None:
    return _named(folder / "previous")


def activate(folder: Path, version: str) -> None:
    """From now on `version` answers; the one before it is kept in mind. Raises UnknownName where it is not there."""
    read_facts(folder, version)
    before = current(folder)
    if before is not None and before != version:
        _replace(folder / "previous", before)
    _replace(folder / "current", version)


def _located(folder: Path, facts: Mapping[str, Any], value: Any) -> Any:  # Any: a setting
    if not isinstance(value, str) or not value.startswith(HERE):
        return value
    part = value.removeprefix(HERE)
    for name in facts["files"]:
        if name.startswith(f"{part}/"):
            read_file(folder, facts, name)  # whoever opens them next does not compare them
    return str(_inside(folder, facts["version"]) / part)


def _named(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except FileNotFoundError:
        return None


def _replace(path: Path, version: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(f"{version}\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _inside(folder: Path, version: str) -> Path:
    """A version comes from files and requests: it must not lead anywhere else."""
    if not NAME.fullmatch(version):
        raise UnknownName(f"version in {folder}:", version, versions(folder))
    return folder / "versions" / version


def _arrays(data: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)

"""The current model of a project, kept open between questions."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from querist.core.errors import SettingError
from querist.store.models import current_snapshot, list_models
from querist.store.rounds import get_queries

if TYPE_CHECKING:
    from querist.pipeline.project import Project


@dataclass(frozen=True)
class Subject:
    """What is asked about: an item by its id, or a text that the project need not know."""

    item: str | None = None
    text: str | None = None


class Predictor:
    """Opens a model once, and the next one when the loop has trained it; serves several threads."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._opened: tuple[tuple[str, str], _Open] | None = None

    def versions(self) -> list[str]:
        """Every model version on record, the current one last."""
        with self._project.ledger.read() as tx:
            return [model.version for model in list_models(tx)]

    def predict(self, subjects: Sequence[Subject]) -> tuple[str | None, list[dict[str, float] | None]]:
        """The model version, and for each subject the probability of each label; None where it cannot be told.

        Before the first model nothing can be told.
        """
        found = self._current()
        if found is None:
            return None, [None] * len(subjects)
        with self._project.ledger.read() as tx:
            asked = get_queries(tx, {one.item for one in subjects if one.item is not None})
        known = [one.item is not None and one.item in asked for one in subjects]
        texts = [found.readable and not at and bool(one.text) for at, one in zip(known, subjects, strict=True)]
        positions = [asked[one.item].position for one in subjects if one.item is not None and one.item in asked]
        made = dict(zip(np.flatnonzero(known).tolist(), found.of_positions(positions), strict=True))
        unknown = [one.text or "" for one, at in zip(subjects, texts, strict=True) if at]
        made |= dict(zip(np.flatnonzero(texts).tolist(), found.of_texts(unknown), strict=True))
        return found.version, [made.get(i) for i in range(len(subjects))]

    def _current(self) -> _Open | None:
        with self._lock:
            with self._project.ledger.read() as tx:
                models, snapshot = list_models(tx), current_snapshot(tx)
            if not models or snapshot is None:
                return None
            key = (models[-1].version, snapshot)
            if self._opened is None or self._opened[0] != key:
                self._opened = key, _Open(self._project, models[-1])
            return self._opened[1]


class _Open:
    def __init__(self, project: Project, model: Any) -> None:  # Any: store.models.Model
        from querist.models.encoding import fit_encoder
        from querist.models.persistence import load
        from querist.pipeline.project import Project
        from querist.stages.preprocessing.steps import resolve

        fresh = Project(project.folder, clock=project.clock)  # settings and snapshot may have changed since the start
        spec, self._features = fresh.features()
        if model.learner["features"] != self._features.space:
            raise SettingError("the learner of the settings is not that of the model; `querist run` trains it first")
        settings = fresh.settings
        self.version: str = model.version
        self.readable = fresh.snapshot.kind == "text"
        self._classes: list[str] = list(model.learner["classes"])
        self._learner = load(fresh.artifacts.get(model.artifact), trusted=settings.learner.trusted_types)
        self._steps = resolve(settings.preprocessing, fresh.snapshot.kind)
        cache = fresh.folder / settings.storage.features
        self._encoder, _ = fit_encoder(
            spec.encoder, spec.encoder_params, fresh.snapshot, cache=cache, seed=settings.project.seed
        )

    def of_positions(self, positions: Sequence[int]) -> list[dict[str, float]]:
        return self._named(self._features.rows(np.array(positions, dtype=np.intp))) if positions else []

    def of_texts(self, texts: Sequence[str]) -> list[dict[str, float]]:
        """Cleaned and encoded like the items of the project."""
        from querist.stages.preprocessing.steps import apply

        return self._named(self._encoder.transform(apply(self._steps, {"text": list(texts)}))) if texts else []

    def _named(self, rows: Any) -> list[Any]:  # Any: a matrix of features
        proba = self._learner.predict_proba(rows)
        found: list[Mapping[str, float]] = [dict(zip(self._classes, map(float, row), strict=True)) for row in proba]
        return found

"""A project whose seed set has been asked, and three of its items answered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from querist.pipeline.project import Project
from querist.store.annotations import Annotation, add_annotations
from querist.store.rounds import list_queries


@pytest.fixture
def waiting(folder: Path, reviews: Path, clock: Callable[[], datetime], grown: Callable[..., Project]) -> Project:
    def make() -> Project:
        settings = folder / "querist.toml"
        settings.write_text(settings.read_text().replace('label = "label"\n', 'classes = ["neg", "pos"]\n'))
        project = Project(folder, clock=clock)
        project.ingest(reviews)
        assert project.run().status == "waiting"
        return project

    return grown("exports", folder, make, clock)


@pytest.fixture
def asked(waiting: Project) -> list[str]:
    with waiting.ledger.begin() as tx:
        return [query.item for query in list_queries(tx, 0)]


@pytest.fixture
def say(waiting: Project) -> Callable[..., str]:
    """Stores what a person says of an item on the page and returns its id."""
    count = [0]

    def say(item: str, label: str | None, who: str = "ada", **more: object) -> str:
        count[0] += 1
        with waiting.ledger.begin() as tx:
            query = next(q for q in list_queries(tx) if q.item == item)
            made = Annotation(f"said-{count[0]:04d}", item, query.position, query.split, label, who)
            add_annotations(tx, [made._replace(**more)], now=waiting.clock())
        return made.id

    return say

"""Artifacts lie outside of the ledger's transactions, whatever the step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from querist.pipeline.project import Project
from querist.store.artifacts import Artifacts
from querist.store.ledger import Ledger, Tx

Change = Callable[[Path, str, str], None]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(put or get, transactions open at that moment) of each artifact written or read."""
    found: list[tuple[str, int]] = []
    open_now = 0
    begin = Ledger.begin

    @contextmanager
    def counted(ledger: Ledger) -> Iterator[Tx]:
        nonlocal open_now
        with begin(ledger) as tx:
            open_now += 1
            try:
                yield tx
            finally:
                open_now -= 1

    monkeypatch.setattr(Ledger, "begin", counted)
    for name in ("put", "get"):
        real = getattr(Artifacts, name)

        def spied(
            artifacts: Artifacts, what: object, *, name: str = name, real: Callable[..., object] = real
        ) -> object:
            found.append((name, open_now))
            return real(artifacts, what)

        monkeypatch.setattr(Artifacts, name, spied)
    return found


def test_no_transaction_is_open_while_an_artifact_is_written_or_read(
    project: Project, change: Change, seen: list[tuple[str, int]]
) -> None:
    project.run(rounds=1, oracle="label")
    change(project.folder, '"tfidf-logistic"', '"hashing-logistic"')
    Project(project.folder).run(rounds=2, oracle="label")
    assert {name for name, _ in seen} == {"put", "get"}
    # labels, a model and its predictions each round, one more model for the change, scores after the seed set
    assert sum(name == "put" for name, _ in seen) == 3 + 3 + 3 + 1 + 2
    assert {open_now for _, open_now in seen} == {0}


def test_no_transaction_is_open_while_the_images_of_a_batch_are_stored(
    tmp_path: Path, seen: list[tuple[str, int]]
) -> None:
    image = pytest.importorskip("PIL.Image", reason="the extra images is not installed")
    rng = np.random.default_rng(0)
    for i in range(40):
        folder = tmp_path / "raw" / ("dark" if i % 2 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 120, (8, 8)) + (0 if i % 2 else 120)
        image.fromarray(pixels.astype(np.uint8)).save(folder / f"{i}.png")
    project = Project.init(tmp_path / "scans", "image")
    project.ingest(tmp_path / "raw")
    project.run(rounds=0, oracle="label")
    asked = len(project.show_round(0)["queries"])
    assert sum(name == "put" for name, _ in seen) == asked + 3, "each image, labels, model, predictions"
    assert {open_now for _, open_now in seen} == {0}

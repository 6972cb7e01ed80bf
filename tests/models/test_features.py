"""Features: any rows in any order, encoded once per shard, learned without the holdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.config import parse
from querist.core.errors import DataError, ShapeError
from querist.core.hashing import sha256
from querist.models.features import Features, build
from querist.models.matrices import Held, InMemory, OnDisk, sweep
from querist.models.projection import Projection
from querist.pipeline.ingest import ingest
from querist.snapshots.snapshot import POOL, TEST, VALIDATION, Shard, Snapshot


@dataclass
class Texts:
    """A snapshot in memory: one list of texts a shard; texts that begin with "test" or "validation" are held out."""

    texts: Sequence[Sequence[str]]
    n_root_shards: int
    root_id: str = "root"
    id: str = "id"
    kind: str = "text"
    read: list[str] = field(default_factory=list)

    @property
    def shards(self) -> tuple[Shard, ...]:
        starts = np.cumsum([0, *map(len, self.texts)]).tolist()
        names = [sha256("\n".join(texts).encode()) for texts in self.texts]
        return tuple(Shard(n, len(t), 0, s) for n, t, s in zip(names, self.texts, starts, strict=False))

    def items(self, shard: Shard) -> dict[str, list[Any]]:
        self.read.append(shard.sha256)
        return {"text": list(self.texts[self.shards.index(shard)])}

    def splits(self) -> Any:
        held = {"test": TEST, "validation": VALIDATION}
        return np.array([held.get(text.split()[0], POOL) for texts in self.texts for text in texts], dtype=np.int8)

    def primary(self) -> Any:
        return np.array([not text.endswith("again") for texts in self.texts for text in texts])


ROOT = [
    ["red apple", "green apple", "test secret word", "red car", "test secret thing"],
    ["red sky", "validation hidden word", "green car", "red apple again again", "validation hidden thing"],
]
PARAMS = {"words": [1, 1], "chars": [], "min_df": 1}


def make(snapshot: Any, cache: Path, **changes: Any) -> Features:  # Any: stands in for a Snapshot
    return build(snapshot, **{"encoder": "tfidf", "params": PARAMS, "cache": cache, "seed": 0, **changes})


def ingested(base: Path) -> Snapshot:
    """A stored snapshot, child of another: one shard each."""
    settings, snapshot, now = parse({"data": {"text": ["text"]}}), None, datetime(2026, 1, 1, tzinfo=UTC)
    for first in (0, 30):
        source = base / f"{first}.csv"
        source.write_text("text\n" + "\n".join(f"word{i % 9} number{i}" for i in range(first, first + 30)))
        report = ingest(source, settings, base=base, parent=snapshot, quarantine=base / "quarantine", now=now)
        snapshot = report.snapshot
    return Snapshot.open(base / "snapshots", str(snapshot))


def words(cache: Path) -> set[str]:
    (path,) = cache.glob("*/encoder.npz")
    return set(np.load(path)["words.terms"].tobytes().decode().split("\n"))


def dense(X: Any) -> Any:
    return X if isinstance(X, np.ndarray) else X.toarray()


@given(st.lists(st.integers(0, 9), max_size=15), st.booleans(), st.integers(1, 5))
@settings(max_examples=60)
def test_rows_and_blocks_come_in_the_order_asked(positions: list[int], sparse: bool, size: int) -> None:
    X: Any = np.arange(40, dtype=np.float32).reshape(10, 4)
    cuts = [X[:3], X[3:3], X[3:9], X[9:]]
    features = Features([InMemory(sp.csr_matrix(cut) if sparse else cut) for cut in cuts])
    asked = np.array(positions, dtype=np.intp)
    assert np.array_equal(dense(features.rows(asked)), X[asked])
    blocks = list(features.blocks(asked, size))
    assert [p for part, _ in blocks for p in asked[part].tolist()] == positions
    assert all(np.array_equal(dense(rows), X[asked[part]]) for part, rows in blocks)


class Counted:
    """A part that counts how often it is read."""

    def __init__(self, X: Any) -> None:
        self.X, self.shape, self.opened = X, X.shape, 0

    def open(self) -> Any:
        self.opened += 1
        return self.X


@pytest.mark.parametrize("sparse", [True, False])
def test_held_rows_are_read_once_and_others_each_time(sparse: bool) -> None:
    X = np.arange(40, dtype=np.float32).reshape(10, 4)
    part = Counted(sp.csr_matrix(X) if sparse else X)
    features = Features([part])
    asked = np.array([1, 2, 5, 7])
    for size in (2, 2, 9, 9):
        blocks = list(features.blocks(asked, size, hold=True))
        assert np.array_equal(np.concatenate([dense(rows) for _, rows in blocks]), X[asked])
    for backwards in (asked, asked, asked[::-1]):
        assert np.array_equal(dense(features.rows(backwards, hold=True)), X[backwards])
    assert part.opened == 2 + 1 + 1 + 1
    features.rows(asked)
    list(features.blocks(asked, 2))
    assert part.opened == 5 + 1 + 2


def test_what_does_not_fit_is_not_held() -> None:
    eights = [np.zeros(8, np.uint8) for _ in range(3)]
    held = Held(limit=20)
    assert len(list(held.through("a", lambda: eights))) == 3
    assert [x.tolist() for x in held.through("a", lambda: [np.ones(8)])] == [[1.0] * 8]  # 24 bytes were too many
    assert len(list(held.through("b", lambda: eights[:2]))) == 2
    assert len(list(held.through("c", lambda: eights[:1]))) == 1
    assert len(list(held.through("b", list))) == 2
    assert len(list(held.through("c", list))) == 0  # no room was left beside b


def test_a_reader_that_stops_early_leaves_nothing_held() -> None:
    held = Held(limit=100)
    next(held.through("a", lambda: [np.zeros(2), np.ones(2)]))
    assert [x.tolist() for x in held.through("a", lambda: [np.ones(1)])] == [[1.0]]


@pytest.mark.parametrize("position", [-1, 3])
def test_position_outside_is_refused(position: int) -> None:
    with pytest.raises(ShapeError, match="3 items"):
        Features.of(np.eye(3)).rows(np.array([position]))


def test_plain_arrays_bring_their_own_embeddings_or_learn_them() -> None:
    X = np.random.default_rng(0).normal(size=(20, 5)).astype(np.float32)
    given_ = np.arange(40, dtype=np.float64).reshape(20, 2)
    assert Features.of(X, given_).embed(np.array([3, 1])).tolist() == [[6, 7], [2, 3]]
    learned = Features.of(sp.csr_matrix(X)).embed(np.array([3, 1]))
    assert learned.shape == (2, 5)
    assert np.linalg.norm(learned, axis=1) == pytest.approx([1, 1])
    with pytest.raises(ShapeError, match="20"):
        Features.of(X, given_[:3])


def test_build_gives_the_encoder_s_features_of_every_item(tmp_path: Path) -> None:
    features = make(Texts(ROOT, 2), tmp_path)
    assert (features.n_items, features.n_features) == (10, len(words(tmp_path)))
    X = dense(features.rows(np.arange(10)))
    assert np.linalg.norm(X, axis=1) == pytest.approx([1, 1, 0, 1, 0, 1, 0, 1, 1, 0])
    assert features.embed(np.array([0, 8])).shape == (2, features.n_features)


def test_holdout_items_never_teach_encoder_or_projection(tmp_path: Path) -> None:
    snapshot = Texts(ROOT, 2)
    features = make(snapshot, tmp_path / "a")
    assert words(tmp_path / "a") == {"red", "green", "apple", "car", "sky"}
    changed = [[t.replace("secret", "other").replace("hidden", "red apple") for t in texts] for texts in ROOT]
    other = make(Texts(changed, 2), tmp_path / "b")
    pool = np.flatnonzero((snapshot.splits() == POOL) & snapshot.primary())
    assert np.array_equal(other.embed(pool), features.embed(pool))


def test_children_reuse_the_encoder_and_encode_only_new_shards(tmp_path: Path) -> None:
    parent = make(Texts(ROOT, 2), tmp_path)
    child = Texts([*ROOT, ["blue sky", "test red"]], 2)
    features = make(child, tmp_path)
    assert child.read == [child.shards[2].sha256]
    assert "blue" not in words(tmp_path)
    assert np.array_equal(dense(features.rows(np.arange(10))), dense(parent.rows(np.arange(10))))
    assert np.array_equal(features.embed(np.arange(10)), parent.embed(np.arange(10)))


def test_building_again_reads_no_item(tmp_path: Path) -> None:
    first = make(Texts(ROOT, 2), tmp_path)
    snapshot = Texts(ROOT, 2)
    again = make(snapshot, tmp_path)
    assert snapshot.read == []
    assert np.array_equal(again.embed(np.arange(10)), first.embed(np.arange(10)))


def test_killed_build_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole = make(Texts(ROOT, 2), tmp_path / "whole")

    class Killed(Texts):
        def items(self, shard: Shard) -> dict[str, list[Any]]:
            if len(self.read) == 3:  # both shards read for the encoder, the first one encoded
                raise KeyboardInterrupt
            return super().items(shard)

    with pytest.raises(KeyboardInterrupt):
        make(Killed(ROOT, 2), tmp_path / "part")
    snapshot = Texts(ROOT, 2)
    resumed = make(snapshot, tmp_path / "part")
    assert snapshot.read == [snapshot.shards[1].sha256]
    assert np.array_equal(dense(resumed.rows(np.arange(10))), dense(whole.rows(np.arange(10))))


@pytest.mark.parametrize("changes", [{"seed": 1}, {"params": {**PARAMS, "min_df": 2}}, {"encoder": "hashing"}])
def test_other_settings_are_other_features(tmp_path: Path, changes: dict[str, Any]) -> None:
    make(Texts(ROOT, 2), tmp_path)
    if "encoder" in changes:
        changes = {**changes, "params": {"n_features": 8}}
    make(Texts(ROOT, 2), tmp_path, **changes)
    assert len(list(tmp_path.iterdir())) == 2


def test_progress_tells_of_each_part_as_it_begins_and_counts_items(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    make(Texts(ROOT, 2), tmp_path, progress=lambda *call: seen.append(call))
    encoder, projection = "fit the encoder", "fit the projection"
    assert seen == [
        (encoder, 0, None),
        (encoder, 1, 1),
        ("encode", 0, 10),
        ("encode", 5, 10),
        ("encode", 10, 10),
        (projection, 0, None),
        (projection, 1, 1),
    ]


def test_progress_of_a_slow_encoder_shows_within_a_shard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("querist.models.encoding.BLOCK_ROWS", 2)
    done: list[int] = []
    features = make(
        Texts(ROOT, 2), tmp_path, progress=lambda what, n, total: done.append(n) if what == "encode" else None
    )
    assert done == [0, 2, 4, 5, 7, 9, 10]
    assert features.rows(np.arange(10)).shape == (10, features.n_features)


def test_several_processes_give_the_same_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("querist.models.encoding.WORTH_A_PROCESS", 0)
    snapshot = ingested(tmp_path)
    assert len(snapshot.shards) == 2
    alone = make(snapshot, tmp_path / "alone", jobs=1)
    together = make(snapshot, tmp_path / "together", jobs=2)
    positions = np.arange(snapshot.n_items)
    assert np.array_equal(dense(alone.rows(positions)), dense(together.rows(positions)))


def test_snapshot_without_pool_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pool item"):
        make(Texts([["test a", "test b"]], 1), tmp_path)


def test_matrix_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "abc"
    half_written = tmp_path / f"abc.{2**22 + 1}.part"  # beyond the largest process id
    half_written.mkdir()
    assert OnDisk.find(folder) is None
    OnDisk.save(folder, np.eye(2, dtype=np.float32))
    again = OnDisk.save(folder, np.eye(2, dtype=np.float32))
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["abc"]
    assert again.open().tolist() == [[1, 0], [0, 1]]
    assert OnDisk.find(folder) == again


def test_narrow_dense_features_are_embeddings_of_unit_length() -> None:
    X = np.array([[3.0, 4.0], [0.0, 0.0]], dtype=np.float32)
    assert Projection.fit(X, rng=np.random.default_rng(0))(X).ravel().tolist() == pytest.approx([0.6, 0.8, 0, 0])


@pytest.mark.parametrize("sparse", [False, True])
def test_wide_features_keep_their_angles_when_few_directions_matter(sparse: bool) -> None:
    rng = np.random.default_rng(0)
    X: Any = (rng.normal(size=(100, 3)) @ rng.normal(size=(3, 600))).astype(np.float32)
    rows = X / np.linalg.norm(X, axis=1, keepdims=True)
    given_ = sp.csr_matrix(X) if sparse else X
    embedded = Projection.fit(given_, n_dims=3, rng=rng)(given_)
    assert embedded.shape == (100, 3)
    assert embedded.dtype == np.float32
    assert np.allclose(embedded @ embedded.T, rows @ rows.T, atol=1e-3)


def test_projection_restored_from_its_state_is_the_same() -> None:
    X = sp.random(50, 80, density=0.2, random_state=0, format="csr", dtype=np.float32)
    projection = Projection.fit(X, n_dims=5, rng=np.random.default_rng(0))
    assert np.array_equal(Projection.restore(projection.state())(X), projection(X))
    assert Projection.restore(Projection(None).state()).components is None

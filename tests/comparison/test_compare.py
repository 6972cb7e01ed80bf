"""What the comparison of libraries does with its results, on numbers one can check by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def case(n_pool: int, *, library: str = "modal", query: str = "ranked_batch") -> Any:
    from compare import Case

    return Case(library, query, n_pool, 10)


def ended(seconds: float, extra_mb: float = 1.0, picks: tuple[int, ...] = (1, 2)) -> dict[str, Any]:
    return {"seconds": seconds, "extra_mb": extra_mb, "picks": list(picks)}


def test_nothing_is_foretold_without_a_smaller_run() -> None:
    from compare import hopeless

    assert hopeless(case(1000), {case(2000): ended(900), case(500, library="alipy"): ended(900)}) is None


def test_a_run_is_hopeless_when_linear_growth_from_one_size_goes_beyond_the_limit() -> None:
    from compare import hopeless

    assert hopeless(case(5000), {case(1000): ended(23)}) is None  # 115 s
    assert hopeless(case(5000), {case(1000): ended(25)}) == {"skipped": "about 125 s by growth"}


def test_growth_between_two_sizes_goes_on() -> None:
    from compare import hopeless

    done = {case(1000): ended(2), case(2000): ended(8)}  # quadratic: 32 s at 4,000, 128 s at 8,000
    assert hopeless(case(4000), done) is None
    assert hopeless(case(8000), done) == {"skipped": "about 128 s by growth"}


def test_memory_beyond_the_limit_is_foretold_too() -> None:
    from compare import hopeless

    assert hopeless(case(4000), {case(1000): ended(1, 3000)}) == {"skipped": "about 12,000 MB by growth"}


def test_what_failed_below_is_not_tried_above() -> None:
    from compare import hopeless

    assert hopeless(case(4000), {case(1000): {"over": "10 GB"}}) == {"skipped": "10 GB below"}
    assert hopeless(case(4000), {case(1000): {"failed": "ValueError"}}) == {"skipped": "failed below"}


def test_finished_runs_are_read_back_and_forgotten_by_library(tmp_path: Path) -> None:
    from compare import forget, read

    path = tmp_path / "runs.jsonl"
    assert read(path) == {}
    line = '{"library": "%s", "query": "entropy", "n_pool": 5, "n_classes": 10, "seconds": 1.0}\n'
    path.write_text(line % "modal" + line % "alipy")
    assert read(path)[case(5, query="entropy")] == {"seconds": 1.0}
    forget(path, ["modal"])
    assert list(read(path)) == [case(5, library="alipy", query="entropy")]


def test_the_ratio_is_theirs_to_ours_at_the_largest_size_that_both_ended() -> None:
    from ratios import markdown

    found = [
        (case(10, library="querist", query="core_set"), ended(2)),
        (case(20, library="querist", query="core_set"), ended(4)),
        (case(10, query="core_set"), ended(30, picks=(2, 3))),
        (case(20, query="core_set"), {"over": "120 s"}),
        (case(10, library="alipy", query="core_set"), ended(10)),
        (case(10, library="small_text", query="core_set:lightweight"), ended(0.1)),
    ]
    text = markdown(found, {"querist": "querist", "modal": "modAL", "alipy": "ALiPy", "small_text": "small-text"})
    assert "| core_set | 10 | 2 s, 1 MB | ALiPy: 10 s, 1 MB | 5 x | **7 x, missed** |" in text
    assert "| modAL | 30 s, 1 MB | over 120 s | 15 (at 10) | 1 of 2 |" in text
    assert "| small-text (lightweight) | 0.100 s, 1 MB |" in text


def test_a_pool_that_doubles_in_twice_the_time_grows_with_exponent_one() -> None:
    from strategies import growth

    assert growth({1000: 0.5, 2000: 1.0, 4000: 2.0}) == pytest.approx(1)
    assert growth({1000: 0.5, 2000: 2.0}) == pytest.approx(2)


def test_every_query_names_a_strategy_that_querist_has() -> None:
    from strategies import missing

    assert missing() == []


def test_every_strategy_but_those_for_small_pools_is_timed() -> None:
    from strategies import QUERIES

    from querist.plugins import BUILT_IN
    from querist.stages.query_strategy.describe import about

    timed = {name.split(":")[0] for name in QUERIES} | {"uncertainty"}
    assert {name for name in BUILT_IN["strategies"] if not about(name).small_pools} <= timed


def test_the_pool_is_the_same_each_time_and_its_rows_are_of_unit_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthetic import N_DIMS, N_LABELED, load

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made, again = load(500, 3), load(500, 3)  # written, then read
    assert made.pool.shape == (500, N_DIMS)
    assert len(made.labeled) == len(made.y) == N_LABELED
    np.testing.assert_array_equal(made.everything, again.everything)
    np.testing.assert_allclose(np.linalg.norm(made.everything, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(made.predict(made.pool).sum(axis=1), 1, rtol=1e-5)
    assert set(made.y) == {0, 1, 2}

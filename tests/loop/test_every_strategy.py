"""Every built-in strategy in a real project: two rounds, a reason for each pick, and the same queries when repeated."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import SettingError
from querist.pipeline.project import Project
from querist.plugins import BUILT_IN

SETTINGS = """
[data]
kind = "image"
image = "image"
label = "label"
[seed_set]
size = 50
draw = "random"
[query]
strategy = "{strategy}"
batch_size = 10
params = {params}
"""
PARAMS = {"eer": "{candidates = 12, sample = 30}"}
WITHOUT_COSTS = sorted(set(BUILT_IN["strategies"]) - {"per_cost"})


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has taken in 400 digits, and their features."""
    from sklearn.datasets import load_digits

    pytest.importorskip("PIL", reason="needs Pillow: pip install 'querist[images]'")
    found = load_digits()
    folder = tmp_path_factory.mktemp("digits")
    path = folder / "digits.npz"
    np.savez(path, image=(found.images * 15.9).astype(np.uint8)[:400], label=found.target[:400])
    (folder / "querist.toml").write_text(SETTINGS.format(strategy="random", params="{}"))
    project = Project(folder)
    project.ingest(path)
    project.features()
    project.ledger.close()
    return folder


def run(folder: Path, digits: Path, strategy: str, *, rounds: int = 2) -> Project:
    shutil.copytree(digits, folder)
    (folder / "querist.toml").write_text(SETTINGS.format(strategy=strategy, params=PARAMS.get(strategy, "{}")))
    project = Project(folder)
    project.run(rounds=rounds, oracle="label")
    return project


@pytest.mark.parametrize("strategy", WITHOUT_COSTS)
def test_a_strategy_asks_in_a_project_and_says_why(tmp_path: Path, digits: Path, strategy: str) -> None:
    project = run(tmp_path / "project", digits, strategy)
    asked = [project.show_round(number)["queries"] for number in (1, 2)]
    assert [len(queries) for queries in asked] == [10, 10]
    ids = [query["id"] for queries in asked for query in queries]
    assert len(set(ids)) == 20, "no item is asked twice"
    assert all(query["reason"] for queries in asked for query in queries)
    again = run(tmp_path / "again", digits, strategy)
    assert again.digest() == project.digest()


def test_a_strategy_that_needs_prices_says_so_in_a_project(tmp_path: Path, digits: Path) -> None:
    with pytest.raises(SettingError, match=r"set query\.cost to a context column"):
        run(tmp_path / "project", digits, "per_cost")


def test_what_a_strategy_learned_waits_for_the_next_round_and_its_loss_changes_no_query(
    tmp_path: Path, digits: Path
) -> None:
    whole = run(tmp_path / "whole", digits, "core_set")
    kept = [memory_of(whole, number) for number in (1, 2)]
    assert all(kept)
    assert kept[0] != kept[1]
    torn = run(tmp_path / "torn", digits, "core_set", rounds=1)
    name = memory_of(torn, 1)
    assert name == kept[0]
    (torn.folder / torn.settings.storage.artifacts / name[:2] / name[2:]).unlink()
    torn.run(rounds=2, oracle="label")
    ids = [[query["id"] for query in project.show_round(2)["queries"]] for project in (whole, torn)]
    assert ids[0] == ids[1]


def memory_of(project: Project, number: int) -> str:
    steps = {step["name"]: step["result"] for step in project.show_round(number)["steps"]}
    return str(steps["query_strategy"].get("memory", ""))

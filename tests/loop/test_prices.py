"""Labels that differ in price, in a project and in a simulation."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import SettingError, UnknownName
from querist.pipeline.project import Project


@pytest.fixture
def shop(folder: Path, make_reviews: Callable[..., Path], tmp_path: Path) -> Path:
    """Reviews of which every third costs 1 and the others 50."""
    text = (folder / "querist.toml").read_text(encoding="utf-8")
    text = text.replace('["product"]', '["product", "price"]').replace('"kmeans"', '"per_cost"')
    (folder / "querist.toml").write_text(text.replace("batch_size", 'cost = "price"\nbatch_size'), encoding="utf-8")
    with make_reviews(tmp_path / "plain.csv", 300).open(encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    with (tmp_path / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([[*head, "price"], *([*row, 1 if n % 3 == 0 else 50] for n, row in enumerate(rows))])
    return folder


def test_where_some_labels_are_much_cheaper_they_are_asked_first(shop: Path, tmp_path: Path) -> None:
    project = Project(shop)
    project.ingest(tmp_path / "reviews.csv")
    project.run(rounds=1, oracle="label")
    asked = project.show_round(1)
    assert {int(query["id"][1:]) % 3 for query in asked["queries"]} == {0}
    assert asked["thresholds"]["cost"] == 10
    found = project.simulate(strategies=["per_cost", "random"], rounds=1, repeats=1, jobs=1)
    chosen = next(run["queries"][1] for run in found["runs"] if run["strategy"] == "per_cost")
    assert {int(item[1:]) % 3 for item in chosen} == {0}


def test_an_item_without_a_price_is_counted_and_the_remedy_named(shop: Path, tmp_path: Path) -> None:
    path = tmp_path / "reviews.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([lines[0], *(line.rpartition(",")[0] + ",free" for line in lines[1:])]), encoding="utf-8")
    project = Project(shop)
    project.ingest(path)
    assert np.isnan(project.snapshot.numbers("price")).all()
    with pytest.raises(SettingError, match=r"query\.cost = 'price': \d+ of \d+ items have no number above 0"):
        project.run(rounds=1, oracle="label")


def test_a_column_that_is_no_context_is_refused_before_anything_runs(shop: Path, tmp_path: Path) -> None:
    text = (shop / "querist.toml").read_text(encoding="utf-8")
    (shop / "querist.toml").write_text(text.replace('cost = "price"', 'cost = "prize"'), encoding="utf-8")
    project = Project(shop)
    project.ingest(tmp_path / "reviews.csv")
    with pytest.raises(UnknownName, match="'prize'"):
        project.run(rounds=1, oracle="label")

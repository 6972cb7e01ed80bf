"""What a file of labels may look like, and what a bad one does: nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import DataError, HoldoutError, SettingError
from querist.pipeline.project import Project
from querist.snapshots.snapshot import POOL, TEST
from querist.store.annotations import list_annotations


def test_a_holdout_label_cannot_enter_the_loop(project: Project, tmp_path: Path) -> None:
    snapshot = project.snapshot
    test_item = snapshot.take(np.flatnonzero(snapshot.splits() == TEST)[:1], ["id"])["id"][0].as_py()
    pool_item = snapshot.take(np.flatnonzero(snapshot.splits() == POOL)[:1], ["id"])["id"][0].as_py()
    file = tmp_path / "labels.csv"
    file.write_text(f"id,label\n{pool_item},pos\n{test_item},pos\n")
    with pytest.raises(HoldoutError, match=f"line 3: item '{test_item}' is in the test split.*Nothing was imported"):
        project.import_labels(file)
    file.write_text(f"id,label\n{pool_item},pos\n")
    with pytest.raises(HoldoutError, match="in the pool split"):
        project.import_labels(file, holdout=True)
    with project.ledger.begin() as tx:
        assert list_annotations(tx) == []


def test_a_bad_label_file_names_every_fault_and_imports_nothing(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    pool_item = project.snapshot.take(np.flatnonzero(project.snapshot.splits() == POOL)[:1], ["id"])["id"][0].as_py()
    file.write_text(f"id,label\n{pool_item},pos\nnobody,pos\n{pool_item},great\n")
    with pytest.raises(DataError, match=r"line 3: no item has the id 'nobody'; line 4: label 'great' is not among"):
        project.import_labels(file)
    file.write_text(f"name,label\n{pool_item},pos\n")
    with pytest.raises(DataError, match="no 'id' among the columns"):
        project.import_labels(file)
    with pytest.raises(DataError, match="does not exist"):
        project.import_labels(tmp_path / "none.csv")
    file.write_text(f"id,label,seconds\n{pool_item},pos,fast\n")
    with pytest.raises(DataError, match="seconds = 'fast' is not a number"):
        project.import_labels(file)
    file.write_text(f"id,label,at\n{pool_item},pos,yesterday\n")
    with pytest.raises(DataError, match="at = 'yesterday' is no time"):
        project.import_labels(file)
    sheet = tmp_path / "labels.xlsx"
    sheet.touch()
    with pytest.raises(SettingError, match=r"\.csv or \.jsonl"):
        project.import_labels(sheet)
    with project.ledger.begin() as tx:
        assert list_annotations(tx) == []


def test_one_annotation_id_cannot_stand_for_two_answers(project: Project, tmp_path: Path) -> None:
    where = np.flatnonzero(project.snapshot.splits() == POOL)[:2]
    one, two = project.snapshot.take(where, ["id"])["id"].to_pylist()
    file = tmp_path / "labels.csv"
    file.write_text(f"id,label,annotation_id\n{one},pos,a1\n{two},pos,a1\n")
    with pytest.raises(DataError, match="line 3: annotation_id 'a1' stands for another answer"):
        project.import_labels(file)
    file.write_text(f"id,label,annotation_id\n{one},pos,a1\n")
    assert project.import_labels(file)["added"] == 1
    assert project.import_labels(file)["unchanged"] == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id,label\nr1,caf\xe9\n", "is not UTF-8"),
        (b"id,label,skip\n{item},,perhaps\n", "must be yes or no"),
        (b"id,label,skip\n{item},pos,yes\n", "no where there is a label"),
        (b"id,label\n{item},pos\n{item},neg\n", "twice in this file"),
        (b"id,label,seconds\n{item},pos,-5\n", "from 0 up"),
        (b"id,label,seconds\n{item},pos,nan\n", "from 0 up"),
    ],
)
def test_an_ugly_label_file_is_one_sentence(project: Project, tmp_path: Path, content: bytes, said: str) -> None:
    item = project.snapshot.take(np.flatnonzero(project.snapshot.splits() == POOL)[:1], ["id"])["id"][0].as_py()
    file = tmp_path / "labels.csv"
    file.write_bytes(content.replace(b"{item}", item.encode()))
    with pytest.raises(DataError, match=said):
        project.import_labels(file)
    with project.ledger.begin() as tx:
        assert list_annotations(tx) == []


def some_pool_items(project: Project, n: int) -> list[str]:
    where = np.flatnonzero(project.snapshot.primary() & (project.snapshot.splits() == POOL))[:n]
    return list(project.snapshot.take(where, ["id"])["id"].to_pylist())


@pytest.mark.parametrize(
    "content",
    [
        " id , label \n {one} ,pos \n{two},\tneg\n",
        "id;label;note\n{one};pos;a, b\n{two};neg;\n\n",
        '"id"\t"label"\t"note"\n"{one}"\t"pos"\t"two\nlines"\n{two}\tneg\t\n',
        "\ufeffid;note;label\r\n{one};;pos\r\n;;\r\n{two};;neg\r\n",
    ],
)
def test_spaces_and_other_separators_do_no_harm(project: Project, tmp_path: Path, content: str) -> None:
    one, two = some_pool_items(project, 2)
    file = tmp_path / "labels.csv"
    file.write_bytes(content.format(one=one, two=two).encode())
    assert project.import_labels(file)["added"] == 2
    with project.ledger.begin() as tx:
        assert [(a.item, a.label) for a in list_annotations(tx)] == [(one, "pos"), (two, "neg")]


def test_spaces_in_json_do_no_harm(project: Project, tmp_path: Path) -> None:
    (item,) = some_pool_items(project, 1)
    file = tmp_path / "labels.jsonl"
    file.write_text(json.dumps({"id": f" {item} ", "label": "pos\n"}) + "\n")
    assert project.import_labels(file)["added"] == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "id,label,note\n{item},pos,good, very\n", "line 2: 4 values where the header has 3.*quotes"),
        ("a.csv", "id,label,note\n{item},pos,\n{item},pos\n", "line 3: 2 values where the header has 3.*even an empty"),
        ("a.csv", 'id,label\n{item},"pos"!\n', "line 2: quotes do not match"),
        ("a.csv", "", "holds no row; write one"),
        ("a.csv", "id,label\n", "holds no row"),
        ("a.jsonl", "\n", "holds no row"),
    ],
)
def test_a_file_that_lost_its_form_is_refused_as_a_whole(
    project: Project, tmp_path: Path, name: str, content: str, said: str
) -> None:
    (item,) = some_pool_items(project, 1)
    (tmp_path / name).write_text(content.format(item=item))
    with pytest.raises(DataError, match=said):
        project.import_labels(tmp_path / name)
    with project.ledger.begin() as tx:
        assert list_annotations(tx) == []

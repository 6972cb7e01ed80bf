"""`config check`, `doctor` and `run` name a setting that cannot work before anything is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from querist.config import parse
from querist.core.errors import SettingError
from querist.pipeline.doctor import check_settings
from querist.pipeline.project import Project

TEXT = {"text": ["text"]}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"data": {**TEXT, "format": "xml"}}, r"unknown reader 'xml'.*csv.*parquet"),
        ({"data": {**TEXT, "encoding": "utf-9"}}, r"data\.encoding = 'utf-9' is no text encoding.*latin-1"),
        ({"data": {**TEXT, "encoding": "base64"}}, r"data\.encoding = 'base64' is no text encoding"),
        ({"data": {}}, r"data\.text name no column.*data\.kind = 'text' \(text, image, tabular\)"),
        ({"data": {"kind": "tabular"}}, r"data\.numeric and data\.categorical name no column.*'tabular'"),
        (
            {"data": TEXT, "storage": {"snapshots": "s4://x"}},
            r"storage\.snapshots = 's4://x': 's4'\. Available: .*s3",
        ),
        ({"data": TEXT, "storage": {"artifacts": "s4://x"}}, r"storage\.artifacts = 's4://x': 's4'.*Available: .*gcs"),
        ({"data": TEXT, "storage": {"ledger": "s4://x"}}, r"storage\.ledger = 's4://x' is no database URL; use sqlite"),
        ({"data": TEXT, "storage": {"ledger": "postgresql+oracle://x"}}, r"storage\.ledger = .*use sqlite"),
    ],
)
def test_a_setting_that_cannot_work_is_one_sentence(settings: dict, said: str) -> None:
    with pytest.raises(SettingError, match=said) as error:
        check_settings(parse(settings))
    assert "\n" not in str(error.value)
    assert error.value.exit_status == 2


def test_what_can_work_is_let_through() -> None:
    storage = {"snapshots": "memory://x", "artifacts": "/a/b", "ledger": "sqlite://"}
    check_settings(parse({"data": {**TEXT, "format": "tsv", "encoding": "latin-1"}, "storage": storage}))
    check_settings(parse({"data": {"kind": "image"}}))


def test_the_command_line_says_so_with_status_2(folder: Path, reviews: Path) -> None:
    with (folder / "querist.toml").open("a") as file:
        file.write('\n[storage]\nsnapshots = "s4://bucket/x"\n')
    for command in (["config", "check"], ["ingest", str(reviews)]):
        done = subprocess.run(
            [sys.executable, "-m", "querist", *command], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("error: unknown scheme in storage.snapshots = 's4://bucket/x'")
    assert any("s4://bucket/x" in check.detail for check in Project(folder).doctor() if check.state == "wrong")
    assert not list(folder.rglob("*.parquet"))

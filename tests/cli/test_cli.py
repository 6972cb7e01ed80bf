"""The command line as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import warm

from querist.cli import cli
from querist.cli.study import simulate

QUERIST = [sys.executable, "-m", "querist"]


def run(*arguments: object, cwd: Path, status: int = 0) -> str:
    return told(
        subprocess.run([*QUERIST, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False), status
    )


def run_warm(*arguments: object, cwd: Path, status: int = 0) -> str:
    return told(warm.querist(*arguments, cwd=cwd), status)


def told(done: subprocess.CompletedProcess[str], status: int) -> str:
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if status == 0 else done.stderr


@pytest.mark.long
def test_the_whole_way_from_a_csv_to_a_summary(folder: Path, reviews: Path) -> None:
    assert "400 rows read, 400 added" in run_warm("ingest", reviews, cwd=folder)
    out = run_warm("run", "--rounds", 2, "--oracle", "label", cwd=folder)
    assert "done: 2 rounds after the seed set are done" in out
    assert (folder / "reports" / "summary.md").exists()
    assert "reviews: ready" in run_warm("status", cwd=folder)
    found = json.loads(run_warm("status", "--json", cwd=folder))
    assert [r["labels"] for r in found["rounds"]] == [20, 30, 40]
    assert "rank" in run_warm("rounds", "show", 1, cwd=folder)
    assert len(json.loads(run_warm("rounds", "show", 2, "--json", cwd=folder))["queries"]) == 10
    assert "every byte" in run_warm("snapshot", "verify", cwd=folder)
    assert "is valid" in run_warm("config", "check", cwd=folder)
    assert json.loads(run_warm("config", "check", "--json", cwd=folder))["valid"] is True
    exported = json.loads(run_warm("labels", "export", "batch.csv", "--json", cwd=folder))
    assert exported == {"file": "batch.csv", "format": "csv", "written": 10}
    assert "snapshot" in run_warm("doctor", cwd=folder)
    assert "--batch-size go with a SOURCE" in run_warm("simulate", "--batch-size", 3, cwd=folder, status=2)
    assert "kmeans, accuracy" in run_warm("simulate", "--rounds", 1, "--repeats", 1, "--jobs", 1, cwd=folder)
    shard = next((folder / "snapshots" / "objects").rglob("*.parquet"))
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.chmod(0o644)
    shard.write_bytes(data)
    assert run_warm("snapshot", "verify", cwd=folder, status=1) == ""


def test_init_writes_a_project_and_never_overwrites_one(tmp_path: Path) -> None:
    run("init", "shop", cwd=tmp_path)
    assert "is valid" in run("config", "check", "--project", "shop", cwd=tmp_path)
    assert "exists already" in run("init", "shop", cwd=tmp_path, status=2)


def test_bad_input_is_one_sentence_and_status_2(folder: Path, tmp_path: Path) -> None:
    assert "nothing.csv" in run("ingest", "nothing.csv", cwd=folder, status=2)
    assert not (folder / "snapshots").exists()
    assert "querist init" in run("status", cwd=tmp_path, status=2)
    bad = tmp_path / "no-text.csv"
    bad.write_text("id,body,label,product\n1,x,pos,p\n")
    error = run("ingest", bad, cwd=folder, status=2)
    assert [path.name for path in folder.iterdir()] == ["querist.toml"], "not even an empty ledger"
    assert "'text'" in error
    assert "body" in error
    assert len(error.strip().splitlines()) == 1
    settings = folder / "querist.toml"
    settings.write_text(settings.read_text().replace("batch_size = 10", "batch_size = -1"))
    assert "query.batch_size = -1" in run("config", "check", cwd=folder, status=2)


def test_the_schema_is_json_schema() -> None:
    found = json.loads(run("config", "schema", cwd=Path.cwd()))
    assert found["properties"]["query"]["description"] == "Which items are asked."


def test_columns_may_be_named_together_or_one_by_one() -> None:
    text = next(option for option in simulate.params if option.name == "text")
    for arguments in (["--text", "a,b"], ["--text", "a", "--text", "b"]):
        assert simulate.make_context("simulate", ["data.csv", *arguments]).params["text"] == ["a", "b"]
    assert text.callback(None, text, ()) is None


def test_every_command_and_option_says_what_it_is() -> None:
    def walk(command: object, path: str) -> None:
        assert command.help, path
        for parameter in command.params:
            if parameter.param_type_name == "option":
                assert parameter.help, (path, parameter)
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{path} {name}")

    walk(cli, "querist")


@pytest.mark.parametrize("code", ["import querist", "from querist.cli import cli"])
def test_starting_imports_nothing_heavy(code: str) -> None:
    heavy = ["sklearn", "scipy", "pandas", "pyarrow", "sqlalchemy", "torch", "fastapi", "altair", "rich"]
    script = f"{code}\nimport sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

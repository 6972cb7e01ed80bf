"""The files that `querist orchestrate` writes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from querist.cli import cli
from querist.core.errors import DataError, SettingError
from querist.orchestration.plan import Plan, plan_of, slug_of
from querist.orchestration.tasks import TASKS
from querist.orchestration.write import TOOLS, write_workflow
from querist.pipeline.project import Project
from querist.pipeline.runner import steps_of
from querist.pipeline.triggers import triggers

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

SHAPES = [("airflow", "event"), ("airflow", "wait"), ("prefect", "event"), ("prefect", "wait")]


def plan(**changes: Any) -> Plan:
    base: dict[str, Any] = {
        "slug": "shop",
        "folder": "/srv/it's 100 % shop",
        "command": "/opt/q/bin/python -m querist",
        "shape": "event",
        "schedule": "0 6 * * *",
        "approve": False,
        "monitor": False,
    }
    return Plan(**{**base, **changes})


def test_every_step_of_a_round_belongs_to_one_task_and_every_task_is_a_command(folder: Path) -> None:
    query = Project(folder).settings.query
    steps = {step.NAME for number in (0, 1) for step in steps_of(number, query)} - {"seed_set"}
    covered = [stage for task in TASKS for stage in task.stages if stage != "deploy"]
    assert sorted(covered) == sorted(steps)
    for task in TASKS:
        command: Any = cli
        for word in task.command:
            if word.startswith("-"):
                break
            command = command.commands[word]


@pytest.mark.parametrize(("tool", "shape"), SHAPES)
@pytest.mark.parametrize("approve", [False, True])
@pytest.mark.parametrize("monitor", [False, True])
def test_python_files_are_python_and_formatted(tool: str, shape: str, approve: bool, monitor: bool) -> None:
    text = TOOLS[tool](plan(shape=shape, approve=approve, monitor=monitor))
    compile(text, f"{tool}.py", "exec")
    assert "import querist" not in text
    assert "from querist" not in text
    if ruff := shutil.which("ruff", path=str(Path(sys.executable).parent)):
        given = {"input": text, "capture_output": True, "text": True, "check": False}
        own = ["--isolated", "--line-length", "120"]
        checked = subprocess.run([ruff, "check", *own, "-"], **given)
        assert checked.returncode == 0, checked.stdout
        formatted = subprocess.run([ruff, "format", *own, "--diff", "-"], **given)
        assert formatted.returncode == 0, formatted.stdout


@pytest.mark.parametrize("tool", TOOLS)
def test_every_task_stands_in_every_file(tool: str) -> None:
    text = TOOLS[tool](plan())
    for task in TASKS:
        if task.kind in ("ask", "advance", "gate", "deploy"):
            words = ", ".join(f'"{word}"' for word in task.command)
            assert words in text or " ".join(task.command) in text, task.name


def test_a_folder_of_any_name_is_passed_on_as_it_is() -> None:
    hostile = "/srv/\"; import os #'$(id) ${x} {{ y }} 訳 😀\\"
    for tool in ("airflow", "prefect"):
        names: dict[str, Any] = {}
        line = next(one for one in TOOLS[tool](plan(folder=hostile)).splitlines() if one.startswith("PROJECT"))
        exec("import os\n" + line, names)
        assert names["PROJECT"] == hostile
    assert yaml.safe_load(TOOLS["github-actions"](plan(folder=hostile)))["env"]["PROJECT"] == hostile
    job = next(one for one in TOOLS["cron"](plan(folder=hostile, command="echo")).splitlines() if " run " in one)
    said = subprocess.run(["sh", "-c", job[10:].replace(">/dev/null", "")], capture_output=True, text=True, check=True)
    assert said.stdout.rstrip("\n").endswith(f"--project {hostile}")


def test_github_actions_starts_a_command_that_holds_quotes_and_does_not_take_a_failure_for_not_yet() -> None:
    def look(command: str) -> subprocess.CompletedProcess[str]:
        flow = yaml.safe_load(TOOLS["github-actions"](plan(command=command)))
        env = {**os.environ, "QUERIST": flow["env"]["QUERIST"], "PROJECT": "p q", "GITHUB_OUTPUT": "/dev/stdout"}
        script = flow["jobs"]["train"]["steps"][0]["run"]
        return subprocess.run(["bash", "-e", "-c", script], env=env, capture_output=True, text=True, check=False)

    assert look("printf '<%s>' 'a b'").stdout == "<a b><rounds><complete><--due><--project><p q>yes=true\n"
    assert (look("sh -c 'exit 75'").returncode, look("sh -c 'exit 75'").stdout) == (0, "")
    assert look("sh -c 'exit 1'").returncode == 1


def test_what_waits_for_a_person_holds_up_no_other_job() -> None:
    jobs = yaml.safe_load(TOOLS["github-actions"](plan(approve=True)))["jobs"]
    assert len({job["concurrency"] for job in jobs.values()}) == len(jobs) == 3


@pytest.mark.parametrize("tool", TOOLS)
def test_every_file_looks_for_drift_once_there_is_a_log(tool: str) -> None:
    assert "monitor" not in TOOLS[tool](plan())
    text = TOOLS[tool](plan(monitor=True))
    assert "monitor check" in text or '"monitor", "check"' in text
    if tool == "github-actions":
        flow = yaml.safe_load(text)
        job, times = flow["jobs"]["monitor"], [one["cron"] for one in flow[True]["schedule"]]
        assert f"github.event.schedule == '{times[-1]}'" in job["if"]
        assert "monitor" in flow[True]["workflow_dispatch"]["inputs"]["task"]["options"]
        env = {**os.environ, "QUERIST": "echo", "PROJECT": "p q"}
        said = subprocess.run(
            ["bash", "-c", job["steps"][0]["run"]], env=env, capture_output=True, text=True, check=True
        )
        assert said.stdout == "monitor check --project p q\n"


def test_asking_after_each_training_needs_no_schedule() -> None:
    text = TOOLS["airflow"](plan(schedule="after"))
    assert 'dag_id="querist_shop_ask", schedule=None' in text
    assert "deployed >> ask_next()" in text
    assert "cron=" not in TOOLS["prefect"](plan(schedule="after"))
    assert TOOLS["cron"](plan(schedule="after")).count("*/5 * * * *") == 2


def test_names_of_projects_cannot_write_code() -> None:
    assert slug_of('x"); import os #\n') == "x_import_os"
    assert slug_of("訳") == "project"


def test_settings_decide_on_approval_and_monitoring(folder: Path) -> None:
    path = folder / "querist.toml"
    path.write_text(f'{path.read_text()}\n[deploy]\napprove = "always"\n[monitoring]\nlog = "log"\n')
    found = plan_of(Project(folder), shape="event")
    assert found.approve
    assert found.monitor
    assert found.schedule == "0 6 * * *"
    with pytest.raises(SettingError, match="cron cannot wait"):
        TOOLS["cron"](found)


@pytest.mark.parametrize("schedule", ["daily", "* * * *", "0 6 * * *\n* * * * * rm", "0 6 * * * *", ""])
def test_what_is_no_schedule_is_refused(folder: Path, schedule: str) -> None:
    with pytest.raises(SettingError, match="no schedule"):
        plan_of(Project(folder), shape="event", schedule=schedule)


def test_a_workflow_that_waits_needs_times_to_start_at(folder: Path) -> None:
    with pytest.raises(SettingError, match="needs times"):
        plan_of(Project(folder), shape="wait", schedule="after")


def test_a_file_that_was_changed_is_not_replaced_unasked(tmp_path: Path) -> None:
    out = tmp_path / "workflows" / "loop.py"
    write_workflow("airflow", plan(), out)
    write_workflow("airflow", plan(), out)
    out.write_text("mine")
    with pytest.raises(DataError, match="--force"):
        write_workflow("airflow", plan(), out)
    write_workflow("airflow", plan(), out, force=True)
    assert out.read_text() != "mine"


def test_the_command_writes_a_file_that_calls_this_interpreter(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "loop.cron"
    done = CliRunner().invoke(cli, ["orchestrate", "cron", "--out", str(out), "--project", str(folder)])
    assert done.exit_code == 0, done.output
    assert f"{sys.executable} -m querist run --until asked" in out.read_text()


@pytest.mark.systems
def test_cron_takes_a_round_from_its_question_to_the_served_model(shop: Any, tmp_path: Path) -> None:
    lines = shop.workflow("cron", tmp_path / "loop.cron").read_text().splitlines()
    jobs = [re.split(r"\s+", line, maxsplit=5)[5] for line in lines if line and line[0] in "0123456789*"]
    asking, training, deploying = jobs

    def status(job: str) -> int:
        return subprocess.run(["sh", "-c", job], check=False, stderr=subprocess.DEVNULL).returncode

    assert status(asking) == 0
    assert status(asking) == 0
    assert status(training) == 75
    assert status(deploying) != 0
    shop.server.start()
    assert shop.label() == 20
    assert status(training) == 0
    assert status(training) == 75  # once is enough, and it asks nothing
    assert len(shop.project.status()["rounds"]) == 1
    assert status(deploying) == 0
    assert json.loads(shop.querist("deploy", "status", "--json"))["current"]["model_version"].startswith("r000-")


@pytest.mark.systems
def test_github_actions_takes_a_round_from_its_question_to_the_served_model(shop: Any, tmp_path: Path) -> None:
    flow = yaml.safe_load(shop.workflow("github-actions", tmp_path / "loop.yml", "--approve").read_text())
    assert flow["jobs"]["deploy"]["environment"] == "querist-reviews"
    assert [one["cron"] for one in flow[True]["schedule"]] == ["0 6 * * *", "*/15 * * * *"]
    env = {**os.environ, **{k: v for k, v in flow["env"].items() if "${{" not in v}, "RUN": "github-1", "LINK": "x"}
    env["WHY"] = "GitHub Actions, schedule"

    def job(name: str, outputs: dict[str, str]) -> dict[str, str]:
        """Runs the steps of a job as the runner would, and returns what they put out."""
        for step in flow["jobs"][name]["steps"]:
            if "if" in step and step["if"].rpartition(".")[2] not in outputs:
                continue
            out = tmp_path / "output"
            out.write_text("")
            more = {"GITHUB_OUTPUT": str(out), "VERSION": outputs.get("version", ""), "BY": "GitHub Actions, ada"}
            subprocess.run(
                ["bash", "-e", "-c", step["run"]], env=env | more, cwd=tmp_path, check=True, capture_output=True
            )
            outputs |= dict(line.partition("=")[::2] for line in out.read_text().splitlines())
        return outputs

    job("ask", {})
    assert job("train", {}) == {}
    shop.server.start()
    assert shop.label() == 20
    found = job("train", {})
    assert found["yes"] == "true"
    assert found["version"].startswith("r000-")
    assert {one["why"] for one in triggers(shop.project, 0)} == {"GitHub Actions, schedule"}
    job("deploy", found)
    assert "GitHub Actions, ada" in shop.querist("deploy", "status")

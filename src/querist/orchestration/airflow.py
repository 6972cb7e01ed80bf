"""A workflow file for Airflow 3. Its tasks call querist's command line, so that Airflow's environment stays its own."""

from __future__ import annotations

from string import Template

from querist.orchestration.plan import Plan, asset_of, quoted, words
from querist.orchestration.tasks import TASKS, Kind, Task, tasks

HEAD = '''\
"""Active learning in Airflow 3, for the querist project $slug. Written by querist $version: change it as you like.

$story

Nothing of querist is imported here: tasks call its command line, which may live in another environment. A task that is
tried again goes on where it was, for the id of Airflow's run tells querist which round it is about. Long work is
started by one look and seen by the next, so that no task outlives its token and none holds a slot while it waits.

QUERIST, QUERIST_PROJECT and QUERIST_POLL_SECONDS in the environment of the workers overrule what is written here.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from datetime import timedelta

import pendulum
${operator}\
from airflow.sdk import $names
from airflow.sdk.exceptions import AirflowSkipException

QUERIST = shlex.split(os.environ.get("QUERIST", $command))
PROJECT = os.environ.get("QUERIST_PROJECT", $folder)
# Looks less than a minute apart can meet a race in Airflow's scheduler, and then cost an attempt.
POLL_SECONDS = float(os.environ.get("QUERIST_POLL_SECONDS", "60"))
NOT_YET = 75  # exit status: come back later
# What the form asks of whoever starts a run by hand: why, for the record.
WHY = {"why": "on schedule, or started by hand"}
${asset}\

RETRIES = {"retries": 5, "retry_delay": timedelta(seconds=POLL_SECONDS / 2), "retry_exponential_backoff": True}
PATIENT = {"mode": "reschedule", "poke_interval": POLL_SECONDS, "timeout": timedelta(days=14).total_seconds()}
COMMON = {
    "start_date": pendulum.datetime(2026, 1, 1, tz="UTC"),
    "catchup": False,
    "max_active_runs": 1,
    "default_args": RETRIES,
    "doc_md": __doc__,
    "tags": ["querist", $tag],
}


def querist(*command: str) -> tuple[dict, bool]:
    """What querist's command line says, as JSON, and whether it is done."""
    line = [*QUERIST, *command, "--project", PROJECT, "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode not in (0, NOT_YET):
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    return json.loads(done.stdout), done.returncode == 0


def advance(*command: str, why: str, number: int | None = None, part: str = "") -> PokeReturnValue:
    """Starts what is due, and says whether the round has come so far. Returns the number of the round."""
    context = get_current_context()
    about = ["--run-id", f"{context['dag'].dag_id}/{context['run_id']}{part}", "--why", why]
    about += ["--link", context["ti"].log_url, *([] if number is None else ["--round", str(number)])]
    found, done = querist(*command, "--background", "--wait", "20", *about)
    print(f"round {found['round']}: {found['status']}: {found['reason']} {found['page']}")
    if found["status"] == "stopped":
        raise AirflowSkipException(found["reason"])
    return PokeReturnValue(done, xcom_value=found["round"])
'''

EVENT = """\
  querist_${slug}_ask  asks, and ends; people label while nothing runs here.
  querist_${slug}_train  trains once a round is complete: `querist serve` then posts an event of the asset
      $asset_name (set orchestration.airflow_url in querist.toml)."""
WAIT = """\
  querist_${slug}  asks, waits until people have labeled the round, however many days that takes, and trains."""

BODIES: dict[Kind, str] = {
    "ask": '''\
    @task.sensor(**PATIENT)
    def $name() -> PokeReturnValue:
        """$says"""
        return advance($command, why=get_current_context()["params"]["why"])
''',
    "wait": '''\
    @task.sensor(**PATIENT)
    def $name(number: int) -> PokeReturnValue:
        """$says"""
        found, complete = querist($command, str(number))
        print(f"round {number}: {found['missing']} items need a label")
        return PokeReturnValue(complete, xcom_value=number)
''',
    "advance": '''\
    @task.sensor(**PATIENT)
    def $name(number: int) -> PokeReturnValue:
        """$says"""
        return advance($command, why=f"round {number} is complete", number=number)
''',
    "gate": '''\
    @task
    def $name(number: int) -> str:
        """$says"""
        found, _ = querist($command)
        for criterion in found["criteria"]:
            print(criterion["name"], "passes:" if criterion["passed"] else "holds:", criterion["reason"])
        if not found["passed"]:
            raise AirflowSkipException(f"the gate holds {found['model_version']} of round {number}")
        return found["model_version"]
''',
    "approve": """\
    # While it waits for a person it holds no worker.
    $name = ApprovalOperator(
        task_id="$name",
        subject="Deploy the model that passed the gate?",
        body="Version {{ ti.xcom_pull(task_ids='gate') }}. `querist report` shows what it is worth.",
    )
""",
    "deploy": '''\
    @task
    def $name(version: str) -> str:
        """$says"""
        $who
        found, _ = querist($command, version, "--by", by)
        return f"{found['model_version']} answers now"
''',
}
APPROVED = 'by = get_current_context()["ti"].xcom_pull(task_ids="approve")["responded_by_user"]["name"]'
UNASKED = "by = f\"Airflow, {get_current_context()['run_id']}\""

ROUND = """\
ROUND = {"round": Param(None, type=["null", "integer"], description="Round to train; empty: the newest.")}
"""
TRAIN_START = '''\
    @task
    def complete_round() -> int:
        """The round that the event names; started by hand, the one that its parameter names, or the newest."""
        context = get_current_context()
        events = context["triggering_asset_events"] or {}
        named = [event.extra["round"] for found in events.values() for event in found]
        named += [] if context["params"]["round"] is None else [context["params"]["round"]]
        return max(named) if named else querist("rounds", "complete")[0]["round"]
'''
ASK_NEXT = '''\
    @task.sensor(**PATIENT, trigger_rule="none_failed")
    def ask_next() -> PokeReturnValue:
        """Asks the next round at once."""
        return advance("run", "--until", "asked", why="the round before is evaluated", part="/next")
'''
MONITOR = '''

@dag(dag_id="querist_${slug}_monitor", schedule="@hourly", **COMMON)
def monitor():
    @task
    def check() -> dict:
        """Compares what the model meets with what it learned from; drift opens and asks a round of its own."""
        found, _ = querist("monitor", "check")
        return {"alert": found["alert"] and found["alert"]["why"], "round": found["round"]}

    check()


monitor()
'''


def airflow_file(plan: Plan) -> str:
    """The text of a file for Airflow's folder of DAGs."""
    name, uri = asset_of(plan.slug)
    event = plan.shape == "event"
    body = _event(plan) if event else _wait(plan)
    text = HEAD + body + (MONITOR if plan.monitor else "")
    story = Template(EVENT if event else WAIT).substitute(slug=plan.slug, asset_name=name)
    return Template(text).substitute(
        slug=plan.slug,
        version=plan.version,
        story=story,
        command=quoted(plan.command),
        folder=quoted(plan.folder),
        tag=quoted(plan.slug),
        operator="from airflow.providers.standard.operators.hitl import ApprovalOperator\n" if plan.approve else "",
        names=", ".join(
            [*(["Asset", "Param"] if event else []), "PokeReturnValue", "dag", "get_current_context", "task"]
        ),
        asset=f"COMPLETE = Asset(name={quoted(name)}, uri={quoted(uri)})\n{ROUND}" if event else "",
    )


def _event(plan: Plan) -> str:
    schedule = "None" if plan.after else quoted(plan.schedule)
    parts = [_dag(f"querist_{plan.slug}_ask", "ask_labels", schedule)]
    asking, training = [t for t in TASKS if t.kind == "ask"], [t for t in _rest(plan) if t.kind != "ask"]
    parts += [_task(t, plan) for t in asking]
    parts += ["    ask()\n\n\nask_labels()\n"]
    parts += [
        _dag(f"querist_{plan.slug}_train", "train", "[COMPLETE]", "ROUND"),
        TRAIN_START,
        *(_task(t, plan) for t in training),
    ]
    if plan.after:
        parts += [ASK_NEXT]
    return _joined([*parts, _chain(training, plan, "complete_round()") + "\n\n\ntrain()\n"])


def _wait(plan: Plan) -> str:
    found = _rest(plan)
    parts = [_dag(f"querist_{plan.slug}", "loop", quoted(plan.schedule)), *(_task(t, plan) for t in found)]
    return _joined([*parts, _chain(found, plan, "") + "\n\n\nloop()\n"])


def _rest(plan: Plan) -> list[Task]:
    return tasks(waits=plan.shape == "wait", approve=plan.approve)


def _dag(dag_id: str, function: str, schedule: str, params: str = "WHY") -> str:
    return f'\n\n@dag(dag_id="{dag_id}", schedule={schedule}, params={params}, **COMMON)\ndef {function}():'


def _joined(parts: list[str]) -> str:
    """Tasks stand apart by a line, but for the first of a function."""
    text = ""
    for part in parts:
        apart = "" if not text or text.endswith("():\n") or part.startswith("\n") else "\n"
        text += apart + part.removesuffix("\n") + "\n"
    return text


def _task(task: Task, plan: Plan) -> str:
    return Template(BODIES[task.kind]).safe_substitute(
        name=task.name,
        says=task.says,
        command=words(task.command),
        who=APPROVED if plan.approve else UNASKED,
    )


def _chain(found: list[Task], plan: Plan, first: str) -> str:
    """Calls of the tasks, in their order."""
    lines, before, last = list[str](), first, ""
    for task in found:
        if task.kind == "gate":
            lines += [f"    judged = {task.name}({before})"]
        elif task.kind == "deploy":
            last = f"{task.name}(judged)"
        elif task.kind != "approve":
            before = f"{task.name}({before})"
    between = [task.name for task in found if task.kind == "approve"]
    after = ["ask_next()"] if plan.after else []
    if not between and not after:
        return "\n".join([*lines, f"    {last}"])
    return "\n".join([*lines, f"    deployed = {last}", f"    {' >> '.join(['judged', *between, 'deployed', *after])}"])

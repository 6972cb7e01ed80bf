"""A workflow file for Prefect 3. Its tasks call querist's command line, so that Prefect's environment stays its own."""

from __future__ import annotations

from string import Template

from querist.orchestration.plan import Plan, quoted, words
from querist.orchestration.tasks import TASKS, Kind, tasks

HEAD = '''\
"""Active learning in Prefect 3, for the querist project $slug. Written by querist $version: change it as you like.

$story

Serve it:  python THIS_FILE  (with PREFECT_API_URL set). Nothing of querist is imported here: tasks call its command
line, which may live in another environment. A run that is tried again goes on where it was, for its id tells querist
which round it is about; long work goes on in the background while a task looks, so that a lost process costs nothing.

QUERIST and QUERIST_PROJECT in the environment overrule what is written here.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess

from prefect import flow, serve, task
${suspend}from prefect.runtime import flow_run

QUERIST = shlex.split(os.environ.get("QUERIST", $command))
PROJECT = os.environ.get("QUERIST_PROJECT", $folder)
NOT_YET = 75  # exit status: come back later
WHY = "on schedule, or started by hand"
RETRIES = {"retries": 4, "retry_delay_seconds": [5, 30, 120, 600]}
DAY = 24 * 3600
${approval}

def querist(*command: str) -> tuple[dict, bool]:
    """What querist's command line says, as JSON, and whether it is done."""
    line = [*QUERIST, *command, "--project", PROJECT, "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode not in (0, NOT_YET):
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1])
    return json.loads(done.stdout), done.returncode == 0


def advance(*command: str, why: str, number: int | None = None, part: str = "") -> int | None:
    """Starts what is due and looks until the round has come so far; its number, or None where the loop is over."""
    about = ["--run-id", f"{flow_run.id}{part}", "--why", why, "--link", flow_run.ui_url or ""]
    about += [] if number is None else ["--round", str(number)]
    while True:
        found, done = querist(*command, "--background", "--wait", "60", *about)
        if done or found["status"] == "waiting":
            print(f"round {found['round']}: {found['status']}: {found['reason']} {found['page']}")
        if found["status"] == "waiting":
            raise RuntimeError(found["reason"])
        if done:
            return None if found["status"] == "stopped" else found["round"]
'''

EVENT = """\
  ask-$slug    asks, and ends; people label while nothing runs here.
  train-$slug  trains once a round is complete: `querist serve` then creates a run of its deployment train-$slug/querist
    (set orchestration.prefect_url in querist.toml)."""
WAIT = """\
  loop-$slug  asks, suspends itself, and trains once people have labeled the round: `querist serve` then resumes it
    (set orchestration.prefect_url in querist.toml). While it is suspended it has no process."""

BODIES: dict[Kind, str] = {
    "ask": '''

@task(**RETRIES)
def $name(why: str) -> int | None:
    """$says"""
    return advance($command, why=why)
''',
    "wait": '''

def $name(number: int) -> None:
    """$says The flow starts again from the top when it is resumed."""
    looks = 0
    while not querist($command, str(number))[1]:
        looks += 1
        suspend_flow_run(timeout=14 * DAY, key=f"labels-of-round-{number}-{looks}")
''',
    "advance": '''

@task(**RETRIES)
def $name(number: int) -> int:
    """$says"""
    advance($command, why=f"round {number} is complete", number=number)
    return number
''',
    "gate": '''

@task(**RETRIES)
def $name(number: int) -> str | None:
    """$says"""
    found, _ = querist($command)
    for criterion in found["criteria"]:
        print(criterion["name"], "passes:" if criterion["passed"] else "holds:", criterion["reason"])
    return found["model_version"] if found["passed"] else None
''',
    "approve": '''

def $name(version: str) -> str | None:
    """$says While it waits for a person the flow has no process. Returns who agreed."""
    answer = suspend_flow_run(wait_for_input=Approval, timeout=7 * DAY, key=f"approve-{version}")
    return answer.by if answer.approved else None
''',
    "deploy": '''

@task(**RETRIES)
def $name(version: str, by: str) -> str:
    """$says"""
    found, _ = querist($command, version, "--by", by)
    return f"{found['model_version']} answers now"
''',
}
APPROVAL = """

class Approval(RunInput):
    approved: bool
    by: str
"""
ASK_FLOW = """

@flow(name="ask-$slug", log_prints=True)
def ask_labels(why: str = WHY) -> int | None:
    return ask(why)
"""
TRAIN_FLOW = """

@flow(name="train-$slug", log_prints=True)
def train(round: int) -> str:
$chain"""
LOOP_FLOW = """

@flow(name="loop-$slug", log_prints=True$persist)
def loop(why: str = WHY) -> str:
    round = ask(why)
    if round is None:
        return "the loop is over"
    wait_for_labels(round)
$chain"""
CHAIN = """\
    version = gate(evaluate(retrain(round)))
    if version is None:
        said = f"the gate holds the model of round {round}"
    else:
        $deploy
"""
APPROVED = '''by = approve(version)
        said = deploy(version, by) if by else f"{version} was not approved"'''
UNASKED = 'said = deploy(version, f"Prefect, {flow_run.name}")'
MONITOR_FLOW = '''

@flow(name="monitor-$slug", log_prints=True)
def monitor() -> str:
    """Compares what the model meets with what it learned from; drift opens and asks a round of its own."""
    found, _ = querist("monitor", "check")
    return found["alert"]["why"] if found["alert"] else "no alarm"
'''


def prefect_file(plan: Plan) -> str:
    """The text of a file that serves the project's deployments."""
    event = plan.shape == "event"
    found = [
        *[t for t in TASKS if t.kind == "ask"],
        *[t for t in tasks(waits=not event, approve=plan.approve) if t.kind != "ask"],
    ]
    bodies = [
        Template(BODIES[t.kind]).safe_substitute(name=t.name, says=t.says, command=words(t.command)) for t in found
    ]
    chain = Template(CHAIN).substitute(deploy=APPROVED if plan.approve else UNASKED)
    if plan.after:
        chain += '    advance("run", "--until", "asked", why="the round before is evaluated", part="/next")\n'
    chain += "    return said\n"
    flows = ASK_FLOW + TRAIN_FLOW if event else LOOP_FLOW
    parts = [HEAD, *bodies, flows, MONITOR_FLOW if plan.monitor else "", _serve(plan)]
    suspends = plan.approve or not event
    imports = "from prefect.flow_runs import suspend_flow_run\n" if suspends else ""
    imports += "from prefect.input import RunInput\n" if plan.approve else ""
    slug = plan.slug.replace("_", "-")
    return Template("".join(parts)).substitute(
        slug=slug,
        version=plan.version,
        story=Template(EVENT if event else WAIT).substitute(slug=slug),
        command=quoted(plan.command),
        folder=quoted(plan.folder),
        suspend=imports,
        approval=APPROVAL if plan.approve else "",
        persist=", persist_result=True" if plan.approve else "",
        chain=chain,
    )


def _serve(plan: Plan) -> str:
    cron = "" if plan.after else f", cron={quoted(plan.schedule)}"
    made = [f'ask_labels.to_deployment("querist"{cron})', 'train.to_deployment("querist")']
    if plan.shape == "wait":
        made = [f'loop.to_deployment("querist"{cron})']
    if plan.monitor:
        made += ['monitor.to_deployment("querist", cron="17 * * * *")']
    listed = "".join(f"        {one},\n" for one in made)
    return f'\n\nif __name__ == "__main__":\n    serve(\n{listed}    )\n'

"""Lines for a crontab."""

from __future__ import annotations

import shlex

from querist.core.errors import SettingError
from querist.orchestration.plan import Plan
from querist.orchestration.tasks import TASKS, Kind, Task

EVERY = "*/5 * * * *"


def cron_file(plan: Plan) -> str:
    """One line asks by the schedule, one looks every five minutes whether a round is complete and trains, one deploys.

    Raises SettingError where a person is to approve, whom cron cannot wait for.
    """
    if plan.approve:
        raise SettingError(
            "cron cannot wait for a person; write the file without --approve and deploy.approve, or use another tool"
        )
    asking, evaluating, judging = _lines(plan, "ask"), _lines(plan, "wait", "advance"), _lines(plan, "gate", "deploy")
    lines = [
        f"# Active learning by cron, for the querist project {plan.slug}. Written by querist {plan.version}.",
        "# Install it with `crontab FILE`, or put it into /etc/cron.d with the name of a user after the five fields.",
        "# Every command may be repeated: what is done is skipped, and what another process does is left to it.",
        "SHELL=/bin/sh",
        "",
        "# Ask the next items; nothing happens while a round is open.",
        f"{EVERY if plan.after else plan.schedule} {asking}",
        "",
        "# Once people have labeled all that was asked: train and evaluate.",
        f"{EVERY} {evaluating}",
        "",
        "# Deploy what passes the gate.",
        f"7-59/15 * * * * {judging}",
    ]
    if plan.monitor:
        looking = _command(plan, "monitor check")
        lines += ["", "# Is what the model meets still what it learned from?", f"17 * * * * {looking}"]
    return "\n".join(lines) + "\n"


def _lines(plan: Plan, *kinds: Kind) -> str:
    return " && ".join(_command(plan, command_of(task)) for task in TASKS if task.kind in kinds)


def command_of(task: Task) -> str:
    """The command of a task with nobody to ask how it went: its exit status says whether the next may follow."""
    more = {
        "ask": ("--background", "--wait", "200", "--why", "schedule"),
        "wait": ("--due",),
        "advance": ("--background", "--wait", "200"),
        "gate": ("--strict",),
    }
    return shlex.join([*task.command, *more.get(task.kind, ())])


def _command(plan: Plan, words: str) -> str:
    # In a crontab % ends the command.
    return f"{plan.command} {words} --project {shlex.quote(plan.folder)} >/dev/null".replace("%", "\\%")

"""A workflow file for GitHub Actions."""

from __future__ import annotations

from string import Template

from querist.orchestration.cron import command_of
from querist.orchestration.plan import Plan, quoted
from querist.orchestration.tasks import TASKS

FILE = """\
# Active learning in GitHub Actions, for the querist project $slug. Written by querist $version: change it as you like.
#
# ask opens a round, and ends; people label it with `querist serve`. train looks every quarter of an hour whether the
# round is complete, and at once when somebody sends the event querist-round-complete. The runner is your own, for the
# project's folder must be there: set QUERIST and PROJECT below to what is right on it.
name: querist $slug

on:
  schedule:
${schedules}\
  repository_dispatch:
    types: [querist-round-complete]
  workflow_dispatch:
    inputs:
      task:
        description: What to do
        type: choice
        options: [$tasks]

permissions: {}

# Every step may be repeated, and goes on where it was. Each job is one at a time; what waits for a person, or for a
# long training, holds up no other. The command stands in eval, since it may hold quotes.
env:
  QUERIST: $command
  PROJECT: $folder
  RUN: github-$${{ github.run_id }}
  WHY: GitHub Actions, $${{ github.event_name }}
  LINK: $${{ github.server_url }}/$${{ github.repository }}/actions/runs/$${{ github.run_id }}

jobs:
  ask:
    if: github.event.schedule == $asking || inputs.task == 'ask'
    runs-on: self-hosted
    concurrency: querist-$slug-ask
    steps:
      - name: $ask_says
        run: eval "$$QUERIST" '$ask --background --wait 3600 --run-id "$$RUN-ask" $about'

  train:
    if: github.event_name == 'repository_dispatch' || github.event.schedule == $looking || inputs.task == 'train'
    runs-on: self-hosted
    concurrency: querist-$slug-train
    timeout-minutes: 1440
    outputs:
      version: $${{ steps.gate.outputs.version }}
    steps:
      - name: $wait_says
        id: complete
        run: |
          status=0
          eval "$$QUERIST" '$wait --project "$$PROJECT"' || status=$$?
          if [ "$$status" = 0 ]; then echo "yes=true" >> "$$GITHUB_OUTPUT"; fi
          if [ "$$status" != 75 ]; then exit "$$status"; fi # 75: not yet
$training
      - name: $gate_says
        id: gate
        if: steps.complete.outputs.yes
        run: |
          eval "$$QUERIST" '$gate --project "$$PROJECT" --json' > gate.json
          cat gate.json
          if grep -q '^  "passed": true' gate.json; then
            sed -n 's/^  "model_version": "\\(.*\\)",$$/version=\\1/p' gate.json >> "$$GITHUB_OUTPUT"
          fi

  deploy:
    needs: train
    if: needs.train.outputs.version
    runs-on: self-hosted
    concurrency: querist-$slug-deploy
${environment}\
    env:
      VERSION: $${{ needs.train.outputs.version }}
      BY: GitHub Actions, $${{ github.actor }}
    steps:
      - name: $deploy_says
        run: eval "$$QUERIST" '$deploy "$$VERSION" --project "$$PROJECT" --by "$$BY"'
${monitor}"""
ABOUT = '--why "$WHY" --link "$LINK" --project "$PROJECT"'
STEP = """\
      - name: $says
        if: steps.complete.outputs.yes
        run: eval "$$QUERIST" '$command --run-id "$$RUN" $about'
"""
ENVIRONMENT = """\
    environment: querist-$slug # its settings name those who must approve
"""
MONITOR = """
  monitor:
    if: github.event.schedule == '$hourly' || inputs.task == 'monitor'
    runs-on: self-hosted
    concurrency: querist-$slug-monitor
    steps:
      - name: "Compares what the model meets with what it learned from; drift opens and asks a round of its own."
        run: eval "$$QUERIST" 'monitor check --project "$$PROJECT"'
"""
LOOKING, HOURLY = "*/15 * * * *", "17 * * * *"


def github_file(plan: Plan) -> str:
    """The text of a file for .github/workflows."""
    of = {task.kind: task for task in TASKS}
    training = [
        Template(STEP).substitute(says=quoted(task.says), command=" ".join(task.command), about=ABOUT)
        for task in TASKS
        if task.kind == "advance"
    ]
    asking = LOOKING if plan.after else plan.schedule
    times = [asking, LOOKING, *([HOURLY] if plan.monitor else [])]
    return Template(FILE).substitute(
        {f"{kind}_says": quoted(task.says) for kind, task in of.items()},
        ask=" ".join(of["ask"].command),
        wait=command_of(of["wait"]),
        gate=" ".join(of["gate"].command),
        deploy=" ".join(of["deploy"].command),
        about=ABOUT,
        slug=plan.slug,
        version=plan.version,
        schedules="".join(f"    - cron: {quoted(one)}\n" for one in dict.fromkeys(times)),
        tasks=", ".join(["ask", "train", *(["monitor"] if plan.monitor else [])]),
        monitor=Template(MONITOR).substitute(hourly=HOURLY, slug=plan.slug) if plan.monitor else "",
        asking=f"'{asking}'",
        looking=f"'{LOOKING}'",
        command=quoted(plan.command),
        folder=quoted(plan.folder),
        training="".join(training).removesuffix("\n"),
        environment=Template(ENVIRONMENT).substitute(slug=plan.slug) if plan.approve else "",
    )

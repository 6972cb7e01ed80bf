"""What the record says at the end of the month, and whether it is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from machines import querist
from traffic import Window

from querist.pipeline.deploy.deploying import deploy_status
from querist.pipeline.monitoring.drift_rounds import planned
from querist.pipeline.monitoring.drift_status import monitoring_status
from querist.pipeline.project import Project
from querist.pipeline.triggers import triggers
from querist.store.annotations import list_annotations
from querist.store.rounds import list_queries, list_rounds


def record(folder: Path, acknowledged: Sequence[str], windows: Sequence[Window]) -> dict[str, Any]:
    """JSON-ready; `holds` says of each promise whether it was kept."""
    project = Project(folder)
    with project.ledger.read() as tx:
        answers = [a for a in list_annotations(tx) if a.annotator != "lead"]
        rounds = list_rounds(tx)
        asked = [query.item for one in rounds for query in list_queries(tx, one.round)]
    deployed, watched = deploy_status(project, last=100), monitoring_status(project, last=100)
    verified = json.loads(querist_says(folder, "verify", "--all", "--json"))
    querist(folder, "report")
    querist(folder, "rounds", "write")
    judged = Counter(line["state"] for line in json.loads(querist_says(folder, "checklist", "--json")))
    table = project.status()["rounds"]
    first_drift = next((one.round for one in rounds if one.strategy == "drift"), len(rounds))
    promoted = [one["model_version"] for one in deployed["promotions"]]
    found: dict[str, Any] = {
        "rounds": [
            {
                "round": row["round"],
                "asked": row["asked"],
                "strategy": next(one.strategy for one in rounds if one.round == row["round"]),
                "value": row["value"],
                **reasons(project, row["round"]),
            }
            for row in table
        ],
        "promotions": [(one["model_version"], one["by"]) for one in deployed["promotions"]],
        "answers": len(answers),
        "windows": [asdict(window) for window in windows],
        "alerts": [one["why"] for one in watched["alerts"]],
        "estimates": [one["sentence"] for one in watched["estimates"]],
        "checklist": dict(judged),
        "digest": project.digest(),
        "holds": {
            "no answer is lost": set(acknowledged) <= {a.id for a in answers},
            "no answer is there twice": len(answers) == len({(a.item, a.annotator) for a in answers}),
            "each round is there once": [row["round"] for row in table] == list(range(len(rounds))),
            "no item is asked twice": len(asked) == len(set(asked)),
            "no model is promoted twice": len(promoted) == len(set(promoted)),
            "every round is the same when it is done again": all(one["same"] for one in verified),
            "the stored data are whole": project.verify_snapshot() == [],
            "a model that has learned the new mail answers": any(
                one.startswith(f"r{row['round']:03}-")
                for one in promoted
                for row in table
                if row["round"] >= first_drift
            ),
        },
        "alarm_open": watched["alarm_open"],
    }
    return {**found, "story": story(found)}


def reasons(project: Project, number: int) -> dict[str, Any]:
    """Why a round was started, by whom or what, and why its model was trained."""
    steps = {step["name"]: step["result"] for step in project.show_round(number)["steps"]}
    with project.ledger.read() as tx:
        drifted = planned(tx, number)
    why = ([drifted.why] if drifted else []) + [trigger["why"] for trigger in triggers(project, number)]
    return {
        "why": list(dict.fromkeys(why)),
        "trained": steps.get("retraining", {}).get("reason", "the seed set is labeled"),
    }


def story(found: dict[str, Any]) -> str:
    """As text: round by round, window by window, promise by promise."""
    lines = ["", "round  asked  by               macro F1  why"]
    for row in found["rounds"]:
        value = "" if row["value"] is None else f"{row['value']:.3f}"
        lines += [f"{row['round']:5}  {row['asked']:5}  {row['strategy']:15}  {value:>8}  {'; '.join(row['why'])}"]
    lines += ["", "mail                    model           accuracy"]
    lines += [f"{w['what']:22}  {w['version']:14}  {w['accuracy']:8.2f}" for w in found["windows"]]
    lines += ["", *(f"{'yes' if kept else 'NO ':3}  {promise}" for promise, kept in found["holds"].items())]
    return "\n".join(lines)


def querist_says(folder: Path, *command: str) -> str:
    """What a command prints, though its exit status may say that something is wrong."""
    line = [sys.executable, "-m", "querist", *command, "--project", str(folder)]
    return subprocess.run(line, capture_output=True, text=True, check=False).stdout

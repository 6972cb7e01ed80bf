"""The card of a model: what it is for, what it learned from, how good it is and where not. Mitchell et al., 2019."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from querist.stages.reporting.markdown import facts, metrics, table, text
from querist.stages.reporting.words import interval, moment, named, printable


def model_card_page(card: Mapping[str, Any]) -> str:
    """Markdown from what `models card --json` prints."""
    parts = [
        f"# Model {text(card['version'])} of {text(card['project'])}",
        "## Intended use",
        text(card["objective"]["why"]) or "Nobody has written down why; set `objective.why`.",
        _use(card),
        "## The model",
        _model(card),
        "## Data",
        _data(card),
        "## Quality",
        _quality(card),
        "## Limitations",
        "\n".join(f"- {text(sentence)}" for sentence in card["limitations"]) or "None is known.",
        "## How to repeat",
        _repeat(card),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _use(card: Mapping[str, Any]) -> str:
    objective = card["objective"]
    goal = "no goal is set" if objective["goal"] is None else f"{named(objective['metric'])} of {objective['goal']:g}"
    return facts(
        {
            "Owner": objective["owner"] or "nobody is named; set objective.owner",
            "Goal": goal,
            "Made for": f"items like those of snapshot {card['data']['snapshot']}; measure it on others first",
        }
    )


def _model(card: Mapping[str, Any]) -> str:
    learner, trained = card["learner"], card["trained"]
    when = f"{moment(trained['at'])}, in round {trained['round']} ({trained['plan']}: {trained['why']})"
    return "\n\n".join(
        [
            facts(
                {
                    "Learner": f"{learner['encoder']} and {learner['head']}",
                    "Classes": ", ".join(learner["classes"]),
                    "Trained": when,
                    "Takes the place of": card["parent"],
                    "Stored as": card["artifact"],
                }
            ),
            _json("Settings of the learner", card["settings"]),
            _json("What fitting found", card["fitting"]),
        ]
    ).strip()


def _data(card: Mapping[str, Any]) -> str:
    data = card["data"]
    simulated = (
        f"the column {card['simulated']}, in place of people" if card["simulated"] else "people, or the data itself"
    )
    rows = [
        (name, *(data["labels"][split][name] for split in ("pool", "validation", "test")))
        for name in card["learner"]["classes"]
        if name in data["labels"]["pool"]
    ]
    items = data["items"]
    return "\n\n".join(
        [
            facts(
                {
                    "Snapshot": data["snapshot"],
                    "Items": f"{items['pool']:,} in the pool, {items['validation']:,} for validation, "
                    f"{items['test']:,} in the holdout, which is never asked and never trained on",
                    "Labels by": simulated,
                }
            ),
            table(["class", "labels trained on", "validation", "holdout"], rows),
        ]
    )


def _quality(card: Mapping[str, Any]) -> str:
    if card["evaluated"] is None:
        return "It was not evaluated."
    tables = [
        f"Measured in round {card['evaluated']['round']} on {card['evaluated']['n']:,} items of the holdout.",
        table(["metric", "value (interval)"], metrics(card["metrics"])),
    ]
    if card["per_class"]:
        rows = [
            (row["class"], row["n"], *(interval(**row[metric]) for metric in ("precision", "recall", "f1")))
            for row in card["per_class"]
        ]
        tables.append(table(["class", "holdout items", "precision", "recall", "F1"], rows))
    if {"ece", "ece_limit"} <= set(card["metrics"]):
        ece, limit = (card["metrics"][name]["value"] for name in ("ece", "ece_limit"))
        judged = "no more than chance explains" if ece <= limit else "more than chance explains"
        tables.append(f"Calibration: probabilities are off by {ece:.3f} on average, {judged} (up to {limit:.3f}).")
    return "\n\n".join(tables)


def _repeat(card: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in card["libraries"].items())
    known = facts(
        {
            "Code": f"querist {card['code_version']}",
            "Libraries": libraries,
            "Seed": card["seed"],
            "Settings": card["settings_key"],
        }
    )
    return f"{known}\n\n`querist verify --round {card['trained']['round']}` trains it again and compares."


def _json(title: str, values: Mapping[str, Any] | None) -> str:
    if not values:
        return ""
    # Texts stay within their quotes, and no line of JSON can begin with the fence.
    return f"{title}:\n\n```json\n{printable(json.dumps(values, indent=1, ensure_ascii=False))}\n```"

"""What follows from the findings: the first sentence with its evidence, the risks, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from querist.stages.reporting.verdicts import more_or_fewer
from querist.stages.reporting.words import count, hours, interval, money, named, percent

NEARLY = 0.9
"""A budget counts as nearly spent from this share on."""
SOON_DAYS = 7


def headline(found: Mapping[str, Any]) -> dict[str, Any]:
    """{"sentence", "kind", "evidence"}: the result in one sentence, and for each of its figures where it comes from."""
    status, verdict = found["status"], found["savings"]["verdict"]
    if status["last"] is None:
        return {"sentence": f"Nothing can be told yet: {status['reason']}.", "kind": "empty", "evidence": []}
    return {"sentence": verdict["sentence"], "kind": verdict["kind"], "evidence": list(_evidence(found))}


def _evidence(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    verdict, baseline = found["savings"]["verdict"], found["savings"]["baseline"]
    currency, metric = found["objective"]["currency"], named(found["metric"])
    for when, row in (("first", found["status"]["first"]), ("now", found["status"]["last"])):
        yield {
            "what": f"{metric} {when}, with {count(row['labels'])} labels",
            "value": interval(row["value"], row["low"], row["high"]),
            "anchor": f"round-{row['round']}",
            "command": f"querist rounds show {row['round']}",
        }
    command = "querist simulate" if baseline and baseline["source"] == "simulation" else "querist baseline"
    own = {"anchor": "savings", "command": command}
    if random := verdict["random_value"]:
        bounds = interval(random["value"], random["low"], random["high"])
        yield {"what": f"{metric} of random sampling with as many labels", "value": bounds, **own}
    if baseline and verdict["kind"] == "unknown":
        measured = f"from {count(baseline['labels'][0])} to {count(baseline['measured_to'])} labels"
        yield {"what": "random sampling was measured", "value": measured, **own}
    if random := verdict["random_labels"]:
        yield _saved("labels that random sampling would need", random, count, command)
    if verdict["guess"] is not None:
        yield {"what": "the same by an extrapolated curve", "value": f"about {count(verdict['guess'])}", **own}
    for what, write in (("money", lambda amount: money(amount, currency)), ("hours", hours)):
        if saved := verdict[what]:
            yield _saved(f"{what} saved", saved, write, command)
    if (share := verdict["share"]) and verdict["kind"] == "saved":
        yield _saved("share of labels saved", share, percent, command)
    elif share:
        yield {"what": "labels used against those of random sampling", "value": _against(share), **own}


def _against(share: Mapping[str, float | None]) -> str:
    low, value, high = (None if n is None else more_or_fewer(n) for n in (share["low"], share["value"], share["high"]))
    if low and high:
        span = f"between {low} and {high}"
    else:
        span = f"at worst {low}" if low else f"at best {high}" if high else "anything"
    return f"{value} ({span})" if value else span


def _saved(what: str, found: Mapping[str, Any], write: Any, command: str) -> dict[str, Any]:  # Any: a writer of figures
    low, high = found["low"], found["high"]
    value = "" if found["value"] is None else write(found["value"])
    if low is not None:
        span = f"at least {write(low)}" if high is None else f"{write(low)} to {write(high)}"
        value = f"{value} ({span})" if value else span
    elif high is not None and not value:
        value = f"at most {write(high)}"
    return {"what": what, "value": value, "anchor": "savings", "command": command}


def risks(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """{"kind", "sentence", "anchor"} of each, none twice."""
    told = {risk["sentence"]: risk for risk in _risks(found)}
    return list(told.values())


def _risks(found: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    status, objective = found["status"], found["objective"]
    if status["first"] is None and any(row["spent"] for row in found["rounds"]):
        yield _risk("quality", "quality is unknown: no holdout item has a label", "quality")
    if found["savings"]["verdict"]["kind"] == "lost":
        yield _risk(
            "savings", "active learning costs labels here: compare strategies with `querist simulate`", "savings"
        )
    for row in found["plan"]:
        if row["share"] is not None and row["share"] >= NEARLY and not _goal_met(found):
            yield _risk("budget", f"{percent(row['share'])} of the budget of {row['what']} is spent", "plan")
        if row["what"] == "deadline" and row["now"] <= SOON_DAYS and status["state"] != "stopped":
            left = f"{row['now']} days are left" if row["now"] >= 0 else "the deadline has passed"
            yield _risk("deadline", f"{left}: labeling ends {row['of']}", "plan")
    forecast = found["savings"]["forecast"]
    if forecast and forecast["labels_to_goal"] and not _goal_met(found):
        more, budget = forecast["labels_to_goal"]["value"], objective["budget_labels"]
        if more is None or (budget is not None and more > budget - status["spent"]["labels"]):
            yield _risk("forecast", forecast["sentence"], "savings")
    if found["quality"] and found["quality"]["calibration"]["warning"]:
        yield _risk("calibration", found["quality"]["calibration"]["warning"], "quality")
    for warning in (found["diagnostics"] or {}).get("warnings", ()):
        yield _risk(warning["kind"], warning["sentence"], "diagnostics")
    red = [line["line"] for line in found["checklist"] if line["state"] == "red"]
    if red:
        lines = "1 line of the checklist is" if len(red) == 1 else f"{len(red)} lines of the checklist are"
        yield _risk("checklist", f"{lines} red: {'; '.join(red)}", "checklist")


def _risk(kind: str, sentence: str, anchor: str) -> dict[str, str]:
    return {"kind": kind, "sentence": sentence, "anchor": anchor}


def _goal_met(found: Mapping[str, Any]) -> bool:
    return any(line["which"] == "goal" and line["stop"] for line in found["savings"]["stopping"])


def next_step(found: Mapping[str, Any]) -> dict[str, Any]:
    """{"sentence", "commands"}: the one thing to do now, and what else is worth doing."""
    status, savings = found["status"], found["savings"]
    state, objective = status["state"], found["objective"]
    if state == "empty":
        return _step("Bring data in, then ask the seed set.", "querist ingest FILE", "querist run")
    commands = []
    if savings["baseline"] is None and status["last"] is not None:
        commands.append("querist baseline")
    if state == "waiting":
        asked = f"{count(status['missing'])} items wait for a label: label them, then train and ask on."
        return _step(asked, "querist serve", "querist run", *commands)
    if status["last"] is None and found["rounds"]:
        return _step(
            "Label holdout items, so that quality can be measured.", "querist labels export holdout.csv --holdout 200"
        )
    if state == "stopped":
        if _goal_met(found):
            return _step(
                f"{_sentence(status['reason'])} Write the model card and hand the model over.", "querist models card"
            )
        raised = "raise the budget, or hand over what there is"
        return _step(f"{_sentence(status['reason'])} Decide: {raised}.", "querist models card", *commands)
    needs = (savings["forecast"] or {}).get("labels_to_goal") or {}
    ahead = (
        f" The goal of {objective['goal']:g} needs about {count(needs['value'])} more labels."
        if needs.get("value")
        else ""
    )
    return _step(f"Ask the next batch.{ahead}", "querist run", *commands)


def _step(sentence: str, *commands: str) -> dict[str, Any]:
    return {"sentence": sentence, "commands": list(commands)}


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}."

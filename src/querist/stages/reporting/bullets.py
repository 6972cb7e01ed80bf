"""The achievement in one paragraph, for a slide, a review or a résumé."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from querist.stages.reporting.linked import whole
from querist.stages.reporting.words import count, figure, hours, money, named, one_line, percent


def bullets(found: Mapping[str, Any]) -> str:
    """Only figures of the record; what cannot be told is not claimed."""
    return one_line(_bullets(found))


def _bullets(found: Mapping[str, Any]) -> str:
    status, objective, verdict = found["status"], found["objective"], found["savings"]["verdict"]
    first, last = status["first"], status["last"]
    if last is None:
        return f"{found['project']}: {whole(found['headline']['sentence'])}"
    metric, rounds = named(found["metric"]), len([r for r in found["rounds"] if r["value"] is not None])
    said = f"Ran the active-learning loop of {found['project']} for {count(rounds)} rounds: {metric} "
    said += f"{figure(first['value'])} → " if first["round"] != last["round"] else ""
    said += figure(last["value"])
    if last["low"] is not None:
        level = percent(found["settings"]["evaluation"]["confidence"])
        said += f" ({level} interval {figure(last['low'])} to {figure(last['high'])})"
    said += f" with {count(last['labels'])} labels"
    spent = status["spent"]
    cost = [money(spent["money"], objective["currency"])] if spent["money"] else []
    cost += [hours(spent["hours"])] if spent["hours"] else []
    said += f" ({' and '.join(cost)} of labeling)." if cost else "."
    return f"{said} {_saved(verdict, objective['currency'])}{_people(found)}"


def _saved(verdict: Mapping[str, Any], currency: str) -> str:
    random, share = verdict["random_labels"], verdict["share"]
    if verdict["kind"] != "saved" or not random or not share or random["value"] is None:
        return {
            "saved": _at_least(random, share),
            "lost": "Random sampling would have needed fewer labels.",
            "no_difference": "No difference from random sampling could be told from noise.",
        }.get(verdict["kind"], "What it saved against random sampling cannot be told yet.")
    said = f"Random sampling would have needed {count(random['value'])}"
    if random["low"] is not None and random["high"] is not None:
        said += f" ({count(random['low'])} to {count(random['high'])})"
    gains = [f"{percent(share['value'])} fewer labels"]
    if (saved := verdict["money"]) and saved["value"] is not None:
        gains.append(f"{money(saved['value'], currency)} saved")
    if (saved := verdict["hours"]) and saved["value"] is not None:
        gains.append(f"{hours(saved['value'])} of people's time saved")
    return f"{said}: {', '.join(gains)}."


def _at_least(random: Mapping[str, Any] | None, share: Mapping[str, Any] | None) -> str:
    """Where random sampling never reached the quality."""
    if not random or not share or random["low"] is None or share["low"] is None:
        return "Random sampling would have needed more labels."
    least = f"at least {count(random['low'])}"
    return f"Random sampling would have needed {least}: {percent(share['low'])} fewer labels or more."


def _people(found: Mapping[str, Any]) -> str:
    n, agreement = len(found["people"]["annotators"]), found["people"]["agreement"]
    if n < 2:
        return ""
    agreed = f", who agreed on {percent(agreement['raw'])} of shared items" if agreement else ""
    return f" {count(n)} people labeled{agreed}."

"""The page of one round: what was asked, by what, who answered, what came of it, and what changed since the last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from querist.stages.reporting.markdown import Address, facts, metrics, table, text
from querist.stages.reporting.words import hours, moment


def round_page(found: Mapping[str, Any]) -> str:
    """Markdown from what `rounds show --json` prints."""
    parts = [
        f"# Round {found['round']}",
        text(found["note"]),
        _facts(found),
        *_part(_since(found), _list(found["changes"])),
        *_part("Warnings", _list(found["warnings"])),
        *_part("Who started it", _triggers(found["triggers"])),
        *_part("Quality on the holdout", _metrics(found)),
        *_part("Who labeled", _people(found["people"])),
        *_part("Queries", _queries(found["queries"])),
        *_part("Thresholds", _pairs("threshold", {k: f"{v:.6g}" for k, v in found["thresholds"].items()})),
        *_part("Steps", _steps(found["steps"])),
        *_part("Settings that are not the default", _pairs("setting", found["settings_set"])),
        f"`querist verify --round {found['round']}` does the round again and compares.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _part(title: str, body: str) -> Iterator[str]:
    if body:
        yield f"## {title}"
        yield body


def _facts(found: Mapping[str, Any]) -> str:
    answers = found["answers"]
    return facts(
        {
            "Asked": f"{len(found['queries']):,} items by {found['strategy']}, {moment(found['at'])}",
            "Chosen with model": found["model_version"],
            "Trained": ", ".join(f"{m['version']} ({m['n_labels']:,} labels)" for m in found["models"]),
            "Answered": " to ".join(dict.fromkeys(moment(at) for at in answers.values() if at)) or "not yet",
            "Labels known": found["n_labels"],
            "Evaluated": found["evaluated_at"] and moment(found["evaluated_at"]),
            "Advice": found["stop"],
            "Snapshot": found["snapshot"],
            "Settings": found["settings"],
            "Code": f"querist {found['code_version']}",
            "Libraries": ", ".join(f"{name} {version}" for name, version in found["libraries"].items()),
        }
    )


def _since(found: Mapping[str, Any]) -> str:
    return f"What changed since round {found['round'] - 1}"


def _list(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {text(sentence)}" for sentence in sentences)


def _triggers(triggers: Sequence[Mapping[str, Any]]) -> str:
    if not triggers:
        return ""
    rows = [(moment(t["at"]), t["why"], t["run"], Address(t["link"])) for t in triggers]
    return table(["when", "why", "run", "where"], rows)


def _metrics(found: Mapping[str, Any]) -> str:
    if not found["metrics"]:
        return ""
    before = dict(metrics(found["metrics_before"]))
    items = [m["n_items"] for m in found["metrics"].values()]
    rows = [
        (name, value, before.get(name, ""), n)
        for (name, value), n in zip(metrics(found["metrics"]), items, strict=True)
    ]
    return table(["metric", "value (interval)", "the round before", "items"], rows)


def _people(people: Sequence[Mapping[str, Any]]) -> str:
    if not people:
        return ""
    rows = [
        (p["annotator"], p["answers"], p["skips"], hours(p["seconds"] / 3600) if p["seconds"] else "") for p in people
    ]
    return table(["annotator", "answers", "skips", "measured time"], rows)


def _queries(queries: Sequence[Mapping[str, Any]]) -> str:
    if not queries:
        return ""
    rows = []
    ways = {q["strategy"] for q in queries}
    for q in queries:
        said = [a for a in q["annotations"] if a["stands"]]
        labels = dict.fromkeys("skipped" if a["label"] is None else a["label"] for a in said)
        who = dict.fromkeys(a["annotator"] for a in said)
        notes = [a["note"] for a in said if a.get("note")]
        last = moment(said[-1]["at"]) if said else ""
        why = f"{q['strategy']}: {q['reason']}".removesuffix(": ") if len(ways) > 1 else q["reason"]
        rows.append((q["rank"], q["id"], q["score"], why, ", ".join(labels), ", ".join(who), last, "; ".join(notes)))
    head = ["rank", "id", "score", "reason", "label", "annotator", "answered", "note"]
    noted = len(head) if any(row[-1] for row in rows) else -1
    return table(head[:noted], [row[:noted] for row in rows])


def _steps(steps: Sequence[Mapping[str, Any]]) -> str:
    if not steps:
        return ""
    rows = [
        (
            s["name"].replace("_", " "),
            moment(s["started_at"]),
            f"{s['seconds']:.2f} s",
            ", ".join(f"{part} {seconds:.2f} s" for part, seconds in s["seconds_by_part"].items()),
        )
        for s in steps
    ]
    return table(["step", "started", "took", "of which"], rows)


def _pairs(name: str, values: Mapping[str, Any]) -> str:
    rows = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in values.items()]
    return table([name, "value"], rows) if rows else ""

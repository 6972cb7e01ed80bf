"""The report as Markdown, for a wiki or a pull request; the flowchart is Mermaid source, which such places draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from querist.stages.reporting.audiences import SECTIONS, Audience
from querist.stages.reporting.diagram import mermaid
from querist.stages.reporting.linked import in_pieces
from querist.stages.reporting.markdown import table, text
from querist.stages.reporting.tables import tables
from querist.stages.reporting.words import count, hours, interval, moment, money, named, percent, seconds

NEWEST_ROUNDS = 50
Found = Mapping[str, Any]


def report_markdown(found: Found, *, audience: Audience) -> str:
    parts = [f"# {text(found['project'])}", f"**{prose(found['headline']['sentence'])}**"]
    if found["objective"]["why"]:
        parts.append(text(found["objective"]["why"]))
    for name in ORDER:
        if name in SECTIONS[audience] and (body := [part for part in ORDER[name][1](found) if part]):
            parts += [f"## {ORDER[name][0]}", *body]
    parts.append(f"Written {moment(found['generated_at'])} by querist {found['version']} from the record.")
    return "\n\n".join(parts) + "\n"


def prose(sentence: str) -> str:
    """A sentence of the record in which only its commands are marked up."""
    return "".join(f"`{p.text}`" if p.command else _kept(p.text) for p in in_pieces(sentence))


def _kept(part: str) -> str:
    """`text` strips; the spaces beside a command stay."""
    ends = part[: len(part) - len(part.lstrip())], part[len(part.rstrip()) :]
    return f"{ends[0]}{text(part)}{ends[1]}" if part.strip() else part


def _plan(found: Found) -> Iterator[str]:
    currency, last = found["objective"]["currency"], found["status"]["last"]
    write: dict[str, Callable[[float], str]] = {"labels": count, "hours": hours, "money": lambda m: money(m, currency)}
    rows = []
    for row in found["plan"]:
        match row["what"]:
            case "quality":
                now = interval(last["value"], last["low"], last["high"]) if last else "not measured yet"
                rows.append(
                    (named(found["metric"]), now, "no goal" if row["of"] is None else f"goal {row['of']:g}", "")
                )
            case "deadline":
                rows.append(("last day of labeling", f"{row['now']} days left", row["of"], ""))
            case what:
                of = "no budget" if row["of"] is None else write[what](row["of"])
                share = "" if row["share"] is None else percent(row["share"])
                rows.append((what, write[what](row["now"]), of, share))
    yield table(["", "now", "plan", "share"], rows)
    said = [
        f"- {'Stop' if a['stop'] else 'Go on'} ({a['which']}): {prose(a['reason'])}"
        for a in found["savings"]["stopping"]
    ]
    yield "\n".join(said)


def _diagram(found: Found) -> Iterator[str]:
    yield f"```mermaid\n{mermaid(found['stages'])}```"


def _curve(found: Found) -> Iterator[str]:
    known = [r for r in found["rounds"] if r["value"] is not None]
    rows = [(count(r["labels"]), interval(r["value"], r["low"], r["high"]), r["round"]) for r in known]
    if rows:
        yield table(["labels", f"{named(found['metric'])} (interval)", "round"], rows[-NEWEST_ROUNDS:])


def _savings(found: Found) -> Iterator[str]:
    savings = found["savings"]
    yield prose(savings["verdict"]["sentence"])
    rows = [(e["what"], e["value"], e["command"]) for e in found["headline"]["evidence"]]
    yield table(["figure", "value", "see it again"], rows) if rows else ""
    if savings["baseline"]:
        yield prose(savings["baseline"]["how"])
        yield "\n".join(f"- Cannot tell: {prose(line)}" for line in savings["baseline"]["cannot_tell"])
    for part in ("control", "forecast"):
        yield prose(savings[part]["sentence"]) if savings[part] else ""


def _news(found: Found) -> Iterator[str]:
    news = found["news"]
    took = "" if news["hours"] is None else f", in {hours(news['hours'])}"
    told = [f"- Since {news['since']}: {count(len(news['rounds']))} rounds, {count(news['answers'])} answers{took}."]
    if news["now"]:
        before = f"{interval(*(news['before'][k] for k in ('value', 'low', 'high')))} → " if news["before"] else ""
        now = interval(*(news["now"][k] for k in ("value", "low", "high")))
        told.append(f"- {named(found['metric'])}: {before}{now}.")
    told += [f"- Round {c['round']}: {prose(c['change'])}" for c in news["changes"][-10:]]
    yield "\n".join([*told, *(f"- Round {n['round']}: {text(n['note'])}" for n in news["notes"][-10:])])


def _batches(found: Found) -> Iterator[str]:
    rows = [
        (
            r["round"],
            r["strategy"],
            r["asked"],
            r["labels"],
            "" if r["value"] is None else interval(r["value"], r["low"], r["high"]),
            r["answers"],
            "" if r["median_seconds"] is None else seconds(r["median_seconds"]),
            "" if r["hours"] is None else hours(r["hours"]),
        )
        for r in found["rounds"][-NEWEST_ROUNDS:]
    ]
    head = ["round", "strategy", "asked", "labels", named(found["metric"]), "answers", "median answer", "labeling"]
    yield table(head, rows) if rows else ""


def _labeling(found: Found) -> Iterator[str]:
    agreement, rows = found["people"]["agreement"], tables(found)
    if agreement:
        shared = f"{count(agreement['shared_items'])} items have two answers or more"
        yield f"{shared}; raw agreement {percent(agreement['raw'])}, {count(agreement['disputed'])} disputed."
    head = ["annotator", "answers", "skips", "median answer", "an hour", "agreement", "gold items"]
    yield table(head, rows["annotators"]) if rows["annotators"] else ""
    yield table(["item", "given", "suggested", "score"], rows["label_errors"]) if rows["label_errors"] else ""


def _quality(found: Found) -> Iterator[str]:
    rows = tables(found)
    if found["quality"]:
        yield table(["metric", "value (interval)"], rows["metrics"])
        yield table(["class", "items", "precision", "recall", "F1"], rows["classes"])
        slices = rows["slices"]
        yield table(["column", "value", "items", named(found["metric"]), "differs"], slices) if slices else ""


def _diagnostics(found: Found) -> Iterator[str]:
    diagnostics = found["diagnostics"] or {}
    for part in ("queried_against_pool", "ceiling"):
        yield prose(diagnostics[part]["sentence"]) if diagnostics.get(part) else ""


def _risks(found: Found) -> Iterator[str]:
    yield "\n".join(f"- {prose(risk['sentence'])}" for risk in found["risks"]) or "None found in the record."


def _checklist(found: Found) -> Iterator[str]:
    rows = [(line["state"], line["line"], line["evidence"], line["link"]) for line in found["checklist"]]
    yield table(["state", "line", "evidence", "proof"], rows) if rows else ""


def _next(found: Found) -> Iterator[str]:
    yield text(found["next_step"]["sentence"])
    yield "\n".join(f"- `{command}`" for command in found["next_step"]["commands"])


def _record(found: Found) -> Iterator[str]:
    yield f"Snapshot `{found['status']['snapshot']}`, settings `{found['settings_key']}`, querist {found['version']}."
    rows = tables(found)["models"]
    yield table(["version", "round", "labels", "validation loss", "learner", "artifact"], rows) if rows else ""


ORDER: dict[str, tuple[str, Callable[[Found], Iterator[str]]]] = {
    "plan": ("Objective against plan", _plan),
    "diagram": ("Pipeline", _diagram),
    "curve": ("Learning curve", _curve),
    "savings": ("Savings", _savings),
    "news": ("What is new", _news),
    "batches": ("Batches", _batches),
    "labeling": ("Quality of labels", _labeling),
    "quality": ("Quality of the model", _quality),
    "diagnostics": ("Diagnostics", _diagnostics),
    "risks": ("Risks", _risks),
    "checklist": ("Checklist", _checklist),
    "next": ("Next step", _next),
    "record": ("Record", _record),
}

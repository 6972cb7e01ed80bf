"""The report's tables as rows of written cells, the first of each row its name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from querist.stages.reporting.words import count, figure, interval, named, percent, seconds

NEWEST_MODELS = 50
MOST_LABELS = 30
MOST_ERRORS = 20
Rows = list[Sequence[str]]


def tables(found: Mapping[str, Any]) -> dict[str, Rows]:
    quality, diagnostics = found["quality"] or {}, found["diagnostics"] or {}
    forecast = found["savings"]["forecast"] or {}
    return {
        "forecasts": [
            (count(r["at_labels"]), figure(r["forecast"]), _span(r["low"], r["high"]), figure(r["measured"]))
            for r in forecast.get("backtest", ())
        ],
        "annotators": [_annotator(row) for row in found["people"]["annotators"]],
        "label_counts": [(row["label"], count(row["answers"])) for row in found["labels"][:MOST_LABELS]],
        "label_errors": [
            (row["item"], row["given"], row["suggested"], figure(row["score"]))
            for row in diagnostics.get("label_errors", ())[:MOST_ERRORS]
        ],
        "metrics": [(named(m["name"]), interval(m["value"], m["low"], m["high"])) for m in quality.get("metrics", ())],
        "classes": [
            (
                row["class"],
                count(row["support"]),
                interval(row["precision"], row["precision_low"], row["precision_high"]),
                interval(row["recall"], row["recall_low"], row["recall_high"]),
                interval(row["f1"], row["f1_low"], row["f1_high"]),
            )
            for row in quality.get("per_class", ())
        ],
        "slices": [
            (
                row["column"],
                row["value"],
                count(row["n"]),
                interval(row["metric_value"], row["low"], row["high"]),
                "yes" if row["different"] else "",
            )
            for row in quality.get("slices", ())
        ],
        "redundancy": [
            (str(row["round"]), figure(row["nearest"]), figure(row["random_nearest"]))
            for row in diagnostics.get("redundancy", ())
        ],
        "models": [
            (
                m["version"][:16],
                str(m["round"]),
                count(m["n_labels"]),
                "" if m["validation_loss"] is None else figure(m["validation_loss"]),
                m["learner"] or "",
                m["artifact"][:16],
            )
            for m in found["models"][: -NEWEST_MODELS - 1 : -1]
        ],
    }


def _annotator(row: Mapping[str, Any]) -> Sequence[str]:
    gold = row["gold"]
    return (
        row["annotator"],
        count(row["answers"]),
        count(row["skips"]),
        "" if row["median_seconds"] is None else seconds(row["median_seconds"]),
        "" if row["per_hour"] is None else count(row["per_hour"]),
        "" if row["agreement"] is None else percent(row["agreement"]),
        f"{gold['right']} of {gold['asked']}" if gold else "",
    )


def _span(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"

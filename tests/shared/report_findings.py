"""Findings of a project made up by hand, with every part that a report can show."""

from __future__ import annotations

from typing import Any

from querist.pipeline.reporting import conclusions

HOSTILE = "<script>alert(1)</script>\"'`{{7*7}}` & \u202egnp.exe | [a](javascript:x) \x07 שלום"
SAVED = (
    "macro-F1 0.71 -> 0.84 with 1,200 labels; random would have needed 3,150 (2,700 to 3,800): 62% fewer labels, "
    "EUR 156 and 11 hours saved"
)
LOST = "active learning does not save labels here: random sampling reaches macro-F1 0.84 with 900 labels"


def sample_findings(*, text: str = "clothes", kind: str = "saved", rounds: int = 5) -> dict[str, Any]:
    """`text` stands wherever people or data choose it; `kind` is the verdict on savings."""
    classes = [text, "neutral", "praise"]
    table = [_round(number, rounds, text) for number in range(rounds)]
    labels = [300 + 250 * step for step in range(14)]
    mean = [0.70 + 0.15 * (step / 13) ** 0.6 for step in range(14)]
    saved = kind == "saved"
    found: dict[str, Any] = {
        "project": text,
        "generated_at": "2026-11-23T10:00:00.000+00:00",
        "version": "0.1.0",
        "metric": "macro_f1",
        "objective": {
            "metric": "macro_f1", "goal": 0.9, "budget_labels": 2_000, "budget_money": 200.0, "budget_hours": None,
            "cost_per_label": 0.08, "currency": "EUR", "deadline": "2026-12-31", "owner": text, "why": text,
        },
        "status": {
            "state": "waiting", "reason": "20 items of round 5 need a label", "snapshot": "ab" * 16, "missing": 20,
            "data": {"read": 8_000, "added": 7_900, "duplicates": 90}, "answers": 1_200,
            "spent": {"labels": 1_200, "money": 96.0, "hours": 6.5}, "first": table[0], "last": table[-1],
        },
        "plan": [
            {"what": "quality", "now": 0.84, "of": 0.9, "share": None},
            {"what": "labels", "now": 1_200, "of": 2_000, "share": 0.6},
            {"what": "money", "now": 96.0, "of": 200.0, "share": 0.48},
            {"what": "hours", "now": 6.5, "of": None, "share": None},
            {"what": "deadline", "now": 38, "of": "2026-12-31", "share": None},
        ],
        "rounds": table,
        "quality": _quality(classes, text),
        "savings": {
            "baseline": {
                "source": "simulation", "how": "random sampling simulated on 7,900 labeled items", "metric": "macro_f1",
                "cannot_tell": ["what people would have answered"], "labels": labels, "mean": mean,
                "low": [v - 0.02 for v in mean], "high": [v + 0.02 for v in mean],
            },
            "verdict": {
                "kind": kind, "sentence": SAVED if saved else LOST, "value": 0.84, "labels": 1_200,
                "random_value": None, "guess": None,
                "random_labels": {"value": 3_150 if saved else 900, "low": 2_700 if saved else 800,
                                  "high": 3_800 if saved else 1_000},
                "share": {"value": 0.62, "low": 0.56, "high": 0.68} if saved else None,
                "money": {"value": 156.0, "low": 120.0, "high": 208.0} if saved else None,
                "hours": {"value": 11.0, "low": 8.4, "high": 14.6} if saved else None,
            },
            "cost_per_point": {"labels": 69.0, "labels_low": 60.0, "labels_high": 82.0, "money": 5.5, "hours": 0.4},
            "forecast": {
                "at_labels": 2_000, "value": 0.87, "low": 0.85, "high": 0.89, "sentence": "macro-F1 0.870 is likely",
                "labels_to_goal": {"value": 2_900.0, "low": 2_500.0, "high": 3_400.0},
                "backtest": [{"at_labels": 900, "forecast": 0.82, "low": 0.8, "high": 0.84, "measured": 0.81}],
            },
            "stopping": [{"which": "goal", "stop": False, "acts": True, "reason": "the lower bound is 0.82"}],
            "control": {"n": 120, "value": 0.8, "low": 0.72, "high": 0.86, "metric": "accuracy",
                        "sentence": "on 120 items drawn at random 0.800 are right"},
        },
        "diagnostics": _diagnostics(classes, text, rounds),
        "checklist": [
            {"line": "Holdout never touched", "state": "green", "evidence": text, "link": "querist verify"},
            {"line": "Seed set versioned", "state": "green", "evidence": "300", "link": "querist rounds show 0"},
            {"line": "Model documented", "state": "red", "evidence": "no card", "link": ""},
        ],
        "people": {
            "annotators": [
                {"annotator": text, "answers": 700, "skips": 3, "people": 1, "hours": 3.2, "median_seconds": 14.2,
                 "per_hour": 220.0, "agreement": 0.9, "gold": {"right": 18, "asked": 20}},
            ],
            "agreement": {"shared_items": 200, "raw": 0.88, "alpha": 0.76, "cohen": 0.75,
                          "fleiss": 0.75, "disputed": 12, "confused": [{"labels": [text, "praise"], "share": 0.5}]},
        },
        "labels": [{"label": text, "answers": 700}],
        "models": [{"version": "r004-2219b85b", "round": 4, "n_labels": 1_200, "validation_loss": 0.4,
                    "learner": "tfidf, logistic", "artifact": "cd" * 32, "at": "2026-11-22T09:00:00.000+00:00"}],
        "settings": {"project": {"name": text}, "evaluation": {"confidence": 0.95}},
        "settings_key": "ef" * 16,
        "stages": _stages(text),
        "news": {"since": "2026-11-16", "until": "2026-11-23", "rounds": [4], "answers": 240, "skips": 3, "people": 2,
                 "hours": 1.3, "models": ["r004-2219b85b"], "before": table[-2], "now": table[-1],
                 "notes": [{"round": 4, "note": text}], "changes": []},
    }  # fmt: skip
    return {
        **found,
        "headline": conclusions.headline(found),
        "risks": conclusions.risks(found),
        "next_step": conclusions.next_step(found),
    }


def _round(number: int, rounds: int, text: str) -> dict[str, Any]:
    value = 0.71 + 0.13 * number / max(rounds - 1, 1)
    n = 300 + 900 * number // max(rounds - 1, 1)
    return {
        "round": number, "strategy": "auto", "at": f"2026-11-{10 + number % 13:02}T08:00:00.000+00:00", "asked": 225,
        "labels": n, "model_version": "r004-2219b85b", "metric": "macro_f1", "value": value, "low": value - 0.02,
        "high": value + 0.02, "spent": {"labels": n, "money": 0.08 * n, "hours": n / 185}, "seconds": 2.0,
        "seconds_learner": 1.0, "warnings": [], "learner_changes": [], "note": text, "answers": 225, "skips": 1,
        "people": 2, "hours": 1.2, "median_seconds": 15.0 + number % 3, "per_hour": 190.0,
    }  # fmt: skip


def _quality(classes: list[str], text: str) -> dict[str, Any]:
    part = {"support": 260, "precision": 0.85, "precision_low": 0.8, "precision_high": 0.89,
            "recall": 0.83, "recall_low": 0.78, "recall_high": 0.87, "f1": 0.84, "f1_low": 0.8,
            "f1_high": 0.88}  # fmt: skip
    return {
        "round": 4, "model_version": "r004-2219b85b", "n": 780,
        "metrics": [{"name": "macro_f1", "value": 0.84, "low": 0.82, "high": 0.86}],
        "per_class": [{"class": name, **part} for name in classes],
        "slices": [{"column": text, "value": text, "n": 90, "metric": "macro_f1", "metric_value": 0.7, "low": 0.6,
                    "high": 0.8, "different": True}],
        "confusion": {"classes": classes, "counts": [[220, 30, 10], [20, 200, 40], [5, 15, 240]]},
        "calibration": {
            "bins": [{"low": b / 5, "high": b / 5 + 0.2, "confidence": b / 5 + 0.1, "accuracy": b / 5 + 0.08, "n": 156}
                     for b in range(1, 5)],
            "ece": 0.03, "ece_limit": 0.04, "warning": None,
        },
        "coverage": [{"coverage": c / 10, "accuracy": 1 - 0.16 * (c / 10) ** 2, "low": 0.97 - 0.16 * (c / 10) ** 2,
                      "high": 1.0, "threshold": 0.9} for c in range(1, 11)],
        "against_first": {"round": 0, "better": 140, "worse": 40, "p": 1e-9, "sentence": "better on 140 items"},
    }  # fmt: skip


def _diagnostics(classes: list[str], text: str, rounds: int) -> dict[str, Any]:
    return {
        "class_balance": [{"class": c, "asked": 0.33, "pool_estimate": 0.3, "holdout": 0.34} for c in classes],
        "redundancy": [{"round": 4, "nearest": 0.5, "random_nearest": 0.4}],
        "queried_against_pool": {"auc": 0.7, "sentence": "what was asked differs from the pool (AUC 0.70)"},
        "ceiling": {"value": 0.93, "low": 0.9, "high": 0.95, "sentence": "0.930 is as good as these labels allow"},
        "label_errors": [{"item": text, "given": text, "suggested": "praise", "score": 0.9}],
        "minority": [
            {"class": text, "round": r, "recall": 0.5 + 0.3 * r / rounds, "low": 0.4, "high": 0.9}
            for r in range(rounds)
        ],
        "warnings": [{"kind": "minority", "sentence": f"active learning hurts class {text}"}],
    }


def _stages(text: str) -> list[dict[str, Any]]:
    from querist.pipeline.reporting.boxes import TITLES

    return [
        {"name": name, "title": title, "lines": ["20 items wait", text], "now": name == "human_labeling"}
        for name, title in TITLES.items()
    ]

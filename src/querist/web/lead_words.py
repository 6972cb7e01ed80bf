"""The settings that shape people's work, as sentences."""

from __future__ import annotations

from collections.abc import Mapping

from querist.config import Settings
from querist.web import figures


def in_words(settings: Settings, words: Mapping[str, str]) -> list[str]:
    goal, labeling = settings.objective, settings.labeling
    language = labeling.language

    def say(name: str, **values: object) -> str:
        return words[f"lead_set_{name}"].format(**values)

    def share(value: float) -> str:
        return figures.percent(value, language=language)

    if labeling.overlap == 1 or labeling.overlap_share == 0:
        overlap = say("one")
    elif labeling.overlap_share == 1:
        overlap = say("overlap", n=labeling.overlap)
    else:
        overlap = say("overlap_share", n=labeling.overlap, share=share(labeling.overlap_share))
    return [
        say("no_goal", metric=goal.metric) if goal.goal is None else say("goal", metric=goal.metric, goal=goal.goal),
        say("query", n=settings.query.batch_size, strategy=settings.query.strategy),
        say("learner", learner=settings.learner.name),
        overlap,
        say(labeling.resolve),
        say(labeling.show_prediction),
        say("lease", minutes=f"{labeling.lease_minutes:g}"),
        *([say("gold", share=share(labeling.gold_share))] if labeling.gold_share else []),
        *([say("train_at", share=share(labeling.train_at))] if labeling.train_at < 1 else []),
        say("itself") if labeling.start_rounds else say("by_hand"),
    ]

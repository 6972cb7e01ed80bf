"""What each reader is shown."""

from __future__ import annotations

from typing import Literal, get_args

Audience = Literal["executive", "lead", "engineer"]
AUDIENCES: tuple[Audience, ...] = get_args(Audience)

_EXECUTIVE = ("plan", "curve", "savings", "risks", "next")
_LEAD = (*_EXECUTIVE, "diagram", "news", "batches", "labeling", "checklist")
_ENGINEER = (*_LEAD, "quality", "diagnostics", "record")
SECTIONS: dict[Audience, tuple[str, ...]] = {"executive": _EXECUTIVE, "lead": _LEAD, "engineer": _ENGINEER}

_CURVES = ("learning-curve-labels", "learning-curve-hours", "learning-curve-money")
CHARTS = {
    "curve": _CURVES,
    "savings": ("savings",),
    "batches": ("annotation-time",),
    "quality": ("confusion", "reliability", "coverage"),
    "diagnostics": ("recall-by-class", "class-balance"),
}
"""The charts of a section."""


def charts_for(audience: Audience) -> frozenset[str]:
    return frozenset(name for section in SECTIONS[audience] for name in CHARTS.get(section, ()))

"""What active learning saves, said in one sentence each, and as plainly where it saves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from querist.stages.reporting.words import count, hours, money, named

Bounds = Mapping[str, Any]
"""{"value", "low", "high"}, None where unknown; for labels None means more than the baseline has."""

NOT_SAVED = "active learning does not save labels here"
SMALL = 0.25
"""Share of the labels that may at most be saved where "no difference" is said without reserve."""


@dataclass(frozen=True)
class Reached:
    """The metric at the first and at the newest evaluation, and the labels of the newest."""

    metric: str
    first: float | None
    value: float
    labels: int

    def __str__(self) -> str:
        digits = 2 if self.first is None or abs(self.value - self.first) >= 0.02 else 3
        rise = "" if self.first is None else f"{self.first:.{digits}f} -> "
        return f"{named(self.metric)} {rise}{self.value:.{digits}f} with {self.labels:,} labels"


def saved(reached: Reached, needed: Bounds, share: Bounds, gains: str, guess: float | None) -> str:
    """As in: macro-F1 0.71 -> 0.84 with 1,200 labels; random would have needed 3,150 (2,700 to 3,800): 62 % fewer.

    `guess` are the labels needed by an extrapolated curve, where the measured one does not come there.
    """
    if needed["value"] is None:
        about = "" if guess is None else f" (about {count(guess)} by an extrapolated curve)"
        fewer = f": at least {_percent(share['low'])} fewer labels" if share["low"] >= 0.005 else ""
        return f"{reached}; random would have needed more than {count(needed['low'])}{about}{fewer}{gains}"
    fewer = f"{_percent(share['value'])} fewer labels"
    if needed["high"] is None:
        random = f"{count(needed['value'])} (at least {count(needed['low'])})"
        fewer = f"{fewer} (at least {_percent(share['low'])})"
    else:
        random = f"{count(needed['value'])} ({count(needed['low'])} to {count(needed['high'])})"
    return f"{reached}; random would have needed {random}: {fewer}{gains}"


def lost(reached: Reached, needed: Bounds) -> str:
    """Where the baseline begins with a better value than was reached, what random needs is only known to be less."""
    if needed["value"] is None:
        random, more = f"at most {count(needed['high'])}", f"at least {_percent(reached.labels / needed['high'] - 1)}"
    else:
        low = "at most" if needed["low"] is None else f"{count(needed['low'])} to"
        random = f"{count(needed['value'])} ({low} {count(needed['high'])})"
        more = _percent(reached.labels / needed["value"] - 1)
    return f"{NOT_SAVED}: {reached}; random would have needed {random}, so {more} more were used"


def no_difference(reached: Reached, random: Bounds, share: Bounds, *, once: bool = True) -> str:
    """`random` is what random sampling has with as many labels, by the band of one look, or, where the value lies
    beyond it, of looks after every round."""
    noise = "noise" if once else "what looks after every round would find by chance"
    span = f"{random['value']:.3f} ({random['low']:.3f} to {random['high']:.3f})"
    same = f"random reaches {span} with as many, no difference beyond {noise}"
    told = share["high"] is not None and share["high"] <= SMALL
    sentence = f"{NOT_SAVED}{'' if told else ' that could be told from noise'}: {reached}; {same}"
    if share["low"] is None or share["high"] is None:
        return sentence
    return f"{sentence} (between {more_or_fewer(share['low'])} and {more_or_fewer(share['high'])})"


def unknown(reached: Reached | None, why: str) -> str:
    return f"cannot tell yet what active learning saves: {'' if reached is None else f'{reached}; '}{why}"


def gains(amount: Bounds | None, time: Bounds | None, currency: str) -> str:
    """ ", EUR 156 and 11 hours saved", of what is known of it; the least of it where the value is unknown."""
    found = []
    for bounds, tell in ((amount, lambda value: money(value, currency)), (time, hours)):
        if bounds is not None and bounds["value"] is not None:
            found.append(tell(bounds["value"]))
        elif bounds is not None and bounds["low"] is not None and bounds["low"] > 0:
            found.append(f"at least {tell(bounds['low'])}")
    return f", {' and '.join(found)} saved" if found else ""


def forecast(
    metric: str, bounds: Bounds, labels: int, when: str, goal: str, error: float | None, further: float
) -> str:
    """`error` is how far forecasts for up to `further` times the labels were off on average."""
    span = f"{bounds['value']:.3f} ({bounds['low']:.3f} to {bounds['high']:.3f})"
    tested = (
        ""
        if error is None
        else f"; earlier forecasts, for up to {further:.1f} times the labels, were off by {error:.3f}"
    )
    return f"{named(metric)} {span} is to be expected with {labels:,} labels, {when}{goal}{tested}"


def to_goal(goal: float, needed: Bounds) -> str:
    if needed["value"] is None and needed["low"] is None:
        return f"; the goal {goal:g} with its bound is not within reach of this curve"
    if needed["value"] is None:
        best = f"at best about {count(needed['low'])} more labels bring it"
        return f"; the fitted curve does not come to the goal {goal:g} with its bound; {best}"
    high = "with no upper bound" if needed["high"] is None else f"{count(needed['low'])} to {count(needed['high'])}"
    return f"; the goal {goal:g} with its bound needs about {count(needed['value'])} more labels ({high})"


def control(metric: str, bounds: Bounds, n: int, drawn: int, rounds: tuple[int, int]) -> str:
    first, last = rounds
    asked = f"round {first}" if first == last else f"rounds {first} to {last}"
    left_out = "" if n == drawn else f"; {drawn - n:,} more were drawn and have no label, and may be harder ones"
    return (
        f"{named(metric)} {bounds['value']:.3f} ({bounds['low']:.3f} to {bounds['high']:.3f}) on the {n:,} items drawn "
        f"at random in {asked}, predicted before they were labeled, by the models of that time{left_out}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def more_or_fewer(share: float) -> str:
    """Of the labels that random sampling needs: how many fewer were used, or where the share is negative, more."""
    return f"{_percent(share)} fewer labels" if share >= 0 else f"{_percent(-share)} more"

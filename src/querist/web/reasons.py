"""Why an item was asked, in the page's language. The record keeps the English sentence, which names the words here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

PLACE = re.compile(r"\\\{([a-z])\\\}")
NUMBER = r"-?\d[\d.]*(?:e[+-]?\d+)?%?|-?inf|nan"
GERMAN = {
    "torn between {a} and {b}, {n} to {m}": "schwankt zwischen {a} und {b}, {n} zu {m}",
    "read as {a} with {n}": "gelesen als {a}, mit {n}",
    "unsure of {a}, {n}": "unsicher bei {a}, {n}",
    "the model knows {a} alone": "das Modell kennt nur {a}",
    "drawn at random, to see what the scores do not show": "zufällig gezogen, um zu sehen, was die Werte nicht zeigen",
    "drawn at random from what has drifted, to measure the model there": "zufällig aus dem gezogen, was sich "
    "verschoben hat, um das Modell dort zu messen",
    "drawn at random to check the model": "zufällig gezogen, um das Modell zu prüfen",
    "one of {n} similar unsure items": "eines von {n} ähnlichen unsicheren Elementen",
    "like no other unsure item": "wie kein anderes unsicheres Element",
    "typical of {n} similar items": "typisch für {n} ähnliche Elemente",
    "covers {n} new of {m} items": "deckt {n} neue von {m} Elementen ab",
    "far from all labeled and asked items": "fern von allen beschrifteten und gefragten Elementen",
    "nearest to the middle of the pool": "der Mitte des Vorrats am nächsten",
    "{n} from the nearest labeled or asked item": "{n} vom nächsten beschrifteten oder gefragten Element",
    "{n} from what is labeled or asked": "{n} von dem, was beschriftet oder gefragt ist",
    "{n} similar to the pool on average": "dem Vorrat im Mittel zu {n} ähnlich",
    "density {n} among its neighbours": "Dichte {n} unter seinen Nachbarn",
    "{n} nats from how its labeled neighbours are read": "{n} nats anders gelesen als seine beschrifteten Nachbarn",
    "told from the labeled items with {n}": "von den beschrifteten Elementen zu unterscheiden mit {n}",
    "its label tells {n} nats about the model": "sein Label sagt {n} nats über das Modell",
    "adds {n} nats to what the batch tells about the model": "fügt dem, was die Auswahl über das Modell sagt, {n} "
    "nats hinzu",
    "{n} of {m} models disagree with the others": "{n} von {m} Modellen widersprechen den anderen",
    "its label is expected to move the model by {n}": "sein Label dürfte das Modell um {n} bewegen",
    "once labeled, leaves an expected {a} loss of {n}": "lässt, einmal beschriftet, einen erwarteten Verlust ({a}) "
    "von {n}",
    "takes {n} off the expected error": "nimmt dem erwarteten Fehler {n}",
    "from a cluster of {n} items, {m} of them labeled": "aus einer Gruppe von {n} Elementen, davon {m} beschriftet",
    "for the share of {a}": "für den Anteil von {a}",
    "for the share of {a}, likeliest of what is not read as {b}": "für den Anteil von {a}, am ehesten von dem, was "
    "nicht als {b} gelesen wird",
    "new with a chance of {n}": "neu, mit einer Wahrscheinlichkeit von {n}",
    "costs {n}": "kostet {n}",
    "asked by {a}": "gefragt von {a}",
}
PHRASES: Mapping[str, Mapping[str, str]] = {"de": GERMAN}
"""By language: what the strategies say -> its words. {a} and {b} stand for names, {n} and {m} for numbers."""


def phrase(reason: str, language: str) -> str:
    """The reason in this language; what a plugin says in words of its own stays as it is."""
    if language not in PHRASES:
        return reason
    found, rest = [], reason
    while rest:
        part, said, rest = next(_beginnings(rest, language), (rest, None, ""))
        found.append(said or part)
    return "; ".join(found)


def _beginnings(reason: str, language: str) -> Iterator[tuple[str, str, str]]:
    """(a known part, its words, what follows), the shortest first: a label may hold a semicolon, too."""
    ends = [*(m.start() for m in re.finditer("; ", reason)), len(reason)]
    for end in ends:
        part = reason[:end]
        for pattern, words in _patterns(language):
            if found := pattern.fullmatch(part):
                yield part, words.format(**_written(found.groupdict())), reason[end + 2 :]


def _written(values: Mapping[str, str]) -> dict[str, str]:
    return {name: v.replace(".", ",").replace("%", " %") if name > "c" else v for name, v in values.items()}


@cache
def _patterns(language: str) -> list[tuple[re.Pattern[str], str]]:
    return [
        (re.compile(PLACE.sub(_group, re.escape(english)), re.DOTALL), words)
        # The longer of two that begin alike comes first.
        for english, words in reversed(list(PHRASES[language].items()))
    ]


def _group(place: re.Match[str]) -> str:
    name = place[1]
    return f"(?P<{name}>{NUMBER if name > 'c' else '.+'})"

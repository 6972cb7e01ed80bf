"""Why an item was asked, as people of a language read it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from querist.core.errors import QueristError
from querist.plugins import available
from querist.stages.query_strategy.ask import ask, make
from querist.stages.query_strategy.reasons import explain
from querist.stages.query_strategy.step import CONTROL_REASON
from querist.testing.strategies import make_pool
from querist.web.reasons import PHRASES, phrase

ENGLISH = re.compile(r"\b(the|of|to|from|items?|with|and|by|model|labeled)\b")


@pytest.mark.parametrize("language", sorted(PHRASES))
@pytest.mark.parametrize("name", available("strategies"))
def test_what_a_strategy_says_is_known_in_every_language(name: str, language: str) -> None:
    settings = {"mixture": {"of": {"kmeans": 0.5, "random": 0.5}}}.get(name, {})
    try:
        strategy, _ = make(name, settings)
        pool = make_pool(60)
        chosen = ask(strategy, pool, 12, np.random.default_rng(0))
    except QueristError as error:  # of another library, or for another kind of task
        pytest.skip(str(error))
    said = chosen.reasons or [""] * 12
    assert pool.proba is not None
    for why in [*explain(None, (), said), *explain(pool.proba[chosen.indices], ("Ja", "Nein", "?"), said)]:
        assert not ENGLISH.search(phrase(why, language)), why


@pytest.mark.parametrize("language", sorted(PHRASES))
def test_every_phrase_uses_all_that_the_record_says(language: str) -> None:
    for english, words in PHRASES[language].items():
        assert sorted(re.findall(r"\{[a-z]\}", english)) == sorted(re.findall(r"\{[a-z]\}", words))
        filled = english.format(a="x", b="y", n="0.25", m="3")
        assert phrase(filled, language) == words.format(a="x", b="y", n="0,25", m="3")


def test_numbers_are_written_as_germans_write_them() -> None:
    why = "torn between pos and neg, 0.41 to 0.39; one of 212 similar unsure items"
    assert (
        phrase(why, "de") == "schwankt zwischen pos und neg, 0,41 zu 0,39; eines von 212 ähnlichen unsicheren Elementen"
    )
    assert phrase(why, "en") == why
    assert phrase("takes 10.04% off the expected error", "de") == "nimmt dem erwarteten Fehler 10,04 %"
    assert phrase(CONTROL_REASON, "de") != CONTROL_REASON


def test_labels_stay_as_they_are_whatever_they_hold() -> None:
    assert phrase("read as {a}; 1.5 {b} with 0.70; costs 2", "de") == "gelesen als {a}; 1.5 {b}, mit 0,70; kostet 2"
    assert phrase("read as \nx with 1.00", "de") == "gelesen als \nx, mit 1,00"


def test_what_a_plugin_says_stays_as_it_is() -> None:
    assert phrase("my own reason; costs 2", "de") == "my own reason; costs 2"
    assert phrase("read as a with 0.90; my own reason", "de") == "gelesen als a, mit 0,90; my own reason"
    assert phrase("", "de") == ""

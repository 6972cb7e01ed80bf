"""The words of the lead's pages. A new language is one more module with the same keys."""

from __future__ import annotations

from collections.abc import Mapping

from querist.web import lead_english, lead_german
from querist.web.texts import texts

TEXTS: Mapping[str, Mapping[str, str]] = {"en": lead_english.WORDS, "de": lead_german.WORDS}


def lead_texts(language: str) -> Mapping[str, str]:
    """With the words they share with the annotator's page. Raises UnknownName listing the languages there are."""
    return {**texts(language), **TEXTS[language]}

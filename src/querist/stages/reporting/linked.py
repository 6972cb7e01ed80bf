"""Sentences of the record as they stand on a page: figures lead to their rows, commands are set apart."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

_FIGURE = re.compile(r"(?<![\w.-])\d(?:[\d,.]*\d)?(?:\s?%)?(?!\w)")
_COMMAND = re.compile(r"`([^`]+)`")
_ROUND = re.compile(r"querist rounds show (\d+)")
PROOFS = {"querist status": "plan", "querist diagnostics": "diagnostics"}
"""Sections that show what a command shows."""
ELSE = "evidence"
"""The table of evidence; its rows are evidence-0, evidence-1, ..."""


class Piece(NamedTuple):
    """A part of a sentence; `anchor` is where its figure comes from, `command` whether it is one to type."""

    text: str
    anchor: str | None = None
    command: bool = False


def linked(sentence: str, evidence: Sequence[Mapping[str, Any]]) -> list[Piece]:
    """The sentence in pieces: each figure leads to the first row of the evidence that holds it, else to all rows."""
    pieces: list[Piece] = []
    for part in in_pieces(sentence):
        if part.command:
            pieces.append(part)
            continue
        end = 0
        for match in _FIGURE.finditer(part.text):
            pieces.append(Piece(part.text[end : match.start()]))
            pieces.append(Piece(match.group(), _anchor(match.group(), evidence) if evidence else None))
            end = match.end()
        pieces.append(Piece(part.text[end:]))
    return [piece for piece in pieces if piece.text]


def in_pieces(sentence: str) -> list[Piece]:
    """The words and the commands (`in backticks`) of a sentence."""
    parts = _COMMAND.split(whole(sentence))
    return [Piece(text, command=bool(at % 2)) for at, text in enumerate(parts) if text]


def proof(link: str, sections: Collection[str]) -> str | None:
    """Where on a page with these sections the proof of a line of the checklist stands, if it does."""
    if (shown := _ROUND.fullmatch(link)) and "batches" in sections:
        return f"round-{shown[1]}"
    section = PROOFS.get(link)
    return section if section in sections else None


def whole(sentence: str) -> str:
    """With a capital at its beginning, an arrow for "->" and a full stop at its end."""
    said = sentence.strip().replace("->", "→")
    return f"{said[:1].upper()}{said[1:]}{'' if said[-1:] in '.!?…' else '.'}"


def _anchor(figure: str, evidence: Sequence[Mapping[str, Any]]) -> str:
    """Figures may be rounded: 0.84 is found in 0.843."""
    wanted = figure.replace(" ", "").rstrip("%")
    for at, one in enumerate(evidence):
        known = [k.replace(" ", "").rstrip("%") for k in _FIGURE.findall(f"{one['value']} {one['what']}")]
        if wanted in known or any(_rounds_to(k, wanted) for k in known):
            return f"{ELSE}-{at}"
    return ELSE


def _rounds_to(known: str, wanted: str) -> bool:
    try:
        digits = len(wanted.partition(".")[2])
        return digits > 0 and f"{float(known.replace(',', '')):.{digits}f}" == wanted
    except ValueError:
        return False

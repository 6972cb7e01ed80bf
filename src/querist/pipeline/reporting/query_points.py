"""The items that were asked, as points: files for the embedding projector of TensorBoard."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from querist.store.rounds import Query, list_queries, list_rounds
from querist.store.steps import list_steps

if TYPE_CHECKING:
    from querist.pipeline.project import Project

MOST = 5_000
"""The newest; a browser draws no more at ease."""
LONGEST_TEXT = 300
CONFIG = """\
embeddings {
  tensor_name: "queries"
  tensor_path: "queries.tsv"
  metadata_path: "queries_metadata.tsv"
}
"""


def query_points(project: Project, *, with_text: bool = False) -> dict[str, str]:
    """Name of a file -> its content: the embeddings, id, label and round of each item, and the projector's settings.

    Texts of items only where `with_text`.
    """
    asked = _newest(project)
    if len(asked) < 2:
        return {}
    labels = _labels(project)
    _, features = project.features()
    vectors = features.embed(np.array([q.position for q in asked]))
    rows = [["item", "label", "round", *(["text"] if with_text else [])]]
    for query in asked:
        row = [query.item, labels.get(query.position, ""), str(query.round)]
        rows.append([*row, str(query.payload.get("text", ""))[:LONGEST_TEXT]] if with_text else row)
    return {
        "queries.tsv": "".join("\t".join(f"{x:.4g}" for x in vector) + "\n" for vector in vectors),
        "queries_metadata.tsv": "".join("\t".join(map(_cell, row)) + "\n" for row in rows),
        "projector_config.pbtxt": CONFIG,
    }


def _newest(project: Project) -> list[Query]:
    found: list[Query] = []
    with project.ledger.read() as tx:
        for opened in reversed(list_rounds(tx)):
            found = [*list_queries(tx, opened.round), *found]
            if len(found) >= MOST:
                break
    return found[-MOST:]


def _labels(project: Project) -> dict[int, str]:
    """Position -> resolved label, as the newest model learned it."""
    with project.ledger.read() as tx:
        done = [step for step in list_steps(tx) if step.name == "human_labeling"]
    if not done:
        return {}
    classes: Sequence[str] = done[-1].result["classes"]
    arrays = project.artifacts.get_arrays(done[-1].result["labels"])
    codes, sets = arrays["pool_codes"], project.settings.data.sets
    names = [classes[code] for code in codes.tolist()] if sets is None else sets.strings(codes, classes)
    return dict(zip(arrays["pool_positions"].tolist(), names, strict=True))


def _cell(value: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", value) or "-"

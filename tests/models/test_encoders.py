"""Encoders: the contract, and small examples one can check by hand."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest

from querist import plugins
from querist.core.errors import DataError, SettingError, UnknownName
from querist.models.encoders.hashing import Hashing
from querist.models.encoders.make import make_encoder
from querist.models.encoders.pixels import Pixels
from querist.models.encoders.sample import sample
from querist.models.encoders.table import Table
from querist.models.encoders.tfidf import Tfidf
from querist.testing.models import check_encoder

TEXTS = [
    "red apple",
    "green apple",
    "red car",
    "",
    "blue sky 🙂",
    "apple pie",
    "Ünïcode über alles",
    "null",
    "a",
    "red",
]
ROWS: dict[str, list[Any]] = {
    "x.age": [1.0, 2.0, 3.0, None, 5.0, float("nan"), 7.0, 8.0, float("inf"), 10.0],
    "x.city": ["Rom", "Oslo", "Rom", None, "Rom", "Oslo", "Bern", "Rom", "Oslo", "Rom"],
}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def png(pixels: Any, mode: str) -> bytes:
    from PIL import Image

    buffer = BytesIO()
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def images() -> list[bytes]:
    return [png(np.random.default_rng(i).integers(0, 256, (10, 12)), "L") for i in range(10)]


SAMPLES = {
    "tfidf": lambda: {"text": TEXTS},
    "hashing": lambda: {"text": TEXTS},
    "pixels": lambda: {"image": images()},
    "table": lambda: ROWS,
}


@pytest.mark.parametrize("name", plugins.available("encoders"))
def test_encoder_keeps_the_contract(name: str) -> None:
    if name not in SAMPLES:
        pytest.skip(f"{name} has its own test, since it needs a model")
    if name == "pixels":
        pytest.importorskip("PIL", reason="the extra images is not installed")
    check_encoder(lambda: make_encoder(name, {}), SAMPLES[name]())


@pytest.mark.parametrize("params", [{"words": []}, {"chars": []}, {"min_df": 1, "max_features": 3}])
def test_tfidf_with_other_settings_keeps_the_contract(params: dict[str, Any]) -> None:
    check_encoder(lambda: Tfidf(**params), {"text": TEXTS})


def test_hashing_with_characters_keeps_the_contract() -> None:
    check_encoder(lambda: Hashing(chars=[3, 4], n_features=64), {"text": TEXTS})


@pytest.mark.parametrize("scale", ["standard", "minmax", "none", None])
def test_table_keeps_the_contract_under_any_scale(scale: str | None) -> None:
    check_encoder(lambda: Table(scale=scale), ROWS)


def test_tfidf_weighs_by_hand() -> None:
    texts = ["good film", "good day", "good good film"]
    encoder = Tfidf(words=[1, 1], chars=[]).fit([{"text": texts}], rng=rng())
    X = encoder.transform({"text": ["good good film"]}).toarray()[0]
    film = np.log(4 / 3) + 1  # in two of three texts; "good" is in all of them, so its weight is 1
    good = np.log(2) + 1
    length = np.hypot(film, good)
    assert X.tolist() == pytest.approx([film / length, good / length], rel=1e-6)


def test_tfidf_rows_have_unit_length_unless_no_word_is_known() -> None:
    encoder = Tfidf().fit([{"text": TEXTS}], rng=rng())
    X = encoder.transform({"text": ["red apple", "zzz"]})
    assert np.sqrt(X.multiply(X).sum(axis=1)).ravel().tolist()[0] == pytest.approx([1.0, 0.0])


def test_tfidf_learns_from_a_sample_of_the_stream() -> None:
    blocks = [{"text": [f"word{i} word{i}x" for i in range(start, start + 50)] * 2} for start in range(0, 200, 50)]
    few = Tfidf(chars=[], fit_sample=20, min_df=1).fit(blocks, rng=rng())
    assert few.transform({"text": ["x"]}).shape[1] <= 60


@pytest.mark.parametrize("texts", [[], ["..."] * 5])
def test_tfidf_without_any_term_says_what_to_do(texts: list[str]) -> None:
    with pytest.raises(DataError, match="min_df"):
        Tfidf(chars=[]).fit([{"text": texts}], rng=rng())


def test_hashing_gives_equal_texts_equal_rows_without_fitting() -> None:
    X = Hashing().transform({"text": ["red apple", "red car", "Red apple!"]})
    assert X.shape == (3, 2**18)
    assert (X[0] != X[2]).nnz == 0
    assert (X[0] @ X[1].T).toarray()[0, 0] == pytest.approx(1 / 3)  # one of three terms each is shared


def test_pixels_are_the_image_from_zero_to_one() -> None:
    pytest.importorskip("PIL", reason="the extra images is not installed")
    image = png(np.arange(64).reshape(8, 8) * 4, "L")
    encoder = Pixels().fit([{"image": [image]}], rng=rng())
    assert encoder.transform({"image": [image]})[0] == pytest.approx(np.arange(64) * 4 / 255)


def test_pixels_of_a_colour_photo_have_three_channels() -> None:
    pytest.importorskip("PIL", reason="the extra images is not installed")
    photo = png(np.full((40, 60, 3), [255, 0, 51]), "RGB")
    X = Pixels().fit([{"image": [photo]}], rng=rng()).transform({"image": [photo]})
    assert X.shape == (1, 32 * 32 * 3)
    assert X[0, :3] == pytest.approx([1.0, 0.0, 0.2])


def test_pixels_of_a_broken_image_say_so() -> None:
    pytest.importorskip("PIL", reason="the extra images is not installed")
    with pytest.raises(DataError, match="7 bytes"):
        Pixels(side=8, mode="L").transform({"image": [b"no png!"]})


def test_table_scales_fills_gaps_and_marks_them() -> None:
    encoder = Table().fit([{"x.a": [1.0, 3.0, None]}, {"x.a": [5.0]}], rng=rng())
    X = encoder.transform({"x.a": [3.0, None, 5.0]})
    deviation = np.std([1, 3, 5])
    assert X.ravel().tolist() == pytest.approx([0, 0, 0, 1, 2 / deviation, 0])


def test_table_minmax_runs_from_zero_to_one() -> None:
    encoder = Table(scale="minmax").fit([{"x.a": [2.0, 4.0, 3.0]}], rng=rng())
    assert encoder.transform({"x.a": [2.0, 3.0, 4.0]}).ravel().tolist() == [0.0, 0.5, 1.0]


def test_table_constant_column_is_zero() -> None:
    encoder = Table().fit([{"x.a": [0.1] * 10}], rng=rng())
    assert encoder.transform({"x.a": [0.1]}) == pytest.approx(0, abs=1e-6)


def test_table_column_without_any_value_still_counts_as_numeric() -> None:
    X = Table().fit([{"x.a": [None, None]}], rng=rng()).transform({"x.a": [None, 4.0]})
    assert X.tolist() == [[0.0, 1.0], [4.0, 0.0]]


def test_table_unknown_and_rare_categories_are_zero_everywhere() -> None:
    encoder = Table(one_hot={"min_count": 2}).fit([{"x.c": ["a", "a", "b", "b", "b", "rare", None]}], rng=rng())
    X = encoder.transform({"x.c": ["a", "b", "rare", "new", None]})
    assert X.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0], [0, 0]]


def test_table_keeps_the_most_frequent_categories() -> None:
    encoder = Table(one_hot={"max_categories": 1}).fit([{"x.c": ["a", "b", "b"]}], rng=rng())
    assert encoder.transform({"x.c": ["a", "b"]}).tolist() == [[0], [1]]


def test_table_without_one_hot_leaves_categories_out() -> None:
    X = Table(one_hot=None).fit([ROWS], rng=rng()).transform(ROWS)
    assert X.shape[1] == 2
    with pytest.raises(DataError, match="one_hot"):
        Table(one_hot=None).fit([{"x.c": ["a", "b"]}], rng=rng())


def test_table_names_a_missing_column() -> None:
    encoder = Table().fit([ROWS], rng=rng())
    with pytest.raises(DataError, match=r"x\.city"):
        encoder.transform({"x.age": [1.0]})


@pytest.mark.parametrize("name", ["tfidf", "hashing", "pixels", "table", "sentence-embeddings"])
def test_unknown_encoder_setting_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownName, match=r"Available: [a-z]"):
        make_encoder(name, {"sise": 1})


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("tfidf", {"words": [2, 1]}),
        ("tfidf", {"words": "1"}),
        ("tfidf", {"words": [], "chars": []}),
        ("tfidf", {"min_df": 0}),
        ("hashing", {"n_features": 1}),
        ("hashing", {"words": False}),
        ("pixels", {"side": 4}),
        ("pixels", {"mode": "CMYK"}),
        ("table", {"scale": "log"}),
        ("table", {"one_hot": {"min_counts": 2}}),
        ("table", {"one_hot": {"min_count": "two"}}),
    ],
)
def test_setting_that_cannot_work_is_refused_by_name(name: str, params: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(params)).rstrip("s")):
        make_encoder(name, params)


def test_sample_keeps_everything_when_it_fits() -> None:
    assert sample([{"a": [1, 2]}, {"a": [3]}], 3, rng()) == {"a": [1, 2, 3]}


def test_sample_is_even_over_the_stream() -> None:
    blocks = [{"a": list(range(start, start + 10))} for start in range(0, 100, 10)]
    counts = np.zeros(100)
    generator = rng()
    for _ in range(500):
        chosen = sample(blocks, 20, generator)["a"]
        assert chosen == sorted(chosen)
        assert len(set(chosen)) == 20
        counts[chosen] += 1
    assert abs(counts - 100).max() < 45  # each item is drawn 100 times on average, deviation 9

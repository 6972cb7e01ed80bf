import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.config.data import DataSettings
from querist.core.errors import SettingError
from querist.snapshots import POOL, TEST, VALIDATION
from querist.stages.raw_data.items import UNGIVEN, Item, item_builder, model_columns
from querist.stages.raw_data.rows import BadRow, Row, needed_columns


def pillow():
    return pytest.importorskip("PIL.Image", reason="the extra images is not installed")


def build(data: DataSettings, **values: object) -> Item:
    made = item_builder(data)(Row(1, values))
    assert isinstance(made, Item), made
    return made


def reason(data: DataSettings, **values: object) -> str:
    made = item_builder(data)(Row(7, values))
    assert isinstance(made, BadRow), made
    assert made.line == 7
    return made.reason


def test_several_text_columns_are_joined_by_a_line_break_and_blank_ones_left_out():
    data = DataSettings(text=["title", "text"])
    assert build(data, title="nan", text="good").features == ("nan\ngood",)
    assert build(data, title="null", text=" ").features == ("null",)
    assert reason(data, title="", text=None) == "no text"


def test_a_label_is_renamed_then_checked():
    data = DataSettings(text=["t"], label="y", label_map={"1": "bad"}, classes=["bad", "good"])
    assert build(data, t="a", y="1").label == "bad"
    assert build(data, t="a", y=1.0).label == "bad"
    assert build(data, t="a", y="good").label == "good"
    assert build(data, t="a", y="").label is None
    assert reason(data, t="a", y="odd") == "y is not among the classes"


def refused(data: DataSettings, **values: object) -> str:
    made = item_builder(data)(Row(7, values))
    assert isinstance(made, BadRow), made
    return f"{made.reason}: {made.detail}"


def test_an_unknown_label_is_told_with_the_classes_it_is_none_of():
    two = DataSettings(text=["t"], label="y", classes=["bad", "good"])
    assert refused(two, t="a", y="odd") == "y is not among the classes: 'odd' is none of bad, good"
    renamed = DataSettings(text=["t"], label="y", label_map={"1": "bad"})
    assert refused(renamed, t="a", y="x" * 500) == f"y is not in label_map: '{'x' * 80}' is none of 1, bad"
    many = DataSettings(text=["t"], label="y", classes=[f"c{i}" for i in range(77)])
    assert refused(many, t="a", y="odd").endswith("c18, c19 and 57 more")


def test_a_list_or_an_object_is_its_json():
    data = DataSettings(text=["t"], context=["p", "q"])
    built = build(data, t={"it's": ["ü", None]}, p=[True, 1.5], q={"at": np.float32(0.5), "raw": b"x"})
    assert built.features == ('{"it\'s": ["ü", null]}',)
    assert built.context == ("[true, 1.5]", '{"at": "0.5", "raw": "x"}')
    assert reason(data, t=["a\ud800"]) == "broken characters (lone surrogates)"
    assert reason(data, t=[b"\xff"]) == "bytes that do not decode"
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    assert reason(data, t=deep) == "values nested too deeply"
    assert reason(data, t="", p=deep) == "no text"


def test_with_a_label_map_alone_other_values_are_refused():
    data = DataSettings(text=["t"], label="y", label_map={"1": "bad"})
    assert reason(data, t="a", y="2") == "y is not in label_map"
    assert build(DataSettings(text=["t"], label="y"), t="a", y="2").label == "2"


@pytest.mark.parametrize(
    ("value", "split"),
    [
        ("pool", POOL),
        ("Train", POOL),
        ("dev", VALIDATION),
        ("holdout", TEST),
        (True, TEST),
        (np.False_, POOL),
        (1, TEST),
        (0.0, POOL),
        ("", UNGIVEN),
        (None, UNGIVEN),
    ],
)
def test_split_words(value, split):
    assert build(DataSettings(text=["t"], split="s"), t="a", s=value).split == split


def test_an_unknown_split_is_refused():
    assert reason(DataSettings(text=["t"], split="s"), t="a", s="7") == "split is none of pool, validation, test"


def test_checks_refuse_other_values():
    data = DataSettings(text=["t"], checks={"stars": ["1", "2"], "price": "number"})
    assert build(data, t="a", stars=2.0, price="3.5").label is None
    assert reason(data, t="a", stars="Cooler", price="1") == "stars is not one of 1, 2"
    assert reason(data, t="a", stars="1", price="cheap") == "price is not a number"
    assert reason(data, t="a", stars="1", price="") == "price is not a number"


def test_an_empty_number_is_nan_and_a_word_is_refused():
    data = DataSettings(kind="tabular", numeric=["age"], categorical=["city"])
    age, city = build(data, age="", city="Rome").features
    assert math.isnan(age)
    assert city == "Rome"
    assert reason(data, age="old", city="Rome") == "age is not a number"
    assert reason(data, age="inf", city="Rome") == "age is not a finite number"
    assert reason(data, age=None, city="") == "no value in any feature column"
    assert model_columns(data) == {"x.age": "double", "x.city": "string"}


def test_an_id_may_not_be_empty():
    assert build(DataSettings(text=["t"], id="id"), t="a", id=3.0).id == "3"
    assert reason(DataSettings(text=["t"], id="id"), t="a", id=" ") == "no id"


def test_context_is_text_or_nothing():
    assert build(DataSettings(text=["t"], context=["p", "q"]), t="a", p=3, q="").context == ("3", None)


def test_lone_surrogates_are_refused():
    assert reason(DataSettings(text=["t"]), t="a\ud800") == "broken characters (lone surrogates)"


def test_an_array_becomes_a_png_and_a_broken_image_is_refused():
    pillow()
    data = DataSettings(kind="image")
    content = build(data, image=np.full((2, 3), 9, np.uint8)).features[0]
    assert np.asarray(pillow().open(io.BytesIO(content))).tolist() == [[9, 9, 9]] * 2
    assert build(data, image={"bytes": content, "path": None}).features == (content,)
    assert reason(data, image=content[:45]) == "undecodable image"
    assert reason(data, image=b"GIF89a") == "undecodable image"
    assert reason(data, image=None) == "no image"


@given(st.integers(0, 200), st.integers(1, 255), st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]))
def test_no_flipped_byte_of_an_image_stops_the_ingest(place, flip, form):
    file = io.BytesIO()
    pillow().new("RGB", (9, 7), (200, 30, 1)).save(file, form)
    content = bytearray(file.getvalue())
    content[place % len(content)] ^= flip
    assert isinstance(item_builder(DataSettings(kind="image"))(Row(1, {"image": bytes(content)})), Item | BadRow)


def test_settings_without_feature_columns_are_refused():
    with pytest.raises(SettingError, match=r"data\.text name no column"):
        needed_columns(DataSettings())

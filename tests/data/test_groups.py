import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.stages.preprocessing.groups import Groups, conflicts, group_keys, n_near_duplicates, text_key
from querist.stages.preprocessing.seen import SeenKeys


def pillow():
    return pytest.importorskip("PIL.Image", reason="the extra images is not installed")


@pytest.mark.parametrize(
    ("first", "second"),
    [("Great!!! Product", "great product"), ("ＦＵＬＬ", "full"), ("Straße", "STRASSE"), ("a-b", "A  b")],
)
def test_near_duplicate_texts_share_a_key(first, second):
    assert text_key(first) == text_key(second)


@pytest.mark.parametrize(
    ("first", "second"), [("great", "greet"), ("👍", "👎"), ("!", "?"), ("कि", "की"), ("ab", "a b"), ("", "!")]
)
def test_different_texts_have_different_keys(first, second):
    assert text_key(first) != text_key(second)


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_key_of_plain_text_is_its_words_in_lower_case(text):
    words = re.findall("[a-z0-9]+", text.lower())
    if words:
        assert text_key(text) == " ".join(words).encode()
    assert text_key(text + " é") == " ".join([*words, "é"]).encode()


def noise(seed: int, side: int = 64):
    pixels = np.random.default_rng(seed).integers(0, 255, (8, 8), dtype=np.uint8)
    return pillow().fromarray(pixels).resize((side, side), pillow().Resampling.BICUBIC)


def saved(image, form: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def test_the_same_picture_in_other_bytes_is_one_group_and_another_picture_is_not():
    keys = group_keys({"image": [saved(noise(1)), saved(noise(1), "BMP"), saved(noise(2)), saved(noise(1, 16))]})
    assert keys[0] == keys[1]
    assert len(set(keys.tolist())) == 3


def test_flat_pictures_of_different_colours_are_different():
    keys = group_keys({"image": [saved(pillow().new("L", (8, 8), 0)), saved(pillow().new("L", (8, 8), 9))]})
    assert keys[0] != keys[1]


def test_rows_of_a_table_are_grouped_by_their_values():
    keys = group_keys({"x.a": [1.0, 1.0, float("nan"), float("nan")], "x.b": ["u", "v", "u", "u"]})
    assert keys[2] == keys[3]
    assert len(set(keys.tolist())) == 3


def test_groups_by_hand():
    groups = Groups.of(np.array([5, 2, 5, 2, 9], dtype=np.uint64))
    assert len(groups) == 3
    assert groups.highest(np.array([1, 2, 3, 4, 5])).tolist() == [4, 3, 5]
    assert groups.lowest(np.array([1, 2, 3, 4, 5])).tolist() == [2, 1, 5]
    assert groups.spread(np.array([20, 50, 90])).tolist() == [50, 20, 50, 20, 90]


def test_conflicts_count_groups_and_their_labeled_rows():
    groups = Groups.of(np.array([1, 1, 1, 2, 2, 3], dtype=np.uint64))
    assert conflicts(groups, np.array([0, 1, -1, 1, -1, 0], dtype=np.int32)) == (1, 2)


def test_near_duplicates_are_further_contents_within_groups():
    keys, variants = np.array([1, 1, 1, 2], dtype=np.uint64), np.array([7, 7, 8, 7], dtype=np.uint32)
    assert n_near_duplicates(keys, variants) == 1
    assert n_near_duplicates(keys[:0], variants[:0]) == 0


@given(st.lists(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1000)), max_size=30), max_size=12))
def test_seen_keys_answer_as_a_dict_would(blocks):
    seen, known = SeenKeys(), {}
    for block in blocks:
        keys = np.array([key for key, _ in block], dtype=np.uint64)
        values = np.array([value for _, value in block], dtype=np.int64)
        expected = []
        for key, value in block:
            expected.append(known.get(key, -1))
            known.setdefault(key, value)
        assert seen.add(keys, values).tolist() == expected
    assert len(seen) == len(known)


def test_seen_keys_keep_few_runs():
    seen, rng = SeenKeys(), np.random.default_rng(0)
    for block in range(200):
        seen.add(rng.integers(0, 2**63, 100).astype(np.uint64), np.full(100, block))
    assert len(seen._runs) < 15

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.config.data import PreprocessingSettings
from querist.core.errors import SettingError, UnknownName
from querist.stages.preprocessing.steps import apply, declare, resolve, tabular_settings


def pillow():
    return pytest.importorskip("PIL.Image", reason="the extra images is not installed")


def clean(text: str, *steps: object) -> str:
    resolved = resolve(PreprocessingSettings(steps=list(steps) or None), "text")
    return apply(resolved, {"text": [text]})["text"][0]


def test_the_default_steps_of_text():
    assert clean("  <p>Cafe\u0301&nbsp;&amp;\u200b bar</p>\x00\n\n b ") == "Café & bar\nb"


def test_html_leaves_comparisons_and_unclosed_comments_alone():
    assert clean("a < b and c > d", "html") == "a < b and c > d"
    assert clean("a<br>b<!-- x --><script>if (1<2) {}</script>c", "html").split() == ["a", "b", "c"]
    assert "kept" in clean("<!-- kept", "html")
    assert clean("&lt;b&gt;", "html") == "<b>"


def test_masks():
    assert clean("see https://a.b/c?d or www.e.f", "urls") == "see [url] or [url]"
    assert clean("hi @anna, mail me@x.org", "users") == "hi [user], mail me@x.org"
    assert clean("mail me.too@x.co.uk now", "emails") == "mail [email] now"
    assert clean("3 of 1,000.5 b2b", "numbers") == "[number] of [number] b2b"
    assert clean("at https://x.y", {"name": "urls", "token": "URL"}) == "at URL"
    assert clean("ÄB", "lowercase") == "äb"


@given(st.text())
def test_the_default_steps_never_fail_and_leave_no_edges(text):
    cleaned = clean(text)
    assert cleaned == cleaned.strip()


def test_html_takes_linear_time_on_hostile_text():
    for part in ("<", "<script>", "<!--", "<a ", "&"):
        clean(part * 100_000, "html")


def test_declared_steps_carry_name_version_and_all_settings():
    steps = resolve(PreprocessingSettings(steps=["unicode", {"name": "urls"}]), "text")
    assert declare(steps) == [
        {"name": "unicode", "version": 1, "settings": {}},
        {"name": "urls", "version": 1, "settings": {"token": "[url]"}},
    ]


def test_an_unknown_step_or_setting_lists_those_available():
    with pytest.raises(UnknownName, match=r"'whitspace'.*Did you mean 'whitespace'"):
        clean("a", "whitspace")
    with pytest.raises(UnknownName, match="orientation"):
        clean("a", "orientation")
    with pytest.raises(UnknownName, match=r"setting of step 'urls' 'tokn'.*token"):
        clean("a", {"name": "urls", "tokn": "x"})
    with pytest.raises(SettingError, match="has no name"):
        clean("a", {"token": "x"})


def image(content: bytes):
    return pillow().open(io.BytesIO(content))


def jpeg(exif: int | None = None) -> bytes:
    picture, file = pillow().new("RGB", (40, 20), "red"), io.BytesIO()
    notes = pillow().Exif()
    if exif:
        notes[0x0112] = exif
    picture.save(file, "JPEG", exif=notes)
    return file.getvalue()


def change(content: bytes, *steps: object) -> bytes:
    resolved = resolve(PreprocessingSettings(steps=list(steps) or None), "image")
    return apply(resolved, {"image": [content]})["image"][0]


def test_an_upright_image_keeps_its_bytes_and_another_is_turned():
    assert change(jpeg()) == jpeg()
    assert image(change(jpeg(exif=6))).size == (20, 40)
    assert image(change(jpeg(exif=6))).format == "PNG"


def test_mode_and_size():
    assert image(change(jpeg(), {"name": "mode", "to": "L"})).mode == "L"
    assert image(change(jpeg(), {"name": "size", "max": 10})).size == (10, 5)
    assert image(change(jpeg(), {"name": "size", "min": 40})).size == (80, 40)
    assert image(change(jpeg(), {"name": "size", "exact": 8})).size == (8, 8)
    assert change(jpeg(), {"name": "size", "max": 100}) == jpeg()


def test_image_settings_are_checked():
    with pytest.raises(SettingError, match="'CMYK' is none of L, RGB"):
        change(jpeg(), {"name": "mode", "to": "CMYK"})
    with pytest.raises(SettingError, match="max = 0"):
        change(jpeg(), {"name": "size", "max": 0})


def test_tabular_steps_are_handed_to_the_encoder():
    default = tabular_settings(resolve(PreprocessingSettings(), "tabular"))
    assert default == {"scale": "standard", "one_hot": {"min_count": 1, "max_categories": 256}}
    some = resolve(PreprocessingSettings(steps=[{"name": "scale", "method": "minmax"}]), "tabular")
    assert tabular_settings(some) == {"scale": "minmax", "one_hot": None}
    assert apply(some, {"x.a": [1.0]}) == {"x.a": [1.0]}

"""Pictures, tables, many labels, phones, hostile texts; what axe and the Content-Security-Policy say."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from querist.pipeline.project import Project
from querist.web.texts import TEXTS

pytestmark = pytest.mark.long
Visit = Callable[..., Any]
Serve = Callable[[Project], Any]

HOSTILE = [
    "<script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    "</script><svg onload=window.hacked=1>",
    "{{ 7 * 7 }} ${7 * 7} &lt;b&gt; \u202egnp.exe",
    "=HYPERLINK('javascript:window.hacked=1')",
]
RTL = "שלום עולם\nשורה שנייה"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Project]) -> Path:
    rows = [(f"{text} {i}", text) for i in range(8) for text in [*HOSTILE, RTL]]
    labels = ["<b>yes</b>", '"><img src=x onerror=window.hacked=1>']
    more = "[preprocessing]\nsteps = []"  # the usual ones would take the markup out
    return make_project(
        tmp_path_factory.mktemp("page") / "hostile", rows, classes=labels, seed_size=30, more=more
    ).folder


@pytest.fixture(scope="module")
def many_labels(tmp_path_factory: pytest.TempPathFactory, make_project: Callable[..., Project]) -> Path:
    things = ["card", "cash", "transfer", "top up", "refund", "exchange", "Überweisung"]
    faults = ["lost", "late", "fee", "limit", "failed", "pending", "wrong", "unknown", "abroad", "asked", "twice"]
    names = [f"{thing}_{fault}" for thing in things for fault in faults]
    rows = [(f"{names[i % 77]} number {i}", "p") for i in range(120)]
    return make_project(tmp_path_factory.mktemp("page") / "many", rows, classes=names, seed_size=80).folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty PNG images, each of its own colour and 300 x 200 pixels."""
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed (extra images)")
    folder = tmp_path_factory.mktemp("page") / "pictures"
    (folder / "images").mkdir(parents=True)
    for number in range(30):
        data = BytesIO()
        picture = image.new("RGB", (300, 200), (number * 8, 90, 255 - number * 8))
        picture.paste((255, 255, 255), (number, number, number + 40, number + 60))
        picture.save(data, "PNG")
        (folder / "images" / f"{number}.png").write_bytes(data.getvalue())
    (folder / "querist.toml").write_text(
        '[data]\nkind = "image"\nclasses = ["cat", "dog"]\n[seed_set]\nsize = 15\n[labeling]\nstart_rounds = false\n'
    )
    project = Project(folder)
    project.ingest("images")
    assert project.run().status == "waiting"
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "table"
    folder.mkdir()
    with (folder / "items.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "age", "city"])
        writer.writerows([f"r{i}", "" if i % 9 == 0 else 20 + i, f"<i>town</i> {i}"] for i in range(60))
    (folder / "querist.toml").write_text(
        '[data]\nkind = "tabular"\nid = "id"\nnumeric = ["age"]\ncategorical = ["city"]\nclasses = ["a", "b"]\n'
        "[seed_set]\nsize = 20\n[labeling]\nstart_rounds = false\n"
    )
    project = Project(folder)
    project.ingest(folder / "items.csv")
    assert project.run().status == "waiting"
    return folder


def serious(page: Page, axe: str) -> list[str]:
    page.evaluate(f"() => {{ {axe} }}")
    found = page.evaluate("() => axe.run().then((result) => result.violations)")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found if one["impact"] in ("serious", "critical")
    ]


def test_hostile_texts_labels_notes_and_guidelines_are_shown_as_text(
    hostile: Path, tmp_path: Path, serve: Serve, visit: Visit, copy_of: Callable[..., Project]
) -> None:
    visitor = visit(serve(copy_of(hostile, tmp_path / "p")))
    page = visitor.open()
    expect(page.locator("#guidelines")).to_contain_text("<script>window.hacked = 1</script>")
    expect(page.locator(".label").nth(0)).to_contain_text("<b>yes</b>")
    seen = set()
    for number in range(20):
        seen |= {text for text in HOSTILE if text in page.locator("#item").text_content()}
        if "שלום" in page.locator("#item").text_content():
            assert page.evaluate("getComputedStyle(document.querySelector('#item .text')).direction") == "rtl"
        if number == 3:
            page.keyboard.press("n")
            page.keyboard.type(HOSTILE[0])
            page.keyboard.press("Enter")
        page.keyboard.press("12"[number % 2])
    assert len(seen) == len(HOSTILE)
    expect(page.locator("#last")).to_contain_text("onerror")
    assert page.evaluate("window.hacked") is None
    assert (
        page.locator("#item img, #item script, .label img, #last img, #guidelines script, #guidelines a").count() == 0
    )
    assert visitor.complaints == []


def test_the_policy_forbids_what_is_not_the_pages_own_and_the_page_never_breaks_it(site: Any, visit: Visit) -> None:
    visitor = visit(site)
    page = visitor.open()
    page.evaluate("addEventListener('securitypolicyviolation', (event) => (window.broken = event.blockedURI))")
    for key in ("1", "?", "Escape", "s", "Escape", "n", "Escape", "f", "u"):
        page.keyboard.press(key)
    assert page.evaluate("window.broken") is None
    assert visitor.complaints == []
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=\"http://127.0.0.1:1/x.png\">')")
    page.wait_for_function("() => window.broken")
    policy = page.request.get(site.url).headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy


def test_seventy_seven_labels_are_found_by_typing(
    many_labels: Path, tmp_path: Path, serve: Serve, visit: Visit, copy_of: Callable[..., Project]
) -> None:
    site = serve(copy_of(many_labels, tmp_path / "p"))
    page = visit(site).open()
    expect(page.locator(".label:visible")).to_have_count(77)
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("refund fee")
    expect(page.locator("#found")).to_have_text("1 labels")
    page.keyboard.press("Enter")
    page.keyboard.type("uber")  # finds Ü, too
    expect(page.locator("#found")).to_have_text("11 labels")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # nothing is typed, so nothing is marked
    page.keyboard.type("zzz")
    expect(page.locator("#found")).to_have_text("No label matches")
    page.keyboard.press("Enter")
    page.locator("#query").fill("")
    page.keyboard.press("Alt+d")
    page.keyboard.press("Backspace")
    page.locator(".label", has_text="cash_limit").click()
    answers = site.wait_for(5)
    assert [a.label for a in answers] == ["refund_fee", "Überweisung_late", None, None, "cash_limit"]
    assert [a.kind for a in answers] == ["answer", "answer", "answer", "undo", "answer"]


def test_pictures_are_fitted_zoomed_and_moved(
    pictures: Path, tmp_path: Path, serve: Serve, visit: Visit, copy_of: Callable[..., Project]
) -> None:
    site = serve(copy_of(pictures, tmp_path / "p"))
    visitor = visit(site)
    page = visitor.open()
    place = "document.querySelector('.picture').getBoundingClientRect().toJSON()"
    page.wait_for_function("() => document.querySelector('.picture').naturalWidth === 300")
    frame = page.locator(".frame").bounding_box()
    fitted = page.evaluate(place)
    assert fitted["width"] <= frame["width"] + 1
    assert fitted["height"] <= frame["height"] + 1
    page.mouse.move(frame["x"] + 10, frame["y"] + 10)
    page.mouse.wheel(0, -100)
    zoomed = page.evaluate(place)
    assert zoomed["width"] == pytest.approx(fitted["width"] * 1.25, rel=0.01)
    assert zoomed["x"] == pytest.approx(fitted["x"], abs=12)  # what lies under the pointer stays there
    page.keyboard.press("ArrowRight")
    assert page.evaluate(place)["x"] < zoomed["x"]
    page.keyboard.press("0")
    assert page.evaluate(place) == fitted
    page.keyboard.press("+")
    page.keyboard.press("-")
    assert page.evaluate(place)["width"] == pytest.approx(fitted["width"], rel=0.01)
    loaded = "performance.getEntriesByType('resource').filter((e) => e.name.includes('/images/')).length"
    assert page.evaluate(loaded) >= 5
    sources = []
    for _ in range(6):
        sources.append(page.locator(".picture").get_attribute("src"))
        page.keyboard.press("1")
    assert len(set(sources)) == 6
    site.wait_for(6)
    assert visitor.complaints == []


def test_a_row_of_a_table_is_shown_as_a_table(
    table: Path, tmp_path: Path, serve: Serve, visit: Visit, copy_of: Callable[..., Project]
) -> None:
    site = serve(copy_of(table, tmp_path / "p"))
    page = visit(site).open()
    expect(page.locator("#item th")).to_have_text(["age", "city"])
    expect(page.locator("#item td").nth(1)).to_contain_text("<i>town</i>")
    page.keyboard.press("2")
    assert site.wait_for(1)[0].label == "b"


def test_on_a_phone_everything_is_within_reach_of_a_thumb(site: Any, visit: Visit) -> None:
    page = visit(site, viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True).open()
    for button in page.locator("button:visible, a:visible, summary:visible").all():
        box = button.bounding_box()
        if button.get_attribute("class") != "jump":
            assert min(box["width"], box["height"]) >= 44, button.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for name in ("pos", "neg"):
        box = page.locator(".label", has_text=name).bounding_box()
        assert box["y"] + box["height"] <= 844
        page.locator(".label", has_text=name).tap()
    page.locator("#undo").tap()
    assert [a.kind for a in site.wait_for(3)] == ["answer", "answer", "undo"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious(
    with_model: Path,
    tmp_path: Path,
    serve: Serve,
    visit: Visit,
    axe: str,
    copy_of: Callable[..., Project],
    scheme: str,
    width: int,
) -> None:
    site = serve(copy_of(with_model, tmp_path / "p", labeling='show_prediction = "before"'))
    # axe comes from outside, which the policy of the page rightly refuses.
    page = visit(site, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True).open()
    page.keyboard.press("1")
    page.keyboard.press("f")
    assert serious(page, axe) == []
    for key in ("?", "s", "n"):
        page.keyboard.press(key)
        assert serious(page, axe) == []
        page.keyboard.press("Escape")
    site.kill()
    page.keyboard.press("1")
    expect(page.locator("#banner")).to_be_visible()
    assert serious(page, axe) == []


def test_axe_finds_nothing_serious_among_many_labels(
    many_labels: Path, tmp_path: Path, serve: Serve, visit: Visit, axe: str, copy_of: Callable[..., Project]
) -> None:
    page = visit(serve(copy_of(many_labels, tmp_path / "p")), bypass_csp=True).open()
    page.keyboard.type("re")
    assert serious(page, axe) == []


def test_every_language_has_every_text_with_the_same_places_to_fill() -> None:
    def places(text: str) -> set[str]:
        return {part.split("}")[0] for part in text.split("{")[1:]}

    english = TEXTS["en"]
    for language, words in TEXTS.items():
        assert words.keys() == english.keys(), language
        assert all(places(words[key]) == places(english[key]) for key in english), language

"""The documents say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import pytest

import querist
from querist import plugins
from querist.cli import cli
from querist.config import parse, sections
from querist.core import errors

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
STAGES = [
    "Raw Data",
    "Pre-processing",
    "Initial Model",
    "Uncertainty Scoring",
    "Query Strategy",
    "Human Labeling",
    "Model Retraining",
    "Evaluation",
    "Deploy",
]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def reference(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


def commands(command: click.Command, path: str) -> list[str]:
    below = command.commands.items() if isinstance(command, click.Group) else ()
    return [path, *(found for name, child in below for found in commands(child, f"{path} {name}"))]


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "reference.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_setting_is_in_the_reference() -> None:
    page = reference("settings.md")
    for name, section in sections().items():
        _, found, rest = page.partition(f"## [{name}]\n")
        assert found, name
        for field, info in section.model_fields.items():
            assert f"| `{field}` |" in rest.partition("\n## ")[0], f"{name}.{field}"
            assert (info.description or "").split("|")[0] in rest, f"{name}.{field}"


def test_every_command_is_in_the_reference() -> None:
    page = reference("cli.md")
    for path in commands(cli, "querist"):
        assert re.search(rf"^#+ `{re.escape(path)}[` ]", page, re.MULTILINE), path


@pytest.mark.parametrize("group", plugins.BUILT_IN)
def test_every_plugin_is_in_the_reference(group: str) -> None:
    _, found, rest = reference("plugins.md").partition(f"## {group.capitalize()}\n")
    assert found
    for name in plugins.BUILT_IN[group]:
        assert f"| `{name}` |" in rest.partition("\n## ")[0], name


def test_every_public_name_is_in_the_reference() -> None:
    page = reference("python.md")
    for name in querist.__all__:
        assert f"## `querist.{name}`" in page, name


def test_every_error_is_in_the_reference() -> None:
    page = reference("errors.md")
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.QueristError):
            assert f"| `{name}` |" in page, name


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, heading = unquote(link).partition("#")
        found = (path.parent / target) if target else path
        assert found.exists(), f"{link} in {path.name}"
        if heading and found.suffix == ".md":
            assert heading in headings(found), f"{link} in {path.name}: no such heading"


def headings(path: Path) -> set[str]:
    """Anchors as GitHub makes them."""
    found = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_toml_block_is_valid_settings(path: Path, blocks: Callable[[Path], list[Any]]) -> None:
    for block in blocks(path):
        values = tomllib.loads(block.text) if block.language == "toml" else {}
        if "project" not in values or "entry-points" not in values["project"]:
            parse(values, origin=f"{path.name}, line {block.line}")


def test_every_page_is_linked_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / link).resolve() for link in LINK.findall(index.read_text(encoding="utf-8"))}
    for page in ROOT.glob("docs/**/*.md"):
        assert page == index or page in linked, name_of(page)


def test_no_page_names_a_place_of_one_machine() -> None:
    for path in DOCUMENTS:
        assert not re.search(r"/(tmp|home|root|work|Users)/", path.read_text(encoding="utf-8")), path.name


def test_the_diagram_of_the_loop_shows_the_nine_blocks_and_the_way_back(blocks: Callable[[Path], list[Any]]) -> None:
    diagram = next(b.text for b in blocks(ROOT / "docs" / "concepts.md") if b.language == "mermaid")
    for stage in STAGES:
        assert f'["{stage}"]' in diagram, stage
    learning = re.search(r"class (\S+) learning", diagram)
    assert learning
    assert learning[1].split(",") == ["scoring", "strategy", "labeling", "retraining"]
    assert "monitoring -.-> scoring" in diagram


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_diagram_can_be_drawn(path: Path, blocks: Callable[[Path], list[Any]]) -> None:
    diagrams = [block.text for block in blocks(path) if block.language == "mermaid"]
    if not diagrams:
        return
    mermaidx = pytest.importorskip("mermaidx", reason="mermaidx is not installed")
    for diagram in diagrams:
        assert mermaidx.render(diagram).svg().lstrip().startswith("<svg")

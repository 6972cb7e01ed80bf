"""Parts from a stranger's package: installed by pip, found by entry point, used from the shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest

from querist import plugins
from querist.core.errors import SettingError

PACKAGE = {
    "pyproject.toml": """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "querist-blocks"
version = "1.0"

[tool.setuptools]
py-modules = ["querist_blocks"]

[project.entry-points."querist.readers"]
blocks = "querist_blocks:read_blocks"

[project.entry-points."querist.strategies"]
top-share = "querist_blocks:TopShare"

[project.entry-points."querist.measures"]
doubt = "querist_blocks:doubt"
""",
    "querist_blocks.py": '''\
from querist.core.selection import top_k
from querist.core.types import Selection
from querist.stages.raw_data.rows import BadRow, Row


def read_blocks(path, data):
    """Blocks of two lines: "= id label" and the text."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number in range(0, len(lines), 2):
        if not lines[number].startswith("= "):
            yield BadRow(number + 1, "no head of a block", lines[number])
            continue
        _, item, label = lines[number].split(" ")
        yield Row(number + 1, {"id": item, "label": label, "text": lines[number + 1]})


class TopShare:
    """A random part of the more doubtful share of the pool."""

    needs = frozenset({"scores"})

    def __init__(self, *, share=0.5):
        self.share = share

    def __call__(self, pool, batch_size, rng, /):
        half = top_k(pool.scores, max(batch_size, int(self.share * pool.n_items)), rng)
        chosen = rng.choice(half, batch_size, replace=False)
        return Selection(chosen, pool.scores[chosen], {}, f"from the doubtful {self.share:.0%}")


def doubt(proba, /):
    """What is left to the largest probability."""
    return 1 - proba.max(axis=1)
''',
}
SETTINGS = """\
[data]
format = "blocks"
source = "reviews.blocks"
id = "id"
text = ["text"]
label = "label"

[seed_set]
size = 20

[query]
strategy = "top-share"
batch_size = 10
measures = {doubt = 1.0}
params = {share = 0.25}

[evaluation]
resamples = 100
"""


def can_build() -> bool:
    """Asked of the metadata, since setuptools in a running process takes the place of distutils."""
    try:
        return find_spec("pip") is not None and int(version("setuptools").split(".")[0]) >= 71
    except PackageNotFoundError:
        return False


@pytest.mark.long
def test_reader_strategy_and_measure_of_an_installed_package_run_the_loop(tmp_path: Path) -> None:
    if not can_build():
        pytest.skip("pip or setuptools >= 71 is not installed (extra test)")
    source, target, folder = (tmp_path / name for name in ("source", "installed", "project"))
    source.mkdir()
    for name, text in PACKAGE.items():
        (source / name).write_text(text, encoding="utf-8")
    alone = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", *alone, "--target", target, source],
        check=True,
        capture_output=True,
    )
    folder.mkdir()
    (folder / "querist.toml").write_text(SETTINGS, encoding="utf-8")
    blocks = [
        f"= r{i} {'pos' if i % 2 else 'neg'}\n{'great' if i % 2 else 'awful'} film number {i}" for i in range(120)
    ]
    (folder / "reviews.blocks").write_text("\n".join([*blocks, "a line too many"]), encoding="utf-8")

    def querist(*arguments: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(target)}
        command = [sys.executable, "-m", "querist", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "A random part of the more doubtful share of the pool." in querist("strategies")
    assert "is valid" in querist("config", "check")
    report = json.loads(querist("ingest", "--json"))
    assert (report["added"], report["reasons"]) == (120, {"no head of a block": 1})
    querist("run", "--rounds", "1", "--oracle", "label")
    found = json.loads(querist("rounds", "show", "1", "--json"))
    assert (found["strategy"], found["note"]) == ("top-share", "from the doubtful 25%")
    assert len(found["queries"]) == 10
    assert {name for query in found["queries"] for name in query["parts"]} == {"doubt"}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package `querist-broken`, as pip leaves one, with three entry points that lead nowhere."""
    there = tmp_path / "querist_broken-2.1.dist-info"
    there.mkdir()
    (there / "METADATA").write_text("Metadata-Version: 2.1\nName: querist-broken\nVersion: 2.1\n")
    (there / "entry_points.txt").write_text(
        "[querist.strategies]\n"
        "no-module = querist_broken_absent:Ask\n"
        "no-name = querist_broken:Ask\n"
        "no-syntax = querist_broken_syntax:Ask\n"
    )
    (tmp_path / "querist_broken.py").write_text('"""Nothing."""\n')
    (tmp_path / "querist_broken_syntax.py").write_text("class Ask\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no-module", "No module named 'querist_broken_absent'"),
        ("no-name", "no attribute 'Ask'"),
        ("no-syntax", "querist_broken_syntax.py"),
    ],
)
def test_an_entry_point_that_cannot_be_imported_names_its_package(name: str, why: str) -> None:
    with pytest.raises(SettingError, match=rf"'{name}'.* of the package querist-broken 2\.1.*pip install") as error:
        plugins.find("strategies", name)
    assert why in str(error.value)
    assert error.value.exit_status == 2

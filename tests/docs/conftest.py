"""Documents as lists of fenced blocks, and the machine that runs them as a reader would."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
SECONDS = 300
NUMBER = r"(\d+\.\d+)"
TOLERANCE = 0.1


@dataclass(frozen=True)
class Block:
    """What stands between two fences; `title` is what follows the language on the first of them."""

    language: str
    title: str
    text: str
    line: int


def blocks_of(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [Block(m[1], m[2].strip(), m[3], text[: m.start()].count("\n") + 2) for m in FENCE.finditer(text)]


class Reader:
    """Runs console and python blocks in order in one folder and one namespace; writes toml blocks that name a file."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.names: dict[str, Any] = {"__name__": "__main__"}

    def run(self) -> None:
        for block in blocks_of(self.path):
            if block.language == "console":
                for command, want in commands(block.text):
                    self._shell(command, want, block)
            elif block.language == "python":
                self._python(block)
            elif block.language == "toml" and block.title:
                (self.folder / block.title).write_text(block.text, encoding="utf-8")

    def _shell(self, command: str, want: str, block: Block) -> None:
        if command.startswith("cd "):
            self.folder = self.folder / command.removeprefix("cd ")
            return
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        place = f"{self.path.relative_to(ROOT)}, block at line {block.line}: $ {command}"
        assert done.returncode == 0, f"{place} ended with {done.returncode}\n{done.stdout}"
        assert agree(want, done.stdout), f"{place}\nthe document says:\n{want}\nit printed:\n{done.stdout}"

    def _python(self, block: Block) -> None:
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            if ">>>" not in block.text:
                exec(compile(block.text, f"{self.path}:{block.line}", "exec"), self.names)
                return
            example = doctest.DocTestParser().get_doctest(
                block.text, self.names, self.path.name, str(self.path), block.line - 1
            )
            said: list[str] = []
            runner = doctest.DocTestRunner(optionflags=FLAGS)
            runner.run(example, out=said.append, clear_globs=False)
            assert not runner.failures, "".join(said)
            self.names.update(example.globs)
        finally:
            os.chdir(before)


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Each `$ command` of a console block with the output below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, want = part.partition("\n")
        yield command, want


def agree(want: str, got: str, tolerance: float = TOLERANCE) -> bool:
    """Whether the output is what the page shows: `...` stands for anything, white space and small differences between
    decimal numbers do not count, since other machines and library versions round differently."""
    shown, numbers = [], []
    rest, pieces = got.strip(), want.strip().split("...")
    for place, piece in enumerate(pieces):  # piece by piece: one pattern for a whole page could try for hours
        parts = re.findall(r"\d+\.\d+|\s+|.", piece, re.DOTALL)
        pattern = "".join(
            NUMBER if re.fullmatch(NUMBER, part) else r"\s+" if part.isspace() else re.escape(part) for part in parts
        )
        found = re.search((r"\A" if place == 0 else "") + pattern + (r"\Z" if place == len(pieces) - 1 else ""), rest)
        if found is None:
            return False
        shown += [float(part) for part in parts if re.fullmatch(NUMBER, part)]
        numbers += [float(number) for number in found.groups()]
        rest = rest[found.end() :]
    return all(abs(number - expected) <= tolerance for number, expected in zip(numbers, shown, strict=True))


@pytest.fixture(scope="session")
def blocks() -> Callable[[Path], list[Block]]:
    return blocks_of


@pytest.fixture(scope="session")
def agreement() -> Callable[[str, str], bool]:
    return agree


@pytest.fixture
def read_along(tmp_path: Path) -> Callable[[Path], None]:
    """Does what a document says, in an empty folder."""
    return lambda path: Reader(path, tmp_path).run()

"""Each library in a virtual environment of its own, outside the checkout: no two of them share their pins.

python benchmarks/libraries/environments.py [NAME ...] sets them up; what is up to date is left alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from synthetic import cache  # found beside the folder of this file


@dataclass(frozen=True)
class Environment:
    """`packages` for pip; `bare` without what they require, built here where there is no wheel; `torch` beside them."""

    shown: str
    packages: tuple[str, ...]
    bare: tuple[str, ...] = ()
    torch: bool = False


CURRENT = ("numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1")
TORCH = "torch==2.14.1"
"""Gigabytes with what it requires, so there is one for all. Only small-text's BADGE and BaaL import it."""
ENVIRONMENTS = {
    "faiss": Environment("faiss 1.15.1", (*CURRENT, "faiss-cpu==1.15.1")),
    "modal": Environment("modAL 0.4.2.1", ("numpy==2.4.6", "scikit-learn==1.7.2", "modAL-python==0.4.2.1")),
    "alipy": Environment("ALiPy 1.2.5", ("numpy==1.26.4", "scipy==1.13.1", "scikit-learn==1.5.2", "alipy==1.2.5")),
    "libact": Environment(
        "libact 0.1.6",
        ("numpy==1.26.4", "scipy==1.13.1", "scikit-learn==1.5.2", "Cython==0.29.37", "setuptools<70", "wheel", "six"),
        bare=("libact==0.1.6",),
    ),
    "skactiveml": Environment("scikit-activeml 1.0.1", (*CURRENT, "scikit-activeml==1.0.1")),
    "small_text": Environment("small-text 1.4.1", (*CURRENT, "small-text==1.4.1"), torch=True),
    "small_text_dev": Environment("small-text 2.0.0.dev4", (*CURRENT, "small-text==2.0.0.dev4"), torch=True),
    "baal": Environment(
        "BaaL 2.1.0",
        (*CURRENT, "structlog>=22,<23", "matplotlib", "pillow", "tqdm", "packaging"),
        bare=("baal==2.1.0", "torchmetrics==1.8.2", "lightning-utilities==0.15.2"),
        torch=True,
    ),
}
NEEDS_PYTHON = (3, 11)


def python_of(name: str) -> Path:
    """The environment's Python, set up if it is not yet. Raises RuntimeError where it cannot be."""
    if sys.version_info[:2] != NEEDS_PYTHON:
        raise RuntimeError(f"the pins are those of Python {'.'.join(map(str, NEEDS_PYTHON))}")
    environment = ENVIRONMENTS[name]
    folder = cache() / name
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.exists() and ready.read_text() == repr(environment):
        return python
    _pip(python, *environment.packages)
    if environment.bare:
        _pip(python, "--no-build-isolation", "--no-deps", *environment.bare)
    if environment.torch:
        _link_torch(folder)
    ready.write_text(repr(environment))
    return python


def _link_torch(folder: Path) -> None:
    torch = cache() / "torch"
    _pip(torch / "bin" / "python", TORCH)
    (site,), (own,) = (list(one.glob("lib/python*/site-packages")) for one in (torch, folder))
    (own / "torch.pth").write_text(f"{site}\n")


def _pip(python: Path, *arguments: str) -> None:
    print(f"  {python.parents[1].name}: pip install {' '.join(arguments)}", file=sys.stderr, flush=True)
    # libact's other C part clashes with today's lapacke.h.
    env = {**os.environ, "LIBACT_BUILD_VARIANCE_REDUCTION": "0"}
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True, capture_output=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *arguments]
        subprocess.run(pip, check=True, capture_output=True, text=True, env=env)
    except subprocess.CalledProcessError as error:
        last = [line for line in str(error.stderr).splitlines() if line.strip() and "WARNING" not in line][-1:]
        raise RuntimeError(f"pip: {last[0] if last else error}") from None


def main() -> None:
    for name in sys.argv[1:] or ENVIRONMENTS:
        try:
            print(f"{ENVIRONMENTS[name].shown}: {python_of(name)}", flush=True)
        except RuntimeError as error:
            print(f"{ENVIRONMENTS[name].shown}: cannot be set up: {error}", flush=True)


if __name__ == "__main__":
    main()

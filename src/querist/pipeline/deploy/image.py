"""What an image of a deployed version is built from: Dockerfile, .dockerignore, and the packages as installed here."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from typing import Any

from querist import plugins
from querist.stages.deploy.image import dockerfile, dockerignore, tag

SERVING = (
    "click",
    "fastapi",
    "httptools",
    "joblib",
    "numpy",
    "prometheus-client",
    "pyarrow",
    "pydantic",
    "scikit-learn",
    "scipy",
    "skops",
    "threadpoolctl",
    "typing-extensions",
    "uvicorn",
    "uvloop",
)
"""What the served model needs of querist's own dependencies: no database, nothing of the loop."""
PACKAGE = "package:"


def write_image_files(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Writes Dockerfile, .dockerignore and requirements.txt of a version to the folder and returns the image's `tag`,
    and the names of packages that are `unpinned` because they are not installed here."""
    requirements = pinned([*SERVING, *_own(facts)])
    querist = f"querist=={facts['pipeline_version']}"
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    files = {
        "Dockerfile": dockerfile(facts, python=python),
        ".dockerignore": dockerignore(facts),
        "requirements.txt": "\n".join([querist, *requirements, ""]),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "wheels").mkdir(exist_ok=True)
    return {"tag": tag(facts), "unpinned": [line for line in requirements if "==" not in line]}


def pinned(names: Iterable[str]) -> list[str]:
    """These distributions and all that they need, sorted, each as NAME==VERSION as it is installed here; one that is
    not, since the loop needs none of it, by its name alone."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, str] = {}
    todo, seen = [Requirement(name) for name in names], set()
    while todo:
        wanted = todo.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            found[name] = ""
            continue
        found[name] = f"=={installed.version}"
        needed = [Requirement(line) for line in installed.requires or ()]
        todo += [n for n in needed if n.marker is None or any(n.marker.evaluate({"extra": e}) for e in ("", *extras))]
    return [name + version for name, version in sorted(found.items())]


def _own(facts: Mapping[str, Any]) -> list[str]:
    """The packages of this very model: what opens images, embeds texts, or brought its encoder and estimator."""
    learner, made = facts["learner"], packages_distributions()
    names = ["pillow"] if facts["kind"] == "image" else []
    parts = (plugins.find("encoders", learner["encoder"]), plugins.find("heads", learner["head"]))
    modules = {str(part.__module__).partition(".")[0] for part in parts}
    names += [name for module in modules - {"querist"} for name in made.get(module, ())]
    if learner["encoder"] == "sentence-embeddings":
        model = str(learner["encoder_params"].get("model", ""))
        names += ["sentence-transformers", *([model.removeprefix(PACKAGE)] if model.startswith(PACKAGE) else [])]
    return names

"""`querist doctor`: what is installed, what is missing, and whether the project is sound."""

from __future__ import annotations

import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from querist import plugins
from querist.config import FILE_NAME, Settings
from querist.core.errors import QueristError, SettingError, UnknownName
from querist.pipeline.project import Project, encoder_params

REQUIRED = ("numpy", "scipy", "scikit-learn", "pyarrow", "sqlalchemy", "pydantic", "skops")
EXTRAS = {
    "images": "PIL",
    "charts": "altair",
    "embeddings": "sentence_transformers",
    "postgres": "psycopg",
    "report": "pptx",
    "tensorboard": "tensorboardX",
    "mlflow": "mlflow",
    "oidc": "authlib",
    "video": "imageio_ffmpeg",
}
FEW_BYTES = 1 << 30


@dataclass(frozen=True)
class Check:
    name: str
    state: Literal["fine", "optional", "wrong"]
    detail: str


def examine(folder: Path) -> list[Check]:
    """Checks of the installation, and of the project in `folder` if there is one."""
    checks = [Check("python", "fine", f"{platform.python_version()} on {sys.platform}")]
    for name in REQUIRED:
        try:
            checks.append(Check(name, "fine", version(name)))
        except PackageNotFoundError:
            checks.append(Check(name, "wrong", f"not installed; pip install {name}"))
    for extra, module in EXTRAS.items():
        found = find_spec(module) is not None
        detail = "installed" if found else f"not installed; pip install 'querist[{extra}]' if you need it"
        checks.append(Check(f"extra {extra}", "fine" if found else "optional", detail))
    free = shutil.disk_usage(folder if folder.exists() else ".").free
    state: Literal["fine", "wrong"] = "fine" if free > FEW_BYTES else "wrong"
    checks.append(Check("disk", state, f"{free / FEW_BYTES:.1f} GiB free"))
    if not (folder / FILE_NAME).exists():
        return [*checks, Check("project", "optional", f"no {FILE_NAME} in {folder}; `querist init` creates one")]
    return [*checks, *_project(folder)]


def check_settings(settings: Settings) -> None:
    """Raises SettingError for data, storage, a plugin, step or metric that cannot be had, before anything runs."""
    from querist.models.encoders.make import make_encoder
    from querist.models.learners import resolve as resolve_learner
    from querist.snapshots.folder import check_url
    from querist.stages.evaluation.metrics import bounds, check
    from querist.stages.preprocessing.steps import resolve as resolve_steps
    from querist.stages.query_strategy.ask import make
    from querist.stages.raw_data.sources import check_data
    from querist.stages.uncertainty_scoring.scores import check_measures
    from querist.store import ledger
    from querist.training import make_learner

    check_data(settings.data)
    ledger.check_url(settings.storage.ledger)
    check_url("snapshots", settings.storage.snapshots)
    check_url("artifacts", settings.storage.artifacts)
    resolve_steps(settings.preprocessing, settings.data.kind)
    several = settings.data.sets is not None
    _, weights = make(settings.query.strategy, settings.query.params, settings.query.measures, several=several)
    if several:
        check_measures(settings.query, weights)
    for name in (settings.objective.metric, *settings.evaluation.metrics):
        check(name, settings.data.classes or None, several=several)
    for name in settings.evaluation.slices:
        if name not in settings.data.context:
            raise UnknownName("column in evaluation.slices", name, settings.data.context)
    if settings.query.cost is not None and settings.query.cost not in settings.data.context:
        raise UnknownName("column in query.cost", settings.query.cost, settings.data.context)
    objective = settings.objective
    least, largest = bounds(objective.metric)
    if objective.goal is not None and not least <= objective.goal <= largest:
        raise SettingError(
            f"objective.goal = {objective.goal:g} can never be met: {objective.metric} lies between {least:g} and "
            f"{largest:g}"
        )
    learner = settings.learner
    if not settings.data.classes:
        learner = learner.model_copy(update={"class_weight": None})
    spec = resolve_learner(learner, settings.data.kind)
    make_learner(spec, learner, settings.data.classes or ("a", "b"), seed=0)
    make_encoder(spec.encoder, encoder_params(spec, settings, settings.data.kind))
    for name in settings.query.measures:
        plugins.find("label_measures" if several else "measures", name)


def _project(folder: Path) -> list[Check]:
    checks = []
    try:
        project = Project(folder)
        check_settings(project.settings)
        checks.append(Check("settings", "fine", str(folder / FILE_NAME)))
        digest = project.digest()
        checks.append(Check("ledger", "fine", f"{project.ledger.url}, digest {digest[:16]}"))
        snapshot = project.snapshot
        checks.append(Check("snapshot", "fine", f"{snapshot.id}, {snapshot.n_items:,} items"))
        checks += [Check("snapshot", "wrong", problem) for problem in snapshot.verify()]
    except QueristError as error:
        checks.append(Check("project", "wrong", str(error)))
    return checks

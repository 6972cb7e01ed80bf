"""querist asks for the labels that teach a model most.

On plain arrays, nothing recorded:
    score(proba)                     how unsure a model is of each item
    select(strategy, batch_size)     which items to label next
    score_multilabel(proba)          the same as score for items with several labels each
    select_regression(method, ...)   the same as select where labels are numbers
    ActiveLearner(estimator)         fit, query, teach, score around any scikit-learn classifier
    simulate(...)                    strategies compared on data whose labels are known

On a project folder, everything recorded:
    Project(folder)                  the verbs of the command line: ingest, run, status, labels, rounds ...
    Settings                         querist.toml as a value

Every error raised on purpose is a QueristError.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from querist.config import Settings
    from querist.core.errors import QueristError
    from querist.pipeline.active_learner import ActiveLearner
    from querist.pipeline.arrays import score, score_multilabel, select, select_regression
    from querist.pipeline.project import Project
    from querist.pipeline.simulate import simulate

__all__ = [
    "ActiveLearner",
    "Project",
    "QueristError",
    "Settings",
    "__version__",
    "score",
    "score_multilabel",
    "select",
    "select_regression",
    "simulate",
]

_HOMES = {
    "ActiveLearner": "querist.pipeline.active_learner",
    "Project": "querist.pipeline.project",
    "QueristError": "querist.core.errors",
    "Settings": "querist.config",
    "score": "querist.pipeline.arrays",
    "score_multilabel": "querist.pipeline.arrays",
    "select": "querist.pipeline.arrays",
    "select_regression": "querist.pipeline.arrays",
    "simulate": "querist.pipeline.simulate",
}


def __getattr__(name: str) -> Any:  # Any: one of the public names, imported when first asked for
    if name == "__version__":
        from importlib.metadata import version

        return version("querist")
    if name not in _HOMES:
        raise AttributeError(f"module 'querist' has no {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

"""A test of drift that somebody else wrote decides like those of querist."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from querist.config import parse
from querist.pipeline.monitoring.check import check
from querist.pipeline.project import Project
from querist.stages.monitoring.sample import Sample
from querist.stages.monitoring.views import View


def share_of_the_first_class(reference: Sample) -> View:
    """How far the share of the first class moved."""
    return View(
        lambda sample: (sample.proba.argmax(axis=1) == 0)[:, None].astype(np.float32),
        lambda before, now, n, m: np.abs(before - now)[..., 0],
        "share of the first class",
    )


def test_a_test_by_import_path_decides(monitored: Project, unlabeled: Path) -> None:
    name = f"{__name__}:share_of_the_first_class"
    values = monitored.settings.model_dump()
    values["monitoring"]["tests"] = [name]
    monitored.settings = parse(values)
    found = check(monitored, data=unlabeled, start_round=False)
    assert found["checks"][0]["over"] == [name]
    assert {test["name"] for test in found["checks"][0]["tests"] if test["decides"]} == {name}

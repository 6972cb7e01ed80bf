"""Images and tables are read as the project read them."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from served import build_version, opened

from querist.pipeline.project import Project
from querist.serving.app import create_app
from querist.serving.settings import ServingSettings
from querist.stages.deploy.bundle import activate

COMMON = """\
[project]
name = "things"
[splits]
test = 0.2
[seed_set]
size = 20
[query]
strategy = "uncertainty"
batch_size = 10
[evaluation]
resamples = 100
"""


def deploy(base: Path, data: str, ingest) -> tuple[Project, Path]:
    (base / "querist.toml").write_text(COMMON + data, encoding="utf-8")
    project = Project(base)
    ingest(project)
    project.run(rounds=1, oracle="label")
    activate(base / "deploy", build_version(project, base / "deploy"))
    return project, base / "deploy"


def test_a_table_is_read_by_its_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ages, cities = rng.normal(40, 10, 200), rng.choice(["bonn", "köln"], 200)
    labels = np.where(ages + 10 * (cities == "bonn") > 45, "yes", "no")
    rows = [
        {"age": float(a), "city": str(c), "label": str(y), "id": str(i)}
        for i, (a, c, y) in enumerate(zip(ages, cities, labels, strict=True))
    ]
    settings = '[data]\nkind = "tabular"\nid = "id"\nnumeric = ["age"]\ncategorical = ["city"]\nlabel = "label"\n'
    from querist.stages.raw_data.rows import Row

    _, folder = deploy(
        tmp_path, settings, lambda project: project.ingest([Row(i + 1, row) for i, row in enumerate(rows)])
    )
    with opened(create_app(folder)) as client:
        ask = lambda **columns: client.post("/v1/predict", json={"columns": columns})  # noqa: E731
        assert ask(age=60, city="bonn").json()["predictions"][0]["label"] == "yes"
        assert ask(age="60", city="bonn").json() | {"request_id": ""} == ask(age=60, city="bonn").json() | {
            "request_id": ""
        }
        assert ask(age=None, city="elsewhere").status_code == 200
        assert ask(age=20, city="köln", more=True).json()["predictions"][0]["label"] == "no"
        assert ask(age="old", city="bonn").json()["detail"] == "item 0: age is not a number"
        assert ask(age=60).json()["detail"] == "item 0 lacks column 'city'; this model reads age, city"
        assert ask(age=None, city=None).json()["detail"] == "item 0: no value in any feature column"
        assert (
            'this model reads "columns" (age, city)' in client.post("/v1/predict", json={"text": "a"}).json()["detail"]
        )


def test_an_image_comes_in_base64_and_one_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    labels = rng.choice(["dark", "light"], 120)
    pixels = [rng.integers(0, 90, (12, 12), dtype=np.uint8) + (120 if y == "light" else 0) for y in labels]
    _, folder = deploy(
        tmp_path,
        '[data]\nkind = "image"\nimage = "image"\nlabel = "label"\n',
        lambda project: project.ingest_arrays(np.stack(pixels).astype(np.uint8), labels.tolist()),
    )

    def png(side: int, grey: int) -> dict[str, str]:
        file = io.BytesIO()
        image.new("L", (side, side), grey).save(file, "PNG")
        return {"image": base64.b64encode(file.getvalue()).decode()}

    with opened(create_app(folder, ServingSettings(image_pixels=10_000))) as client:
        found = client.post("/v1/predict", json={"items": [png(12, 20), png(40, 200)]}).json()["predictions"]
        assert [one["label"] for one in found] == ["dark", "light"]
        bomb = client.post("/v1/predict", json=png(101, 0))
        assert (bomb.status_code, bomb.json()["detail"]) == (
            413, "item 0 has 10201 pixels; an image has at most 10000",
        )  # fmt: skip
        broken = client.post("/v1/predict", json={"image": base64.b64encode(b"no image").decode()})
        assert (broken.status_code, broken.json()["detail"]) == (422, "item 0: undecodable image")
        cut = base64.b64encode(base64.b64decode(png(40, 9)["image"])[:60]).decode()
        assert client.post("/v1/predict", json={"image": cut}).status_code == 422


def test_the_application_loads_neither_a_database_nor_the_pipeline() -> None:
    code = (
        "import sys; sys.modules['sqlalchemy'] = None; import querist.serving.server; "
        "print([m for m in sys.modules if m.startswith(('querist.pipeline', 'querist.store', 'sklearn', 'pyarrow'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

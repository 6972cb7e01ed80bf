"""A deployed folder answers raw items as the project does, whatever they are, and opens nothing that was changed."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.errors import SettingError, SnapshotCorrupt, UnknownName
from querist.pipeline.deploy.bundling import build
from querist.pipeline.loop import contexts
from querist.pipeline.project import Project
from querist.serving.model import ServedModel, open_model
from querist.stages.deploy import bundle
from querist.training import load_learner

TEXTS = [
    "  Great &amp; <b>lovely</b>\u00a0film word1  ",
    "awful, boring\r\nand weak",
    "word3 word4",
    "Ünïcode \u200bfine",
]


def from_project(project: Project, positions: list[int]) -> np.ndarray:
    """(n, n_classes) of the newest model, through the project's own features."""
    with project.ledger.read() as tx:
        from querist.store.models import list_models

        model = list_models(tx)[-1]
    context = contexts(project, None, lambda *_: None)(model.round)
    learner = load_learner(model, context)
    return learner.predict_proba(context.features.rows(np.array(positions)))


def served(project: Project) -> ServedModel:
    built = build(project)
    return open_model(Path(built["folder"]), built["version"], pixels=1_000_000)


def found_again(project: Project, ids: list[str]) -> list[int]:
    at = project.snapshot.find(ids)
    return [at[one] for one in ids]


def test_texts_are_answered_as_the_project_would(
    folder: Path, tmp_path: Path, make_reviews: Callable[..., Path]
) -> None:
    raw = make_reviews(tmp_path / "reviews.csv", 300)
    with raw.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([f"odd{i}", text, "pos", "p"] for i, text in enumerate(TEXTS))
    project = Project(folder)
    project.ingest(raw)
    project.run(rounds=1, oracle="label")
    with raw.open(newline="", encoding="utf-8") as file:
        rows = {row["id"]: row["text"] for row in csv.DictReader(file)}
    ids = [*list(rows)[:100], *(f"odd{i}" for i in range(len(TEXTS)))]
    model = served(project)
    answers = model.predict(model.read([{"text": rows[one]} for one in ids]))
    np.testing.assert_allclose(answers.proba, from_project(project, found_again(project, ids)), rtol=0, atol=1e-9)
    assert model.classes == project.classes()


TABLE = """\
[project]
name = "loans"
[objective]
metric = "accuracy"
[data]
kind = "tabular"
id = "id"
numeric = ["income", "age"]
categorical = ["city"]
label = "label"
[splits]
test = 0.2
[seed_set]
size = 40
[learner]
name = "{learner}"
[query]
batch_size = 20
[evaluation]
resamples = 100
"""


@pytest.mark.parametrize("learner", ["table-boosting", "table-logistic", "sklearn.ensemble:ExtraTreesClassifier"])
def test_rows_of_a_table_are_answered_as_the_project_would(tmp_path: Path, learner: str) -> None:
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for i in range(300):
        income, age = float(rng.normal()), int(rng.integers(18, 80))
        label = "yes" if income + (age > 50) > 0.5 else "no"
        city = ["Ulm", " Bonn ", ""][i % 3]
        rows.append({"id": f"i{i}", "income": "" if i % 17 == 0 else income, "age": age, "city": city, "label": label})
    with (tmp_path / "loans.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "querist.toml").write_text(TABLE.format(learner=learner))
    project = Project(tmp_path)
    project.ingest("loans.csv")
    project.run(rounds=0, oracle="label")
    model = served(project)
    raw = [{"columns": {name: row[name] for name in ("income", "age", "city")}} for row in rows[:100]]
    expected = from_project(project, found_again(project, [row["id"] for row in rows[:100]]))
    np.testing.assert_allclose(model.predict(model.read(raw)).proba, expected, rtol=0, atol=1e-12)


def test_images_are_answered_as_the_project_would(tmp_path: Path) -> None:
    images = pytest.importorskip("PIL.Image")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 90, (120, 12, 12), dtype=np.uint8)
    labels = ["left" if i % 2 else "right" for i in range(120)]
    pixels[1::2, :, :6] += 120
    (tmp_path / "querist.toml").write_text(
        '[data]\nkind = "image"\nlabel = "label"\nid = "id"\n[splits]\ntest = 0.2\n[seed_set]\nsize = 20\n'
        '[objective]\nmetric = "accuracy"\n[evaluation]\nresamples = 100\n'
    )
    project = Project(tmp_path)
    project.ingest_arrays(pixels, labels, id=[f"i{i}" for i in range(120)])
    project.run(rounds=0, oracle="label")
    model = served(project)
    raw = []
    for image in pixels[:50]:
        file = io.BytesIO()
        images.fromarray(image).save(file, "PNG")
        raw.append({"image": file.getvalue()})
    expected = from_project(project, found_again(project, [f"i{i}" for i in range(50)]))
    np.testing.assert_allclose(model.predict(model.read(raw)).proba, expected, rtol=0, atol=1e-12)


def test_what_was_built_is_what_is_opened_and_says_what_it_is(project: Project) -> None:
    built = build(project)
    folder = project.folder / "deploy" / "versions" / built["version"]
    facts = json.loads((folder / "model.json").read_text())
    row = project.status()["rounds"][-1]
    assert facts["metric"]["value"] == row["value"]
    assert (facts["kind"], facts["classes"], facts["columns"]) == ("text", ["neg", "pos"], ["text"])
    assert facts["n_labels"] == row["labels"]
    assert set(facts["files"]) == {
        "model.skops", "encoder.npz", "projection.npz", "reference.npz", "model-card.md"
    }  # fmt: skip
    assert sorted(path.name for path in folder.iterdir()) == sorted([*facts["files"], "model.json"])
    assert (folder / "model-card.md").read_text().startswith("# Model r002")
    again = build(project)
    assert (again["version"], again["created_at"]) == (built["version"], built["created_at"])


@pytest.mark.parametrize("name", ["model.skops", "encoder.npz", "projection.npz"])
def test_a_changed_file_is_not_opened(project: Project, name: str) -> None:
    built = build(project)
    path = project.folder / "deploy" / "versions" / built["version"] / name
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(SnapshotCorrupt, match="build the version again"):
        bundle.open_bundle(project.folder / "deploy", built["version"])
    path.unlink()
    with pytest.raises(SnapshotCorrupt, match="missing"):
        bundle.open_bundle(project.folder / "deploy", built["version"])


@pytest.mark.parametrize("name", ["../../secret", "..", "", "a/b", ".hidden", "none"])
def test_the_name_of_a_version_leads_nowhere_else(project: Project, name: str) -> None:
    folder = project.folder / "deploy"
    (project.folder / "secret").mkdir()
    (project.folder / "secret" / "model.json").write_text("{}")
    built = build(project)
    with pytest.raises(UnknownName, match=built["version"]):
        bundle.read_facts(folder, name)
    with pytest.raises(UnknownName):
        bundle.activate(folder, name)
    assert bundle.current(folder) is None


def test_an_older_model_is_built_as_it_was_though_the_learner_has_changed(
    project: Project, folder: Path, clock: Any
) -> None:
    before = build(project)
    path = folder / "querist.toml"
    path.write_text(path.read_text().replace("chars = []", "chars = [2, 3]"))
    changed = Project(folder, clock=clock)
    changed.run(rounds=3, oracle="label")
    assert build(changed)["learner"]["encoder_params"]["chars"] == [2, 3]
    shutil.rmtree(folder / "deploy")
    assert build(changed, before["model_version"])["version"] == before["version"]


def test_the_features_cache_may_be_lost(project: Project) -> None:
    built = build(project)
    shutil.rmtree(project.folder / ".querist" / "features")
    shutil.rmtree(project.folder / "deploy")
    assert build(Project(project.folder))["version"] == built["version"]


ENCODER = """
from pathlib import Path
import numpy as np
from querist.models.encoders.hashing import Hashing

class Weighted(Hashing):
    def __init__(self, *, model: str = ""):
        super().__init__(n_features=64)
        self.weights = float((Path(model) / "deep" / "weights.txt").read_text())
    @property
    def identity(self):
        return str(self.weights)
    def transform(self, items):
        return super().transform(items) * np.float32(self.weights)
"""


def test_what_an_encoder_reads_from_this_machine_comes_along(
    folder: Path, reviews: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weighted_encoder.py").write_text(ENCODER)
    monkeypatch.syspath_prepend(tmp_path)
    weights = tmp_path / "weights" / "deep" / "weights.txt"
    weights.parent.mkdir(parents=True)
    weights.write_text("2.5")
    path = folder / "querist.toml"
    new = f'encoder = "weighted_encoder:Weighted"\nencoder_params = {{model = "{tmp_path / "weights"}"}}\n'
    path.write_text(path.read_text().replace("[learner.encoder_params]\nchars = []\n", new))
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=0, oracle="label")
    built = build(project)
    expected = from_project(project, [0, 1, 2])
    texts = project.snapshot.take([0, 1, 2], ["text"])["text"].to_pylist()
    shutil.rmtree(tmp_path / "weights")
    model = open_model(Path(built["folder"]), built["version"], pixels=1)
    answers = model.predict(model.read([{"text": text} for text in texts]))
    np.testing.assert_allclose(answers.proba, expected, rtol=0, atol=1e-9)
    (Path(built["folder"]) / "versions" / built["version"] / "encoder" / "deep" / "weights.txt").write_text("2.6")
    with pytest.raises(SnapshotCorrupt, match=r"weights.txt"):
        bundle.open_bundle(Path(built["folder"]), built["version"])


def test_the_risk_sets_how_sure_an_answer_must_be(
    folder: Path, tmp_path: Path, make_reviews: Callable[..., Path], change: Callable[[str], Project]
) -> None:
    path = folder / "querist.toml"
    path.write_text(path.read_text().replace("test = 0.2", "test = 0.2\nvalidation = 0.3"))
    project = Project(folder)
    project.ingest(make_reviews(tmp_path / "many.csv", 600))
    project.run(rounds=0, oracle="label")
    without = build(project)
    assert without["abstain"] == {"risk": None, "threshold": None}
    project = change("\n[deploy]\nrisk = 0.2\n")
    built = build(project)
    assert built["version"] != without["version"]
    assert 0.5 < built["abstain"]["threshold"] < 1
    model = open_model(Path(built["folder"]), built["version"], pixels=1)
    snapshot = project.snapshot
    positions = np.flatnonzero((snapshot.splits() == 1) & snapshot.primary())
    texts = snapshot.take(positions, ["text"])["text"].to_pylist()
    answers = model.answers(model.predict(model.read([{"text": text} for text in texts])).proba)
    right = answers.codes == snapshot.labels("label", project.classes())[0][positions]
    kept = ~answers.abstain
    assert kept.mean() == pytest.approx(built["abstain"]["coverage"])
    assert right[kept].mean() >= 0.8
    path.write_text(path.read_text().replace("risk = 0.2", "risk = 0.0001"))
    with pytest.raises(SettingError, match=r"deploy.risk = 0.0001: no confidence promises it on \d+ labeled"):
        build(Project(folder))


def test_a_version_opens_without_database_pipeline_or_reader(project: Project) -> None:
    """In a process where those cannot be imported."""
    built = build(project)
    script = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {{"sqlalchemy", "fsspec"}} or name.startswith(("querist.pipeline", "querist.store")):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from pathlib import Path
from querist.serving.model import open_model
model = open_model(Path({built["folder"]!r}), {built["version"]!r}, pixels=1)
print(model.predict(model.read([{{"text": "great lovely film"}}])).proba.shape)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "(1, 2)", done.stderr


def test_copies_of_a_validation_item_are_no_evidence_of_their_own(
    folder: Path, tmp_path: Path, make_reviews: Callable[..., Path]
) -> None:
    """About a dozen reviews, twenty times each: were they 240 items, a risk of 0.1 could be promised of them."""
    header, *lines = make_reviews(tmp_path / "few.csv", 40).read_text().splitlines()
    copies = tmp_path / "copies.csv"
    copies.write_text("\n".join([header, *(f"copy{n}-{line}" for line in lines for n in range(20))]) + "\n")
    path = folder / "querist.toml"
    text = path.read_text().replace("test = 0.2", "test = 0.2\nvalidation = 0.3")
    path.write_text(text.replace("[data]", "[data]\ndeduplicate = false") + "\n[deploy]\nrisk = 0.1\n")
    project = Project(folder)
    project.ingest(copies)
    project.run(rounds=0, oracle="label")
    with pytest.raises(SettingError, match=r"deploy.risk = 0.1: no confidence promises it on \d\d\d labeled"):
        build(project)

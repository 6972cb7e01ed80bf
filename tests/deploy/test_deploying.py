"""From the gate to the version that answers, and back, on a real project."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from querist import __version__
from querist.cli import cli
from querist.core.errors import DataError, LedgerError, SettingError
from querist.pipeline.deploy.bundling import build
from querist.pipeline.deploy.deploying import deploy_status, gate, promote, rollback
from querist.pipeline.project import Project
from querist.pipeline.reporting.checklist import checklist
from querist.stages.deploy.bundle import current, previous, versions
from querist.store.analyses import list_analyses
from querist.store.models import list_models


def recorded(project: Project, kind: str) -> list[dict[str, object]]:
    with project.ledger.read() as tx:
        return [dict(a.result) for a in list_analyses(tx, kind)]


def model_versions(project: Project) -> list[str]:
    with project.ledger.read() as tx:
        return [model.version for model in list_models(tx)]


def test_a_first_model_passes_when_it_beats_the_shares_of_the_classes(project: Project) -> None:
    found = gate(project)
    assert found["passed"], found["criteria"]
    assert (found["model_version"], found["served"]) == (model_versions(project)[-1], None)
    assert "answering with the shares of the classes" in found["criteria"][0]["reason"]
    assert found["compared"]["n"] == 80


def test_a_decision_is_put_on_record_once(project: Project) -> None:
    assert gate(project) == gate(project)
    assert len(recorded(project, "gate")) == 1
    gate(project, model_versions(project)[0])
    assert len(recorded(project, "gate")) == 2


def test_a_new_setting_asks_for_a_new_decision(project: Project, change: Callable[[str], Project]) -> None:
    gate(project)
    gate(change("\n[deploy]\nmax_class_fall = 0.2\n"))
    assert len(recorded(project, "gate")) == 2


def test_the_settings_of_deployment_change_no_result(project: Project, change: Callable[[str], Project]) -> None:
    before = project.settings_key
    assert change("\n[deploy]\nmax_class_fall = 0.2\n").settings_key == before


def test_a_model_without_answers_on_the_holdout_cannot_be_judged(folder: Path, reviews: Path) -> None:
    path = folder / "querist.toml"
    path.write_text(path.read_text().replace("test = 0.2", "test = 0.0"))
    project = Project(folder)
    project.ingest(reviews)
    project.run(rounds=0, oracle="label")
    with pytest.raises(LedgerError, match="label holdout items"):
        gate(project)


def test_the_promoted_version_answers_and_the_way_back_is_one_step(project: Project) -> None:
    first, newest = model_versions(project)[0], model_versions(project)[-1]
    deployed = project.folder / "deploy"
    one = promote(project, first, force="the first of two")
    assert current(deployed) == one["version"]
    assert previous(deployed) is None
    two = promote(project, newest, force="better or not")
    assert (current(deployed), previous(deployed)) == (two["version"], one["version"])
    assert two["before"] == first
    back = rollback(project, why="complaints")
    assert (current(deployed), previous(deployed)) == (one["version"], two["version"])
    assert back["model_version"] == first
    assert rollback(project)["model_version"] == newest
    assert [r["action"] for r in recorded(project, "promotion")] == ["promote", "promote", "rollback", "rollback"]
    assert recorded(project, "promotion")[2]["why"] == "complaints"


def test_a_served_model_that_passes_again_is_not_promoted_again(project: Project) -> None:
    assert promote(project)["promoted"]
    assert not promote(project)["promoted"]
    assert len(recorded(project, "promotion")) == 1
    assert not gate(project)["passed"]
    assert "served model already" in gate(project)["criteria"][0]["reason"]


def test_the_gate_holds_a_model_that_is_no_better_than_the_served_one(project: Project) -> None:
    first, newest = model_versions(project)[0], model_versions(project)[-1]
    promote(project, newest, force="test")
    with pytest.raises(LedgerError, match=f"the gate holds {first}: no better.*--force WHY"):
        promote(project, first)
    assert recorded(project, "gate")[-1]["served"] == newest
    promote(project, first, force="the newest is too slow")
    assert recorded(project, "promotion")[-1]["forced"] == "the newest is too slow"


def test_rolling_back_the_first_version_is_refused(project: Project) -> None:
    promote(project, force="test")
    with pytest.raises(DataError, match="names no version before"):
        rollback(project)


def test_with_approval_a_person_has_to_say_so(project: Project, change: Callable[[str], Project]) -> None:
    project = change('\n[deploy]\napprove = "always"\n')
    with pytest.raises(SettingError, match="--by NAME"):
        promote(project)
    assert current(project.folder / "deploy") is None
    assert promote(project, by="Ann")["promoted"]
    assert recorded(project, "promotion")[0]["by"] == "Ann"


def test_a_promotion_killed_before_it_was_recorded_is_done_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("querist.stages.deploy.bundle.activate", die)
        with pytest.raises(KeyboardInterrupt):
            promote(project)
    assert recorded(project, "promotion") == []
    assert current(project.folder / "deploy") is None
    assert promote(project)["promoted"]


def test_building_changes_nothing_that_answers(project: Project) -> None:
    built = build(project)
    assert versions(project.folder / "deploy") == [built["version"]]
    assert current(project.folder / "deploy") is None
    assert built["tag"] == f"{__version__}-{built['version']}"
    state = deploy_status(project)
    assert (state["current"], state["served"], len(state["versions"])) == (None, None, 1)


def test_the_loop_is_as_it_was_after_all_of_it(project: Project) -> None:
    before = project.digest()
    promote(project)
    assert project.digest() == before


def test_the_commands_print_and_exit_as_scripts_need_it(project: Project) -> None:
    where = ["--project", str(project.folder)]

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(cli, ["deploy", *arguments, *where], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    newest = model_versions(project)[-1]
    assert call("gate", "--strict").startswith(f"{newest} passes\n  pass  better")
    assert json.loads(call("gate", "--json"))["passed"]
    assert "image tag: " in call("build")
    assert "no version answers yet" in call("status")
    assert call("promote").startswith(f"{newest} answers now")
    assert call("promote") == f"{newest} answers already\n"
    assert f"of model {newest}, accuracy" in call("status")
    assert CliRunner().invoke(cli, ["deploy", "gate", "--strict", *where]).exit_code == 1
    first = model_versions(project)[0]
    call("promote", first, "--force", "to show it")
    assert call("rollback", "--why", "shown").startswith(f"{newest} answers again")
    assert "(to show it)" in call("status")
    json.loads(call("status", "--json"))


def test_a_built_image_makes_the_checklist_green(project: Project) -> None:
    line = "Container image tagged with the pipeline version"

    def state() -> str:
        return next(row["state"] for row in checklist(project) if row["line"] == line)

    assert state() == "red"
    build(project)
    assert state() == "green"

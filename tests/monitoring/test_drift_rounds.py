"""From drift to an alarm, from the alarm to a round that asks of what has drifted, and back to silence."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.config import parse
from querist.core.errors import DataError, SettingError
from querist.pipeline.monitoring import check as checks
from querist.pipeline.monitoring import drift_rounds, traffic
from querist.pipeline.monitoring.check import check, open_drift_round
from querist.pipeline.monitoring.drift_status import estimates_checked, monitoring_status
from querist.pipeline.monitoring.references import find_model, reference_bytes, reference_of
from querist.pipeline.project import Project
from querist.pipeline.rounds import due
from querist.pipeline.verification import verify
from querist.snapshots.snapshot import POOL
from querist.stages.monitoring.logs import PredictionLog
from querist.stages.monitoring.reference import load
from querist.store.analyses import add_analysis, list_analyses
from querist.store.rounds import get_round, list_queries


def kinds(project: Project, kind: str) -> list[dict[str, Any]]:
    with project.ledger.read() as tx:
        return [dict(a.result) for a in list_analyses(tx, kind)]


def changed(project: Project, **sections: dict[str, Any]) -> None:
    values = project.settings.model_dump()
    for name, section in sections.items():
        values[name] |= section
    project.settings = parse(values)


def test_traffic_like_the_pool_raises_nothing(
    monitored: Project, make_reviews: Callable[..., Path], tmp_path: Path
) -> None:
    same = make_reviews(tmp_path / "same.csv", 400, first=5000)
    found = check(monitored, data=same)
    assert [one["n"] for one in found["checks"]] == [100] * 4
    assert found["alert"] is None
    assert sum(bool(one["over"]) for one in found["checks"]) <= 1
    assert monitored.next_round() == 3, "nothing was asked"


def test_drift_raises_the_alarm_and_opens_a_round_that_asks_of_it(monitored: Project, unlabeled: Path) -> None:
    before = monitored.snapshot.n_items
    found = check(monitored, data=unlabeled)
    assert [one["alarm"] for one in found["checks"]] == [False, True]
    assert found["round"]["round"] == 3
    assert found["round"]["state"].startswith("waiting: 10 items")
    assert {word["what"] for word in found["checks"][1]["telling"]} & {"flimsy", "broken", "slow", "noisy", "faulty"}
    assert found["checks"][1]["domain"]["auc"] > 0.9
    with monitored.ledger.read() as tx:
        queries, opened = list_queries(tx, 3), get_round(tx, 3)
    assert opened.strategy == "drift"
    assert all(q.position >= before for q in queries), "only what came with the drift is asked"
    (planned,) = kinds(monitored, "drift_round")
    assert len(planned["measure"]) == 3
    assert set(planned["measure"]) < {q.position for q in queries}
    assert all(monitored.snapshot.splits()[q.position] == POOL for q in queries)


def test_the_loop_recovers_and_the_estimate_is_checked(
    monitored: Project, drifted: Path, make_drifted: Callable[..., Path], tmp_path: Path
) -> None:
    check(monitored, data=drifted, oracle="label")
    (beside,) = estimates_checked(monitored)
    assert beside["n"] == 3
    assert beside["round"] == 3
    later = make_drifted(tmp_path / "later.csv", 300, first=1000)
    model = find_model(monitored)
    assert model.round == 3
    reference = reference_of(monitored)
    found = check(monitored, data=later)
    assert found["alert"] is None, "what it drifted to is what the new model knows"
    assert reference.positions.min() >= 900


def test_a_window_is_counted_once(monitored: Project, drifted: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.csv"
    half.write_text("".join(drifted.read_text().splitlines(keepends=True)[:101]))
    assert check(monitored, data=half)["checks"][0]["over"]
    again = check(monitored, data=half)
    assert (again["checks"], again["alert"]) == ([], None)


def test_one_drift_round_is_open_at_a_time(monitored: Project, drifted: Path) -> None:
    first = open_drift_round(monitored, "Alertmanager says so")
    assert first == {"round": 3, "opened": True, "reason": "Alertmanager says so"}
    again = open_drift_round(monitored, "and again")
    assert (again["round"], again["opened"]) == (3, False)
    assert check(monitored, data=drifted)["round"]["round"] == 3
    monitored.run(rounds=3, oracle="label")
    assert open_drift_round(monitored, "later")["round"] == 4


def test_a_round_without_new_items_asks_of_the_whole_pool(monitored: Project) -> None:
    open_drift_round(monitored, "by hand")
    monitored.run(rounds=3, oracle="label")
    with monitored.ledger.read() as tx:
        assert get_round(tx, 3).strategy == "drift"
        assert len(list_queries(tx, 3)) == 10


def test_a_goal_that_was_met_does_not_hold_against_drift_and_a_budget_does(monitored: Project, drifted: Path) -> None:
    changed(monitored, objective={"goal": 0.5})
    assert monitored.stop().which == "goal"
    check(monitored, data=drifted, start_round=False)
    assert monitored.stop() is not None
    assert open_drift_round(monitored, "drift")["opened"]
    assert monitored.stop() is None
    assert due(monitored) is not None
    assert not due(monitored).over  # type: ignore[union-attr]
    monitored.run(rounds=3, oracle="label")
    assert monitored.stop().which == "goal"
    changed(monitored, objective={"goal": 0.5, "budget_labels": 50})
    assert open_drift_round(monitored, "more")["round"] is None


def test_without_budget_there_is_an_alert_and_the_round_follows_once_there_is(
    monitored: Project, unlabeled: Path
) -> None:
    changed(monitored, objective={"budget_labels": 40})
    found = check(monitored, data=unlabeled)
    assert found["alert"] is not None
    assert "no budget" in found["round"]["reason"]
    assert monitored.snapshot.n_items == 900, "nothing was ingested that cannot be asked"
    changed(monitored, objective={"budget_labels": 46})
    found = check(monitored, data=unlabeled)
    assert found["round"]["state"].startswith("waiting: 6 items")
    assert len(kinds(monitored, "alert")) == 1


def test_killed_before_the_round_was_opened_the_next_check_opens_it(monitored: Project, unlabeled: Path) -> None:
    check(monitored, data=unlabeled, start_round=False)
    assert kinds(monitored, "drift_round") == []
    # killed after the ingest: the same rows bring nothing new, and are known all the same
    monitored.ingest(traffic.rows_of(monitored, kinds(monitored, "alert")[0]["windows"][0]))
    found = check(monitored, data=unlabeled)
    assert found["round"]["opened"]
    (planned,) = kinds(monitored, "drift_round")
    assert planned["since"] == 900
    assert check(monitored, data=unlabeled)["round"]["opened"] is False


def test_killed_in_the_middle_of_the_round_it_is_still_asked_by_drift(monitored: Project, drifted: Path) -> None:
    check(monitored, data=drifted, start_round=False)
    alert = kinds(monitored, "alert")[0]
    checks._open(monitored, alert)
    fresh = Project(monitored.folder, clock=monitored.clock)
    fresh.run(rounds=3, oracle="label")
    with fresh.ledger.read() as tx:
        assert get_round(tx, 3).strategy == "drift"


def test_a_drift_round_can_be_verified(monitored: Project, drifted: Path) -> None:
    check(monitored, data=drifted, oracle="label")
    assert verify(monitored, 3)["differences"] == []


def test_the_reference_is_read_without_the_project(monitored: Project) -> None:
    data = reference_bytes(monitored)
    assert reference_bytes(monitored) == data
    reference = load(data)
    assert reference.classes == ("neg", "pos")
    assert reference.sample.embeddings.dtype == np.float16
    assert reference.sample.lengths is not None
    unseen = reference.unseen(["words never met before"])
    assert unseen is not None
    assert unseen[0] > 0.5
    with pytest.raises(DataError, match="build it again"):
        load(data[:100])
    with pytest.raises(DataError, match="Available: r000"):
        reference_of(monitored, "r999")


def test_the_reference_of_learned_items_is_of_models_that_did_not_learn_them(monitored: Project, drifted: Path) -> None:
    from querist.models.persistence import load as load_learner

    check(monitored, data=drifted, oracle="label")
    reference, model = reference_of(monitored), find_model(monitored)
    _, features = monitored.features()
    proba = load_learner(monitored.artifacts.get(model.artifact)).predict_proba(features.rows(reference.positions))
    with monitored.ledger.read() as tx:
        asked = np.isin(reference.positions, [q.position for q in list_queries(tx, 3)])
    assert asked.sum() == 10
    assert np.allclose(proba[~asked], reference.sample.proba[~asked], atol=1e-6)
    assert proba[asked].max(axis=1).mean() > reference.sample.proba[asked].max(axis=1).mean()


def test_a_pool_that_the_encoder_knows_by_heart_is_no_reference(monitored: Project) -> None:
    splits = monitored.snapshot.splits()
    assert (splits[reference_of(monitored).positions] != POOL).all()


def test_a_passed_gate_arms_the_alarm_again(monitored: Project, drifted: Path) -> None:
    check(monitored, data=drifted, start_round=False)
    assert monitoring_status(monitored)["alarm_open"]
    with monitored.ledger.begin() as tx:
        add_analysis(tx, "gate", {"passed": False}, now=monitored.clock())
    assert monitoring_status(monitored)["alarm_open"]
    with monitored.ledger.begin() as tx:
        add_analysis(tx, "gate", {"passed": True}, now=monitored.clock())
    assert not monitoring_status(monitored)["alarm_open"]


# -- from the log of a served model


def serve(project: Project, folder: Path, file: Path, *, start: int, texts: bool = True) -> PredictionLog:
    """What a served model would have logged of the file's items."""
    model, reference = find_model(project), reference_of(project)
    reader = traffic.RawItems(project, model)
    items = reader.cleaned([item for _, item in reader.items(file) if item is not None])
    proba, embeddings = reader.predict(items)
    log = PredictionLog(folder)
    for i, text in enumerate(items["text"]):
        log.add(
            at=datetime(2026, 2, 1, tzinfo=UTC) + timedelta(seconds=start + i),
            version=model.version,
            request_ids=[f"req-{start + i}"],
            classes=reference.classes,
            proba=proba[i : i + 1],
            embeddings=embeddings[i : i + 1],
            n_chars=[len(text)],
            unseen=reference.unseen([text]),
            items=[json.dumps({"text": text})] if texts else None,
        )
    log.close()
    return log


def test_the_log_is_read_window_by_window_and_its_items_become_queries(
    monitored: Project, drifted: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "log"
    serve(monitored, folder, drifted, start=0)
    found = check(monitored, log=folder)
    assert [one["n"] for one in found["checks"]] == [100, 100], "40 rows wait for their window"
    assert found["round"]["state"].startswith("waiting: 10 items")
    with monitored.ledger.read() as tx:
        assert all(q.item.startswith("req-") for q in list_queries(tx, 3))
    again = check(monitored, log=folder)
    assert again["checks"] == []
    assert again["alert"] is not None, "it stays open until the model is a new one"
    assert {test["name"] for test in found["checks"][0]["tests"]} >= {"ks_lengths", "unseen_words", "mmd"}


def test_the_same_drifted_items_night_after_night_are_two_windows_in_a_row(
    monitored: Project, drifted: Path, tmp_path: Path
) -> None:
    same = tmp_path / "hundred.csv"
    same.write_text("".join(drifted.read_text().splitlines(keepends=True)[:101]))
    said = []
    for night in range(2):
        serve(monitored, tmp_path / "log", same, start=night * 24 * 3600)
        found = check(monitored, log=tmp_path / "log", start_round=False)
        said.append((len(found["checks"]), found["alert"] is not None))
    assert said == [(1, False), (1, True)]
    moved = (tmp_path / "log").rename(tmp_path / "moved")
    assert check(monitored, log=moved, start_round=False)["checks"] == [], "the same windows under another path"


def test_a_log_without_texts_alarms_and_says_what_is_missing(monitored: Project, drifted: Path, tmp_path: Path) -> None:
    serve(monitored, tmp_path / "log", drifted, start=0, texts=False)
    found = check(monitored, log=tmp_path / "log")
    assert found["alert"] is not None
    assert "keeps no items" in found["round"]["reason"]


def test_a_webhook_takes_the_items_of_the_newest_window(monitored: Project, drifted: Path, tmp_path: Path) -> None:
    serve(monitored, monitored.folder / "log", drifted, start=0)
    changed(monitored, monitoring={"log": "log"})
    assert open_drift_round(monitored, "alert fired")["opened"]
    assert monitored.snapshot.n_items > 900
    (planned,) = kinds(monitored, "drift_round")
    assert planned["since"] == 900
    with monitored.ledger.read() as tx:
        assert drift_rounds.query_of(tx, 3, monitored.settings.query).strategy == "drift"
        assert drift_rounds.query_of(tx, 2, monitored.settings.query).strategy == "kmeans"


def test_an_empty_log_and_a_foreign_one_are_refused(monitored: Project, drifted: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no logged prediction"):
        check(monitored, log=tmp_path)
    with pytest.raises(SettingError, match="nothing to check"):
        check(monitored)
    with pytest.raises(SettingError, match="not both"):
        check(monitored, log=tmp_path, data=drifted)
    log = PredictionLog(tmp_path / "log")
    one = np.array([[1.0, 0.0]])
    log.add(
        at=datetime(2026, 1, 1, tzinfo=UTC),
        version="r777",
        request_ids=["1"],
        classes=["a", "b"],
        proba=one,
        embeddings=one,
    )
    log.close()
    with pytest.raises(DataError, match="r777"):
        check(monitored, log=tmp_path / "log")


def test_a_hostile_item_in_the_log_is_data_like_any_other(monitored: Project, drifted: Path, tmp_path: Path) -> None:
    strange = tmp_path / "strange.csv"
    lines = drifted.read_text().splitlines()
    lines[1] = 'd0,"=cmd|calc <script>alert(1)</script> broken {{x}}",neg,p1'
    strange.write_text("\n".join(lines) + "\n")
    serve(monitored, tmp_path / "log", strange, start=0)
    found = check(monitored, log=tmp_path / "log")
    assert found["round"]["round"] == 3

"""The metrics say what the record says."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import until
from prometheus_client.parser import text_string_to_metric_families

from querist.pipeline.human_labeling.agreement import agreement
from querist.pipeline.metrics.catalogue import BY_NAME, METRICS
from querist.pipeline.metrics.exposition import Exposition
from querist.pipeline.metrics.values import agreement_of
from querist.pipeline.project import Project
from querist.stages.human_labeling.agreement import krippendorff_alpha, raw_agreement
from querist.store import tables
from querist.store.annotations import Annotation, add_annotations
from querist.store.ledger import iso


def scrape(project: Project, **options: float) -> dict[tuple[str, ...], float]:
    """(name, labels besides project in the order of their names) -> value, as Prometheus reads it."""
    found = {}
    for family in text_string_to_metric_families(Exposition(project, **options).text().decode()):
        for sample in family.samples:
            assert sample.labels.pop("project") == project.settings.project.name
            found[(sample.name, *(value for _, value in sorted(sample.labels.items())))] = sample.value
    return found


def test_a_project_that_has_begun_says_all_of_the_catalogue(watched: Project) -> None:
    names = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name, *_ in scrape(watched)}
    assert names == BY_NAME.keys()


def test_labeling_in_numbers(watched: Project) -> None:
    found = scrape(watched)
    assert found["querist_answers_total",] == 40
    assert found["querist_labels",] == 40
    assert (found["querist_round",], found["querist_round_evaluated",]) == (1, 0)
    assert (found["querist_queue_items",], found["querist_batch_items",]) == (10, 10)
    assert found["querist_batch_answered_items",] == 0
    assert found["querist_answer_seconds_bucket", "5.0"] == 0
    assert found["querist_answer_seconds_bucket", "10.0"] == 40
    assert found["querist_answer_seconds_bucket", "+Inf"] == 40
    assert found["querist_answer_seconds_sum",] == pytest.approx(240)
    assert 0 <= time.time() - found["querist_queue_oldest_timestamp_seconds",] < 86_400


def test_throughput_is_that_of_the_newest_batch(begun: Project) -> None:
    begun.run()
    now = datetime.now(UTC)
    with begun.ledger.begin() as tx:
        items = tx.execute(tables.queries.select()).mappings().all()[:3]
        said = [
            Annotation(f"a{n}", row["item"], row["position"], "pool", "pos", "ann", at=iso(now + timedelta(minutes=n)))
            for n, row in enumerate(items)
        ]
        add_annotations(tx, said, now=now)
    assert scrape(begun)["querist_batch_answers_per_hour",] == pytest.approx(60)


def test_the_budget_is_counted_in_each_of_its_currencies(watched: Project) -> None:
    found = scrape(watched)
    assert found["querist_budget_left", "labels"] == 60
    assert found["querist_spent", "money"] == pytest.approx(2.0)
    assert found["querist_budget_left", "money"] == pytest.approx(8.0)
    assert found["querist_spent", "hours"] == pytest.approx(240 / 3600)


def test_the_metric_stands_beside_its_goal_and_calibration_beside_its_limit(watched: Project) -> None:
    found, last = scrape(watched), watched.status()
    assert found["querist_objective", "accuracy"] == last["value"]
    assert found["querist_objective_low", "accuracy"] == last["low"]
    assert found["querist_objective_goal", "accuracy"] == 0.95
    assert found["querist_calibration_error_limit",] >= watched.settings.evaluation.calibration_tolerance
    assert found["querist_model_labels",] == 20
    assert found["querist_training_seconds",] > 0


def test_agreement_is_that_of_the_lead_s_page(watched: Project) -> None:
    found, told = scrape(watched), agreement(watched)
    assert found["querist_agreement", "raw"] == pytest.approx(0.9) == pytest.approx(told["raw"])
    assert found["querist_agreement", "alpha"] == pytest.approx(told["alpha"])


@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 4), st.integers(1, 3))
def test_agreement_out_of_counts_is_agreement_out_of_a_table(seed: int, n: int, people: int, classes: int) -> None:
    table = np.random.default_rng(seed).integers(-1, classes, size=(n, people))
    counted = [
        (str(item), str(label), int((row == label).sum()))
        for item, row in enumerate(table)
        for label in range(classes)
        if (row == label).any()
    ]
    found = agreement_of(counted)
    for name, expected in (("raw", raw_agreement(table, classes)), ("alpha", krippendorff_alpha(table, classes))):
        assert found.get(name, np.nan) == pytest.approx(expected, nan_ok=True)


def test_drift_stands_beside_its_thresholds_and_the_alarm_is_open(watched: Project) -> None:
    found = scrape(watched)
    assert found["querist_drift_alarm",] == 1
    deciding = watched.settings.monitoring.tests
    assert any(found["querist_drift", name] > found["querist_drift_threshold", name] for name in deciding)


def test_a_project_without_data_has_numbers_of_nothing(folder: Path) -> None:
    found = scrape(Project(folder))
    assert found["querist_queue_items",] == found["querist_labels",] == 0
    assert not any(name.startswith(("querist_model", "querist_drift", "querist_round")) for name, *_ in found)


def test_no_label_names_a_person_an_item_or_a_text(watched: Project) -> None:
    text = Exposition(watched).text().decode()
    assert {name for metric in METRICS for name in metric.labels} <= {
        "version",
        "model_version",
        "statistic",
        "resource",
        "metric",
    }
    for word in ("ann", "ben", "lea", "r1", "great", "awful"):
        assert f'"{word}"' not in text


def test_prometheus_finds_no_fault_with_the_names(watched: Project, promtool: Callable[..., None]) -> None:
    promtool("check", "metrics", text=Exposition(watched).text().decode())


def test_values_are_kept_a_moment_for_all_who_ask(begun: Project) -> None:
    kept, fresh = Exposition(begun, kept_seconds=3600), Exposition(begun, kept_seconds=0)
    before = kept.text(), fresh.text()
    begun.run()
    assert kept.text() == before[0]
    until(lambda: fresh.text() != before[1], "a new measurement: a twentieth of the time goes into them")

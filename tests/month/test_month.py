"""A month of a spam filter, played in minutes: what a user of the example sees, and what is on record after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mail
import pytest
from orchestrators import programs
from watchers import installed

from querist import config

MONTH = Path(__file__).parents[2] / "examples" / "a_month"


def test_its_settings_are_valid_and_say_why() -> None:
    settings = config.load(MONTH / config.FILE_NAME)
    assert settings.objective.why
    assert settings.monitoring.log
    assert not settings.labeling.start_rounds, "an orchestrator starts them"


def test_made_up_mail_is_the_same_each_time_and_changes_once() -> None:
    first, again = mail.made(), mail.made()
    assert first == again
    assert len(first.truth) == len(first.first) + len(first.usual) + len(first.changed)
    spam = [sum(one.label == "spam" for one in part) / len(part) for part in (first.first, first.usual, first.changed)]
    assert spam[0] == pytest.approx(spam[1], abs=0.1)
    assert spam[2] < 0.4


def test_real_mail_is_told_apart_by_its_date_alone(data_folder: Path) -> None:
    mails = mail.real(data_folder)
    assert (len(mails.first), len(mails.usual), len(mails.changed)) == (655, 200, 1_000)
    assert len(mails.truth) == 1_855

    def spam(part: Any) -> float:
        return sum(one.label == "spam" for one in part) / len(part)

    assert abs(spam(mails.first) - spam(mails.usual)) < 0.05
    assert spam(mails.changed) < 0.3 < 0.75 < spam(mails.usual)


@pytest.mark.systems
def test_a_month_by_cron_with_everything_killed_once(tmp_path: Path) -> None:
    watched = ["--alertmanager"] if installed() else []
    found = play(tmp_path, "--with", "shell", "--made", *watched)
    whole(found)
    if watched:
        drifted = next(row for row in found["rounds"] if row["strategy"] == "drift")
        assert drifted["why"][0] == "Alertmanager: QueristDrift"
        assert found["kills"].pop("Prometheus and Alertmanager") == 1
    assert set(found["kills"]) == {
        "querist ingest",
        "querist monitor",
        "querist serve",
        "querist deploy serve",
        "training by Shell",
    }


@pytest.mark.systems
def test_a_month_by_airflow_and_prefect_with_everything_killed_once(tmp_path: Path) -> None:
    pytest.importorskip("httpx", reason="the extra web is not installed")
    for name in ("airflow", "prefect"):
        if programs(name) is None:
            pytest.skip(f"{name} is not installed (python tests/orchestration/install_orchestrators.py)")
    found = play(tmp_path, "--with", "airflow", "--with", "prefect")
    whole(found)
    killed = {"Airflow", "Prefect", "training by Airflow", "training by Prefect", "querist serve"}
    assert killed <= set(found["kills"])
    assert {by.split(",")[0] for _, by in found["promotions"]} <= {"Airflow", "Prefect"}
    for row in found["rounds"][:3]:
        assert row["why"] == ["on schedule, or started by hand", f"round {row['round']} is complete"]


def play(out: Path, *how: str) -> dict[str, Any]:
    """What a user who runs the script finds at its end."""
    command = [sys.executable, str(MONTH / "play.py"), "--kill", "--changed", "500", "--out", str(out / "month"), *how]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    found: dict[str, Any] = json.loads((out / "month" / "month.json").read_text(encoding="utf-8"))
    return found


def whole(found: dict[str, Any]) -> None:
    """Nothing was lost by the kills, and the month went as months go."""
    assert [promise for promise, kept in found["holds"].items() if not kept] == []
    assert not found["alarm_open"]
    assert found["failed_requests"] > 0, "the server was killed while people labeled"
    usual, changed, learned = (accuracy(found, what) for what in ("usual", "changed", "learned"))
    assert usual > 0.85
    assert changed < usual - 0.15
    assert learned > changed + 0.1
    assert found["mails_to_alarm"] >= 200, "two windows, as patience asks for"
    drifted = [row for row in found["rounds"] if row["strategy"] == "drift"]
    assert len(drifted) == len(found["alerts"]) == 1
    assert all("have drifted" in why for why in found["alerts"])
    assert all(row["trained"] for row in found["rounds"])


def accuracy(found: dict[str, Any], what: str) -> float:
    values = [window["accuracy"] for window in found["windows"] if window["what"] == what]
    return float(sum(values) / len(values))

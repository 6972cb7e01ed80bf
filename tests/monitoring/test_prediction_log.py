"""What a served model said, written in the background and read by windows."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from querist.core.errors import DataError
from querist.stages.monitoring import logs
from querist.stages.monitoring.logs import PredictionLog, models_logged, read_log

AT = datetime(2026, 1, 1, tzinfo=UTC)


def add(log: PredictionLog, n: int, *, at: datetime = AT, model: str = "r001", first: int = 0) -> None:
    log.add(
        at=at,
        version=model,
        request_ids=[f"q{first + i}" for i in range(n)],
        classes=["no", "yes"],
        proba=np.tile([[0.25, 0.75]], (n, 1)),
        embeddings=np.tile([[0.5, -1.0, 2.0]], (n, 1)),
        n_chars=[7] * n,
        items=['{"text": "hi"}'] * n,
    )


def test_what_was_logged_is_read_again(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path)
    add(log, 3)
    log.close()
    rows = read_log(tmp_path, "r001")
    assert rows is not None
    assert len(rows) == 3
    assert rows.proba == pytest.approx(np.tile([[0.25, 0.75]], (3, 1)))
    assert rows.embeddings.dtype == np.float16
    assert rows.embeddings[0].tolist() == [0.5, -1.0, 2.0]
    assert rows.request_ids == ("q0", "q1", "q2")
    assert np.isnan(rows.unseen).all()
    assert rows.items[0] == '{"text": "hi"}'


def test_a_look_goes_on_in_the_middle_of_a_request(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path)
    add(log, 5)
    log.close()
    first = read_log(tmp_path, "r001", until=AT + timedelta(microseconds=2))
    assert first is not None
    assert first.request_ids == ("q0", "q1", "q2")
    rest = read_log(tmp_path, "r001", after=first.at[-1].item().replace(tzinfo=UTC))
    assert rest is not None
    assert rest.request_ids == ("q3", "q4")


def test_label_confidence_and_entropy_are_kept_beside(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    log = PredictionLog(tmp_path)
    add(log, 1)
    log.close()
    (row,) = pq.read_table(next(tmp_path.glob("*.parquet"))).to_pylist()
    assert (row["label"], row["confidence"]) == ("yes", 0.75)
    assert row["entropy"] == pytest.approx(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)))


def test_rows_are_read_by_model_and_time(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path)
    for hour in range(3):
        add(log, 2, at=AT + timedelta(hours=hour))
    add(log, 1, at=AT + timedelta(hours=5), model="r002")
    log.close()
    assert models_logged(tmp_path) == ["r001", "r002"]
    late = read_log(tmp_path, "r001", after=AT + timedelta(seconds=1))
    assert late is not None
    assert len(late) == 4
    assert len(read_log(tmp_path, "r001", until=AT + timedelta(seconds=1)) or []) == 2
    assert read_log(tmp_path, "r003") is None


def test_a_file_grows_and_then_the_next_one_begins(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, rows_per_file=4, most_files=2)
    for start in range(0, 20, 2):
        add(log, 2, first=start)
        log.flush()
    log.close()
    assert len(list(tmp_path.glob("*.parquet"))) <= 3
    rows = read_log(tmp_path, "r001")
    assert rows is not None
    assert rows.request_ids[-1] == "q19"
    assert not list(tmp_path.glob("*.part"))


def test_rows_reach_the_disk_by_themselves(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, flush_seconds=0.02)
    add(log, 1)
    end = time.monotonic() + 300
    while not list(tmp_path.glob("*.parquet")) and time.monotonic() < end:
        time.sleep(0.02)
    assert len(read_log(tmp_path, "r001") or []) == 1
    log.close()


def test_many_threads_lose_no_row(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, flush_seconds=0.01, rows_per_file=50)
    threads = [
        threading.Thread(target=lambda k=k: [add(log, 1, first=100 * k + i) for i in range(30)]) for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    rows = read_log(tmp_path, "r001")
    assert rows is not None
    assert len(set(rows.request_ids)) == 120
    assert (log.written, log.dropped) == (120, 0)


def test_answers_come_first_so_rows_beyond_the_limit_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MOST_PENDING", 5)
    log = PredictionLog(tmp_path, flush_seconds=60)
    add(log, 4)
    add(log, 4)
    assert log.dropped == 4
    log.close()
    add(log, 1)
    assert log.dropped == 5
    assert log.written == 4


def test_a_disk_that_refuses_stops_no_answer(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    log = PredictionLog(folder, flush_seconds=60)
    folder.rmdir()
    folder.write_text("in the way")
    add(log, 2)
    log.flush()
    assert log.dropped == 2
    log.close()


def test_a_strange_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("no parquet")
    with pytest.raises(DataError, match=r"x\.parquet"):
        models_logged(tmp_path)

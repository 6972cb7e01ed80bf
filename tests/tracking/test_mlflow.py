"""A real MLflow, in an environment of its own, reads what querist wrote."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from querist.core.errors import MissingExtra
from querist.pipeline.project import Project
from querist.store.models import list_metrics

SOURCE = Path(__file__).parents[2] / "src"
START_SECONDS = 120
READ = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
(experiment,) = [e for e in client.search_experiments() if e.name != "Default"]
(run,) = client.search_runs([experiment.experiment_id])
def points(name):
    return [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, name)]
print(json.dumps({
    "experiment": experiment.name,
    "params": run.data.params,
    "metrics": {name: points(name) for name in run.data.metrics},
    "artifacts": [a.path for a in client.list_artifacts(run.info.run_id)],
}))
"""


def environment() -> Path:
    spec = spec_from_file_location("install_mlflow", Path(__file__).parent / "install_mlflow.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.python()
    if found is None:
        pytest.skip("MLflow is not installed (python tests/tracking/install_mlflow.py)")
    return found


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Python with MLflow, in an empty folder."""
    python = environment()

    def ran(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            capture_output=True,
            text=True,
            check=False,
        )

    return ran


def written(run: Callable[..., Any], uri: str, project: Project) -> dict[str, Any]:
    """Writes twice, and reads what MLflow holds."""
    for said in ("MLflow: wrote rounds 0 to 2\n", "MLflow: no new round\n"):
        done = run("-m", "querist", "track", "mlflow", uri, "--project", project.folder)
        assert (done.returncode, done.stdout) == (0, said), done.stderr
    done = run("-c", READ, uri)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def check(found: dict[str, Any], project: Project) -> None:
    assert found["experiment"] == "Reviews & more"
    assert found["params"]["query.strategy"] == "uncertainty"
    with project.ledger.read() as tx:
        metrics = list_metrics(tx)
    for name in {m.name for m in metrics}:
        own = [(m.round, m.value) for m in metrics if m.name == name]
        assert found["metrics"][f"metrics/{name.replace(':', '.')}"] == [[r, pytest.approx(v)] for r, v in own]
    assert found["metrics"]["spent/labels"] == [[0, 20], [1, 30], [2, 40]]
    assert [step for step, _ in found["metrics"]["scores/entropy/median"]] == [1, 2]
    assert {"round", "settings", "queries.tsv", "queries_metadata.tsv"} <= set(found["artifacts"])


@pytest.mark.systems
def test_a_database_holds_every_metric_of_every_round_once(
    run: Callable[..., Any], finished: Project, tmp_path: Path
) -> None:
    check(written(run, f"sqlite:///{tmp_path}/mlflow.db", finished), finished)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    python = environment()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--artifacts-destination", tmp_path / "kept"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + START_SECONDS
        while True:
            assert process.poll() is None, (tmp_path / "log").read_text()[-2000:]
            try:
                with urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                    break
            except OSError:
                assert time.monotonic() < end, "the server does not answer"
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


@pytest.mark.systems
def test_a_server_holds_the_same(run: Callable[..., Any], server: str, finished: Project) -> None:
    check(written(run, server, finished), finished)


def test_a_server_that_is_down_is_one_sentence_without_its_password(run: Callable[..., Any], finished: Project) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"http://me:hunter2@127.0.0.1:{probe.getsockname()[1]}"
        done = run("-m", "querist", "track", "mlflow", uri, "--project", finished.folder)
    assert done.returncode == 1
    assert done.stderr.startswith("error: MLflow at http://127.0.0.1:")
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_without_mlflow_it_says_what_to_install(finished: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtra, match="mlflow"):
        finished.track("mlflow", "sqlite:///nowhere.db")

"""Who runs the loop: cron's lines, a real Airflow, a real Prefect; each in an environment of its own."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from machines import Program, free_port, querist, until

NEVER = "0 6 31 12 *"
"""The month is played, so its days come when the script says so."""
INSTALL = Path(__file__).parents[2] / "tests" / "orchestration" / "install_orchestrators.py"


def programs(name: str) -> Path | None:
    """The folder of an orchestrator's programs: on the path, or where the script of the tests has put them."""
    if found := shutil.which(name):
        return Path(found).parent
    place: Path | None = runpy.run_path(str(INSTALL))["environment"](name) if INSTALL.exists() else None
    return place


def clean(prefix: str, folder: Path, more: Mapping[str, object]) -> dict[str, str]:
    """This environment without what is set for another orchestrator, and `folder` first in the path."""
    env = {name: value for name, value in os.environ.items() if not name.startswith((prefix, "PYTEST"))}
    return env | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"} | {n: str(v) for n, v in more.items()}


class Shell:
    """The lines that `querist orchestrate cron` writes, run here one after the other."""

    settings = ""

    def __init__(self, project: Path, scratch: Path, slug: str) -> None:
        self._project, self._file = project, scratch / "loop.cron"

    def start(self) -> None:
        querist(self._project, "orchestrate", "cron", "--out", self._file, "--force")
        lines = [line for line in self._file.read_text().splitlines() if line and line[0] in "0123456789*"]
        self._asking, self._training, self._deploying, *_ = [re.split(r"\s+", line, maxsplit=5)[5] for line in lines]

    def ready(self) -> None:
        """It is, at once."""

    def ask(self) -> None:
        self._run(self._asking)

    def tick(self) -> None:
        """What cron does every few minutes."""
        self._run(self._training)
        self._run(self._deploying)

    def kill(self) -> bool:
        """Between its jobs nothing of cron's runs."""
        return False

    def stop(self) -> None:
        """The same."""

    def _run(self, job: str) -> None:
        subprocess.run(["sh", "-c", job], check=False, stderr=subprocess.DEVNULL)


class Airflow:
    """Airflow 3 with its four services, told by `querist serve` when a round is complete."""

    def __init__(self, project: Path, scratch: Path, slug: str, folder: Path | None = None, *, poll: float = 5) -> None:
        found = folder or programs("airflow")
        if found is None:
            raise SystemExit(f"Airflow is not installed; `python {INSTALL}` puts it beside, in its own environment")
        self._project, self._scratch, self._slug, self._port = project, scratch, slug, free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.settings = f'airflow_url = "{self.url}"'
        self.dags = scratch / "dags"
        self.env = clean(
            "AIRFLOW",
            found,
            {
                "AIRFLOW_HOME": scratch / "airflow",
                "AIRFLOW__CORE__DAGS_FOLDER": self.dags,
                "AIRFLOW__CORE__LOAD_EXAMPLES": False,
                "AIRFLOW__CORE__PARALLELISM": 4,
                "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "AIRFLOW__API__BASE_URL": self.url,
                "AIRFLOW__API_AUTH__JWT_SECRET": "only-for-this-loopback-test-0123456789abcdef",
                "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": 5,
                "AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL": 5,
                # What ran when the scheduler was killed is looked for every five minutes else.
                "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 10,
                "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": 20,
                "QUERIST_POLL_SECONDS": poll,
            },
        )
        services = {
            "api": ("api-server", "--host", "127.0.0.1", "--port", self._port, "--workers", "1"),
            **{name: (name,) for name in ("scheduler", "dag-processor", "triggerer")},
        }
        self._services = [Program(scratch / f"{n}.log", "airflow", *w, env=self.env) for n, w in services.items()]

    def migrate(self) -> None:
        """Makes its database."""
        self.dags.mkdir(exist_ok=True)
        subprocess.run(["airflow", "db", "migrate"], env=self.env, check=True, capture_output=True)

    def start(self) -> None:
        self.migrate()
        querist(self._project, "orchestrate", "airflow", "--out", self.dags / "loop.py", "--schedule", NEVER)
        self.begin()

    def begin(self) -> None:
        for service in self._services:
            service.start()

    def ready(self) -> None:
        """Waits until it answers and knows the workflows."""
        self.api = self.client()
        for dag in self._dags():
            until(partial(self._patch, dag), f"Airflow to read {dag}")

    def client(self) -> Any:
        import httpx

        api = httpx.Client(base_url=self.url, timeout=60)
        token = until(lambda: api.get("/auth/token").json()["access_token"], "Airflow's API")
        api.headers["authorization"] = f"Bearer {token}"
        return api

    def ask(self) -> None:
        """Asked again after no answer, it makes the run once."""
        runs = f"/api/v2/dags/{self._dags()[0]}/dagRuns"
        run = {"logical_date": None, "dag_run_id": f"played-{uuid4().hex}"}
        until(lambda: self.api.post(runs, json=run).status_code in (200, 409), "Airflow to take a run")

    def tick(self) -> None:
        """querist tells it when there is something to do."""

    def kill(self) -> bool:
        for service in self._services:
            service.kill()
        self.begin()
        return True

    def stop(self) -> None:
        for service in self._services:
            service.end()

    def _dags(self) -> tuple[str, str]:
        return f"querist_{self._slug}_ask", f"querist_{self._slug}_train"

    def _patch(self, dag: str) -> bool:
        return bool(self.api.patch(f"/api/v2/dags/{dag}", json={"is_paused": False}).is_success)


class Prefect:
    """Prefect 3, a server and a process that serves the flows, told by `querist serve` when a round is complete."""

    def __init__(self, project: Path, scratch: Path, slug: str, folder: Path | None = None) -> None:
        import httpx

        found = folder or programs("prefect")
        if found is None:
            raise SystemExit(f"Prefect is not installed; `python {INSTALL}` puts it beside, in its own environment")
        self._project, self._slug, port = project, slug.replace("_", "-"), free_port()
        self.url = f"http://127.0.0.1:{port}/api"
        self.settings = f'prefect_url = "{self.url}"'
        self.http = httpx.Client(base_url=self.url, timeout=60)
        self.file = scratch / "prefect_flows.py"
        self.env = clean(
            "PREFECT",
            found,
            {
                "PREFECT_HOME": scratch / "prefect-home",
                "PREFECT_API_URL": self.url,
                "PREFECT_SERVER_ANALYTICS_ENABLED": False,
                "PREFECT_RUNNER_POLL_FREQUENCY": 2,
                "DO_NOT_TRACK": 1,
            },
        )
        command = ("prefect", "server", "start", "--host", "127.0.0.1", "--port", port)
        self.server = Program(scratch / "prefect.log", *command, env=self.env)
        self._served = Program(scratch / "served.log", found / "python", self.file, env=self.env)

    def start(self) -> None:
        querist(self._project, "orchestrate", "prefect", "--out", self.file, "--schedule", NEVER)
        self.server.start()

    def answers(self) -> None:
        until(lambda: self.http.get("health").is_success, "Prefect's server")

    def ready(self) -> None:
        self.answers()
        self.serve(f"ask-{self._slug}", f"train-{self._slug}")

    def serve(self, *deployments: str) -> None:
        """Serves the file and waits until its deployments are known."""
        self._served.start()
        for name in deployments:
            until(partial(self.deployment, name), f"the deployment {name}")

    def ask(self) -> None:
        self.run(f"ask-{self._slug}")

    def tick(self) -> None:
        """querist tells it when there is something to do."""

    def kill(self) -> bool:
        self._served.kill()
        self.server.kill()
        self.server.start()
        return True

    def stop(self) -> None:
        self._served.end()
        self.server.end()

    # -- over its API

    def deployment(self, name: str) -> str:
        found: str = self.http.get(f"deployments/name/{name}/querist").raise_for_status().json()["id"]
        return found

    def run(self, name: str) -> str:
        """Its answer is 503 while its database is locked; asked again, it makes the run once."""
        once = {"idempotency_key": uuid4().hex}

        def made() -> str:
            answer = self.http.post(f"deployments/{self.deployment(name)}/create_flow_run", json=once)
            run: str = answer.raise_for_status().json()["id"]
            return run

        run: str = until(made, f"a run of {name}")
        return run

    def state(self, run: str) -> str:
        state: str = self.http.get(f"flow_runs/{run}").raise_for_status().json()["state_type"]
        return state

    def runs(self, name: str) -> list[dict[str, Any]]:
        wanted = {"flows": {"name": {"any_": [name]}}, "sort": "START_TIME_DESC"}
        look = partial(self.http.post, "flow_runs/filter", json=wanted)
        found: list[dict[str, Any]] = until(lambda: [look().raise_for_status().json()], f"the runs of {name}")[0]
        return found


Orchestrator = Shell | Airflow | Prefect
KINDS: dict[str, type[Orchestrator]] = {"shell": Shell, "airflow": Airflow, "prefect": Prefect}

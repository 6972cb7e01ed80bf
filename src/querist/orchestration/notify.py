"""Tells Airflow or Prefect that people have labeled a round; a dead orchestrator holds up nobody and is tried again."""

from __future__ import annotations

import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from querist.core.errors import MissingExtra
from querist.orchestration.plan import asset_of, slug_of
from querist.pipeline.exchange.sender import SECONDS, Client, DeliveryFailed
from querist.pipeline.exchange.webhooks import deliver_to
from querist.pipeline.rounds import completeness
from querist.pipeline.triggers import triggers
from querist.store import webhooks as store
from querist.store.ledger import iso
from querist.store.rounds import newest_round
from querist.store.webhooks import Delivery

if TYPE_CHECKING:
    import httpx

    from querist.config.orchestration import OrchestrationSettings
    from querist.pipeline.project import Project

EVENT = "round.complete"
RUN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A run of Prefect."""
Json = Mapping[str, Any]


def tell_due(project: Project, now: datetime, client: Client) -> int:
    """Queues that a round is complete, once a round, sends what is due, and says how many messages arrived."""
    settings = project.settings.orchestration
    url = settings.airflow_url or settings.prefect_url
    if not url:
        return 0
    with project.ledger.read() as tx:
        newest = newest_round(tx)
    if newest is not None:
        found = completeness(project, newest)
        if found["complete"] and not found["evaluated"]:
            _queue(project, url, newest, now)
    with project.ledger.read() as tx:
        if not store.has_due(tx, url, now=now):
            return 0
    return deliver_to(project, url, now, client, forever=True)


def tell(project: Project) -> int:
    """`tell_due` now, over the network."""
    settings = project.settings.orchestration
    return tell_due(project, project.clock(), orchestrator(settings)) if settings.told else 0


def _queue(project: Project, url: str, round: int, now: datetime) -> None:
    name = project.settings.project.name
    id = uuid5(NAMESPACE_URL, json.dumps(["querist", name, url, EVENT, round])).hex
    with project.ledger.read() as tx:
        if store.is_known(tx, id):
            return
    runs = [t["run"] for t in triggers(project, round) if RUN.fullmatch(t["run"])]
    data = {"round": round, "slug": slug_of(name), "runs": runs}
    body = json.dumps({"id": id, "event": EVENT, "at": iso(now), "project": name, "data": data})
    with project.ledger.begin() as tx:
        store.put(tx, [Delivery(id, url, EVENT, body, at=iso(now))])


def orchestrator(settings: OrchestrationSettings) -> Client:
    return Prefect(settings.credentials_env) if settings.prefect_url else Airflow(settings.credentials_env)


class Orchestrator(ABC):
    """Speaks to one REST API. Where the named variable is empty it comes without credentials."""

    def __init__(self, credentials_env: str) -> None:
        try:
            import httpx
        except ModuleNotFoundError:
            raise MissingExtra("telling an orchestrator", "web") from None
        self._http, self._variable = httpx, credentials_env

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The HTTP status of the last answer. Raises DeliveryFailed where what was to be told found nobody."""
        message = json.loads(body)
        agent = {"user-agent": headers["user-agent"]}
        try:
            with self._http.Client(base_url=url, timeout=SECONDS, headers=agent, trust_env=False) as client:
                self.sign_in(client, os.environ.get(self._variable, ""))
                return self.tell(client, message["id"], message["data"])
        except self._http.HTTPStatusError as error:
            return error.response.status_code
        except (self._http.HTTPError, self._http.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}"[:200]) from None

    @abstractmethod
    def sign_in(self, client: httpx.Client, credentials: str) -> None:
        """Puts what the API wants of the credentials on the client."""

    @abstractmethod
    def tell(self, client: httpx.Client, id: str, data: Json) -> int:
        """Starts or resumes what waits for the round; the HTTP status of the last answer."""


class Airflow(Orchestrator):
    """Posts an event of the project's asset, on which the workflow that trains is scheduled."""

    def sign_in(self, client: httpx.Client, credentials: str) -> None:
        user, colon, password = credentials.partition(":")
        token = credentials
        if colon:
            answer = client.post("/auth/token", json={"username": user, "password": password})
            token = answer.raise_for_status().json()["access_token"]
        elif not token:  # open to all, as its simple auth manager may be on one's own machine
            token = client.get("/auth/token").raise_for_status().json()["access_token"]
        client.headers["authorization"] = f"Bearer {token}"

    def tell(self, client: httpx.Client, id: str, data: Json) -> int:
        name, _ = asset_of(data["slug"])
        found = client.get("/api/v2/assets", params={"name_pattern": name, "limit": 100}).raise_for_status().json()
        known = [asset["id"] for asset in found["assets"] if asset["name"] == name]
        if not known:
            raise DeliveryFailed(
                f"Airflow knows no asset {name}; is the file of `querist orchestrate airflow` in place?"
            )
        event = {"asset_id": known[0], "extra": {"round": data["round"], "delivery": id}}
        return client.post("/api/v2/assets/events", json=event).raise_for_status().status_code


class Prefect(Orchestrator):
    """Resumes the runs that are suspended until the round is complete, or else creates a run of the one that trains."""

    def sign_in(self, client: httpx.Client, credentials: str) -> None:
        user, colon, password = credentials.partition(":")
        if colon:
            client.auth = self._http.BasicAuth(user, password)
        elif credentials:
            client.headers["authorization"] = f"Bearer {credentials}"

    def tell(self, client: httpx.Client, id: str, data: Json) -> int:
        states = {run: self._state(client, run) for run in data["runs"]}
        paused = [run for run, state in states.items() if state == "PAUSED"]  # several, where a schedule went on
        resumed = [client.post(f"flow_runs/{run}/resume", json={}).raise_for_status().status_code for run in paused]
        if resumed:
            return resumed[-1]
        name = f"train-{data['slug'].replace('_', '-')}"
        answer = client.get(f"deployments/name/{name}/querist")
        if answer.status_code == 404:
            if all(state in (None, "COMPLETED") for state in states.values()) and states:
                return 200  # the run that asked has seen by itself that the round is complete
            raise DeliveryFailed(
                f"Prefect knows no deployment {name}/querist, and no run that is suspended; serve the file"
            )
        deployment = answer.raise_for_status().json()["id"]
        run = {"parameters": {"round": data["round"]}, "idempotency_key": id, "state": {"type": "SCHEDULED"}}
        made = client.post(f"deployments/{deployment}/create_flow_run", json=run)
        return made.raise_for_status().status_code

    def _state(self, client: httpx.Client, run: str) -> str | None:
        answer = client.get(f"flow_runs/{run}")
        if answer.status_code == 404:
            return None
        state: str = answer.raise_for_status().json()["state_type"]
        return state

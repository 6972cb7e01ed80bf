"""Label Studio's REST API, as far as querist needs it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self

from querist.config.people import LabelStudioSettings
from querist.core.errors import MissingExtra, ServiceError, SettingError

PAGE = 100
SECONDS = 120.0
TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
OVERLAP = timedelta(minutes=1)
"""What was written while the last look went on may carry an earlier time than what it saw."""

Json = dict[str, Any]  # Any: whatever Label Studio answers


class LabelStudio:
    """One account of a Label Studio. Raises ServiceError when it cannot be reached or refuses."""

    def __init__(self, settings: LabelStudioSettings) -> None:
        try:
            import httpx
        except ModuleNotFoundError:
            raise MissingExtra("Label Studio", "web") from None
        token = os.environ.get(settings.token_env, "").strip()
        if not token:
            raise SettingError(
                f"the environment variable {settings.token_env} is empty; put the token of a Label Studio account into "
                "it (Account & Settings), or name another in label_studio.token_env"
            )
        self._http = httpx
        self._url = settings.url.rstrip("/")
        self._token = token
        self._client = httpx.Client(timeout=SECONDS, transport=httpx.HTTPTransport(retries=2))
        self._sign_in()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def project(self, number: int) -> Json:
        found: Json = self._ask("GET", f"/api/projects/{number}").json()
        return found

    def find_project(self, mark: str) -> Json | None:
        """The oldest project whose description is the mark."""
        page, found = 1, list[Json]()
        while True:
            answer = self._ask("GET", "/api/projects", params={"page": page, "page_size": PAGE}).json()
            found += [one for one in answer["results"] if one["description"] == mark]
            if not answer["next"]:
                return min(found, key=lambda one: int(one["id"]), default=None)
            page += 1

    def create_project(self, values: Json) -> Json:
        made: Json = self._ask("POST", "/api/projects", json=values).json()
        return made

    def change_project(self, number: int, values: Json) -> None:
        self._ask("PATCH", f"/api/projects/{number}", json=values)

    def tasks(self, project: int, *, since: str | None = None) -> Iterator[list[Json]]:
        """Tasks with annotations and predictions, a page at a time; those changed at `since` or later."""
        rule = {"filter": "filter:tasks:updated_at", "operator": "greater_or_equal", "type": "Datetime", "value": since}
        query = {"filters": {"conjunction": "and", "items": [rule] if since else []}}
        page, seen, total = 1, 0, 1
        while seen < total:
            params = {"project": project, "page": page, "page_size": PAGE, "fields": "all", "query": json.dumps(query)}
            answer = self._ask("GET", "/api/tasks", params=params, missing={404} if page > 1 else set())
            if answer.status_code == 404:  # fewer tasks than at the first page
                return
            found = answer.json()
            total, seen, page = int(found["total"]), seen + PAGE, page + 1
            yield found["tasks"]

    def time(self) -> str:
        """A time of Label Studio's own clock from which on nothing has been seen for sure."""
        answered = self._ask("GET", "/api/version").headers.get("date")
        at = parsedate_to_datetime(answered) if answered else datetime.now(UTC)
        return (at - OVERLAP).astimezone(UTC).strftime(TIME)

    def import_tasks(self, project: int, tasks: Sequence[Json]) -> None:
        """Each task with its one prediction."""
        answer = self._ask("POST", f"/api/projects/{project}/import", json=list(tasks)).json()
        self._all(len(tasks), answer["task_count"], "tasks")
        self._all(len(tasks), answer["prediction_count"], "predictions")

    def import_predictions(self, project: int, predictions: Sequence[Json]) -> None:
        answer = self._ask("POST", f"/api/projects/{project}/import/predictions", json=list(predictions)).json()
        self._all(len(predictions), answer["created"], "predictions")

    def change_task(self, number: int, values: Json) -> None:
        self._ask("PATCH", f"/api/tasks/{number}/", json=values, missing={404})

    def delete_task(self, number: int) -> None:
        self._ask("DELETE", f"/api/tasks/{number}/", missing={404})

    def annotate(self, task: int, values: Json) -> Json | None:
        """The annotation that was made; None where its `unique_id` is taken, or the task is gone."""
        answer = self._ask("POST", f"/api/tasks/{task}/annotations/", json=values, missing={404, 409})
        made: Json | None = answer.json() if answer.is_success else None
        return made

    def delete_annotation(self, number: int) -> None:
        self._ask("DELETE", f"/api/annotations/{number}/", missing={404})

    def by_unique_id(self, project: int, tasks: Sequence[int]) -> dict[str, Json]:
        """The annotations of these tasks by their `unique_id`, which only an export tells."""
        params = {"exportType": "JSON", "download_all_tasks": "true", "ids[]": list(tasks)}
        found = self._ask("GET", f"/api/projects/{project}/export", params=params).json()
        return {annotation["unique_id"]: annotation for task in found for annotation in task["annotations"]}

    def names(self) -> dict[int, str]:
        """The e-mail address of each account, by its number."""
        return {one["id"]: one["email"] or one["username"] for one in self._ask("GET", "/api/users").json()}

    def _sign_in(self) -> None:
        """A personal access token buys a short-lived one; the older kind of token is sent as it is."""
        if self._token.count(".") != 2:
            self._client.headers["Authorization"] = f"Token {self._token}"
            return
        self._client.headers.pop("Authorization", None)
        answer = self._send("POST", "/api/token/refresh", json={"refresh": self._token})
        self._check(answer)
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access']}"

    def _ask(self, method: str, path: str, *, missing: set[int] | None = None, **content: Any) -> Any:
        """The answer; one of the statuses `missing` is no error."""
        answer = self._send(method, path, **content)
        if answer.status_code == 401 and self._token.count(".") == 2:  # the short-lived token ran out
            self._sign_in()
            answer = self._send(method, path, **content)
        if answer.status_code not in (missing or set()):
            self._check(answer)
        return answer

    def _send(self, method: str, path: str, **content: Any) -> Any:  # Any: httpx.Response, imported late
        try:
            return self._client.request(method, self._url + path, **content)
        except (self._http.HTTPError, self._http.InvalidURL) as error:
            raise ServiceError(
                f"cannot reach Label Studio at {self._url} ({type(error).__name__}); is it running, and is "
                "label_studio.url right?"
            ) from None

    def _all(self, sent: int, taken: int, what: str) -> None:
        """Label Studio leaves out what it dislikes and still answers that all is well."""
        if taken != sent:
            raise ServiceError(f"Label Studio at {self._url} took {taken} of {sent} {what}; see its log for the reason")

    def _check(self, answer: Any) -> None:
        """Says where Label Studio refused and with what status; its own words may hold the text of an item."""
        if answer.is_success:
            return
        status, place = answer.status_code, f"{answer.request.method} {answer.request.url.path}"
        if status in (401, 403):
            raise SettingError(
                f"Label Studio at {self._url} does not accept the token (status {status} for {place}); make another, "
                "and allow legacy tokens in its organization if it is one"
            )
        try:
            body = answer.json()
        except ValueError:
            body = {}
        why = _short(body)
        raise ServiceError(f"Label Studio at {self._url} refused {place}: status {status}{why}")


def _short(body: Mapping[str, Any]) -> str:
    detail = body.get("detail") if isinstance(body, dict) else None
    return f", {detail[:100]!r}" if isinstance(detail, str) else ""

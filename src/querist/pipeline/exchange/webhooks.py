"""Webhooks: tells other systems what happens, and takes labels from them.

Events are read from the record, so that nothing is lost when a process dies and annotators wait for nobody.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from querist import __version__
from querist.core.errors import LedgerError, Replayed
from querist.core.hashing import sha256
from querist.pipeline.exchange.labels import find_items, take_labels
from querist.pipeline.exchange.sender import Client, DeliveryFailed, Sender
from querist.pipeline.exchange.signatures import HEADER, check, secret_of, sign
from querist.store import webhooks as store
from querist.store.annotations import Annotation
from querist.store.ledger import Tx, iso
from querist.store.models import list_metrics, list_models
from querist.store.rounds import Query, get_queries, get_round, list_queries
from querist.store.steps import find_step
from querist.store.webhooks import Delivery, News, State

if TYPE_CHECKING:
    from querist.pipeline.project import Project

WAITS_SECONDS = (5, 30, 120, 300, 900, 2_400)
"""Between the attempts: the seventh and last comes a little more than an hour after the first."""
CLAIM_SECONDS = 60.0
KEPT = timedelta(days=30)
"""How long the log shows what was delivered; what was given up stays until it is tried again."""
AT_ONCE = 20
PASS_SECONDS = 5.0
"""How long a receiver may keep the others waiting."""


def deliver_due(project: Project, now: datetime, client: Client) -> int:
    """Queues what happened since the last call, sends what is due, and says how many deliveries arrived.

    Each receiver has a thread of its own; after a failure it is left alone until the next call. Killed at any moment
    it repeats at most the delivery under way, which has the same id. Raises SettingError without a secret.
    """
    settings = project.settings.webhooks
    if not settings.urls:
        return 0
    secret = secret_of(settings.secret_env)
    with project.ledger.read() as tx:
        seen = store.horizon(tx)
        found = {url: store.news(tx, url, seen) for url in settings.urls}
        told = [_delivery(project, url, e, now=now) for url in found for e in _events(project, tx, found[url])]
    if any(one.moved for one in found.values()):
        with project.ledger.begin() as tx:
            store.put(tx, told)
            for url, one in found.items():
                store.remember(tx, url, one.moved)
            store.prune(tx, before=now - KEPT)
    with project.ledger.read() as tx:
        due = [url for url in settings.urls if store.has_due(tx, url, now=now)]
    if not due:
        return 0
    with ThreadPoolExecutor(len(due)) as threads:
        return sum(threads.map(lambda url: deliver_to(project, url, now, client, secret=secret), due))


def deliver(project: Project) -> int:
    """`deliver_due` now, over the network."""
    return deliver_due(project, project.clock(), Sender(allow_private=project.settings.webhooks.allow_private))


def deliveries(project: Project, *, state: State | None = None, limit: int | None = None) -> list[dict[str, Any]]:
    """The log, newest first: id, url, event, at, state, attempts, status, error, tried_at, next_at."""
    with project.ledger.read() as tx:
        found = store.list_deliveries(tx, state=state, limit=limit)
    return [{name: value for name, value in vars(d).items() if name != "body"} for d in found]


def retry(project: Project, ids: Collection[str] | None = None) -> int:
    """Deliveries that were given up (all of them, or these) are due again, as if new; how many they are."""
    with project.ledger.begin() as tx:
        return store.requeue(tx, ids, now=project.clock())


class Received(NamedTuple):
    """The body of an incoming webhook: its id (None: the signature stands for one), and rows as an import has them."""

    id: str | None
    rows: Sequence[Mapping[str, Any]]


def receive_labels(project: Project, body: bytes, signature: str, parse: Callable[[bytes], Received]) -> dict[str, int]:
    """Labels from another system, validated like an import: all or nothing. Nothing is parsed before it is trusted.

    Raises SignatureError for a signature that does not fit or is too old, and Replayed for an id that came before.
    """
    now = project.clock()
    check(secret_of(project.settings.webhooks.incoming_secret_env), signature, body, now=now)
    given = parse(body)
    rows = [(f"annotation {number}", row) for number, row in enumerate(given.rows, start=1)]
    places = find_items(project, [row["id"] for row in given.rows])
    with project.ledger.begin() as tx:
        if not store.receive(tx, given.id or sha256(signature.encode()), now=now):
            raise Replayed("this webhook was received before; there is nothing left to do")
        return take_labels(tx, rows, places, origin="webhook", annotator="webhook", now=now)


def deliver_to(
    project: Project, url: str, now: datetime, client: Client, *, secret: bytes | None = None, forever: bool = False
) -> int:
    """Sends what is due for one receiver, signed where there is a secret, and says how many deliveries arrived.

    What fails is tried again for about an hour, or `forever`.
    """
    start, arrived, failed = time.monotonic(), 0, False
    while not failed and time.monotonic() - start < PASS_SECONDS:
        with project.ledger.begin() as tx:
            claimed = store.claim(tx, url, AT_ONCE, now=now, seconds=CLAIM_SECONDS)
        if not claimed:
            break
        for number, one in enumerate(claimed, start=1):
            status, error = _attempt(one, now, client, secret)
            tries = min(one.attempts, len(WAITS_SECONDS) - 1) if forever else one.attempts
            wait = WAITS_SECONDS[tries] if tries < len(WAITS_SECONDS) else None
            again = None if wait is None else now + timedelta(seconds=wait)
            failed = bool(error)
            late = failed or time.monotonic() - start >= PASS_SECONDS
            with project.ledger.begin() as tx:
                store.record_attempt(tx, one, status=status, error=error, again=again, now=now)
                if late:
                    store.put_back(tx, claimed[number:], now=now)
            arrived += not failed
            if late:
                break
    return arrived


def _attempt(one: Delivery, now: datetime, client: Client, secret: bytes | None) -> tuple[int | None, str]:
    """The HTTP status, if one came, and what went wrong."""
    body = one.body.encode()
    headers = {"content-type": "application/json", "user-agent": f"querist/{__version__}"}
    if secret is not None:
        headers[HEADER] = sign(secret, body, now=now)
    try:
        status = client.post(one.url, body, headers)
    except DeliveryFailed as error:
        return None, str(error)
    if 300 <= status < 400:
        return status, f"status {status}; redirects are not followed"
    return status, "" if 200 <= status < 300 else f"status {status}"


class Event(NamedTuple):
    """Something that happened `at` an ISO time; `key` names it among those of its kind."""

    name: str
    key: str
    at: str
    data: Mapping[str, Any]


def _delivery(project: Project, url: str, event: Event, *, now: datetime) -> Delivery:
    name = project.settings.project.name
    id = uuid5(NAMESPACE_URL, json.dumps(["querist", name, url, event.name, event.key])).hex
    body = json.dumps({"id": id, "event": event.name, "at": event.at, "project": name, "data": dict(event.data)})
    return Delivery(id, url, event.name, body, at=iso(now))


def _events(project: Project, tx: Tx, found: News) -> list[Event]:
    """What is to be told, in the order it happened."""
    settings = project.settings.webhooks
    rounds = (_opened(tx, number, items=settings.include_items) for number in found.opened)
    said = _said(tx, found.annotations, items=settings.include_items)
    ends = (_ended(tx, number, name) for name, numbers in found.ended.items() for number in numbers)
    events = [*said, *ends, *rounds]
    return sorted((event for event in events if event.name in settings.events), key=lambda event: event.at)


def _opened(tx: Tx, number: int, *, items: bool) -> Event:
    opened, asked = get_round(tx, number), list_queries(tx, number)
    about = {"round": number, "strategy": opened.strategy, "model_version": opened.model_version}
    return Event("round.opened", str(number), opened.at, {**about, "items": [_item(query, items) for query in asked]})


def _said(tx: Tx, annotations: Sequence[Annotation], *, items: bool) -> Iterator[Event]:
    asked = get_queries(tx, {a.item for a in annotations}) if items else {}
    for a in annotations:
        shown = {"shown": _shown(asked[a.item])} if a.item in asked else {}
        if a.kind == "undo":
            data = {"id": a.id, "item": a.item, "annotator": a.annotator, "undone": a.supersedes}
            yield Event("annotation.undone", a.id, a.at, {**data, **shown})
        else:
            data = {k: v for k, v in a._asdict().items() if k not in ("position", "kind", "at")}
            yield Event("annotation.created", a.id, a.at, {**data, "details": dict(a.details), **shown})


def _ended(tx: Tx, number: int, step: str) -> Event:
    done = find_step(tx, number, step)
    if done is None:
        raise LedgerError(f"step {step} of round {number} has vanished from the ledger; restore it from a backup")
    if step == "human_labeling":
        return Event(
            "round.completed", str(number), done.started_at, {"round": number, "labels": done.result["n_labels"]}
        )
    metrics = list_metrics(tx, number)
    values = {m.name: {"value": m.value, "low": m.low, "high": m.high} for m in metrics}
    versions = [model.version for model in list_models(tx) if model.round <= number]
    data = {
        "round": number,
        "model_version": versions[-1] if versions else None,
        "metrics": values,
        "stop": done.result["stop"],
    }
    return Event("round.evaluated", str(number), done.started_at, data)


def _item(query: Query, with_text: bool) -> dict[str, Any]:
    known = {"item": query.item, "rank": query.rank + 1, "score": query.score, "wanted": query.wanted}
    known["prediction"] = query.payload.get("prediction")
    return {**known, "shown": _shown(query)} if with_text else known


def _shown(query: Query) -> dict[str, Any]:
    return {part: query.payload[part] for part in ("text", "image", "columns", "context") if part in query.payload}

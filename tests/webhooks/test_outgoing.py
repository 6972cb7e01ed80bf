"""Other systems are told what happens: all of it, in time, and nobody waits for them."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

pytest.importorskip("httpcore", reason="the extra web is not installed")

from querist.cli import cli
from querist.core.errors import SettingError
from querist.pipeline.exchange.sender import Sender
from querist.pipeline.exchange.webhooks import WAITS_SECONDS, deliver_due, deliveries, retry
from querist.pipeline.project import Project

NOW = datetime(2026, 1, 2, tzinfo=UTC)
Tell = Callable[..., Project]
Say = Callable[..., None]


def sender() -> Sender:
    return Sender(allow_private=True, seconds=1.0)


def events(receiver: Any) -> list[tuple[str, dict[str, Any]]]:
    return [(told["event"], told["data"]) for told in (json.loads(body) for _, body in receiver.got)]


def test_a_receiver_hears_of_rounds_and_annotations_in_order(telling: Tell, say: Say, receiver: Any) -> None:
    project = telling(receiver.url)
    assert deliver_due(project, NOW, sender()) == 1, "the round that is open"
    say(project, "pos", 0)
    say(project, None, 0, id="undone", kind="undo", supersedes="said-0000-pos")
    assert deliver_due(project, NOW, sender()) == 2
    say(project, "pos", *range(2, 20, 2))
    say(project, "neg", 0, *range(1, 20, 2))
    project.run()
    assert deliver_due(project, NOW, sender()) > 0
    assert deliver_due(project, NOW, sender()) == 0, "each is told once"
    names = [name for name, _ in events(receiver)]
    assert names[:3] == ["round.opened", "annotation.created", "annotation.undone"]
    assert names[3:] == [*["annotation.created"] * 20, "round.completed", "round.evaluated", "round.opened"]
    opened = dict(reversed(events(receiver)))["round.opened"]
    assert [item["rank"] for item in opened["items"]] == list(range(1, 21))
    answered = events(receiver)[1][1]
    assert (answered["label"], answered["annotator"], answered["id"]) == ("pos", "ada", "said-0000-pos")
    assert events(receiver)[2][1]["undone"] == "said-0000-pos"


def test_texts_of_items_go_out_only_when_asked(telling: Tell, say: Say, receiver: Any) -> None:
    project = telling(receiver.url)
    say(project, "pos", 0)
    deliver_due(project, NOW, sender())
    assert b'"text"' not in b"".join(body for _, body in receiver.got)


def test_texts_of_items_go_out_when_asked(telling: Tell, say: Say, receiver: Any) -> None:
    project = telling(receiver.url, more="allow_private = true\ninclude_items = true")
    deliver_due(project, NOW, sender())
    say(project, "pos", 0)
    deliver_due(project, NOW, sender())
    (_, opened), (_, answered) = events(receiver)
    assert answered["shown"] == opened["items"][0]["shown"]
    assert answered["shown"]["text"]


def test_only_the_events_asked_for_are_told(telling: Tell, say: Say, receiver: Any) -> None:
    project = telling(receiver.url, more='allow_private = true\nevents = ["annotation.created"]')
    deliver_due(project, NOW, sender())
    say(project, "pos", 0)
    deliver_due(project, NOW, sender())
    assert [name for name, _ in events(receiver)] == ["annotation.created"]


def test_the_signature_can_be_checked_by_anybody_with_the_secret(telling: Tell, receiver: Any) -> None:
    deliver_due(telling(receiver.url), NOW, sender())
    ((headers, body),) = receiver.got
    at, signature = (part.split("=")[1] for part in headers["querist-signature"].split(","))
    assert int(at) == NOW.timestamp()
    expected = hmac.new(b"a secret for tests", at.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert signature == expected
    assert headers["content-type"] == "application/json"


def test_without_a_secret_nothing_is_sent_and_it_says_why(
    telling: Tell, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = telling(receiver.url)
    monkeypatch.setenv("QUERIST_WEBHOOK_SECRET", "")
    with pytest.raises(SettingError, match="environment variable QUERIST_WEBHOOK_SECRET is empty"):
        deliver_due(project, NOW, sender())
    assert receiver.got == []


def test_a_receiver_that_fails_at_first_gets_the_same_delivery_again(telling: Tell, receiver: Any) -> None:
    project = telling(receiver.url)
    receiver.statuses = [500, 200]
    assert deliver_due(project, NOW, sender()) == 0
    (one,) = deliveries(project)
    assert (one["state"], one["attempts"], one["status"], one["error"]) == ("waiting", 1, 500, "status 500")
    assert deliver_due(project, NOW + timedelta(seconds=4), sender()) == 0, "not before its time"
    assert deliver_due(project, NOW + timedelta(seconds=5), sender()) == 1
    ids = [json.loads(body)["id"] for _, body in receiver.got]
    assert ids == [one["id"]] * 2
    assert deliveries(project)[0]["state"] == "delivered"


def test_after_an_hour_of_failures_it_is_given_up_listed_and_can_start_again(
    telling: Tell, receive: Callable[[], Any]
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    project, now = telling(url), NOW
    for wait in (0, *WAITS_SECONDS):
        assert deliveries(project, state="given up") == []
        now += timedelta(seconds=wait)
        assert deliver_due(project, now, sender()) == 0
    (one,) = deliveries(project, state="given up")
    assert one["attempts"] == 7
    assert "ConnectError" in one["error"]
    assert now - NOW > timedelta(hours=1)
    assert deliver_due(project, now + timedelta(days=1), sender()) == 0
    assert retry(project, ["unknown"]) == 0
    assert retry(project) == 1
    assert deliveries(project)[0]["state"] == "waiting"


def test_a_redirect_is_not_followed(telling: Tell, receiver: Any) -> None:
    project = telling(receiver.url)
    receiver.statuses = [302]
    deliver_due(project, NOW, sender())
    assert len(receiver.got) == 1
    assert deliveries(project)[0]["error"] == "status 302; redirects are not followed"


def test_a_slow_or_dead_receiver_keeps_neither_annotators_nor_other_receivers_waiting(
    telling: Tell, say: Say, receive: Callable[[], Any]
) -> None:
    slow, quick = receive(), receive()
    project = telling(slow.url, quick.url)
    slow.seconds = 30
    started = time.monotonic()
    assert deliver_due(project, NOW, Sender(allow_private=True, seconds=0.5)) == 1
    assert time.monotonic() - started < 5
    assert len(quick.got) == 1
    started = time.monotonic()
    say(project, "pos", 0)
    assert time.monotonic() - started < 1
    say(project, "neg", *range(1, 20))
    assert deliver_due(project, NOW, Sender(allow_private=True, seconds=0.5)) == 20
    assert len(quick.got) == 21
    assert len(slow.got) == 2, "after one failure it is left alone until the next call"


def test_a_receiver_that_sends_a_byte_now_and_then_is_cut_off(telling: Tell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        project = telling(f"http://127.0.0.1:{server.getsockname()[1]}/")
        child = subprocess.Popen([sys.executable, "-c", DRIP, str(server.fileno())], pass_fds=[server.fileno()])
        try:
            started = time.monotonic()
            deliver_due(project, NOW, Sender(allow_private=True, seconds=1.0))
            assert time.monotonic() - started < 3
        finally:
            child.kill()
            child.wait()
    assert deliveries(project)[0]["error"] == "no answer within 1 seconds"


DRIP = """
import socket, sys, time
peer, _ = socket.socket(fileno=int(sys.argv[1])).accept()
for byte in b"HTTP/1.1 200 OK\\r\\n" + b"x: y\\r\\n" * 1000:
    peer.send(bytes([byte]))
    time.sleep(0.2)
"""


def test_killed_between_attempts_it_goes_on_and_loses_nothing(telling: Tell, say: Say, receiver: Any) -> None:
    project = telling(receiver.url)
    deliver_due(project, NOW, sender())
    say(project, "pos", *range(20))
    receiver.seconds = 0.05
    command = [sys.executable, "-m", "querist", "webhooks", "deliver", "--project", str(project.folder)]
    code = "import sys; sys.argv[0] = 'querist'; from querist.cli import main; main()"
    child = subprocess.Popen([sys.executable, "-c", code, *command[3:]], env=os.environ.copy())
    while len(receiver.got) < 6:
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    receiver.seconds = 0.0
    later = datetime.now(UTC) + timedelta(seconds=61)
    deliver_due(project, later, sender())
    told = [data["id"] for name, data in events(receiver) if name == "annotation.created"]
    assert len(set(told)) == 20
    assert len(told) <= 21, "at most the one under way was sent twice"
    assert {one["state"] for one in deliveries(project)} == {"delivered"}


def test_annotations_write_nothing_for_webhooks(telling: Tell, say: Say, receiver: Any) -> None:
    project = telling(receiver.url)
    deliver_due(project, NOW, sender())
    say(project, "pos", *range(20))
    assert len(deliveries(project)) == 1, "only the delivery of the open round; the rest is read from the record later"


def test_a_receiver_added_later_hears_what_comes_from_then_on(
    telling: Tell, say: Say, receive: Callable[[], Any]
) -> None:
    first, second = receive(), receive()
    project = telling(first.url)
    say(project, "pos", 0)
    deliver_due(project, NOW, sender())
    settings = project.folder / "querist.toml"
    settings.write_text(settings.read_text().replace(first.url, second.url))
    project = Project(project.folder, clock=project.clock)
    deliver_due(project, NOW, sender())
    say(project, "neg", 1)
    deliver_due(project, NOW, sender())
    assert [name for name, _ in events(second)] == ["round.opened", "annotation.created"]


def test_more_than_one_call_can_read_is_told_by_the_next(
    telling: Tell, say: Say, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = telling(receiver.url)
    deliver_due(project, NOW, sender())
    monkeypatch.setattr("querist.store.webhooks.AT_ONCE", 7)
    say(project, "pos", *range(20))
    assert [deliver_due(project, NOW, sender()) for _ in range(4)] == [7, 7, 6, 0]


def test_the_commands_list_and_retry(telling: Tell, receiver: Any) -> None:
    project = telling(receiver.url)

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, ["webhooks", *words, "--project", str(project.folder)])
        assert done.exit_code == 0, done.output
        return done.output

    assert run("list") == "no deliveries\n"
    assert run("deliver") == "1 deliveries arrived\n"
    assert f"round.opened  {receiver.url}  delivered, attempt 1" in run("list")
    assert json.loads(run("list", "--json"))[0]["status"] == 200
    assert run("list", "--state", "given up") == "no deliveries\n"
    assert run("retry") == "0 deliveries start again\n"


def test_a_lead_reads_the_log_over_http(telling: Tell, receiver: Any) -> None:
    pytest.importorskip("fastapi", reason="the extra web is not installed")
    from fastapi.testclient import TestClient
    from web_client import ByHeader

    from querist.web.app import create_app

    project = telling(receiver.url)
    deliver_due(project, NOW, sender())
    client = TestClient(create_app(project, gate=ByHeader()), headers={"x-person": "lea", "x-role": "lead"})
    (one,) = client.get("/api/v1/webhooks/deliveries").json()["deliveries"]
    assert (one["event"], one["url"], one["state"], one["status"]) == ("round.opened", receiver.url, "delivered", 200)
    given_up = client.get("/api/v1/webhooks/deliveries", params={"state": "given up"})
    assert given_up.json() == {"deliveries": []}
    assert client.get("/api/v1/webhooks/deliveries", headers={"x-role": "annotator"}).status_code == 403


def test_webhooks_do_not_change_what_the_loop_decides(telling: Tell, folder: Path, receiver: Any) -> None:
    project = telling(receiver.url)
    key, digest = project.settings_key, project.digest()
    deliver_due(project, NOW, sender())
    assert project.digest() == digest
    settings = folder / "querist.toml"
    settings.write_text(settings.read_text().partition("[webhooks]")[0])
    assert Project(folder).settings_key == key

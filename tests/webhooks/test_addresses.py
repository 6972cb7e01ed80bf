"""Which addresses a webhook may go to."""

from __future__ import annotations

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("httpcore", reason="the extra web is not installed")

from querist.config import parse
from querist.core.errors import SettingError
from querist.pipeline.exchange.sender import DeliveryFailed, Sender, check_address

PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::8.8.8.8"]
PRIVATE = ["127.0.0.1", "10.0.0.1", "172.16.3.4", "192.168.1.1", "100.64.0.1", "::1", "fd00::1", "::ffff:127.0.0.1"]
PRIVATE += ["64:ff9b::10.0.0.1", "2002:7f00:1::"]
NEVER = ["169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "fe80::1", "fe80::1%eth0", "::", "ff02::1"]
NEVER += ["::ffff:169.254.169.254", "64:ff9b::169.254.169.254"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_told(address: str) -> None:
    check_address(address, allow_private=False)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_only_where_that_is_set(address: str) -> None:
    with pytest.raises(DeliveryFailed, match=r"set webhooks\.allow_private"):
        check_address(address, allow_private=False)
    check_address(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
@pytest.mark.parametrize("allowed", [True, False])
def test_some_addresses_never(address: str, allowed: bool) -> None:
    with pytest.raises(DeliveryFailed, match=r"is no public address$"):
        check_address(address, allow_private=allowed)


def test_a_name_is_judged_by_every_address_behind_it(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", ("93.184.215.14", 80)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(DeliveryFailed, match=r"127\.0\.0\.1 is no public address"):
        Sender().post("http://example.org/", b"{}", {})
    assert receiver.got == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0177.0.0.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]"])
def test_no_spelling_of_this_machine_gets_through(receiver: Any, host: str) -> None:
    port = receiver.url.rpartition(":")[2].partition("/")[0]
    with pytest.raises(DeliveryFailed):
        Sender().post(f"http://{host}:{port}/", b"{}", {})
    assert receiver.got == []


def test_a_proxy_of_the_environment_is_not_asked(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", receiver.url)
    monkeypatch.setenv("ALL_PROXY", receiver.url)
    with pytest.raises(DeliveryFailed):
        Sender(seconds=1.0).post("http://10.0.0.1/", b"{}", {})
    assert receiver.got == []


def test_a_name_that_leads_nowhere_is_a_failure(receive: Callable[[], Any]) -> None:
    for name in ("no-such-host.invalid", "a" * 64 + ".invalid"):
        with pytest.raises(DeliveryFailed):
            Sender().post(f"http://{name}/", b"{}", {})


def test_a_certificate_must_be_trusted_and_name_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("openssl is not installed")
    make = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([openssl, *make.split(), *names], cwd=tmp_path, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with pytest.raises(DeliveryFailed, match="CERTIFICATE_VERIFY_FAILED"):
                Sender(allow_private=True).post(f"https://localhost:{server.server_port}/", b"{}", {})
            monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
            assert Sender(allow_private=True).post(f"https://localhost:{server.server_port}/", b"{}", {}) == 501
            with pytest.raises(DeliveryFailed, match="CERTIFICATE_VERIFY_FAILED"):
                Sender(allow_private=True).post(f"https://127.0.0.1:{server.server_port}/", b"{}", {})
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("file:///etc/passwd", "such as https"),
        ("gopher://example.org", "such as https"),
        ("example.org/hook", "such as https"),
        ("http://", "such as https"),
        ("http://[::1", "such as https"),
        ("http://exa mple.org", "such as https"),
        ("http://example.org:99999", "such as https"),
        ("https://bob:secret@example.org", "no name or password"),
    ],
)
def test_other_addresses_are_no_setting(url: str, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        parse({"webhooks": {"urls": [url]}})

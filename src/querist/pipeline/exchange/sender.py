"""Sends webhooks to addresses that somebody wrote into the settings: none inside the network unless that is wanted."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from querist.core.errors import MissingExtra

if TYPE_CHECKING:
    import httpcore

SECONDS = 5.0
TRANSLATED = ipaddress.ip_network("64:ff9b::/96")
"""NAT64: addresses whose last four bytes are those of another."""


class DeliveryFailed(Exception):
    """No answer came; the message says why and holds nothing of the body."""


class Client(Protocol):
    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """The HTTP status of the answer. Raises DeliveryFailed when none came."""
        ...


class Sender:
    """Posts without following redirects, within `seconds` in all, and reads nothing of the answer but its status."""

    def __init__(self, *, allow_private: bool = False, seconds: float = SECONDS) -> None:
        try:
            import httpcore  # noqa: F401
        except ModuleNotFoundError:
            raise MissingExtra("sending webhooks", "web") from None
        self._allow_private, self._seconds = allow_private, seconds
        self._tls = ssl.create_default_context()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        import httpcore

        backend = _backend(self._allow_private, time.monotonic() + self._seconds)
        limits = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend, retries=0) as pool,
                pool.stream(
                    "POST",
                    url,
                    headers=[*headers.items(), ("connection", "close")],
                    content=body,
                    extensions={"timeout": limits},
                ) as answer,
            ):
                return answer.status
        except httpcore.TimeoutException:
            raise DeliveryFailed(f"no answer within {self._seconds:g} seconds") from None
        except (
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.UnsupportedProtocol,
            OSError,
            UnicodeError,
        ) as error:
            raise DeliveryFailed(f"{type(error).__name__}: {error}"[:200]) from None


def check_address(address: str, *, allow_private: bool) -> None:
    """Raises DeliveryFailed for an address that is not a host on the internet (or, where allowed, on a private net)."""
    ip = _innermost(ipaddress.ip_address(address.partition("%")[0]))
    never = ip.is_link_local or ip.is_multicast or ip.is_unspecified or (ip.is_reserved and not ip.is_loopback)
    if never or not (ip.is_global or allow_private):
        remedy = "" if never else "; set webhooks.allow_private = true to allow it"
        raise DeliveryFailed(f"{address} is no public address{remedy}")


def _innermost(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address inside an IPv6 one that stands for it."""
    if isinstance(ip, ipaddress.IPv6Address):
        if inner := ip.ipv4_mapped or ip.sixtofour:
            return inner
        if ip in TRANSLATED:
            return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip


def _backend(allow_private: bool, deadline: float) -> httpcore.NetworkBackend:
    """Resolves a name once, checks every address behind it, and connects to what was checked."""
    import httpcore

    def left(timeout: float | None) -> float:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise httpcore.ReadTimeout
        return min(remaining, timeout if timeout is not None else remaining)

    class Timed(httpcore.NetworkStream):
        """A time-out counts for one read; a receiver that sends a byte now and then would hold the line for days."""

        def __init__(self, stream: httpcore.NetworkStream) -> None:
            self._stream = stream

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return self._stream.read(max_bytes, left(timeout))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            self._stream.write(buffer, left(timeout))

        def close(self) -> None:
            self._stream.close()

        def start_tls(
            self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
        ) -> httpcore.NetworkStream:
            return Timed(self._stream.start_tls(ssl_context, server_hostname, left(timeout)))

        def get_extra_info(self, info: str) -> Any:  # Any: as httpcore declares it
            return self._stream.get_extra_info(info)

    class Guarded(httpcore.SyncBackend):
        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,  # Any: as httpcore declares it
        ) -> httpcore.NetworkStream:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
            for address in addresses:
                check_address(address, allow_private=allow_private)
            for place, address in enumerate(addresses):
                try:
                    return Timed(super().connect_tcp(address, port, left(timeout), local_address, socket_options))
                except httpcore.ConnectError:
                    if place == len(addresses) - 1:
                        raise
            raise httpcore.ConnectError(f"{host} has no address")

    return Guarded()

"""Where a request comes from."""

from __future__ import annotations

from ipaddress import ip_address

from fastapi import Request

HANDED_ON = ("forwarded", "x-forwarded-for", "x-real-ip")


def from_this_machine(request: Request) -> bool:
    """What a proxy on this machine hands on comes from elsewhere."""
    if request.client is None or any(name in request.headers for name in HANDED_ON):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False

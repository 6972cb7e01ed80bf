"""How often somebody may try: a bounded count of failures by key, forgotten after a while."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from threading import Lock


class Attempts:
    """At most `most` tries of a key within `minutes` of its first. Beyond `keys` keys the longest idle are lost."""

    def __init__(self, most: int, *, minutes: float, keys: int = 10_000) -> None:
        self._most, self._for, self._keys = most, timedelta(minutes=minutes), keys
        self._counts: OrderedDict[str, tuple[int, datetime]] = OrderedDict()
        self._lock = Lock()

    def take(self, key: str, *, now: datetime) -> float:
        """Counts one try. 0 when it is allowed, else the seconds until the next one is."""
        with self._lock:
            count, until = self._counts.pop(key, (0, now + self._for))
            if until <= now:
                count, until = 0, now + self._for
            allowed = count < self._most
            self._counts[key] = (count + allowed, until)
            while len(self._counts) > self._keys:
                self._counts.popitem(last=False)
        return 0.0 if allowed else (until - now).total_seconds()

    def give_back(self, key: str) -> None:
        """The try was no failure."""
        with self._lock:
            count, until = self._counts.get(key, (0, None))
            if until is not None:
                self._counts[key] = (max(count - 1, 0), until)

    def forget(self, key: str) -> None:
        with self._lock:
            self._counts.pop(key, None)


def network(address: str) -> str:
    """The address to count by: of IPv6 the /64 network, since one household has all of it."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(int(parsed) >> 64) if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None else address

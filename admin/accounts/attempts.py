"""How many sign-ins may fail: counted per account and address, per address, and per account from everywhere. Pure:
``now`` in seconds is an argument.

The pair is strict, so that guessing stops early; the account's own limit is loose, so that a stranger who does not
share the person's address can hardly lock the person out. Memory is bounded: the oldest counters go first.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

WINDOW = 15 * 60.0
PAIR_LIMIT = 5
ADDRESS_LIMIT = 30
ACCOUNT_LIMIT = 100
MAX_COUNTERS = 20_000


@dataclass(slots=True)
class _Count:
    failures: int = 0
    since: float = 0.0


@dataclass(slots=True)
class Attempts:
    """Failures of the last ``WINDOW`` seconds."""

    _counts: OrderedDict[tuple[str, ...], _Count] = field(default_factory=OrderedDict)

    def wait(self, email: str, address: str, now: float) -> float:
        """Seconds until the next try is allowed; 0 when it is allowed now."""
        return max(self._wait(key, limit, now) for key, limit in _keys(email, address))

    def left(self, email: str, address: str, now: float) -> int:
        """Tries that remain."""
        return max(0, min(limit - self._failures(key, now) for key, limit in _keys(email, address)))

    def begun(self, email: str, address: str, now: float) -> None:
        """A try counts as failed from its beginning, so that many at once are no more than one after the other."""
        for key, _ in _keys(email, address):
            count = self._counts.pop(key, None)
            if count is None or now - count.since >= WINDOW:
                count = _Count(since=now)
            count.failures += 1
            self._counts[key] = count
        while len(self._counts) > MAX_COUNTERS:
            self._counts.popitem(last=False)

    def succeeded(self, email: str, address: str) -> None:
        """The person is who he says: take back this try, and forget the failures of this account from this address."""
        for key, _ in _keys(email, address):
            if (count := self._counts.get(key)) is not None:
                count.failures -= 1
        self._counts.pop(("pair", email, address), None)

    def _failures(self, key: tuple[str, ...], now: float) -> int:
        count = self._counts.get(key)
        return 0 if count is None or now - count.since >= WINDOW else count.failures

    def _wait(self, key: tuple[str, ...], limit: int, now: float) -> float:
        return 0.0 if self._failures(key, now) < limit else self._counts[key].since + WINDOW - now


def _keys(email: str, address: str) -> tuple[tuple[tuple[str, ...], int], ...]:
    return (
        (("pair", email, address), PAIR_LIMIT),
        (("address", address), ADDRESS_LIMIT),
        (("account", email), ACCOUNT_LIMIT),
    )

"""Checking codes (PINs): which role a code opens, and delays for those who guess.

After ``tries`` wrong codes an address waits before its next try in that room, twice as long each time. Apart from that,
wrong codes of all addresses together are limited per room by a bucket, so that guessing from many addresses stays slow:
when it is empty everybody's next try waits about a second, nobody longer. A try during a delay is not even compared.

Whoever knows one code is not forgiven his wrong tries at the other: only the organiser's code, or the only code of a
room, ends the counting early.

Codes are compared in constant time and both are always compared. The table is bounded: the least recently wrong goes.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from config.rooms import Pins
from kernel.errors import Remote
from kernel.ids import same

Role = Literal["participant", "organiser"]

MAX_ENTRIES = 10_000
FORGET_AFTER = 15 * 60.0
"""Seconds after the last wrong code until an address is forgiven."""
LONGEST_DELAY = 15 * 60.0
ROOM_BURST = 50.0
ROOM_RATE = 1.0
"""Wrong codes a second and room, all addresses together, once the burst is used up."""


def role_of(pins: Pins, pin: str | None) -> Role | None:
    """The role that ``pin`` opens; None when it opens nothing."""
    given = (pin or "").strip()
    organiser = same(given, pins.organiser or "") and bool(pins.organiser)
    participant = same(given, pins.participant or "") and bool(pins.participant)
    if organiser:
        return "organiser"
    if participant or (pins.participant is None and not given):
        return "participant"
    return None


def source_of(address: str) -> str:
    """What counts as one guesser: an IPv4 address, or an IPv6 /64 (one subscriber has them all)."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


@dataclass(slots=True)
class _Guesser:
    wrong: int = 0
    last: float = 0.0
    wait_until: float = 0.0


@dataclass(slots=True)
class _Bucket:
    tokens: float = ROOM_BURST
    at: float = 0.0


class PinGuard:
    """Counts wrong codes per address and room."""

    def __init__(self, tries: int = 5, delay: float = 60.0) -> None:
        """``delay``: seconds to wait after ``tries`` wrong codes, doubled by each further one."""
        self._tries = tries
        self._delay = delay
        self._guessers: OrderedDict[tuple[str, str], _Guesser] = OrderedDict()
        self._buckets: dict[str, _Bucket] = {}

    def __len__(self) -> int:
        return len(self._guessers)

    def check(self, room: str, pins: Pins, pin: str | None, address: str, now: float) -> Role:
        """The role that the code opens. Raises Remote("bad_pin") or Remote("pin_delay") with ``retry_after``."""
        key = (source_of(address), room)
        guesser = self._guessers.get(key)
        if guesser is not None and now - guesser.last > FORGET_AFTER:
            del self._guessers[key]
            guesser = None
        if guesser is not None and now < guesser.wait_until:
            raise Remote("pin_delay", "wrong codes from this address", retry_after=guesser.wait_until - now)
        bucket = self._refill(room, now)
        if bucket.tokens < 1.0 and (pins.participant or pins.organiser):
            raise Remote("pin_delay", "wrong codes in this room", retry_after=(1.0 - bucket.tokens) / ROOM_RATE)
        role = role_of(pins, pin)
        if role is not None:
            if role == "organiser" or pins.organiser is None:
                self._guessers.pop(key, None)
            return role
        if not (pin or "").strip():
            # Nothing was guessed: the page asks for the code only once it is told that there is one.
            raise Remote("bad_pin", "a code is needed", field="pin")
        bucket.tokens -= 1.0
        self._count(key, now)
        raise Remote("bad_pin", "wrong code", field="pin")

    def _count(self, key: tuple[str, str], now: float) -> None:
        guesser = self._guessers.setdefault(key, _Guesser())
        self._guessers.move_to_end(key)
        guesser.wrong += 1
        guesser.last = now
        over = guesser.wrong - self._tries
        if over >= 0:
            guesser.wait_until = now + min(self._delay * 2.0 ** min(over, 30), LONGEST_DELAY)
        while len(self._guessers) > MAX_ENTRIES:
            self._guessers.popitem(last=False)

    def _refill(self, room: str, now: float) -> _Bucket:
        """One bucket per room that exists (rooms are few and are not made by strangers)."""
        bucket = self._buckets.setdefault(room, _Bucket(at=now))
        bucket.tokens = min(ROOM_BURST, bucket.tokens + (now - bucket.at) * ROOM_RATE)
        bucket.at = now
        return bucket

    def forget(self, room: str) -> None:
        """The room is no more."""
        self._buckets.pop(room, None)
        for key in [key for key in self._guessers if key[1] == room]:
            del self._guessers[key]

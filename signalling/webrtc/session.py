"""The protocol of one WebSocket without the socket: text in, decisions out. See docs/protocol.md.

It knows whether the person has joined, how fast he may talk and what he may say when; it reads no clock (``now`` is
monotonic seconds) and touches neither rooms nor media. The endpoint carries its decisions out and tells it the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec

from kernel.errors import Fault, Remote
from signalling.webrtc import messages as m
from signalling.webrtc.translate import failure

JOIN_TIMEOUT = 10.0
"""Seconds from the opening of the socket to the first ``join`` or ``resume``."""
RETRY_TIMEOUT = 120.0
"""Seconds for another try after a refused ``join``: somebody is looking for the right code."""
MAX_MALFORMED = 20
OFFER_RATE, OFFER_BURST = 0.5, 10.0
"""Offers a second and at once: each costs some 20 ms of the processor."""
MAX_DROPPED = 500
"""Messages dropped as too fast, within `ABUSE_WINDOW`, before the socket is closed."""
ABUSE_WINDOW = 10.0
POLICY_VIOLATION = 1008
"""Close code (RFC 6455 §7.4.1)."""
NORMAL = 1000


class Phase(Enum):
    WAITING = "waiting"
    """For ``join`` or ``resume``."""
    JOINED = "joined"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Say:
    message: m.ServerMessage


@dataclass(frozen=True, slots=True)
class Execute:
    """A message that may be carried out now."""

    message: m.ClientMessage


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket after what was said."""

    code: int
    reason: str


Decision = Say | Execute | Close


class TokenBucket:
    """At most ``burst`` at once and ``rate`` a second in the long run."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, now

    def take(self, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class Session:
    def __init__(self, now: float, *, rate: float = 50.0, burst: float = 200.0, language: str = "fr") -> None:
        self.phase = Phase.WAITING
        self.language = language
        self.deadline: float | None = now + JOIN_TIMEOUT
        """When a person who has not joined is sent away."""
        self._bucket = TokenBucket(rate, burst, now)
        self._offers = TokenBucket(OFFER_RATE, OFFER_BURST, now)
        self._malformed = 0
        self._dropped = 0
        self._dropping_since = now
        self._told_too_fast = -1.0

    def receive(self, text: str, now: float) -> list[Decision]:
        """One text frame."""
        if self.phase is Phase.CLOSED:
            return []
        if not self._bucket.take(now):
            return self._too_fast(now)
        try:
            message = m.decode_client(text)
        except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
            return self._malformed_text(error)
        return self._allowed(message, now)

    def _allowed(self, message: m.ClientMessage, now: float) -> list[Decision]:
        if isinstance(message, m.Ping):
            return [Say(m.Pong(t=message.t))]
        if not isinstance(message, m.Join | m.Resume):
            if self.phase is not Phase.JOINED:
                return self.refuse(Remote("not_joined", "join first"))
            if isinstance(message, m.Offer) and not self._offers.take(now):
                return self.refuse(Remote("too_fast", "offers too fast", retry_after=1.0 / OFFER_RATE))
            return [Execute(message)]
        if isinstance(message, m.Join):
            self.language = message.language
        if message.version != m.VERSION:
            return self.end(Remote("version", f"version {message.version}"), POLICY_VIOLATION)
        if self.phase is Phase.JOINED:
            return self.refuse(Remote("malformed", "this line has joined already", field="type"))
        return [Execute(message)]

    def _malformed_text(self, error: Exception) -> list[Decision]:
        self._malformed += 1
        fault = Remote("malformed", str(error)[:200])
        return self.end(fault, POLICY_VIOLATION) if self._malformed >= MAX_MALFORMED else self.refuse(fault)

    def _too_fast(self, now: float) -> list[Decision]:
        if now - self._dropping_since > ABUSE_WINDOW:
            self._dropping_since, self._dropped = now, 0
        self._dropped += 1
        fault = Remote("too_fast", "messages too fast", retry_after=1.0)
        if self._dropped >= MAX_DROPPED:
            return self.end(fault, POLICY_VIOLATION)
        if now - self._told_too_fast < 1.0:
            return []
        self._told_too_fast = now
        return self.refuse(fault)

    # --- outcomes, told by the endpoint -------------------------------------------------------------------------------

    def joined(self, language: str) -> None:
        self.phase, self.deadline, self.language = Phase.JOINED, None, language

    def join_refused(self, now: float) -> None:
        """There may be another try on the same socket."""
        self.deadline = now + RETRY_TIMEOUT

    def refuse(self, fault: Fault) -> list[Decision]:
        return [Say(failure(fault, self.language))]

    def end(self, fault: Fault, code: int) -> list[Decision]:
        """Refuse for good."""
        self.phase = Phase.CLOSED
        return [Say(failure(fault, self.language, fatal=True)), Close(code, fault.code)]

    def over(self) -> None:
        """The room has sent the person away, or the socket is gone."""
        self.phase, self.deadline = Phase.CLOSED, None

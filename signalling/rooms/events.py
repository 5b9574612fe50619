"""What happened in rooms, for statistics, booking and logs (published on the kernel's bus; nobody in signalling reads
it).

Times are wall-clock seconds since 1970 UTC. ``call`` names one occupancy of a room, from its first person to its last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EndReason = Literal["left", "timeout", "room_closed", "kicked"]


@dataclass(frozen=True, slots=True)
class RoomEvent:
    room: str
    call: str
    at: float


@dataclass(frozen=True, slots=True)
class RoomOpened(RoomEvent):
    """The first person entered."""


@dataclass(frozen=True, slots=True)
class RoomClosed(RoomEvent):
    """The last person is gone."""

    seconds: float
    participants: int
    """How many entered in all."""
    peak: int
    """Most at the same time."""


@dataclass(frozen=True, slots=True)
class ParticipantJoined(RoomEvent):
    participant: str
    name: str
    role: str
    kind: str


@dataclass(frozen=True, slots=True)
class ParticipantLeft(RoomEvent):
    participant: str
    reason: EndReason
    seconds: float


@dataclass(frozen=True, slots=True)
class ParticipantResumed(RoomEvent):
    participant: str
    adopted: bool
    """The seat had been taken over from the engine after a restart of control."""

"""What a room says and to whom: notices to people, orders to the media plane. All are plain values.

A room's methods return effects; `registry.Rooms` hands them on: notices to each person's ``Outbox`` (his dialect turns
them into its own messages), orders to the ``MediaPort``, events to the bus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from signalling.rooms.events import RoomEvent

TrackName = Literal["mic", "camera", "screen", "screen-audio"]
TRACKS: tuple[TrackName, ...] = ("mic", "camera", "screen", "screen-audio")
AUDIO_TRACKS: frozenset[str] = frozenset({"mic", "screen-audio"})
SHARED_TRACKS: frozenset[str] = frozenset({"screen", "screen-audio"})

Kind = Literal["browser", "sip", "h323", "phone", "synthetic"]


# --- notices: to people -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """A line of the roster."""

    id: str
    name: str
    role: Literal["participant", "organiser"]
    kind: Kind
    guest: bool
    tracks: tuple[TrackName, ...]
    connected: bool
    joined_at: int
    """Milliseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class RosterChanged:
    seq: int
    put: tuple[Person, ...]
    gone: tuple[str, ...]
    total: int


@dataclass(frozen=True, slots=True)
class SpeakersChanged:
    """``active`` are ids and levels (−dBov), loudest first."""

    dominant: str | None
    active: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SendTrack:
    track: TrackName
    active: bool
    height: int


@dataclass(frozen=True, slots=True)
class TrackMuted:
    track: TrackName
    by: str


@dataclass(frozen=True, slots=True)
class RestartMedia:
    reason: Literal["engine", "transport"]


@dataclass(frozen=True, slots=True)
class SessionEnded:
    reason: Literal["left", "room_closed", "replaced", "kicked", "timeout"]


Notice = RosterChanged | SpeakersChanged | SendTrack | TrackMuted | RestartMedia | SessionEnded


class Outbox(Protocol):
    """The way to one person. ``notify`` never waits and never raises; a person too slow to listen loses the line."""

    def notify(self, notice: Notice) -> None: ...


# --- effects: what a room wants done ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tell:
    participant: str
    notice: Notice


@dataclass(frozen=True, slots=True)
class TellAll:
    room: str
    notice: Notice


@dataclass(frozen=True, slots=True)
class Show:
    """View slots of a person to set in the engine: slot to (participant, track, height), None empties."""

    participant: str
    slots: dict[int, tuple[str, str, int] | None]


@dataclass(frozen=True, slots=True)
class Gate:
    participant: str
    track: str
    gated: bool


@dataclass(frozen=True, slots=True)
class Save:
    """Something worth surviving our death has changed."""

    participant: str


@dataclass(frozen=True, slots=True)
class CloseLeg:
    participant: str


@dataclass(frozen=True, slots=True)
class CloseRoom:
    room: str


@dataclass(frozen=True, slots=True)
class Happened:
    event: RoomEvent


MediaOrder = Show | Gate | Save | CloseLeg | CloseRoom
Effect = Tell | TellAll | Happened | MediaOrder


class MediaPort(Protocol):
    """The media plane, as rooms see it. ``submit`` never waits and never raises."""

    def submit(self, order: MediaOrder) -> None: ...

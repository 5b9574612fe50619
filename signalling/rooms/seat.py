"""One person's seat in a room: who it is, what he sends and what he wants to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from signalling.rooms import connection
from signalling.rooms.connection import Event, State
from signalling.rooms.pins import Role
from signalling.rooms.ports import TRACKS, Kind, Person, TrackName

MediaKind = Literal["audio", "video"]


@dataclass(frozen=True, slots=True)
class LegShape:
    """What a leg's negotiation allows: the tracks it may send, and its view slots by number."""

    tracks: frozenset[str] = frozenset()
    views: dict[int, MediaKind] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants in one view slot; ``height`` in pixels."""

    participant: str
    track: TrackName
    height: int


@dataclass(slots=True, kw_only=True)
class Seat:
    """Mutable only through `room.Room`."""

    id: str
    name: str
    role: Role
    kind: Kind
    device: str
    language: str
    guest: bool
    joined_at: float
    """Wall-clock seconds."""
    token_hash: bytes
    previous_hash: bytes = b""
    """The token before, good until its owner shows that he got the new one."""
    state: State = State.NEW
    expires: float | None = None
    """When a suspended seat ends, on the monotonic clock."""
    published: set[TrackName] = field(default_factory=set)
    shape: LegShape | None = None
    """None until the first offer."""
    leg_open: bool = False
    """The engine has a leg of this seat."""
    media_up: bool = False
    adopted: bool = False
    wishes: dict[int, Wish] = field(default_factory=dict)
    sending: dict[TrackName, tuple[bool, int]] = field(default_factory=dict)
    """What the engine last said of each video track: wanted, height."""

    def step(self, event: Event) -> None:
        self.state = connection.step(self.state, event)

    @property
    def reachable(self) -> bool:
        return self.state in (State.JOINED, State.CONNECTED)

    def person(self) -> Person:
        return Person(
            id=self.id,
            name=self.name,
            role=self.role,
            kind=self.kind,
            guest=self.guest,
            tracks=tuple(track for track in TRACKS if track in self.published),
            connected=self.state is not State.SUSPENDED,
            joined_at=int(self.joined_at * 1000),
        )

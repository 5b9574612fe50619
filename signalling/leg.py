"""What every dialect is to a room: a plan of media to open, and a seat that outlives the control plane.

A dialect turns its own offer into a `LegPlan` and asks the media plane (`Media`) to open it; what it gets back is the
engine's end of the transport, to be answered in the dialect's own words. The participant's id is also his leg's id.

With each leg the engine keeps an opaque blob: a seat, without what the engine itself knows (tracks, slots, what they
show). A new control plane reads it back with `restore`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from mcu import messages as m
from signalling.rooms.ports import TRACKS, Kind, TrackName
from signalling.rooms.room import Room
from signalling.rooms.seat import LegShape, Seat, Wish

BLOB_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LegPlan:
    """What a dialect wants opened in the engine."""

    remote: m.Remote
    tracks: tuple[m.Track, ...]
    slots: tuple[m.Slot, ...]
    extensions: m.Extensions

    @property
    def shape(self) -> LegShape:
        return shape_of(self.tracks, self.slots)


def shape_of(tracks: tuple[m.Track, ...], slots: tuple[m.Slot, ...]) -> LegShape:
    views = {slot.slot: slot.kind for slot in slots if slot.role == "view"}
    return LegShape(frozenset(track.track for track in tracks), views)


class Media(Protocol):
    """The media plane, as dialects see it."""

    async def open(self, participant: str, plan: LegPlan) -> m.LegOpened:
        """Open (or replace) a person's leg. Raises Remote("bad_offer"), or Local when the engine does not answer."""

    async def ready(self, timeout: float) -> bool:
        """Wait until the seats of an earlier control plane are known; False if it takes longer than ``timeout``
        seconds."""

    async def save(self, participant: str) -> None:
        """Store a seat in the engine now; fails silently when there is no engine or no leg."""


class SavedSeat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The blob. Fields may be added with a default; any other change needs a new BLOB_VERSION."""

    id: str
    room: str
    name: str
    role: Literal["participant", "organiser"]
    kind: Kind
    device: str
    language: str
    guest: bool
    joined_at: float
    token_hash: bytes
    previous_hash: bytes = b""
    published: tuple[str, ...] = ()
    wishes: tuple[tuple[int, str, str, int], ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SavedSeat).decode


def blob(room: Room, seat: Seat) -> bytes:
    """A seat as bytes, at most m.MAX_BLOB (a name is limited, the wishes are as many as the slots)."""
    saved = SavedSeat(
        id=seat.id,
        room=room.slug,
        name=seat.name,
        role=seat.role,
        kind=seat.kind,
        device=seat.device,
        language=seat.language,
        guest=seat.guest,
        joined_at=seat.joined_at,
        token_hash=seat.token_hash,
        previous_hash=seat.previous_hash,
        published=tuple(sorted(seat.published)),
        wishes=tuple((slot, wish.participant, wish.track, wish.height) for slot, wish in sorted(seat.wishes.items())),
    )
    return _encode(saved)


def restore(state: m.LegState) -> tuple[str, Seat] | None:
    """Slug and seat of a leg found in the engine; None if its blob is not one of ours."""
    if state.blob_version != BLOB_VERSION:
        return None
    try:
        saved = _decode(state.blob)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if saved.id != state.leg:
        return None
    seat = Seat(
        id=saved.id,
        name=saved.name,
        role=saved.role,
        kind=saved.kind,
        device=saved.device,
        language=saved.language,
        guest=saved.guest,
        joined_at=saved.joined_at,
        token_hash=saved.token_hash,
        previous_hash=saved.previous_hash,
        published={track for track in TRACKS if track in saved.published},
        shape=shape_of(state.tracks, state.slots),
        leg_open=True,
        media_up=state.connected,
        wishes={
            slot: Wish(who, name, height) for slot, who, text, height in saved.wishes if (name := track_name(text))
        },
    )
    return saved.room, seat


def track_name(text: str) -> TrackName | None:
    """``text`` if it is the name of a track."""
    return next((track for track in TRACKS if track == text), None)

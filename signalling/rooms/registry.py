"""All rooms of the house, and who may come in. This is what the composition root and the dialects talk to.

    rooms = Rooms(clock, bus)
    rooms.apply(specs)                      # at start, and whenever the configuration changes: nobody is dropped
    admission = rooms.join(request, outbox)  # raises Remote: unknown_room, bad_pin, pin_delay, bad_name, full
    rooms.publish(id, "mic", True); rooms.view(id, …); rooms.mute(id, other, "mic"); rooms.leave(id)
    rooms.detach(id, outbox)                # the line is lost, the seat is kept
    rooms.resume(token, media_alive, outbox)  # raises Remote: bad_token
    rooms.tick()                            # some twenty times a second; the media plane does it

It does no I/O and no waiting: notices go to outboxes, orders to the media port, events to the bus, all at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from config.rooms import RoomSpec
from kernel.clock import Clock
from kernel.errors import Remote
from kernel.events import Bus
from kernel.ids import new_id, new_token, token_hash
from signalling.rooms import ports
from signalling.rooms.events import ParticipantLeft, RoomEvent
from signalling.rooms.pins import PinGuard
from signalling.rooms.room import Room, ViewRequest
from signalling.rooms.seat import LegShape, Seat

_log = structlog.get_logger("signalling.rooms")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinRequest:
    room: str
    name: str
    pin: str | None
    address: str
    """The network address the person comes from, for the delay after wrong codes."""
    device: str = "desktop"
    language: Literal["fr", "en"] = "fr"
    kind: ports.Kind = "browser"
    guest: bool = True


@dataclass(frozen=True, slots=True)
class Admission:
    """A seat taken or taken again. ``token`` is the secret to resume with."""

    room: Room
    seat: Seat
    token: str


@dataclass(slots=True)
class Counts:
    """Totals since the start, for /metrics."""

    joined: int = 0
    resumed: int = 0
    adopted: int = 0
    expired: int = 0


class _NoMedia:
    """Until a media plane is set there is nobody to order about."""

    def submit(self, order: ports.MediaOrder) -> None:
        _log.warning("media_order_dropped", order=type(order).__name__)


class Rooms:
    def __init__(self, clock: Clock, events: Bus, *, pins: PinGuard | None = None) -> None:
        self._clock = clock
        self._events = events
        self._pins = pins or PinGuard()
        self._rooms: dict[str, Room] = {}
        self._names: dict[str, str] = {}
        self._outboxes: dict[str, ports.Outbox] = {}
        self._where: dict[str, Room] = {}
        """Participant to room."""
        self._tokens: dict[bytes, str] = {}
        self.media: ports.MediaPort = _NoMedia()
        self.counts = Counts()

    # --- configuration ------------------------------------------------------------------------------------------------

    def apply(self, specs: Iterable[RoomSpec]) -> None:
        """Make these the rooms. People in a room whose entry changed stay; one whose entry is gone ends when it is
        empty."""
        wanted = {spec.slug: spec for spec in specs}
        for slug, spec in wanted.items():
            room = self._rooms.setdefault(slug, Room(spec))
            room.spec, room.closing = spec, False
        for slug, room in list(self._rooms.items()):
            if slug not in wanted:
                room.closing = True
                self._discard_if_done(room)
        self._names = {name.casefold(): slug for slug, spec in wanted.items() for name in spec.names}
        _log.info("rooms_applied", rooms=len(wanted))

    def _discard_if_done(self, room: Room) -> None:
        if room.closing and not room.seats:
            self._rooms.pop(room.slug, None)
            self._pins.forget(room.slug)

    # --- looking ------------------------------------------------------------------------------------------------------

    def find(self, name: str) -> Room | None:
        """An open room by slug, number or alias."""
        slug = self._names.get(name.strip().casefold())
        return self._rooms.get(slug) if slug is not None else None

    def by_slug(self, slug: str) -> Room | None:
        """Also a room that is closing."""
        return self._rooms.get(slug)

    def room_of(self, participant: str) -> Room | None:
        return self._where.get(participant)

    def seat_of(self, participant: str) -> Seat | None:
        room = self._where.get(participant)
        return room.seats.get(participant) if room else None

    def __iter__(self) -> Iterator[Room]:
        return iter(tuple(self._rooms.values()))

    @property
    def participants(self) -> int:
        return len(self._where)

    # --- coming and going ---------------------------------------------------------------------------------------------

    def join(self, request: JoinRequest, outbox: ports.Outbox) -> Admission:
        room = self.find(request.room)
        if room is None or room.closing:
            raise Remote("unknown_room", "no such room", field="room")
        now, wall = self._clock.now(), self._clock.wall()
        role = self._pins.check(room.slug, room.spec.pins, request.pin, request.address, now)
        token = new_token()
        seat = Seat(
            id=new_id(),
            name=request.name,
            role=role,
            kind=request.kind,
            device=request.device,
            language=request.language,
            guest=request.guest,
            joined_at=wall,
            token_hash=token_hash(token),
        )
        effects = room.join(seat, new_id(), now, wall)
        self._register(room, seat, outbox)
        self.counts.joined += 1
        self._carry_out(room, effects)
        return Admission(room, seat, token)

    def resume(self, token: str, media_alive: bool, outbox: ports.Outbox) -> Admission:
        """Take one's seat again. Whoever still holds the old line is told that he is replaced."""
        old_hash = token_hash(token)
        participant = self._tokens.get(old_hash)
        room = self._where.get(participant) if participant else None
        if participant is None or room is None:
            raise Remote("bad_token", "no seat is kept for this token")
        seat = room.seats[participant]
        previous = self._outboxes.pop(participant, None)
        if previous is not None:
            previous.notify(ports.SessionEnded("replaced"))
        self._tokens.pop(seat.previous_hash, None)
        self._tokens.pop(seat.token_hash, None)
        seat.token_hash = old_hash
        fresh = new_token()
        effects = room.resume(participant, token_hash(fresh), media_alive, self._clock.now(), self._clock.wall())
        self._register(room, seat, outbox)
        self.counts.resumed += 1
        self._carry_out(room, effects)
        return Admission(room, seat, fresh)

    def confirm(self, participant: str) -> None:
        """The person has shown that he got his new token: the one before is void."""
        seat = self.seat_of(participant)
        if seat is not None and seat.previous_hash:
            self._tokens.pop(seat.previous_hash, None)
            seat.previous_hash = b""

    def adopt(self, slug: str, seat: Seat) -> bool:
        """Take over a seat found in the engine; False if there is no such room any more."""
        room = self._rooms.get(slug)
        if room is None or seat.id in self._where:
            return False
        effects = room.adopt(seat, new_id(), self._clock.now(), self._clock.wall())
        self._register(room, seat, None)
        self.counts.adopted += 1
        self._carry_out(room, effects)
        return True

    def _register(self, room: Room, seat: Seat, outbox: ports.Outbox | None) -> None:
        self._where[seat.id] = room
        self._tokens[seat.token_hash] = seat.id
        if seat.previous_hash:
            self._tokens[seat.previous_hash] = seat.id
        if outbox is not None:
            self._outboxes[seat.id] = outbox

    def detach(self, participant: str, outbox: ports.Outbox) -> None:
        """A line is lost. Nothing happens if the person has another one by now."""
        if self._outboxes.get(participant) is not outbox:
            return
        del self._outboxes[participant]
        room = self._where.get(participant)
        if room is not None:
            self._carry_out(room, room.suspend(participant, self._clock.now()))

    def leave(self, participant: str, reason: Literal["left", "kicked"] = "left") -> None:
        room = self._where.get(participant)
        if room is not None:
            self._carry_out(room, room.leave(participant, reason, self._clock.now(), self._clock.wall()))

    def end(self, slug: str) -> None:
        """Send everybody in a room away."""
        room = self._rooms.get(slug)
        if room is not None:
            self._carry_out(room, room.end(self._clock.now(), self._clock.wall()))

    # --- what people do -----------------------------------------------------------------------------------------------

    def _room(self, participant: str) -> Room:
        room = self._where.get(participant)
        if room is None:
            raise Remote("not_joined", "the seat is gone")
        return room

    def publish(self, participant: str, track: ports.TrackName, on: bool) -> None:
        room = self._room(participant)
        self._carry_out(room, room.publish(participant, track, on, self._clock.now()))

    def mute(self, participant: str, target: str, track: ports.TrackName) -> None:
        room = self._room(participant)
        self._carry_out(room, room.mute(participant, target, track, self._clock.now()))

    def view(self, participant: str, requests: Iterable[ViewRequest]) -> None:
        room = self._room(participant)
        self._carry_out(room, room.view(participant, requests))

    # --- what the media plane tells -----------------------------------------------------------------------------------

    def leg_opening(self, participant: str, shape: LegShape) -> None:
        self._room(participant).leg_opening(participant, shape)

    def leg_opened(self, participant: str) -> None:
        room = self._where.get(participant)
        if room is None:
            self.media.submit(ports.CloseLeg(participant))
        else:
            self._carry_out(room, room.leg_opened(participant))

    def leg_connected(self, participant: str) -> None:
        if room := self._where.get(participant):
            self._carry_out(room, room.leg_connected(participant))

    def leg_lost(self, participant: str, reason: Literal["engine", "transport"]) -> None:
        if room := self._where.get(participant):
            self._carry_out(room, room.leg_lost(participant, reason))

    def speakers(self, slug: str, dominant: str | None, active: Iterable[tuple[str, int]]) -> None:
        if room := self._rooms.get(slug):
            self._carry_out(room, room.speakers(dominant, active))

    def track_wanted(self, participant: str, track: ports.TrackName, wanted: bool, height: int) -> None:
        if room := self._where.get(participant):
            self._carry_out(room, room.track_wanted(participant, track, wanted, height))

    # --- time ---------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        now, wall = self._clock.now(), self._clock.wall()
        for room in tuple(self._rooms.values()):
            if effects := room.tick(now, wall):
                self._carry_out(room, effects)

    # --- carrying out -------------------------------------------------------------------------------------------------

    def _carry_out(self, room: Room, effects: Sequence[ports.Effect]) -> None:
        for effect in effects:
            match effect:
                case ports.Tell():
                    self._tell(effect.participant, effect.notice)
                case ports.TellAll():
                    for participant in tuple(room.seats):
                        self._tell(participant, effect.notice)
                case ports.Happened():
                    self._note(effect.event)
                case _:
                    self.media.submit(effect)
        left = [effect.participant for effect in effects if isinstance(effect, ports.CloseLeg)]
        if left:
            self._forget(room, left)

    def _tell(self, participant: str, notice: ports.Notice) -> None:
        outbox = self._outboxes.get(participant)
        if outbox is not None:
            outbox.notify(notice)

    def _note(self, event: RoomEvent) -> None:
        fields = {name: getattr(event, name) for name in event.__dataclass_fields__ if name not in ("at", "name")}
        _log.info(type(event).__name__, **fields)
        if isinstance(event, ParticipantLeft) and event.reason == "timeout":
            self.counts.expired += 1
        self._events.publish(event)

    def _forget(self, room: Room, participants: Iterable[str]) -> None:
        for participant in participants:
            self._where.pop(participant, None)
            self._outboxes.pop(participant, None)
        for digest in [digest for digest, participant in self._tokens.items() if participant not in self._where]:
            del self._tokens[digest]
        self._discard_if_done(room)

"""A room: its seats and what each command does to them. Pure: ``now`` is monotonic seconds, ``wall`` seconds since
1970.

Every method changes the state and returns what is to be done (`ports.Effect`), in order. Commands that a person may not
give or that name what does not exist raise Remote; nothing has changed then.

A suspended seat counts: whoever lost the line finds the seat again for `KEEP` seconds. What a person wants to see is
remembered, not only applied: a track that is not there yet is shown as soon as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from config.rooms import RoomSpec
from kernel.errors import Remote
from signalling.rooms import events, names, permissions
from signalling.rooms.connection import Event, State
from signalling.rooms.ports import (
    AUDIO_TRACKS,
    CloseLeg,
    CloseRoom,
    Effect,
    Gate,
    Happened,
    Notice,
    Person,
    RestartMedia,
    Save,
    SendTrack,
    SessionEnded,
    Show,
    SpeakersChanged,
    Tell,
    TellAll,
    TrackMuted,
    TrackName,
)
from signalling.rooms.roster import RosterChanges
from signalling.rooms.seat import LegShape, Seat, Wish

KEEP = 30.0
"""Seconds that a seat is kept after its line is lost."""
MAX_HEIGHT = 4320


@dataclass(frozen=True, slots=True)
class ViewRequest:
    """What a person asks for one slot; ``participant`` None empties it."""

    slot: int
    participant: str | None
    track: TrackName
    height: int


@dataclass(slots=True)
class _Occupancy:
    """One call: from the first person in to the last one out."""

    id: str
    since: float
    entered: int = 0
    peak: int = 0


class Room:
    def __init__(self, spec: RoomSpec) -> None:
        self.spec = spec
        self.seats: dict[str, Seat] = {}
        self.closing = False
        """Taken out of the configuration: nobody new comes in, it ends with its last person."""
        self.changes = RosterChanges()
        self._speakers = SpeakersChanged(None, ())
        self._call: _Occupancy | None = None

    # --- what others read ---------------------------------------------------------------------------------------------

    @property
    def slug(self) -> str:
        return self.spec.slug

    @property
    def call(self) -> str:
        """Id of the present call; '' when the room is empty."""
        return self._call.id if self._call else ""

    def roster(self) -> tuple[Person, ...]:
        return tuple(seat.person() for seat in self.seats.values())

    # --- coming and going ---------------------------------------------------------------------------------------------

    def join(self, seat: Seat, call: str, now: float, wall: float) -> list[Effect]:
        """Give a new seat. ``call`` is the id to use if this person opens the room. Raises Remote("full" or
        "bad_name")."""
        if self.closing:
            raise Remote("unknown_room", "the room is closing")
        if len(self.seats) >= self.spec.seats:
            raise Remote("full", f"{self.spec.seats} seats", seats=self.spec.seats)
        name = names.clean(seat.name, organiser=seat.role == "organiser")
        seat.name = names.distinct(name, (other.name for other in self.seats.values()))
        seat.step(Event.JOIN)
        effects = self._enter(seat, call, wall)
        self.changes.put(seat.id, now)
        joined = events.ParticipantJoined(self.slug, self.call, wall, seat.id, seat.name, seat.role, seat.kind)
        effects.append(Happened(joined))
        if self._speakers.active or self._speakers.dominant:
            effects.append(Tell(seat.id, self._speakers))
        return effects

    def adopt(self, seat: Seat, call: str, now: float, wall: float) -> list[Effect]:
        """Take over a seat that an earlier control plane gave: suspended, its owner is expected back."""
        seat.step(Event.ADOPT)
        seat.adopted = True
        seat.expires = now + KEEP
        return self._enter(seat, call, wall)

    def _enter(self, seat: Seat, call: str, wall: float) -> list[Effect]:
        effects: list[Effect] = []
        if self._call is None:
            self._call = _Occupancy(call, wall)
            effects.append(Happened(events.RoomOpened(self.slug, call, wall)))
        self.seats[seat.id] = seat
        self._call.entered += 1
        self._call.peak = max(self._call.peak, len(self.seats))
        return effects

    def suspend(self, participant: str, now: float) -> list[Effect]:
        """The line to a person is lost."""
        seat = self.seats.get(participant)
        if seat is None or not seat.reachable:
            return []
        seat.step(Event.SIGNAL_LOST)
        seat.expires = now + KEEP
        self.changes.put(participant, now)
        return []

    def resume(self, participant: str, token_hash: bytes, media_alive: bool, now: float, wall: float) -> list[Effect]:
        """A person is back on a new line. Whether he must offer again is then `needs_offer`."""
        seat = self.seats[participant]
        was_suspended, was_adopted = seat.state is State.SUSPENDED, seat.adopted
        seat.step(Event.RESUME)
        seat.expires, seat.adopted = None, False
        seat.previous_hash, seat.token_hash = seat.token_hash, token_hash
        if not media_alive:
            seat.media_up = False
            seat.step(Event.MEDIA_LOST)
        elif seat.media_up:
            seat.step(Event.MEDIA_UP)
        if was_suspended:
            self.changes.put(participant, now)
        effects: list[Effect] = [Save(participant)]
        effects.append(Happened(events.ParticipantResumed(self.slug, self.call, wall, participant, was_adopted)))
        effects += [Tell(participant, self._speakers)] if self._speakers.active else []
        return effects + self._tell_sending(seat)

    def needs_offer(self, participant: str) -> bool:
        seat = self.seats[participant]
        return not (seat.leg_open and seat.media_up)

    def leave(self, participant: str, reason: events.EndReason, now: float, wall: float) -> list[Effect]:
        """A person goes; for a person unknown nothing happens."""
        seat = self.seats.pop(participant, None)
        if seat is None:
            return []
        seat.step({"left": Event.LEAVE, "timeout": Event.EXPIRE}.get(reason, Event.END))
        self.changes.gone(participant, now)
        effects: list[Effect] = [CloseLeg(participant)]
        if reason != "timeout":
            effects.append(Tell(participant, SessionEnded(reason)))
        left = events.ParticipantLeft(self.slug, self.call, wall, participant, reason, max(0.0, wall - seat.joined_at))
        effects.append(Happened(left))
        for other in self.seats.values():
            for slot in [slot for slot, wish in other.wishes.items() if wish.participant == participant]:
                del other.wishes[slot]
                effects.append(Show(other.id, {slot: None}))
        if not self.seats:
            effects += self._close(wall)
        return effects

    def _close(self, wall: float) -> list[Effect]:
        """The last person is gone."""
        call, self._call = self._call, None
        self.changes = RosterChanges()
        self._speakers = SpeakersChanged(None, ())
        effects: list[Effect] = [CloseRoom(self.slug)]
        if call is not None:
            seconds = max(0.0, wall - call.since)
            closed = events.RoomClosed(self.slug, call.id, wall, seconds, call.entered, call.peak)
            effects.append(Happened(closed))
        return effects

    def end(self, now: float, wall: float) -> list[Effect]:
        """Send everybody away."""
        return [effect for seat in list(self.seats) for effect in self.leave(seat, "room_closed", now, wall)]

    def tick(self, now: float, wall: float) -> list[Effect]:
        """What time brings: seats that expire, the roster's batch."""
        effects: list[Effect] = []
        for seat in list(self.seats.values()):
            if seat.expires is not None and now >= seat.expires:
                effects += self.leave(seat.id, "timeout", now, wall)
        batch = self.changes.take(now, lambda id: self.seats[id].person(), len(self.seats))
        if batch is not None:
            effects.append(TellAll(self.slug, batch))
        return effects

    # --- what people do -----------------------------------------------------------------------------------------------

    def publish(self, participant: str, track: TrackName, on: bool, now: float) -> list[Effect]:
        """A person's own track goes on or off. Raises Remote("forbidden") for a screen he may not share."""
        seat = self.seats[participant]
        if on and not permissions.may_publish(self.spec, seat.role, track):
            raise Remote("forbidden", f"{track} may not be shared", field="track")
        if on == (track in seat.published):
            return []
        return self._set_published(seat, track, on, now)

    def mute(self, participant: str, target: str, track: TrackName, now: float) -> list[Effect]:
        """An organiser closes another person's track. Raises Remote("forbidden" or "malformed")."""
        if not permissions.may_mute_others(self.seats[participant].role):
            raise Remote("forbidden", "only an organiser may")
        seat = self.seats.get(target)
        if seat is None:
            raise Remote("malformed", "that person is not in the room", field="participant")
        if track not in seat.published:
            return []
        return [*self._set_published(seat, track, False, now), Tell(target, TrackMuted(track, participant))]

    def _set_published(self, seat: Seat, track: TrackName, on: bool, now: float) -> list[Effect]:
        (seat.published.add if on else seat.published.discard)(track)
        self.changes.put(seat.id, now)
        effects: list[Effect] = [Save(seat.id)]
        if seat.shape is not None and track in seat.shape.tracks:
            effects.append(Gate(seat.id, track, not on))
        return effects

    def view(self, participant: str, requests: Iterable[ViewRequest]) -> list[Effect]:
        """What a person wants in his view slots. Raises Remote("malformed") for a slot or a kind that is not his.

        A person who left in the meantime is no error: the slot is emptied.
        """
        seat = self.seats[participant]
        requests = tuple(requests)
        for request in requests:
            self._check_view(seat, request)
        for request in requests:
            if request.participant is None or request.participant not in self.seats:
                seat.wishes.pop(request.slot, None)
            else:
                seat.wishes[request.slot] = Wish(request.participant, request.track, min(request.height, MAX_HEIGHT))
        return [Show(participant, {request.slot: self._shown(seat, request.slot) for request in requests})]

    def _check_view(self, seat: Seat, request: ViewRequest) -> None:
        kind = seat.shape.views.get(request.slot) if seat.shape else None
        if kind is None:
            raise Remote("malformed", f"slot {request.slot} is not a view slot of the offer", field="slots")
        if request.participant is None:
            return
        if (request.track in AUDIO_TRACKS) != (kind == "audio"):
            raise Remote("malformed", f"slot {request.slot} is for {kind}", field="slots")
        if request.participant == seat.id and kind == "audio":
            raise Remote("malformed", "nobody hears himself", field="slots")
        if request.height < 0:
            raise Remote("malformed", "a height is not negative", field="slots")

    def _shown(self, seat: Seat, slot: int) -> tuple[str, str, int] | None:
        """What a slot can show now of what is wished: the other's leg must be there and have the track."""
        wish = seat.wishes.get(slot)
        other = self.seats.get(wish.participant) if wish else None
        if wish is None or other is None or not other.leg_open or other.shape is None:
            return None
        return (wish.participant, wish.track, wish.height) if wish.track in other.shape.tracks else None

    # --- what the media plane tells -----------------------------------------------------------------------------------

    def leg_opening(self, participant: str, shape: LegShape) -> None:
        """A new offer is under way; it says which slots there are. What was wished for slots that are gone is
        forgotten."""
        seat = self.seats[participant]
        seat.shape = shape
        seat.leg_open = seat.media_up = False
        seat.step(Event.MEDIA_LOST)
        seat.sending.clear()
        seat.wishes = {
            slot: wish
            for slot, wish in seat.wishes.items()
            if slot in shape.views and (wish.track in AUDIO_TRACKS) == (shape.views[slot] == "audio")
        }

    def leg_opened(self, participant: str) -> list[Effect]:
        """The engine has the leg: gate what is muted, show what was wished, show this person to those who wished."""
        seat = self.seats.get(participant)
        if seat is None or seat.shape is None:
            return []
        seat.leg_open = True
        effects: list[Effect] = [
            Gate(participant, track, track not in seat.published) for track in sorted(seat.shape.tracks)
        ]
        if seat.wishes:
            effects.append(Show(participant, {slot: self._shown(seat, slot) for slot in seat.wishes}))
        return [*effects, *self._show_to_others(participant), Save(participant)]

    def _show_to_others(self, participant: str) -> list[Effect]:
        effects: list[Effect] = []
        for other in self.seats.values():
            slots = [slot for slot, wish in other.wishes.items() if wish.participant == participant]
            if slots and other.leg_open and other.id != participant:
                effects.append(Show(other.id, {slot: self._shown(other, slot) for slot in slots}))
        return effects

    def leg_connected(self, participant: str) -> list[Effect]:
        seat = self.seats.get(participant)
        if seat is not None:
            seat.media_up = True
            seat.step(Event.MEDIA_UP)
        return []

    def leg_lost(self, participant: str, reason: str) -> list[Effect]:
        """The leg's transport ended ("transport") or the engine died ("engine"): its owner makes a new offer."""
        seat = self.seats.get(participant)
        if seat is None:
            return []
        seat.media_up = False
        if reason == "engine":
            seat.leg_open = False
        seat.sending.clear()
        seat.step(Event.MEDIA_LOST)
        return [Tell(participant, RestartMedia("engine" if reason == "engine" else "transport"))]

    def speakers(self, dominant: str | None, active: Iterable[tuple[str, int]]) -> list[Effect]:
        known = tuple((id, level) for id, level in active if id in self.seats)
        notice = SpeakersChanged(dominant if dominant in self.seats else None, known)
        if notice == self._speakers:
            return []
        self._speakers = notice
        return [TellAll(self.slug, notice)]

    def track_wanted(self, participant: str, track: TrackName, wanted: bool, height: int) -> list[Effect]:
        seat = self.seats.get(participant)
        if seat is None:
            return []
        seat.sending[track] = (wanted, height)
        return [Tell(participant, SendTrack(track, wanted, height))]

    def _tell_sending(self, seat: Seat) -> list[Effect]:
        """Repeat to a person who was away which of his tracks are watched."""
        told: list[Notice] = [SendTrack(track, wanted, height) for track, (wanted, height) in seat.sending.items()]
        return [Tell(seat.id, notice) for notice in told]

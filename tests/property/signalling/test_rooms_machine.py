"""Any sequence of what people, networks and the engine may do keeps a room in order."""

from __future__ import annotations

import contextlib

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from config.rooms import Pins, RoomSpec
from kernel.clock import ManualClock
from kernel.errors import Remote
from kernel.events import Bus
from signalling.rooms import events, ports
from signalling.rooms.connection import State
from signalling.rooms.registry import Admission, JoinRequest, Rooms
from signalling.rooms.room import KEEP, ViewRequest
from signalling.rooms.seat import LegShape, Seat

SEATS = 4
SHAPE = LegShape(frozenset({"mic", "camera"}), {3: "audio", 4: "video", 5: "video"})
index = st.integers(0, 3)


class Client:
    """What a person knows: rebuilt from notices only, to be compared with the truth."""

    def __init__(self) -> None:
        self.roster: dict[str, ports.Person] = {}
        self.ended: str | None = None
        self.seq: int | None = None

    def notify(self, notice: ports.Notice) -> None:
        assert self.ended is None, "nothing is said after the end"
        match notice:
            case ports.RosterChanged():
                assert self.seq is None or notice.seq == self.seq + 1
                self.seq = notice.seq
                for id in notice.gone:
                    self.roster.pop(id, None)
                self.roster.update({person.id: person for person in notice.put})
                assert notice.total == len(self.roster)
            case ports.SessionEnded():
                self.ended = notice.reason


class Engine:
    """What the engine would show and gate."""

    def __init__(self) -> None:
        self.gated: dict[str, set[str]] = {}
        self.shown: dict[str, dict[int, object]] = {}

    def submit(self, order: ports.MediaOrder) -> None:
        match order:
            case ports.Gate():
                gates = self.gated.setdefault(order.participant, set())
                (gates.add if order.gated else gates.discard)(order.track)
            case ports.Show():
                self.shown.setdefault(order.participant, {}).update(order.slots)
            case ports.CloseLeg():
                self.gated.pop(order.participant, None)
                self.shown.pop(order.participant, None)


class RoomMachine(RuleBasedStateMachine):
    @initialize()
    def open(self) -> None:
        self.clock, self.bus, self.engine = ManualClock(), Bus(), Engine()
        self.inside = 0
        self.bus.subscribe(events.ParticipantJoined, lambda _: self._count(1))
        self.bus.subscribe(events.ParticipantLeft, lambda _: self._count(-1))
        self.rooms = Rooms(self.clock, self.bus)
        self.rooms.media = self.engine
        self.rooms.apply([RoomSpec(name="R", slug="r", number="700", seats=SEATS, pins=Pins())])
        self.people: list[tuple[Admission, Client]] = []
        for number, name in enumerate(("Jean", "Léa", "Paul")):
            self.join(name)
            self.offer(number)
            self.media(number, "up")

    def _count(self, change: int) -> None:
        self.inside += change

    def _person(self, index: int) -> tuple[Admission, Client] | None:
        return self.people[index % len(self.people)] if self.people else None

    def _greet(self, admission: Admission, client: Client) -> None:
        client.roster = {person.id: person for person in admission.room.roster()}
        self.people.append((admission, client))

    @rule(name=st.sampled_from(["Jean", "jean", "Léa"]))
    def join(self, name: str) -> None:
        client = Client()
        full = self.rooms.participants >= SEATS
        try:
            admission = self.rooms.join(JoinRequest(room="700", name=name, pin=None, address="192.0.2.1"), client)
        except Remote as refused:
            assert refused.code == "full" and full
        else:
            assert not full
            self._greet(admission, client)

    @rule(index=index, alive=st.booleans())
    def resume(self, index: int, alive: bool) -> None:
        if (person := self._person(index)) is None:
            return
        client = Client()
        try:
            admission = self.rooms.resume(person[0].token, alive, client)
        except Remote as refused:
            assert refused.code == "bad_token"
        else:
            assert admission.seat.id == person[0].seat.id
            self.people.remove(person)
            self._greet(admission, client)

    @rule(index=index)
    def lose_line(self, index: int) -> None:
        if person := self._person(index):
            self.rooms.detach(person[0].seat.id, person[1])

    @rule(index=index)
    def confirm(self, index: int) -> None:
        if person := self._person(index):
            self.rooms.confirm(person[0].seat.id)

    @rule(index=index)
    def leave(self, index: int) -> None:
        if person := self._person(index):
            self.rooms.leave(person[0].seat.id)

    @rule(index=index)
    def offer(self, index: int) -> None:
        if person := self._person(index):
            with contextlib.suppress(Remote):
                self.rooms.leg_opening(person[0].seat.id, SHAPE)
                self.engine.gated[person[0].seat.id] = set()
                self.engine.shown[person[0].seat.id] = {}
                self.rooms.leg_opened(person[0].seat.id)

    @rule(index=index, event=st.sampled_from(["up", "transport", "engine"]))
    def media(self, index: int, event: str) -> None:
        if person := self._person(index):
            if event == "up":
                self.rooms.leg_connected(person[0].seat.id)
            else:
                self.rooms.leg_lost(person[0].seat.id, event)  # type: ignore[arg-type]

    @rule(index=index, track=st.sampled_from(["mic", "camera"]), on=st.booleans())
    def publish(self, index: int, track: ports.TrackName, on: bool) -> None:
        if person := self._person(index):
            with contextlib.suppress(Remote):
                self.rooms.publish(person[0].seat.id, track, on)

    @rule(viewer=index, seen=index, slot=st.integers(2, 6), track=st.sampled_from(["mic", "camera"]))
    def view(self, viewer: int, seen: int, slot: int, track: ports.TrackName) -> None:
        one, other = self._person(viewer), self._person(seen)
        if one and other:
            with contextlib.suppress(Remote):
                self.rooms.view(one[0].seat.id, [ViewRequest(slot, other[0].seat.id, track, 90)])

    @rule(seconds=st.sampled_from([0.05, 0.1, 10.0, KEEP]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.rooms.tick()
        self.rooms.tick()

    @invariant()
    def seats_are_counted_once(self) -> None:
        room = self.rooms.find("700")
        assert room is not None
        assert self.inside == len(room.seats) == self.rooms.participants <= SEATS
        assert bool(room.call) == bool(room.seats)
        names = [seat.name.casefold() for seat in room.seats.values()]
        assert len(names) == len(set(names))

    @invariant()
    def a_seat_is_kept_only_while_its_owner_is_away(self) -> None:
        for seat in self._seats():
            assert (seat.expires is not None) == (seat.state is State.SUSPENDED)
            assert seat.state is not State.CONNECTED or seat.media_up

    @invariant()
    def the_engine_gates_what_is_off_and_shows_what_is_wished(self) -> None:
        for seat in self._seats():
            if not seat.leg_open or seat.shape is None:
                continue
            assert self.engine.gated[seat.id] == seat.shape.tracks - seat.published
            for slot, wish in seat.wishes.items():
                other = self.rooms.seat_of(wish.participant)
                assert other is not None
                if other.leg_open:
                    assert self.engine.shown[seat.id][slot] == (wish.participant, wish.track, wish.height)

    @invariant()
    def who_listens_knows_the_truth(self) -> None:
        room = self.rooms.find("700")
        assert room is not None
        if room.changes.due is not None:
            return  # a batch is under way
        truth = {person.id: person for person in room.roster()}
        for admission, client in self.people:
            if self.rooms._outboxes.get(admission.seat.id) is client:
                assert client.roster == truth

    def _seats(self) -> list[Seat]:
        room = self.rooms.find("700")
        return list(room.seats.values()) if room else []


RoomMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestRooms = RoomMachine.TestCase

"""Rooms without a network: the state table, names, codes, the roster's batches, configuration changes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from config.rooms import Pins
from kernel.clock import ManualClock
from kernel.errors import Local, Remote
from kernel.events import Bus
from signalling.rooms import connection, names, ports
from signalling.rooms import pins as codes
from signalling.rooms.connection import TABLE, Event, State, step
from signalling.rooms.pins import PinGuard
from signalling.rooms.registry import JoinRequest, Rooms
from signalling.rooms.room import Room, ViewRequest
from signalling.rooms.seat import LegShape, Seat
from tests.unit.signalling.conftest import ORGANISER_PIN, PIN, spec

# --- the connection's table -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "event"), list(itertools.product(State, Event)))
def test_every_state_hears_every_event(state: State, event: Event) -> None:
    if event in TABLE[state]:
        assert step(state, event) is TABLE[state][event]
        assert state is not State.GONE or step(state, event) is State.GONE
    else:
        with pytest.raises(Local):
            step(state, event)


def test_the_table_says_what_the_protocol_promises() -> None:
    reachable = {State.NEW}
    for _ in State:
        reachable |= {target for state in reachable for target in TABLE[state].values()}
    assert reachable == set(State)
    for state in State:
        assert step(state, Event.LEAVE) is State.GONE and step(state, Event.END) is State.GONE
        assert (Event.RESUME in TABLE[state]) == (state in (State.JOINED, State.CONNECTED, State.SUSPENDED))
    assert [state for state in State if Event.EXPIRE in TABLE[state]] == [State.SUSPENDED, State.GONE]
    assert "joined --> suspended: signalling lost" in connection.mermaid()


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("Jean", "Jean"),
        ("  Jean   Dupont \t", "Jean Dupont"),
        ("Ame\u0301lie", "Amélie"),
        ("Jean\u202egnirts", "Jeangnirts"),
        ("Je\u200ban\ufeff\u2060", "Jean"),
        ("Je\x00an\r\n\x1b[31m", "Jean [31m"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("Jean (vous)", "Jean"),
        ("Jean (VOUS) (you)", "Jean"),
        ("Jean (v\u043eus)", "Jean"),
        ("Jean（vous）", "Jean"),
        ("Léa [organisatrice]", "Léa"),
        ("Léa (hôte)", "Léa"),
        ("Jean (Marseille)", "Jean (Marseille)"),
        ("x" * 10_000, "x" * 60),
        ("a" + "\u0301\u0302\u0303\u0304\u0305\u0306", "á\u0302\u0303\u0304"),
        ("日本語", "日本語"),
        ("🙂", "🙂"),
        ("\ue000Jean\ud800", "Jean"),
    ],
)
def test_a_name_is_cleaned(typed: str, shown: str) -> None:
    assert names.clean(typed) == shown


@pytest.mark.parametrize(
    "typed", ["", "   ", "\u200b\u202e", "(vous)", "!!!", "Animateur", "ANIMATRICE", "аdmin", "\u0301"]
)
def test_a_name_that_says_nothing_or_pretends_is_refused(typed: str) -> None:
    with pytest.raises(Remote) as refused:
        names.clean(typed)
    assert refused.value.code == "bad_name"


def test_an_organiser_may_be_called_by_his_role() -> None:
    assert names.clean("Animateur", organiser=True) == "Animateur"


def test_equal_names_are_told_apart() -> None:
    assert names.distinct("Jean", []) == "Jean"
    assert names.distinct("Jean", ["Jean"]) == "Jean (2)"
    assert names.distinct("JEAN", ["Jean", "Jean (2)"]) == "JEAN (3)"
    assert names.distinct("Jеan", ["Jean"]) == "Jеan (2)"
    assert len(names.distinct("x" * 60, ["x" * 60])) == 60


# --- codes ------------------------------------------------------------------------------------------------------------

BOTH = Pins(participant=PIN, organiser=ORGANISER_PIN)


@pytest.mark.parametrize(
    ("pins", "pin", "role"),
    [
        (BOTH, PIN, "participant"),
        (BOTH, f" {ORGANISER_PIN} ", "organiser"),
        (BOTH, "000000", None),
        (BOTH, None, None),
        (BOTH, "", None),
        (Pins(), None, "participant"),
        (Pins(), "", "participant"),
        (Pins(), "123456", None),
        (Pins(organiser=ORGANISER_PIN), None, "participant"),
        (Pins(organiser=ORGANISER_PIN), ORGANISER_PIN, "organiser"),
        (Pins(organiser=ORGANISER_PIN), "000000", None),
        (Pins(participant=PIN), "\ud800", None),
    ],
)
def test_the_role_that_a_code_opens(pins: Pins, pin: str | None, role: str | None) -> None:
    assert codes.role_of(pins, pin) == role


def refusal(guard: PinGuard, pin: str | None, now: float, address: str = "192.0.2.1", room: str = "r") -> Remote:
    with pytest.raises(Remote) as refused:
        guard.check(room, BOTH, pin, address, now)
    return refused.value


def test_the_delay_grows_with_each_wrong_code_and_is_forgiven() -> None:
    guard = PinGuard(tries=5, delay=60)
    for _ in range(5):
        assert refusal(guard, "000000", 0).code == "bad_pin"
    delayed = refusal(guard, PIN, 0)
    assert delayed.code == "pin_delay" and delayed.retry_after == 60
    assert refusal(guard, "000000", 60).code == "bad_pin"
    assert refusal(guard, PIN, 60).retry_after == 120
    assert guard.check("r", BOTH, PIN, "192.0.2.2", 60) == "participant"
    assert guard.check("other", BOTH, PIN, "192.0.2.1", 60) == "participant"
    assert guard.check("r", BOTH, BOTH.organiser, "192.0.2.1", 181) == "organiser"
    assert refusal(guard, "000000", 182).code == "bad_pin"
    assert guard.check("r", BOTH, PIN, "192.0.2.1", 182) == "participant"


def test_who_knows_one_code_does_not_guess_the_other() -> None:
    guard = PinGuard(tries=5, delay=60)
    for number in range(5):
        assert refusal(guard, "000000", 0).code == "bad_pin"
        if number < 4:
            assert guard.check("r", BOTH, PIN, "192.0.2.1", 0) == "participant"
    assert refusal(guard, "000001", 1).code == "pin_delay"
    only = Pins(participant=PIN)
    assert guard.check("q", only, PIN, "192.0.2.1", 0) == "participant"
    for _ in range(20):
        with pytest.raises(Remote, match="wrong code"):
            guard.check("q", only, "000000", "192.0.2.1", 0)
        assert guard.check("q", only, PIN, "192.0.2.1", 0) == "participant"


def test_the_delay_has_an_end() -> None:
    guard, now = PinGuard(), 0.0
    for _ in range(100):
        refusal(guard, "000000", now)
        delayed = guard._guessers[("192.0.2.1", "r")].wait_until - now
        assert delayed <= codes.LONGEST_DELAY
        now += max(delayed, 0)


def test_guessing_from_many_addresses_is_slow_and_the_honest_wait_a_second() -> None:
    guard = PinGuard()
    outcomes = [refusal(guard, "000000", 0, f"198.51.100.{number}").code for number in range(200)]
    assert outcomes.count("bad_pin") == 50
    honest = refusal(guard, PIN, 0, "192.0.2.200")
    assert honest.code == "pin_delay" and honest.retry_after is not None and honest.retry_after <= 1
    assert guard.check("r", BOTH, PIN, "192.0.2.200", 1.0) == "participant"


def test_asking_without_a_code_is_no_guess() -> None:
    guard = PinGuard()
    for _ in range(100):
        assert refusal(guard, None, 0).code == "bad_pin"
    assert guard.check("r", BOTH, PIN, "192.0.2.1", 0) == "participant"


def test_the_table_of_guessers_is_bounded_and_a_subscriber_has_one_entry() -> None:
    guard = PinGuard()
    for number in range(codes.MAX_ENTRIES + 50):
        refusal(guard, "000000", number * 2.0, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(guard) == codes.MAX_ENTRIES
    guard.forget("r")
    assert len(guard) == 0
    assert codes.source_of("2001:db8::1") == codes.source_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert codes.source_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert codes.source_of("fe80::1%eth0") == "fe80::/64"
    assert codes.source_of("unix") == "unix"


# --- rooms ------------------------------------------------------------------------------------------------------------


class Ear:
    def __init__(self) -> None:
        self.heard: list[ports.Notice] = []

    def notify(self, notice: ports.Notice) -> None:
        self.heard.append(notice)


class Orders:
    def __init__(self) -> None:
        self.given: list[ports.MediaOrder] = []

    def submit(self, order: ports.MediaOrder) -> None:
        self.given.append(order)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def rooms(clock: ManualClock) -> Rooms:
    made = Rooms(clock, Bus())
    made.media = Orders()
    made.apply([spec(aliases=("calanque",))])
    return made


def enter(rooms: Rooms, name: str, pin: str = PIN, **more: Any) -> tuple[str, Ear]:
    ear = Ear()
    request = JoinRequest(room=more.pop("room", "calanques"), name=name, pin=pin, address="192.0.2.1", **more)
    return rooms.join(request, ear).seat.id, ear


def test_a_room_is_found_by_slug_number_and_alias(rooms: Rooms) -> None:
    assert rooms.find("calanques") is rooms.find(" 701 ") is rooms.find("Calanque")
    assert rooms.find("autre") is None


def test_joins_within_a_tenth_of_a_second_are_told_in_one_batch(rooms: Rooms, clock: ManualClock) -> None:
    _, ear = enter(rooms, "Jean")
    others = [enter(rooms, f"N° {number}")[0] for number in range(10)]
    rooms.leave(others[0])
    rooms.tick()
    assert ear.heard == []
    clock.advance(0.1)
    rooms.tick()
    rooms.tick()
    (batch,) = ear.heard
    assert isinstance(batch, ports.RosterChanged)
    assert batch.seq == 1 and batch.total == 10 and batch.gone == (others[0],)
    assert [person.name for person in batch.put] == ["Jean", *(f"N° {number}" for number in range(1, 10))]
    rooms.publish(others[1], "mic", True)
    clock.advance(0.1)
    rooms.tick()
    last = ear.heard[-1]
    assert isinstance(last, ports.RosterChanged) and last.seq == 2 and len(last.put) == 1


def test_a_changed_configuration_drops_nobody(rooms: Rooms) -> None:
    jean, ear = enter(rooms, "Jean")
    lea, _ = enter(rooms, "Léa")
    rooms.apply([spec(seats=1, pins=Pins(), number="702")])
    assert rooms.participants == 2 and ear.heard == []
    assert rooms.find("701") is None and rooms.find("702") is not None
    with pytest.raises(Remote) as refused:
        enter(rooms, "Paul", pin="", room="702")
    assert refused.value.code == "full"
    rooms.leave(lea)
    rooms.leave(jean)
    enter(rooms, "Paul", pin="", room="702")


def test_a_room_taken_away_ends_with_its_last_person(rooms: Rooms) -> None:
    jean, _ = enter(rooms, "Jean")
    rooms.apply([spec("autre", "900")])
    with pytest.raises(Remote) as refused:
        enter(rooms, "Léa")
    assert refused.value.code == "unknown_room"
    assert rooms.by_slug("calanques") is not None
    rooms.leave(jean)
    assert rooms.by_slug("calanques") is None
    assert ports.CloseRoom("calanques") in rooms.media.given  # type: ignore[attr-defined]


def test_a_room_may_be_ended(rooms: Rooms) -> None:
    _, ear = enter(rooms, "Jean")
    rooms.end("calanques")
    assert ear.heard == [ports.SessionEnded("room_closed")]
    assert rooms.participants == 0


def make_seat(name: str) -> Seat:
    return Seat(
        id=name, name=name, role="participant", kind="browser", device="desktop", language="fr", guest=True,
        joined_at=0.0, token_hash=name.encode(),
    )  # fmt: skip


SHAPE = LegShape(frozenset({"mic", "camera", "screen"}), {3: "audio", 4: "video", 5: "video"})


@pytest.fixture
def couple() -> Room:
    room = Room(spec())
    for name in ("Jean", "Lea"):
        room.join(make_seat(name), "call", 0, 0)
        room.leg_opening(name, SHAPE)
        room.leg_opened(name)
    return room


@pytest.mark.parametrize(
    "request_",
    [
        ViewRequest(0, "Lea", "mic", 0),
        ViewRequest(9, "Lea", "camera", 0),
        ViewRequest(3, "Lea", "camera", 0),
        ViewRequest(4, "Lea", "mic", 0),
        ViewRequest(3, "Jean", "mic", 0),
        ViewRequest(4, "Lea", "camera", -1),
    ],
)
def test_a_view_of_what_cannot_be_is_refused_and_changes_nothing(couple: Room, request_: ViewRequest) -> None:
    with pytest.raises(Remote) as refused:
        couple.view("Jean", [ViewRequest(5, "Lea", "camera", 90), request_])
    assert refused.value.code == "malformed"
    assert couple.seats["Jean"].wishes == {}


def test_what_is_wished_is_shown_once_it_is_there(couple: Room) -> None:
    couple.join(make_seat("Paul"), "call", 0, 0)
    assert couple.view("Jean", [ViewRequest(4, "Paul", "camera", 360)]) == [ports.Show("Jean", {4: None})]
    couple.leg_opening("Paul", SHAPE)
    assert ports.Show("Jean", {4: ("Paul", "camera", 360)}) in couple.leg_opened("Paul")
    assert ports.Show("Jean", {4: None}) in couple.leave("Paul", "left", 0, 0)
    assert couple.view("Jean", [ViewRequest(4, "Paul", "camera", 360)]) == [ports.Show("Jean", {4: None})]
    assert couple.seats["Jean"].wishes == {}


def test_late_news_of_people_who_left_are_no_news(couple: Room) -> None:
    couple.leave("Lea", "left", 0, 0)
    assert couple.leave("Lea", "left", 0, 0) == []
    assert couple.leg_connected("Lea") == couple.leg_lost("Lea", "transport") == couple.leg_opened("Lea") == []
    assert couple.track_wanted("Lea", "camera", True, 1) == couple.suspend("Lea", 0) == []
    (told,) = couple.speakers("Lea", [("Lea", 10), ("Jean", 20)])
    assert told == ports.TellAll("calanques", ports.SpeakersChanged(None, (("Jean", 20),)))


@pytest.mark.parametrize(
    "typed", ["Léa（vous）", "Léa ❨ѵous❩", "Léa ＜admin＞ [you]", "Léa\u3164", "\u2800Léa\uffa0 «moi»"]
)
def test_what_looks_like_a_mark_or_like_nothing_is_cut_off(typed: str) -> None:
    assert names.clean(typed) == "Léa"


@pytest.mark.parametrize("typed", ["\u3164\u3164", "\u2800", "\u115f\u1160"])
def test_a_name_of_blanks_is_no_name(typed: str) -> None:
    with pytest.raises(Remote, match="nothing to show"):
        names.clean(typed)

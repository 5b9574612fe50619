"""Lost lines, a dead control plane, a dead engine: the seat stays and nobody has to click."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from kernel.clock import ManualClock
from mcu import messages as engine
from signalling.webrtc import endpoint
from signalling.webrtc import messages as m
from tests.unit.signalling.conftest import Browser, House, house, spec
from tests.unit.signalling.offers import browser_offer


async def test_a_lost_line_is_taken_up_again_with_the_token(place: House) -> None:
    browser, witness = await place.browser(), await place.browser()
    first = await browser.join("Jean")
    await browser.offer()
    place.engine.connect_leg(first.you)
    await browser.say(m.Publish(track="mic", on=True))
    await browser.hear(m.Roster, lambda roster: bool(roster.put and roster.put[0].tracks))
    await witness.join("Témoin")
    await browser.ws.close()
    lost = await witness.hear(m.Roster, lambda roster: any(not person.connected for person in roster.put))
    assert [person.id for person in lost.put if not person.connected] == [first.you] and lost.total == 2
    again = await place.browser()
    await again.say(m.Resume(version=m.VERSION, token=first.token, media_alive=True))
    back = await again.hear(m.Joined)
    assert back.resumed and back.you == first.you and not back.need_offer
    assert back.token != first.token
    assert next(person for person in back.roster if person.id == first.you).tracks == ("mic",)
    await witness.hear(
        m.Roster, lambda roster: any(person.id == first.you and person.connected for person in roster.put)
    )
    assert place.rooms.counts.resumed == 1


async def test_a_token_is_good_until_its_successor_has_been_used(place: House) -> None:
    browser = await place.browser()
    first = await browser.join()
    await browser.ws.close()
    second = await _resume(place, first.token)
    await second[0].ws.close()
    third = await _resume(place, first.token)  # the answer with the second token may never have arrived
    await third[0].say(m.Publish(track="mic", on=True))
    await third[0].hear(m.Roster, lambda roster: bool(roster.put and roster.put[0].tracks))
    for stale in (first.token, second[1].token, "nonsense", ""):
        late = await place.browser()
        await late.say(m.Resume(version=m.VERSION, token=stale, media_alive=True))
        assert (await late.hear(m.Failure)).code == "bad_token"


async def _resume(place: House, token: str, media_alive: bool = False) -> tuple[Browser, m.Joined]:
    browser = await place.browser()
    await browser.say(m.Resume(version=m.VERSION, token=token, media_alive=media_alive))
    return browser, await browser.hear(m.Joined)


async def test_the_old_line_of_the_same_person_is_told_that_it_is_replaced(place: House) -> None:
    old = await place.browser()
    first = await old.join()
    new, back = await _resume(place, first.token)
    assert (await old.hear(m.Bye)).reason == "replaced"
    assert await old.end() == 1000
    assert back.you == first.you
    await new.say(m.Ping(t=1))
    await new.hear(m.Pong)
    assert place.rooms.find("701").seats[first.you].reachable


async def test_a_seat_is_given_up_after_thirty_seconds(tmp_path: Path) -> None:
    clock = ManualClock()
    async with house(tmp_path, clock=clock) as place:
        browser = await place.browser()
        joined = await browser.join()
        await browser.offer()
        await browser.ws.close()
        seat = place.rooms.find("701").seats[joined.you]
        await place.until(lambda: not seat.reachable)
        clock.advance(29.9)
        place.rooms.tick()
        assert joined.you in place.rooms.find("701").seats
        clock.advance(0.2)
        place.rooms.tick()
        assert not place.rooms.find("701").seats
        await place.engine.wait_for(lambda: not place.engine.rooms)
        assert type(place.events[-1]).__name__ == "RoomClosed"
        assert place.rooms.counts.expired == 1


async def test_a_new_control_plane_adopts_what_it_finds(place: House) -> None:
    chief, guest = await place.browser(), await place.browser()
    organiser = await chief.join("Léa", pin="918273")
    person = await guest.join("Jean")
    for browser, joined in ((chief, organiser), (guest, person)):
        await browser.offer()
        place.engine.connect_leg(joined.you)
    await guest.say(m.Publish(track="mic", on=True))
    await chief.say(m.View(slots=(m.ViewSlot(slot=5, participant=person.you, height=180),)))
    await place.engine.wait_for(lambda: place.engine.legs[organiser.you].view.get(5) is not None)
    await place.engine.wait_for(lambda: "mic" not in place.engine.legs[person.you].gated)
    await place.engine.wait_for(lambda: b"mic" in place.engine.legs[person.you].blob)
    await place.close()
    assert set(place.engine.legs) == {organiser.you, person.you}

    await place.open([spec()])
    back, again = await _resume(place, organiser.token, media_alive=True)
    assert again.you == organiser.you and again.role == "organiser" and not again.need_offer
    assert {(one.name, one.connected, one.tracks) for one in again.roster} == {
        ("Léa", True, ()),
        ("Jean", False, ("mic",)),
    }
    await back.say(m.MuteOther(participant=person.you, track="mic"))
    await place.engine.wait_for(lambda: "mic" in place.engine.legs[person.you].gated)
    assert place.engine.legs[organiser.you].view[5].source == engine.Source(leg=person.you, track="camera")
    assert place.rooms.counts.adopted == 2
    assert not place.engine.received(engine.RoomClose)


async def test_who_is_watched_is_learnt_anew_after_a_restart(place: House) -> None:
    browser = await place.browser()
    joined = await browser.join()
    await browser.offer()
    place.engine.connect_leg(joined.you)
    place.engine.send(engine.TrackWanted(leg=joined.you, track="camera", wanted=False))
    assert not (await browser.hear(m.Send)).active
    await place.close()
    place.engine.legs[joined.you].wanted = {"camera": 720}  # somebody began to watch while control was dead
    await place.open([spec()])
    back, _ = await _resume(place, joined.token, media_alive=True)
    assert await back.hear(m.Send, lambda send: send.track == "camera") == m.Send(
        track="camera", active=True, height=720
    )
    assert not (await back.hear(m.Send, lambda send: send.track == "screen")).active


async def test_who_is_watched_is_learnt_anew_when_the_connection_to_the_engine_was_cut(place: House) -> None:
    browser = await place.browser()
    joined = await browser.join()
    await browser.offer()
    place.engine.connect_leg(joined.you)
    place.engine.legs[joined.you].wanted = {"screen": 90}
    place.engine.cut()
    told = await browser.hear(m.Send, lambda send: send.track == "screen")
    assert told.active and told.height == 90


async def test_a_mistake_in_one_order_stops_no_other(place: House, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = await place.browser()
    joined = await browser.join()
    await browser.offer()
    client = place.media._engine
    ask, failed = client.request, asyncio.Event()

    async def broken(message: Any, *more: Any) -> Any:
        if isinstance(message, engine.LegGate) and not failed.is_set():
            failed.set()
            raise RuntimeError("a mistake")
        return await ask(message, *more)

    await place.engine.wait_for(lambda: "camera" in place.engine.legs[joined.you].gated)
    monkeypatch.setattr(client, "request", broken)
    await browser.say(m.Publish(track="mic", on=True))
    await failed.wait()
    await browser.say(m.Publish(track="camera", on=True))
    await place.engine.wait_for(lambda: "camera" not in place.engine.legs[joined.you].gated)


async def test_legs_that_nobody_can_own_are_closed(place: House) -> None:
    browser = await place.browser()
    joined = await browser.join()
    await browser.offer()
    place.engine.legs[joined.you].blob = b"from another age"
    await place.close()
    await place.open([spec()])
    await place.engine.wait_for(lambda: not place.engine.legs and not place.engine.rooms)
    late = await place.browser()
    await late.say(m.Resume(version=m.VERSION, token=joined.token, media_alive=True))
    assert (await late.hear(m.Failure)).code == "bad_token"


async def test_a_dead_engine_makes_everybody_offer_again(place: House) -> None:
    browser = await place.browser()
    joined = await browser.join()
    await browser.offer()
    await browser.say(m.Publish(track="camera", on=True))
    await place.engine.wait_for(lambda: "camera" not in place.engine.legs[joined.you].gated)
    await place.engine.crash()
    await place.until(lambda: not place.media.connected)
    await browser.say(m.Publish(track="mic", on=True))
    await place.engine.start()
    restart = await browser.hear(m.MediaRestart)
    assert restart.reason == "engine"
    await browser.offer()
    await place.engine.wait_for(lambda: place.engine.legs[joined.you].gated == {"screen", "screen-audio"})


async def test_an_offer_without_an_engine_is_answered_later_by_a_restart(place: House) -> None:
    browser = await place.browser()
    await browser.join()
    await place.engine.crash()
    await place.until(lambda: not place.media.connected)
    await browser.say(browser_offer("firefox"))
    failure = await browser.hear(m.Failure)
    assert failure.code == "unavailable" and failure.retry_after == 1000
    await place.engine.start()
    await browser.hear(m.MediaRestart)
    await browser.offer()


async def test_a_lost_transport_asks_for_a_new_offer_and_keeps_what_was_wanted(place: House) -> None:
    browser, other = await place.browser(), await place.browser()
    jean, lea = await browser.join("Jean"), await other.join("Léa")
    await browser.offer()
    await other.offer()
    await browser.say(m.View(slots=(m.ViewSlot(slot=4, participant=lea.you, height=90),)))
    await place.engine.wait_for(lambda: 4 in place.engine.legs[jean.you].view)
    place.engine.connect_leg(jean.you)
    place.engine.lose_leg(jean.you, "consent")
    assert (await browser.hear(m.MediaRestart)).reason == "transport"
    await browser.offer()
    await place.engine.wait_for(lambda: 4 in place.engine.legs[jean.you].view)
    assert place.engine.legs[jean.you].view[4].source == engine.Source(leg=lea.you, track="camera")


async def test_what_the_engine_hears_and_wants_reaches_the_people(place: House) -> None:
    browser = await place.browser()
    joined = await browser.join()
    await browser.offer()
    place.engine.send(
        engine.Speakers(room="calanques", dominant=joined.you, active=(engine.ActiveSpeaker(leg=joined.you, level=30),))
    )
    speakers = await browser.hear(m.Speakers)
    assert speakers.dominant == joined.you and speakers.active == (m.Speaker(id=joined.you, level=30),)
    place.engine.send(engine.TrackWanted(leg=joined.you, track="camera", wanted=False))
    assert not (await browser.hear(m.Send)).active
    late = await place.browser()
    await late.join("Tard")
    assert (await late.hear(m.Speakers)).dominant == joined.you


async def test_before_the_engine_has_been_read_nobody_loses_his_seat(
    place: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "ADOPTION_TIMEOUT", 0.1)
    browser = await place.browser()
    joined = await browser.join()
    await browser.offer()
    await place.close()
    await place.engine.stop()
    await place.open([spec()])
    late = await place.browser()
    resume = m.Resume(version=m.VERSION, token=joined.token, media_alive=True)
    await late.say(resume)
    failure = await late.hear(m.Failure)
    assert failure.code == "unavailable" and failure.retry_after == 1000 and not failure.fatal
    await place.engine.start()
    await place.until(lambda: place.media.synced)
    await late.say(resume)
    assert (await late.hear(m.Joined)).you == joined.you

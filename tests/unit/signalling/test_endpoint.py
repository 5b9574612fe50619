"""The WebSocket endpoint against a real aiohttp server and the fake engine."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mcu import messages as engine
from signalling.sdp.grammar import parse
from signalling.webrtc import messages as m
from signalling.webrtc import offer, session
from tests.unit.signalling.conftest import House
from tests.unit.signalling.offers import browser_offer


async def test_join_offer_answer(place: House) -> None:
    browser = await place.browser()
    joined = await browser.join("Jean")
    assert joined.role == "participant"
    assert joined.need_offer and not joined.resumed
    assert [person.name for person in joined.roster] == ["Jean"]
    answer = await browser.offer()
    leg = place.engine.legs[joined.you]
    assert parse(answer.sdp).text("group") == "BUNDLE " + " ".join(map(str, range(34)))
    assert len(leg.opened.tracks) == 4 and len(leg.opened.slots) == 30
    await place.engine.wait_for(lambda: leg.gated == {"mic", "camera", "screen", "screen-audio"})
    await browser.say(m.Publish(track="mic", on=True))
    await place.engine.wait_for(lambda: leg.gated == {"camera", "screen", "screen-audio"})
    roster = await browser.hear(m.Roster, lambda roster: bool(roster.put and roster.put[0].tracks))
    assert roster.put[0].tracks == ("mic",) and roster.total == 1


async def test_a_second_person_is_seen(place: House) -> None:
    first, second = await place.browser(), await place.browser()
    jean = await first.join("Jean")
    await first.offer()
    lea = await second.join("Léa")
    await second.offer()
    assert [person.name for person in lea.roster] == ["Jean", "Léa"]
    await first.hear(m.Roster, lambda roster: any(person.id == lea.you for person in roster.put))
    await first.say(m.View(slots=(m.ViewSlot(slot=4, participant=lea.you, track="camera", height=360),)))
    leg = place.engine.legs[jean.you]
    await place.engine.wait_for(
        lambda: (
            leg.view.get(4) == engine.Assignment(slot=4, source=engine.Source(leg=lea.you, track="camera"), height=360)
        )
    )
    await second.say(m.Leave())
    bye = await second.hear(m.Bye)
    assert bye.reason == "left"
    assert await second.end() == 1000
    gone = await first.hear(m.Roster, lambda roster: lea.you in roster.gone)
    assert gone.total == 1
    await place.engine.wait_for(lambda: lea.you not in place.engine.legs)


async def test_a_long_description_holds_up_nobody(place: House, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, go_on = threading.Event(), threading.Event()
    read = offer.read

    def slow(*arguments: Any) -> offer.Offer:
        reading.set()
        assert go_on.wait(30.0)
        return read(*arguments)

    monkeypatch.setattr(offer, "read", slow)
    browser = await place.browser()
    await browser.join()
    await browser.say(browser_offer("chromium"))
    try:
        await place.until(reading.is_set)
        await browser.say(m.Ping(t=4))
        assert (await browser.hear(m.Pong)).t == 4
    finally:
        go_on.set()
    await browser.hear(m.Answer)


async def test_offers_are_few(place: House) -> None:
    browser = await place.browser()
    await browser.join()
    for _ in range(int(session.OFFER_BURST)):
        await browser.say(m.Offer(sdp="v=0", tracks=(), slots=()))
        assert (await browser.hear(m.Failure)).code == "bad_offer"
    await browser.say(m.Offer(sdp="v=0", tracks=(), slots=()))
    failure = await browser.hear(m.Failure)
    assert failure.code == "too_fast" and failure.retry_after == 2000

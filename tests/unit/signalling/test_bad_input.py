"""Strangers and mistakes: each gets its clear answer, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

import aiohttp
import pytest

from signalling.webrtc import messages as m
from tests.unit.signalling.conftest import PIN, House, house, spec
from tests.unit.signalling.offers import browser_offer


async def test_the_101st_participant_is_refused_and_a_kept_seat_counts(tmp_path: Path) -> None:
    async with house(tmp_path) as place:
        browsers = [await place.browser() for _ in range(101)]
        for number, browser in enumerate(browsers[:100]):
            await browser.join(f"Personne {number}")
        await browsers[0].ws.close()
        await place.until(lambda: any(not person.connected for person in place.rooms.find("701").roster()))
        await browsers[100].say(m.Join(version=m.VERSION, room="calanques", name="De trop", pin=PIN))
        refused = await browsers[100].hear(m.Failure)
        assert refused.code == "full" and not refused.fatal
        assert "complète" in refused.message or "pleine" in refused.message
        await browsers[1].say(m.Leave())
        await browsers[1].end()
        await browsers[100].join("À sa place")


async def test_five_wrong_pins_bring_a_delay_for_that_address_only(place: House) -> None:
    guesser = await place.browser()
    for _ in range(5):
        await guesser.say(m.Join(version=m.VERSION, room="calanques", name="X", pin="000000", language="en"))
        assert (await guesser.hear(m.Failure)).code == "bad_pin"
    await guesser.say(m.Join(version=m.VERSION, room="calanques", name="X", pin=PIN, language="en"))
    delayed = await guesser.hear(m.Failure)
    assert delayed.code == "pin_delay" and delayed.retry_after is not None and 50_000 < delayed.retry_after <= 60_000
    assert delayed.message.startswith("Too many tries")
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with (
        aiohttp.ClientSession(connector=connector) as elsewhere,
        elsewhere.ws_connect(place.server.make_url("/ws"), protocols=(m.SUBPROTOCOL,)) as ws,
    ):
        await ws.send_str(m.encode(m.Join(version=m.VERSION, room="701", name="Jean", pin=PIN)).decode())
        assert isinstance(m.decode_server((await ws.receive()).data), m.Joined)


@pytest.mark.parametrize("size", [300_000, 10_000_000])
async def test_a_message_too_large_closes_the_socket(place: House, size: int) -> None:
    browser, witness = await place.browser(), await place.browser()
    await browser.join()
    await witness.join("Témoin")
    with contextlib.suppress(ConnectionError):
        await browser.ws.send_str("x" * size)
    # 1006 is what a sender sees that still writes while we hang up; what we said is 1009.
    assert await browser.end() in ((1009,) if size < 1_000_000 else (1009, 1006))
    await place.until(lambda: place.endpoint.metrics.closed["too_large"] == 1)
    await witness.say(m.Ping(t=7))
    assert (await witness.hear(m.Pong)).t == 7


async def test_a_thousand_messages_a_second_disturb_nobody(place: House) -> None:
    loud, witness = await place.browser(), await place.browser()
    await loud.join("Bruyant")
    await witness.join("Témoin")
    longest = 0.0

    async def shout() -> None:
        for number in range(2000):
            await loud.say(m.Ping(t=number))

    shouting = asyncio.create_task(shout())
    while not shouting.done():
        began = time.perf_counter()
        await witness.say(m.Ping(t=1))
        await witness.hear(m.Pong)
        longest = max(longest, time.perf_counter() - began)
    with contextlib.suppress(ConnectionError):
        await shouting
    assert await loud.end() == 1008
    told = [heard for heard in loud.heard if isinstance(heard, m.Failure)]
    assert told[0].code == "too_fast" and told[0].retry_after == 1000
    assert told[-1].fatal
    assert len([heard for heard in loud.heard if isinstance(heard, m.Pong)]) < 500
    assert longest < 0.5
    assert place.endpoint.metrics.closed["too_fast"] == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '{"type":"unknown"}',
        '{"type":"join"}',
        '{"type":"ping","t":"x"}',
        '{"type":"ping","t":1,"more":2}',
        '{"type":"publish","track":"mic"}',
        "[" * 100_000,
        '{"type":"ping","t":1e999}',
        '"\\ud800"',
    ],
)
async def test_malformed_text_gets_an_answer_and_the_line_goes_on(place: House, text: str) -> None:
    browser = await place.browser(headers={"Accept-Language": "en-GB,fr;q=0.5"})
    await browser.ws.send_str(text)
    failure = await browser.hear(m.Failure)
    assert failure.code == "malformed" and not failure.fatal
    assert failure.message.startswith("Your browser sent")
    await browser.join()


async def test_too_much_malformed_text_closes_the_line(place: House) -> None:
    browser = await place.browser()
    for _ in range(20):
        await browser.ws.send_str("nonsense")
    assert await browser.end() == 1008
    last = browser.heard[-1]
    assert isinstance(last, m.Failure) and last.fatal


async def test_binary_frames_are_not_ours(place: House) -> None:
    browser = await place.browser()
    await browser.ws.send_bytes(b"\0\1\2")
    assert await browser.end() == 1003
    assert place.endpoint.metrics.closed["not_text"] == 1


async def test_another_version_is_refused_for_good(place: House) -> None:
    browser = await place.browser()
    await browser.say(m.Join(version=2, room="calanques", name="Jean", pin=PIN))
    failure = await browser.hear(m.Failure)
    assert failure.code == "version" and failure.fatal
    assert await browser.end() == 1008


async def test_nothing_but_ping_before_joining_and_no_second_join(place: House) -> None:
    browser = await place.browser()
    await browser.say(m.Publish(track="mic", on=True))
    assert (await browser.hear(m.Failure)).code == "not_joined"
    await browser.say(m.Ping(t=3))
    assert (await browser.hear(m.Pong)).t == 3
    await browser.join()
    await browser.say(m.Join(version=m.VERSION, room="calanques", name="Jean", pin=PIN))
    assert (await browser.hear(m.Failure)).code == "malformed"
    assert place.rooms.participants == 1


async def test_unknown_room_and_bad_name(place: House) -> None:
    browser = await place.browser()
    await browser.say(m.Join(version=m.VERSION, room="nulle-part", name="Jean"))
    assert (await browser.hear(m.Failure)).code == "unknown_room"
    await browser.say(m.Join(version=m.VERSION, room="calanques", name="\u202e\u200b", pin=PIN))
    failure = await browser.hear(m.Failure)
    assert failure.code == "bad_name" and failure.field == "name"


async def test_another_site_cannot_open_the_socket(place: House) -> None:
    assert place.http is not None
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await place.browser(headers={"Origin": "https://evil.example.com"})
    assert refused.value.status == 403
    own = f"http://{place.server.host}:{place.server.port}"
    await (await place.browser(headers={"Origin": own})).join()


async def test_the_subprotocol_is_needed(place: House) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await place.browser(protocols=("massalia.v9",))
    assert refused.value.status == 400


async def test_sockets_per_address_are_limited(tmp_path: Path) -> None:
    async with house(tmp_path, connections_per_address=2) as place:
        first, _ = await place.browser(), await place.browser()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await place.browser()
        assert refused.value.status == 429
        await first.ws.close()
        await place.until(lambda: place.endpoint.metrics.sockets == 1)
        await (await place.browser()).join()


async def test_bad_offers_and_a_bad_view_leave_the_line_open(place: House) -> None:
    browser = await place.browser()
    joined = await browser.join()
    good = browser_offer("firefox")
    await browser.say(m.Offer(sdp="v=0\r\nrubbish", tracks=(), slots=()))
    assert (await browser.hear(m.Failure)).code == "bad_offer"
    await browser.say(m.View(slots=(m.ViewSlot(slot=4, participant=joined.you),)))
    assert (await browser.hear(m.Failure)).field == "slots"
    await browser.say(good)
    await browser.hear(m.Answer)
    await browser.say(m.View(slots=(m.ViewSlot(slot=3, participant=joined.you, track="camera"),)))
    assert (await browser.hear(m.Failure)).code == "malformed"
    await browser.say(m.View(slots=(m.ViewSlot(slot=4, participant="nobody", track="camera"),)))
    await browser.say(m.Ping(t=1))
    await browser.hear(m.Pong)


async def test_only_organisers_mute_others_and_share_where_it_is_so(tmp_path: Path) -> None:
    async with house(tmp_path, [spec(share="organisers")]) as place:
        chief, guest = await place.browser(), await place.browser()
        organiser = await chief.join("Léa", pin="918273")
        assert organiser.role == "organiser" and organiser.room.may_share
        person = await guest.join("Jean")
        assert not person.room.may_share
        await guest.offer()
        await guest.say(m.Publish(track="screen", on=True))
        assert (await guest.hear(m.Failure)).code == "forbidden"
        await guest.say(m.Publish(track="mic", on=True))
        await chief.hear(m.Roster, lambda roster: any(one.tracks == ("mic",) for one in roster.put))
        await guest.say(m.MuteOther(participant=organiser.you, track="mic"))
        assert (await guest.hear(m.Failure)).code == "forbidden"
        await chief.say(m.MuteOther(participant=person.you, track="mic"))
        muted = await guest.hear(m.Muted)
        assert muted.track == "mic" and muted.by == organiser.you
        await place.engine.wait_for(lambda: "mic" in place.engine.legs[person.you].gated)
        await guest.say(m.Publish(track="mic", on=True))
        await place.engine.wait_for(lambda: "mic" not in place.engine.legs[person.you].gated)


async def test_public_facts_of_a_room(place: House) -> None:
    assert place.http is not None
    await (await place.browser()).join()
    async with place.http.get(place.server.make_url("/api/rooms/701")) as answer:
        facts = await answer.json()
    assert facts["slug"] == "calanques" and facts["pin_required"] is True
    assert facts["seats"] == 100 and facts["present"] == 1
    assert PIN not in str(facts)
    async with place.http.get(place.server.make_url("/api/rooms/nulle-part")) as answer:
        assert answer.status == 404 and (await answer.json())["error"] == "unknown_room"

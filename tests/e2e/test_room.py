"""What people do in a room: an organiser mutes, somebody leaves, a second tab, nobody watches, the room's file
changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import urllib.request

from signalling.webrtc import messages as m
from tests.e2e import product as house
from tests.e2e.browsers import Chromiums, Person, receive
from tests.e2e.product import ORGANISER_PIN, Product, until
from tests.e2e.strangers import closed, hear, join, say, socket_to


async def test_an_organiser_mutes_somebody_who_can_open_it_again(product: Product, chromiums: Chromiums) -> None:
    one, two = await chromiums.person(1), await chromiums.person(2)
    try:
        await one.join(product.url, "essai", "Clara Santoni")
        await two.join(product.url, "essai", "Samir Benali", pin=ORGANISER_PIN)
        await asyncio.gather(two.hears(1), two.sees(1))
        await two.action("people").click()
        await two.button("Couper le micro de Clara Santoni").click()
        await until(lambda: _silent(two, 1), 5, "Clara is not heard any more")
        await one.page.get_by_text("Samir Benali a coupé votre micro").first.wait_for()
        assert await two.count(1) > 0 and await two.sees(1) < 5, "her picture goes on"
        await one.button("Activer le micro").click()
        await two.hears(1)
    finally:
        await asyncio.gather(one.leave(), two.leave())


async def test_a_participant_may_not_mute_others(product: Product) -> None:
    async with socket_to(product.url, "127.0.0.1") as one, socket_to(product.url, "127.0.0.1") as two:
        await say(one, join("essai", "Clara"))
        victim = (await hear(one, m.Joined)).you
        await say(two, join("essai", "Samir"))
        await hear(two, m.Joined)
        await say(two, m.MuteOther(participant=victim, track="mic"))
        assert (await hear(two, m.Failure)).code == "forbidden"


async def test_leaving_frees_the_tile(product: Product, chromiums: Chromiums) -> None:
    one, two = await chromiums.person(1), await chromiums.person(2)
    try:
        await one.join(product.url, "essai", "Clara Santoni")
        await two.join(product.url, "essai", "Samir Benali")
        await two.sees(1)
        assert await two.others_shown() == 1
        await one.action("leave").click()
        await until(lambda: _nobody(two), 3, "the tile is gone")
        assert await two.errors() == []
    finally:
        await asyncio.gather(one.leave(), two.leave())


async def test_a_picture_that_nobody_watches_is_not_sent(product: Product, chromiums: Chromiums) -> None:
    one, two = await chromiums.person(1), await chromiums.person(2)
    try:
        await one.join(product.url, "essai", "Clara Santoni")
        await until(lambda: _sends_no_picture(one), 12, "alone, no picture is sent")
        await two.join(product.url, "essai", "Samir Benali")
        await two.sees(1)
        await two.leave()
        await until(lambda: _sends_no_picture(one), 12, "alone again, no picture is sent")
    finally:
        await asyncio.gather(one.leave(), two.leave())


async def test_the_seat_taken_in_a_second_tab_closes_the_first(product: Product) -> None:
    async with socket_to(product.url, "127.0.0.1") as first, socket_to(product.url, "127.0.0.1") as second:
        await say(first, join("essai", "Clara"))
        seat = await hear(first, m.Joined)
        await say(second, m.Resume(version=m.VERSION, token=seat.token, media_alive=False))
        again = await hear(second, m.Joined, m.Failure)
        assert isinstance(again, m.Joined) and again.you == seat.you and again.resumed, again
        said, _ = await closed(first)
        assert [s.reason for s in said if isinstance(s, m.Bye)] == ["replaced"]
        await say(second, m.Ping(t=1))
        await hear(second, m.Pong)


async def test_a_seat_is_kept_and_its_token_works_once(product: Product) -> None:
    async with socket_to(product.url, "127.0.0.1") as lost:
        await say(lost, join("essai", "Clara"))
        seat = await hear(lost, m.Joined)
    async with socket_to(product.url, "127.0.0.1") as back:
        await say(back, m.Resume(version=m.VERSION, token=seat.token, media_alive=False))
        again = await hear(back, m.Joined, m.Failure)
        assert isinstance(again, m.Joined) and again.you == seat.you, again
        assert again.token != seat.token
        await say(back, m.View(slots=()))  # whatever it says proves that it has the new token
        await say(back, m.Ping(t=1))
        await hear(back, m.Pong)
        async with socket_to(product.url, "127.0.0.1") as thief:
            await say(thief, m.Resume(version=m.VERSION, token=seat.token, media_alive=False))
            assert (await hear(thief, m.Failure)).code == "bad_token"
        await say(back, m.Leave())


async def test_a_changed_room_file_is_applied_and_a_bad_one_refused(product: Product, chromiums: Chromiums) -> None:
    """Within 2 s, and nobody in the room is dropped by either."""
    one, two = await chromiums.person(1), await chromiums.person(2)
    file = product.rooms / "vivante.yaml"
    try:
        await one.join(product.url, "vivante", "Clara Santoni")
        await two.join(product.url, "vivante", "Samir Benali")
        await asyncio.gather(one.sees(2), two.sees(1))
        measuring = asyncio.gather(receive(one, 2, 6), receive(two, 1, 6))

        file.write_text(house.room("vivante", "9004", "Salle rebaptisée"), encoding="utf-8")
        await until(lambda: _is_called(product, "Salle rebaptisée"), 2, "the new name is in force")

        file.write_text('name: "Salle cassée"\nslug: vivante\nnumber: 12\nseats: beaucoup\n', encoding="utf-8")
        await until(lambda: _logged(product, "vivante.yaml"), 3, "the refusal is logged")
        assert await _is_called(product, "Salle rebaptisée"), "the last good one stays"

        for got in await measuring:
            assert got.longest_pause_ms < 500, got
        assert await two.others_shown() == 1
    finally:
        file.write_text(house.ROOMS["vivante"], encoding="utf-8")
        await asyncio.gather(one.leave(), two.leave())


async def _silent(person: Person, sender: int) -> bool:
    before = (await person.tone(sender))["count"]
    await asyncio.sleep(0.4)
    return (await person.tone(sender))["count"] == before


async def _nobody(person: Person) -> bool:
    return await person.others_shown() == 0


async def _sends_no_picture(person: Person) -> bool:
    before = await person.bytes_sent("video")
    await asyncio.sleep(1.0)
    return await person.bytes_sent("video") - before < 2_000  # a keep-alive is no picture


async def _is_called(product: Product, name: str) -> bool:
    def ask() -> object:
        unchecked = ssl._create_unverified_context()
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(f"{product.url}/api/rooms/vivante", context=unchecked) as got,
        ):
            return json.load(got)["name"]

    return await asyncio.to_thread(ask) == name


async def _logged(product: Product, word: str) -> bool:
    return word in product.words()

"""Bad input gets its clear answer or is dropped, and two people in a room notice nothing meanwhile (issue 3, must
show 6).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest_asyncio

from signalling.webrtc import messages as m
from tests.e2e.browsers import Chromiums, Person, receive
from tests.e2e.product import PIN, Product
from tests.e2e.strangers import closed, flood, hear, join, say, socket_to


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def couple(product: Product, chromiums: Chromiums) -> AsyncIterator[tuple[Person, Person]]:
    """Two people who talk in the room where the bad things happen next door."""
    one, two = await chromiums.person(1), await chromiums.person(2)
    await one.join(product.url, "essai", "Clara Santoni")
    await two.join(product.url, "essai", "Samir Benali")
    await asyncio.gather(one.sees(2), two.sees(1), one.hears(2), two.hears(1))
    yield one, two
    await asyncio.gather(one.leave(), two.leave())


@contextlib.asynccontextmanager
async def undisturbed(couple: tuple[Person, Person], seconds: float) -> AsyncIterator[None]:
    """Measure the couple's pictures and sound for ``seconds``, beginning now; fail if they noticed anything."""
    one, two = couple
    measuring = asyncio.gather(receive(one, 2, seconds), receive(two, 1, seconds))
    try:
        yield
    finally:
        received = await measuring
    for got in received:
        assert got.frames_per_second >= 15 and got.longest_pause_ms < 600 and got.longest_silence_ms < 300, got


async def test_the_hundred_and_first_is_told_that_the_room_is_full(
    product: Product, couple: tuple[Person, Person]
) -> None:
    async with undisturbed(couple, 6), contextlib.AsyncExitStack() as open_sockets:
        for number in range(100):
            ws = await open_sockets.enter_async_context(socket_to(product.url, "127.0.0.8"))
            await say(ws, join("foule", f"Personne {number}"))
            await hear(ws, m.Joined)
        last = await open_sockets.enter_async_context(socket_to(product.url, "127.0.0.8"))
        await say(last, join("foule", "Une de trop"))
        answer = await hear(last, m.Failure, m.Joined)
        assert isinstance(answer, m.Failure) and answer.code == "full", answer
        assert answer.message


async def test_wrong_codes_lead_to_a_delay_for_that_address_only(
    product: Product, couple: tuple[Person, Person]
) -> None:
    async with undisturbed(couple, 4):
        for _ in range(5):
            async with socket_to(product.url, "127.0.0.9") as ws:
                await say(ws, join("essai", "Devin", "999999"))
                assert (await hear(ws, m.Failure)).code == "bad_pin"
        async with socket_to(product.url, "127.0.0.9") as ws:
            await say(ws, join("essai", "Devin", PIN))
            refused = await hear(ws, m.Failure)
            assert refused.code == "pin_delay" and refused.retry_after and refused.retry_after > 0, refused
        async with socket_to(product.url, "127.0.0.10") as ws:
            await say(ws, join("essai", "Honnête", PIN))
            assert isinstance(await hear(ws, m.Joined, m.Failure), m.Joined)
            await say(ws, m.Leave())


async def test_ten_megabytes_in_one_message(product: Product, couple: tuple[Person, Person]) -> None:
    async with undisturbed(couple, 4), socket_to(product.url, "127.0.0.11") as ws:
        with contextlib.suppress(ConnectionError):
            await ws.send_str('{"type":"join","name":"' + "a" * 10_000_000 + '"}')
        _, code = await closed(ws)
        assert code in (1009, 1006), code  # 1006: our end saw the connection go while it still wrote


async def test_a_thousand_messages_a_second(product: Product, couple: tuple[Person, Person]) -> None:
    async with undisturbed(couple, 5), socket_to(product.url, "127.0.0.12") as ws:
        await say(ws, join("essai", "Bavard"))
        await hear(ws, m.Joined)
        began, sent = time.monotonic(), 0
        with contextlib.suppress(ConnectionError):
            while sent < 3_000 and not ws.closed:
                await say(ws, m.Ping(t=sent))
                sent += 1
                await asyncio.sleep(max(0.0, sent / 1_000 - (time.monotonic() - began)))
        said, _ = await closed(ws)
        refusals = [s for s in said if isinstance(s, m.Failure)]
        assert any(r.code == "too_fast" for r in refusals), refusals
        assert sum(isinstance(s, m.Pong) for s in said) < 1_000, "most of them were not answered"


async def test_nonsense_is_answered_and_costs_only_the_one_who_sent_it(
    product: Product, couple: tuple[Person, Person]
) -> None:
    async with undisturbed(couple, 3):
        for text in ("", "{", "[]", '{"type":"nothing"}', '{"type":"join"}', '{"type":"view","slots":5}', "\x00" * 50):
            async with socket_to(product.url, "127.0.0.13") as ws:
                await ws.send_str(text)
                answer = await hear(ws, m.Failure)
                assert answer.code == "malformed", (text, answer)


async def test_a_hundred_thousand_stun_packets_from_strangers(product: Product, couple: tuple[Person, Person]) -> None:
    async with undisturbed(couple, 7):
        await asyncio.to_thread(flood, product.media_port, 100_000, 20_000)

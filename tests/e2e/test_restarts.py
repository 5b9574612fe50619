"""The control plane and the engine are killed while two browsers talk; nobody clicks (issue 3, must show 3)."""

from __future__ import annotations

import asyncio
import itertools
import time

from tests.e2e.browsers import Chromiums, Person, receive
from tests.e2e.product import Product, until


async def test_media_flows_on_while_control_dies(product: Product, chromiums: Chromiums) -> None:
    one, two = await chromiums.person(1), await chromiums.person(2)
    try:
        await one.join(product.url, "coupure", "Clara Santoni")
        await two.join(product.url, "coupure", "Samir Benali")
        await asyncio.gather(one.sees(2), two.sees(1), one.hears(2), two.hears(1))
        connections = await two.page.evaluate("e2e.pcs.length")
        measuring = asyncio.gather(receive(one, 2, 8), receive(two, 1, 8))
        rising = asyncio.create_task(_samples(two, 8))
        old = product.kill("control")
        await until(lambda: _up_again(product, old), 20, "control is back")
        at_one, at_two = await measuring
        counts = await rising
        assert all(b > a for a, b in itertools.pairwise(counts)), f"frames stood still: {counts}"
        for got in (at_one, at_two):
            # A page stalls while the new control's start takes the processors; what is received is counted above.
            assert got.longest_pause_ms < 1_000 and got.longest_silence_ms < 800, got

        # Adopted: commands work again, over the media that never stopped.
        await until(lambda: _silenced(one, two), 20, "mute works after the adoption")
        assert await two.page.evaluate("e2e.pcs.length") == connections, "the peer connection was kept"
        await one.action("mic").click()
        await two.hears(1)
        await one.leave()
        await until(lambda: _alone(two), 10, "leaving frees the tile")
    finally:
        await asyncio.gather(one.leave(), two.leave())


async def test_media_comes_back_after_the_engine_died(product: Product, chromiums: Chromiums) -> None:
    one, two = await chromiums.person(1), await chromiums.person(2)
    try:
        await one.join(product.url, "coupure", "Clara Santoni")
        await two.join(product.url, "coupure", "Samir Benali")
        await asyncio.gather(one.sees(2), two.sees(1), one.hears(2), two.hears(1))
        product.kill("engine")
        began = time.monotonic()
        await asyncio.gather(_new_picture(one, 2), _new_picture(two, 1))
        took = time.monotonic() - began
        assert took <= 5, f"media again after {took:.1f} s"
        await asyncio.gather(one.hears(2), two.hears(1))
    finally:
        await asyncio.gather(one.leave(), two.leave())


async def _samples(person: Person, seconds: float) -> list[int]:
    """The number of frames received so far, every 250 ms."""
    counts = []
    for _ in range(round(seconds * 4)):
        counts.append(sum(s.get("framesReceived", 0) for s in await person.stats()))
        await asyncio.sleep(0.25)
    return counts


async def _up_again(product: Product, old: int) -> bool:
    try:
        return product.pid("control") != old and await asyncio.to_thread(product.ready)
    except LookupError:
        return False


async def _silenced(one: Person, two: Person) -> bool:
    """``one`` turns his microphone off; does ``two`` hear nothing from then on? (If not, it is turned on again.)"""
    await one.action("mic").click()
    await asyncio.sleep(1.0)
    before = (await two.tone(one.sender))["count"]
    await asyncio.sleep(0.5)
    if (await two.tone(one.sender))["count"] == before:
        return True
    await one.action("mic").click()
    return False


async def _alone(person: Person) -> bool:
    return await person.others_shown() == 0


async def _new_picture(person: Person, sender: int) -> None:
    """Wait for 5 frames of ``sender`` over a second peer connection."""

    async def renewed() -> bool:
        states = await person.page.evaluate("e2e.pcs.map((pc) => pc.connectionState)")
        return len(states) > 1 and states[-1] == "connected"

    await until(renewed, 15, "a second peer connection is up")
    await person.sees(sender)

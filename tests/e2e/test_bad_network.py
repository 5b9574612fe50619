"""Two Chromiums through a bad network: loss, delay, bursts, a blackout (RFC 4585 and RFC 4588: NACK, PLI, RTX).

The links of ``netem`` lie between each browser and the engine, so a picture goes over two of them. No link is narrower
than what is sent.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from tests.e2e.browsers import TONE_BLOCKS_PER_SECOND, Chromiums, Person, Reception, receive
from tests.e2e.product import Product
from tests.e2e.relay import Relay

FREEZE_MS = 500.0
"""A pause between two different pictures that counts as a freeze."""


@dataclass(frozen=True)
class BadNetwork:
    product: Product
    relay: Relay


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory, addresses: tuple[str, ...]) -> Iterator[BadNetwork]:
    """A product of its own, whose media goes through the relay: the engine announces the relay's port as its own. In
    the browsers' network namespace, hence after ``addresses``.
    """
    product = Product(tmp_path_factory.mktemp("netem"))
    relay = Relay.start(product.media_port)
    product.settings["MASSALIA_MEDIA_ADVERTISE"] = f"127.0.0.1=127.0.0.1:{relay.port}"
    try:
        product.start()
        yield BadNetwork(product, relay)
    finally:
        product.stop()
        relay.stop()


Pair = tuple[Person, Person]


@pytest_asyncio.fixture(loop_scope="session")
async def pair(network: BadNetwork, chromiums: Chromiums) -> AsyncIterator[Pair]:
    """Two people who have seen and heard each other for some seconds on a good network, so that the rate is up."""
    network.relay.set()
    one, two = await chromiums.person(1), await chromiums.person(2)
    try:
        await one.join(network.product.url, "essai", "Clara Santoni")
        await two.join(network.product.url, "essai", "Samir Benali")
        await asyncio.gather(one.sees(2, more=100), two.sees(1, more=100), one.hears(2), two.hears(1))
        yield one, two
    finally:
        network.relay.set()
        await asyncio.gather(one.leave(), two.leave())


COUNTED = (
    "retransmittedPacketsReceived", "totalFreezesDuration", "freezeCount", "concealedSamples", "totalSamplesReceived",
    "silentConcealedSamples", "nackCount", "pliCount", "keyFramesDecoded", "keyFramesEncoded", "framesDecoded",
    "framesEncoded", "retransmittedPacketsSent", "packetsLost", "packetsReceived", "bytesSent", "fecPacketsReceived",
)  # fmt: skip


async def counts(person: Person) -> dict[str, float]:
    """The browser's counters, summed over its streams: ``video.in.nackCount``…"""
    total: dict[str, float] = {}
    for row in await person.stats():
        way = {"inbound-rtp": "in", "outbound-rtp": "out"}[row["type"]]
        if not row.get("packetsReceived", row.get("packetsSent")):
            continue  # a slot that was never used: its silence is no loss
        for name in COUNTED:
            key = f"{row['kind']}.{way}.{name}"
            total[key] = total.get(key, 0) + row.get(name, 0)
    return total


@dataclass(frozen=True)
class Measured:
    """What one person received of the other, and both browsers' counters meanwhile."""

    got: Reception
    freeze_ms: float
    mine: dict[str, float]
    theirs: dict[str, float]

    @property
    def concealed(self) -> float:
        """Share of the sound that was made up, silence left aside."""
        silent = self.mine["audio.in.silentConcealedSamples"]
        heard = self.mine["audio.in.totalSamplesReceived"] - silent
        return (self.mine["audio.in.concealedSamples"] - silent) / max(1.0, heard)

    @property
    def pictures(self) -> float:
        """Pictures decoded for each that the other encoded. The page itself sees fewer where the machine is busy."""
        return self.mine["video.in.framesDecoded"] / max(1.0, self.theirs["video.out.framesEncoded"])

    @property
    def tone_seconds(self) -> float:
        """How long the other's tone was heard."""
        return self.got.tone_blocks / TONE_BLOCKS_PER_SECOND

    def __str__(self) -> str:
        known = {k: v for k, v in {**self.mine, **{f"their {k}": v for k, v in self.theirs.items()}}.items() if v}
        return f"{self.got}, freeze {self.freeze_ms:.0f} ms, concealed {self.concealed:.3f}\n{known}"


async def measure(person: Person, other: Person, seconds: float) -> Measured:
    before = await counts(person), await counts(other)
    begin = float(await person.page.evaluate("performance.now()"))
    got = await receive(person, other.sender, seconds)
    end = begin + seconds * 1000
    after = await counts(person), await counts(other)
    times = [begin, *distinct(await person.frames(other.sender), begin, end), end]
    pauses = [b - a for a, b in itertools.pairwise(times)]
    mine, theirs = ({k: v - was.get(k, 0) for k, v in now.items()} for was, now in zip(before, after, strict=True))
    result = Measured(got, sum(p for p in pauses if p > FREEZE_MS), mine, theirs)
    print(f"\n{person.sender} of {other.sender}: {result}")
    return result


def distinct(frames: list[dict[str, float]], begin: float, end: float) -> list[float]:
    """When a new picture came, between ``begin`` and ``end``."""
    mine = [f for f in frames if begin <= f["t"] <= end]
    return [b["t"] for a, b in itertools.pairwise(mine) if a["n"] != b["n"]]


async def test_five_percent_loss(network: BadNetwork, pair: Pair) -> None:
    """Under 1.5 s of freezes in 20 s, beside those that this machine makes by itself on a good network."""
    one, two = pair
    good = await asyncio.gather(measure(one, two, 10), measure(two, one, 10))
    network.relay.set(up={"loss": 0.05}, down={"loss": 0.05})
    lossy = await asyncio.gather(measure(one, two, 20), measure(two, one, 20))
    for seen, before in zip(lossy, good, strict=True):
        assert seen.freeze_ms < 1500 + 2 * before.freeze_ms, seen
        frozen = "video.in.totalFreezesDuration"
        assert seen.mine[frozen] < 1.5 + 2 * before.mine[frozen], seen
        assert seen.mine["video.in.retransmittedPacketsReceived"] > 0, "what was lost comes back over RTX"
        assert seen.theirs["video.out.retransmittedPacketsSent"] > 0, "what the engine lost comes back over RTX"
        assert seen.theirs["video.out.keyFramesEncoded"] <= 5, "loss is repaired, not answered by keyframes"
        assert seen.pictures > 0.9, seen
        assert seen.tone_seconds > 0.95 * 20 and seen.concealed < 0.15, seen


async def test_a_long_and_shaky_way(network: BadNetwork, pair: Pair) -> None:
    """150 ms there and back, with 30 ms of jitter."""
    one, two = pair
    way = {"delay_ms": 75, "jitter_ms": 15}
    network.relay.set(up=way, down=way)
    await asyncio.gather(one.sees(2, more=25), two.sees(1, more=25))  # the change itself may be seen
    for seen in await asyncio.gather(measure(one, two, 10), measure(two, one, 10)):
        assert seen.freeze_ms == 0, seen
        assert seen.pictures > 0.9, seen
        assert seen.theirs["video.out.keyFramesEncoded"] <= 2, seen
        assert seen.tone_seconds > 0.95 * 10 and seen.concealed < 0.1, seen


async def test_twenty_percent_loss(network: BadNetwork, pair: Pair) -> None:
    """A fifth is lost on the whole way. The sound stays intelligible: at most a syllable is missing; video may slow
    down but lives.
    """
    one, two = pair
    each = 1 - math.sqrt(0.8)
    network.relay.set(up={"loss": each}, down={"loss": each})
    for seen in await asyncio.gather(measure(one, two, 20), measure(two, one, 20)):
        assert seen.tone_seconds > 0.85 * 20 and seen.got.longest_silence_ms < 400, seen
        assert seen.concealed < 0.4, seen
        assert seen.got.longest_pause_ms < 4_000 and seen.mine["video.in.framesDecoded"] > 60, seen


async def test_bursts_of_loss(network: BadNetwork, pair: Pair) -> None:
    """What a burst takes away comes again, or a keyframe instead. Both ends of the way lose bursts of four tenths of a
    second, so the repair is lost too now and then: two seconds are usual, twice that is the limit."""
    one, two = pair
    way = {"burst": {"enter": 0.005, "leave": 0.05}}  # twenty packets in a row on average, an eleventh of all
    network.relay.set(up=way, down=way)
    for seen in await asyncio.gather(measure(one, two, 15), measure(two, one, 15)):
        assert seen.got.longest_pause_ms < 4_000, seen
        assert seen.mine["video.in.framesDecoded"] > 60, seen


async def test_a_blackout(network: BadNetwork, pair: Pair) -> None:
    """Nothing passes for three seconds. Then all is back by itself within three."""
    one, two = pair
    way = {"loss": 1.0, "schedule": [{"at_ms": 3000, "loss": 0.0}]}
    network.relay.set(up=way, down=way)
    dark = await asyncio.gather(measure(one, two, 2.9), measure(two, one, 2.9))
    assert all(seen.got.longest_pause_ms > 2_000 for seen in dark), "it was dark"
    times = await asyncio.gather(
        one.sees(2, within=3.1), two.sees(1, within=3.1), one.hears(2, within=3.1), two.hears(1, within=3.1)
    )
    print(f"\nback after {times}")
    for seen in await asyncio.gather(measure(one, two, 5), measure(two, one, 5)):
        assert seen.freeze_ms == 0 and seen.pictures > 0.9, seen
        assert seen.theirs["video.out.keyFramesEncoded"] <= 3, seen

"""aiortc as an independent browser: two of them meet in a room through the real endpoint and the real engine.

Each sends a tone and a plain picture of its own; each must hear the other's tone and see the other's brightness.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack

from admin.synthetic.peer import Peer, Slots
from config.settings import Settings
from kernel.clock import SystemClock
from signalling.webrtc import messages as m
from tests.unit.signalling.conftest import Browser, House, spec

ROOT = Path(__file__).parents[2]
ENGINE = Path(os.environ.get("MASSALIA_MEDIA_BINARY") or ROOT / "mcu" / "target" / "release" / "massalia-media")
RATE = 48_000

pytestmark = [pytest.mark.real_sleep, pytest.mark.timeout(90), pytest.mark.slow_callback(2.0)]


class Tone(MediaStreamTrack):
    kind = "audio"

    def __init__(self, hertz: int) -> None:
        super().__init__()
        self._hertz, self._at = hertz, 0
        self._began = asyncio.get_running_loop().time()

    async def recv(self) -> av.AudioFrame:
        due = self._began + self._at / RATE
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        times = (self._at + np.arange(RATE // 50)) / RATE
        pcm = (12_000 * np.sin(2 * np.pi * self._hertz * times)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._at, Fraction(1, RATE)
        self._at += RATE // 50
        return frame


class Plain(MediaStreamTrack):
    kind = "video"

    def __init__(self, luma: int) -> None:
        super().__init__()
        self._luma, self._number = luma, 0
        self._began = asyncio.get_running_loop().time()

    async def recv(self) -> av.VideoFrame:
        due = self._began + self._number / 15
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        planes = np.full((240 * 3 // 2, 320), 128, np.uint8)
        planes[:240] = self._luma
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = self._number * 6000, Fraction(1, 90_000)
        self._number += 1
        return frame


class Person:
    """One aiortc client in the room."""

    def __init__(self, browser: Browser, hertz: int, luma: int, codec: str) -> None:
        self.browser = browser
        tracks: dict[m.TrackName, MediaStreamTrack] = {"mic": Tone(hertz), "camera": Plain(luma)}
        self.peer = Peer(tracks, Slots(audio=1, video=1), self._take, codec)
        self.lumas: deque[float] = deque(maxlen=15)
        self.sound: deque[np.ndarray[Any, Any]] = deque(maxlen=25)
        self.id = ""

    async def _take(self, slot: int, frame: Any) -> None:
        if slot == 1:
            self.lumas.append(float(frame.to_ndarray()[: frame.height].mean()))
        else:
            self.sound.append(frame.to_ndarray().reshape(-1, len(frame.layout.channels))[:, 0])

    async def enter(self, name: str) -> None:
        self.id = (await self.browser.join(name)).you
        await self.browser.say(await self.peer.offer())
        await self.peer.answer((await self.browser.hear(m.Answer)).sdp)
        await asyncio.wait_for(self.peer.connected.wait(), 15)
        for track in ("mic", "camera"):
            await self.browser.say(m.Publish(track=track, on=True))

    async def look_at(self, other: Person) -> None:
        await self.browser.say(m.View(slots=(m.ViewSlot(slot=1, participant=other.id, track="camera", height=240),)))

    def hears(self, hertz: int) -> bool:
        """Whether half a second of what came is that tone above all."""
        if len(self.sound) < 25:
            return False
        pcm = np.concatenate(self.sound).astype(float)
        spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
        return abs(float(np.argmax(spectrum)) * RATE / len(pcm) - hertz) < 10 and float(spectrum.max()) > 1e5

    def sees(self, luma: int) -> bool:
        return len(self.lumas) == 15 and all(abs(seen - luma) < 12 for seen in self.lumas)


@asynccontextmanager
async def engine(path: Path) -> AsyncIterator[Path]:
    """The real engine on a loopback port that the kernel chooses."""
    assert ENGINE.exists(), f"build it first: cd mcu && cargo build --release -p media ({ENGINE})"
    control = path / "media.sock"
    arguments = ("forward", "--control", str(control), "--port", "0", "--listen", "127.0.0.1", "--loopback")
    log = (path / "engine.log").open("wb")
    process = await asyncio.create_subprocess_exec(
        str(ENGINE), *arguments, "--shards", "1", stdout=asyncio.subprocess.PIPE, stderr=log, env=dict(os.environ)
    )
    try:
        assert process.stdout is not None
        ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 10))
        assert ready["ready"] is True
        yield control
    finally:
        process.terminate()
        await process.wait()
        log.close()


async def wait_for(condition: Any, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - media have no event
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_two_clients_see_and_hear_each_other(tmp_path: Path, codec: str) -> None:
    async with engine(tmp_path) as control:
        place = House(SimpleNamespace(path=control), SystemClock(), Settings())  # type: ignore[arg-type]
        await place.open([spec()])
        jean = Person(await place.browser(), 440, 60, codec)
        lea = Person(await place.browser(), 1000, 190, codec)
        try:
            await jean.enter("Jean")
            await lea.enter("Léa")
            await jean.look_at(lea)
            await lea.look_at(jean)
            await wait_for(lambda: jean.sees(190) and lea.sees(60), 20)
            await wait_for(lambda: jean.hears(1000) and lea.hears(440), 20)
            speakers = await jean.browser.hear(m.Speakers, lambda told: len(told.active) == 2)
            assert {speaker.id for speaker in speakers.active} == {jean.id, lea.id}
            await lea.browser.say(m.Publish(track="camera", on=False))
            await lea.browser.hear(
                m.Roster, lambda told: any(one.id == lea.id and "camera" not in one.tracks for one in told.put)
            )
            jean.lumas.clear()
            lea.lumas.clear()
            await wait_for(lambda: lea.sees(60), 10)
            assert len(jean.lumas) < 5, "a track that is off goes no further than the engine"
        finally:
            await jean.peer.close()
            await lea.peer.close()
            await place.close()

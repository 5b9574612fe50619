"""What a synthetic participant's camera and microphone are to aiortc: tracks that draw and speak in real time."""

from __future__ import annotations

import asyncio
import time
from fractions import Fraction

import av
from aiortc import MediaStreamTrack

from admin.synthetic.pace import Pace
from admin.synthetic.picture import Picture
from admin.synthetic.speech import RATE, Conversation

VIDEO_RATES = (15.0, 10.0, 5.0, 2.0)
PTIME = RATE // 50
"""Samples per audio frame: 20 ms."""
_CATCH_UP_S = 0.2
"""A microphone later than this drops what it missed, as a real one does."""


class Camera(MediaStreamTrack):
    """A participant's picture. Draws and encodes nothing while nobody watches (``active`` cleared)."""

    kind = "video"

    def __init__(self, picture: Picture) -> None:
        super().__init__()
        self.active = asyncio.Event()
        self.active.set()
        self._picture = picture
        self._began = time.monotonic()
        self._pace = Pace(VIDEO_RATES, self._began)
        self._frame = 0

    async def recv(self) -> av.VideoFrame:
        if not self.active.is_set():
            await self.active.wait()
            self._pace.resume(time.monotonic())
        await asyncio.sleep(self._pace.wait(time.monotonic()))
        frame = av.VideoFrame.from_ndarray(self._picture.draw(self._frame, time.strftime("%H:%M:%S")), format="yuv420p")
        frame.pts, frame.time_base = round((time.monotonic() - self._began) * 90_000), Fraction(1, 90_000)
        self._frame += 1
        return frame


class Microphone(MediaStreamTrack):
    """One speaker's part of a conversation. Participants in several processes agree on whose turn it is by the wall
    clock.
    """

    kind = "audio"

    def __init__(self, conversation: Conversation, speaker: int) -> None:
        super().__init__()
        self._conversation, self._speaker = conversation, speaker
        self._offset = round(time.time() * RATE)
        self._began = time.monotonic()
        self._position = 0

    async def recv(self) -> av.AudioFrame:
        wait = self._began + self._position / RATE - time.monotonic()
        if wait < -_CATCH_UP_S:
            self._position += round(-wait * RATE) // PTIME * PTIME
        await asyncio.sleep(max(0.0, wait))
        pcm = self._conversation.samples(self._speaker, self._offset + self._position, PTIME)
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, self._position, Fraction(1, RATE)
        self._position += PTIME
        return frame

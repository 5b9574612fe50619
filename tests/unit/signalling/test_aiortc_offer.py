"""aiortc's offers are understood, and it understands our answers (no media: the engine is the fake one)."""

from __future__ import annotations

import pytest

from admin.synthetic.peer import Peer, Slots
from signalling.webrtc import messages as m
from tests.unit.signalling.conftest import House


@pytest.mark.parametrize("codec", ["vp8", "h264"])
async def test_aiortc_and_we_agree_on_slots_and_ssrcs(place: House, codec: str) -> None:
    browser = await place.browser()
    joined = await browser.join()
    peer = Peer({}, Slots(audio=3, video=2), sink=None, codec=codec)
    try:
        await browser.say(await peer.offer())
        answer = await browser.hear(m.Answer)
        opened = place.engine.legs[joined.you].opened
        assert [slot.codecs[0].name for slot in opened.slots] == ["opus"] * 3 + [codec] * 2
        assert opened.extensions.mid is not None
        await peer.answer(answer.sdp)
        assert answer.sdp.count("a=ssrc-group:FID") == 2
    finally:
        await peer.close()

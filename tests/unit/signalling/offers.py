"""Offers recorded from real browsers (tests/data/sdp), with the message that goes with them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from signalling.sdp.grammar import parse
from signalling.webrtc import messages as m

DATA = Path(__file__).parents[2] / "data" / "sdp"
TRACKS: tuple[m.TrackName, ...] = ("mic", "camera", "screen-audio", "screen")
SPEAKER_SLOTS = 3


def text(name: str) -> str:
    return (DATA / f"{name}.sdp").read_bytes().decode()


@cache
def browser_offer(name: str) -> m.Offer:
    """The recorded plan: four tracks, three speaker slots, one audio and twenty-six video view slots."""
    sdp = text(name)
    media = parse(sdp).media
    tracks = tuple(m.OfferTrack(mid=str(index), track=track) for index, track in enumerate(TRACKS))
    slots = tuple(
        m.OfferSlot(
            mid=str(index + len(TRACKS)),
            slot=index,
            kind="audio" if section.kind == "audio" else "video",
            role="speaker" if index < SPEAKER_SLOTS else "view",
        )
        for index, section in enumerate(media[len(TRACKS) :])
    )
    return m.Offer(sdp=sdp, tracks=tracks, slots=slots)

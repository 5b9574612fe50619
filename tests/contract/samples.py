"""Samples of the WebSocket messages, parsed by Python and TypeScript: ``python -m tests.contract.samples`` writes them.

``tests/contract/websocket/<from>.<type>.<variant>.json``: ``from`` is ``client`` or ``server``, the variants are those
of ``mcu.contract``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec

from mcu.contract import variants, write
from signalling.webrtc import messages as w

DIRECTORY: Final = Path(__file__).parent / "websocket"

SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
ANNE = w.Participant(
    id="p-anne",
    name="Anne-Élise Ñuñez 👋",
    role="organiser",
    kind="sip",
    guest=False,
    tracks=("mic", "camera", "screen", "screen-audio"),
    connected=False,
    joined_at=1790000000000,
)
BOB = w.Participant(id="p-bob", name="Bob", role="participant")
ROOM = w.RoomInfo(
    slug="vieux-port",
    name="Salle Vieux-Port",
    number="451",
    seats=100,
    mode="stage",
    language="fr",
    may_share=True,
    layouts=("speaker",),
)
ICE = w.IceServer(urls=("turn:turn.example:443?transport=tcp",), username="1790000000:p-anne", credential="c2VjcmV0")

CLIENT: Final[tuple[w.ClientMessage, ...]] = (
    w.Join(version=w.VERSION, room="vieux-port", name="Anne", pin="248642374", device="phone", language="en"),
    w.Resume(version=w.VERSION, token="t0ken-_" * 6, media_alive=True),
    w.Offer(
        sdp=SDP,
        tracks=(w.OfferTrack(mid="0", track="mic"), w.OfferTrack(mid="1", track="camera")),
        slots=(w.OfferSlot(mid="4", slot=0, kind="audio", role="speaker"),),
    ),
    w.Publish(track="mic", on=True),
    w.View(slots=(w.ViewSlot(slot=3, participant="p-bob", track="screen", height=720), w.ViewSlot(slot=4))),
    w.MuteOther(participant="p-bob", track="mic"),
    w.Leave(),
    w.Ping(t=1790000000000),
)
SERVER: Final[tuple[w.ServerMessage, ...]] = (
    w.Joined(
        version=w.VERSION,
        you="p-anne",
        role="organiser",
        token="t0ken-_" * 6,
        room=ROOM,
        roster=(ANNE, BOB),
        plan=w.SlotPlan(audio=2, video=6, content_audio=0, content_video=2),
        ice_servers=(ICE, w.IceServer(urls=("stun:stun.example",))),
        resumed=True,
        need_offer=False,
    ),
    w.Answer(sdp=SDP),
    w.Roster(seq=7, put=(BOB,), gone=("p-carl",), total=2),
    w.Speakers(dominant="p-anne", active=(w.Speaker(id="p-anne", level=20), w.Speaker(id="p-bob", level=127))),
    w.Send(track="camera", active=True, height=360),
    w.Muted(track="mic", by="p-anne"),
    w.MediaRestart(reason="engine"),
    w.Bye(reason="left"),
    w.Failure(code="pin_delay", message="Trop d’essais. Patientez.", fatal=True, retry_after=60000, field="pin"),
    w.Pong(t=1790000000000),
)


def samples() -> dict[str, Any]:
    """Every sample by its file name without suffix."""
    return {
        f"{side}.{type(message).__struct_config__.tag}.{variant}": value
        for side, messages in (("client", CLIENT), ("server", SERVER))
        for message in messages
        for variant, value in variants(message)
    }


def files() -> dict[str, bytes]:
    """Every file's name and content."""
    return {f"{name}.json": msgspec.json.format(w.encode(value), indent=2) + b"\n" for name, value in samples().items()}


if __name__ == "__main__":
    write(DIRECTORY, files())

"""One peer connection of a synthetic participant: its tracks, its receive slots, its offer (docs/protocol.md §5), by
aiortc.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcconfiguration import RTCBundlePolicy

from signalling.webrtc.messages import Offer, OfferSlot, OfferTrack, TrackName

LOOPBACK = "127.0.0.1"

Sink = Callable[[int, Any], Awaitable[None]]
"""Takes the slot's number and a received frame."""


@dataclass(frozen=True)
class Slots:
    """How many receive slots to offer: voices filled by the engine, and pictures asked for with ``view``."""

    audio: int = 0
    video: int = 0


class Peer:
    """``tracks`` are sent, what arrives in the slots is decoded and given to ``sink``. ``codec`` is vp8 or h264.

    There must be a track or a slot. ``lost`` is called once if the connection fails by itself.
    """

    def __init__(
        self,
        tracks: dict[TrackName, MediaStreamTrack],
        slots: Slots,
        sink: Sink | None = None,
        codec: str = "vp8",
        lost: Callable[[], None] | None = None,
    ) -> None:
        self.connected = asyncio.Event()
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._sink, self._lost = sink, lost
        self._tasks: list[asyncio.Task[None]] = []
        self._sending = {name: self._pc.addTransceiver(track, "sendonly") for name, track in tracks.items()}
        self._receiving = [self._pc.addTransceiver("audio", "recvonly") for _ in range(slots.audio)]
        self._receiving += [self._pc.addTransceiver("video", "recvonly") for _ in range(slots.video)]
        for transceiver in self._pc.getTransceivers():
            if transceiver.kind == "video":
                _prefer(transceiver, codec)
        _reach_loopback(self._pc.getTransceivers()[0])
        self._pc.on("connectionstatechange", self._changed)

    @property
    def alive(self) -> bool:
        return self._pc.connectionState == "connected"

    async def offer(self) -> Offer:
        await self._pc.setLocalDescription(await self._pc.createOffer())
        return Offer(
            sdp=self._pc.localDescription.sdp,
            tracks=tuple(OfferTrack(mid=str(t.mid), track=name) for name, t in self._sending.items()),
            slots=tuple(_slot(n, t) for n, t in enumerate(self._receiving)),
        )

    async def answer(self, sdp: str) -> None:
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        if self._sink is not None:
            for slot, transceiver in enumerate(self._receiving):
                if transceiver.receiver.track is not None:
                    self._tasks.append(asyncio.create_task(self._drain(slot, transceiver.receiver.track, self._sink)))

    async def _drain(self, slot: int, track: MediaStreamTrack, sink: Sink) -> None:
        try:
            while True:
                await sink(slot, await track.recv())
        except MediaStreamError:
            return

    def _changed(self) -> None:
        if self._pc.connectionState == "connected":
            self.connected.set()
        elif self._pc.connectionState in ("failed", "closed") and self._lost is not None:
            lost, self._lost = self._lost, None
            lost()

    async def stats(self) -> dict[str, Any]:
        """aiortc's report, by id."""
        return dict(await self._pc.getStats())

    async def close(self) -> None:
        self._lost = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._pc.close()


def _slot(number: int, transceiver: RTCRtpTransceiver) -> OfferSlot:
    if transceiver.kind == "audio":
        return OfferSlot(mid=str(transceiver.mid), slot=number, kind="audio", role="speaker")
    return OfferSlot(mid=str(transceiver.mid), slot=number, kind="video", role="view")


def _prefer(transceiver: Any, codec: str) -> None:
    wanted = f"video/{codec}".lower()
    codecs = RTCRtpSender.getCapabilities("video").codecs
    mine = [c for c in codecs if c.mimeType.lower() == wanted]
    transceiver.setCodecPreferences(mine + [c for c in codecs if c.mimeType.lower() == "video/rtx"])


def _reach_loopback(transceiver: Any) -> None:
    """Let this connection's ICE agent gather the loopback address too.

    aioice leaves it out, as RFC 8445 §5.1.1.1 wants, but a server on the same machine may be reachable there only.
    The agent of this connection alone is changed, not the library.
    """
    agent = transceiver.receiver.transport.transport.iceGatherer._connection
    gather = agent.get_component_candidates

    async def with_loopback(component: int, addresses: list[str], timeout: int = 5) -> Any:
        return await gather(component, [*(a for a in addresses if a != LOOPBACK), LOOPBACK], timeout)

    agent.get_component_candidates = with_loopback

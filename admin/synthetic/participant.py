"""A synthetic participant: the browser client's side of docs/protocol.md, with aiortc for the media.

Joins a room, offers tracks and slots, follows what the server says (``send``, ``media.restart``), takes its seat
again after a lost WebSocket and joins anew when the seat is gone. Leaves out what only a person needs: choosing
devices, sharing a screen.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import msgspec
import structlog
from aiortc import MediaStreamTrack

from admin.synthetic.peer import Peer, Sink, Slots
from admin.synthetic.tracks import Camera
from signalling.webrtc import messages as m

log = structlog.get_logger(__name__)

FIRST_RETRY_S, LAST_RETRY_S = 0.5, 8.0
_MAX_SERVER_MESSAGE = 4 << 20
_FOR_GOOD = frozenset({"version", "unknown_room", "bad_pin", "bad_name", "forbidden"})
"""Refusals that another try would not change."""


class Refused(Exception):
    """The server said no. ``code`` is that of docs/protocol.md; ``retry_after`` in seconds, if it named a time."""

    def __init__(self, code: str, sentence: str, retry_after: float | None = None) -> None:
        super().__init__(f"{code}: {sentence}")
        self.code, self.retry_after = code, retry_after


@dataclass(frozen=True)
class Server:
    """Where to connect: ``url`` such as ``https://127.0.0.1:8443``; ``tls`` False accepts any certificate."""

    url: str
    tls: ssl.SSLContext | bool = True


@dataclass(frozen=True)
class Person:
    room: str
    name: str
    pin: str | None = None
    codec: str = "vp8"
    slots: Slots = field(default_factory=Slots)


Tracks = Callable[[], dict[m.TrackName, MediaStreamTrack]]
"""Makes the tracks of a new connection: aiortc stops those of the one before."""


class Participant:
    """``run`` takes part until cancelled (or refused for good); ``joined`` and ``connected`` tell how far it came."""

    def __init__(self, server: Server, person: Person, tracks: Tracks, sink: Sink | None = None) -> None:
        self._server, self._person, self._make_tracks, self._sink = server, person, tracks, sink
        self._token: str | None = None
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._wanted: dict[m.TrackName, bool] = {}
        self._tracks: dict[m.TrackName, MediaStreamTrack] = {}
        self._pings: dict[int, asyncio.Future[float]] = {}
        self._restart = asyncio.Event()
        self._unanswered = 0
        self.peer: Peer | None = None
        self.you = ""
        self.joined = asyncio.Event()
        self.connected = asyncio.Event()
        self.roster: dict[str, m.Participant] = {}
        self.dominant: str | None = None

    async def run(self) -> None:
        """Take part, reconnecting for ever. Raises ``Refused`` when the server's no is final."""
        retry = FIRST_RETRY_S
        try:
            async with aiohttp.ClientSession() as http:
                while True:
                    self.joined.clear()
                    try:
                        await self._connection(http)
                    except Refused as refused:
                        if refused.code in _FOR_GOOD:
                            raise
                        self._token = None
                        retry = max(retry, refused.retry_after or 0.0)
                        log.info("synthetic.refused", name=self._person.name, code=refused.code)
                    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError) as error:
                        log.info("synthetic.lost", name=self._person.name, error=str(error) or type(error).__name__)
                    retry = FIRST_RETRY_S if self.joined.is_set() else min(LAST_RETRY_S, retry * 2)
                    await asyncio.sleep(retry)
        finally:
            await self._drop_peer()

    async def _connection(self, http: aiohttp.ClientSession) -> None:
        """One WebSocket from its opening to its end."""
        url = self._server.url.rstrip("/").replace("http", "ws", 1) + "/ws"
        async with http.ws_connect(
            url, protocols=(m.SUBPROTOCOL,), ssl=self._server.tls, heartbeat=20, max_msg_size=_MAX_SERVER_MESSAGE
        ) as ws:
            self._ws, self._unanswered = ws, 0
            restarts = asyncio.create_task(self._restarts())
            try:
                await self._send(self._greeting())
                async for frame in ws:
                    if frame.type is aiohttp.WSMsgType.TEXT:
                        await self._receive(m.decode_server(frame.data))
            finally:
                self._ws = None
                restarts.cancel()
                await asyncio.gather(restarts, return_exceptions=True)

    def _greeting(self) -> m.Join | m.Resume:
        if self._token is not None:
            alive = self.peer is not None and self.peer.alive
            return m.Resume(version=m.VERSION, token=self._token, media_alive=alive)
        return m.Join(version=m.VERSION, room=self._person.room, name=self._person.name, pin=self._person.pin)

    async def _send(self, message: m.ClientMessage) -> None:
        if self._ws is not None and not self._ws.closed:
            await self._ws.send_str(m.encode(message).decode())

    async def _receive(self, message: m.ServerMessage) -> None:
        match message:
            case m.Joined():
                await self._on_joined(message)
            case m.Answer():
                await self._on_answer(message)
            case m.Roster():
                self.roster.update({p.id: p for p in message.put})
                for gone in message.gone:
                    self.roster.pop(gone, None)
            case m.Speakers():
                self.dominant = message.dominant
            case m.Send():
                self._wanted[message.track] = message.active
                self._apply_wanted()
            case m.MediaRestart():
                self._restart.set()
            case m.Pong():
                waiting = self._pings.pop(message.t, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(time.monotonic())
            case m.Failure() if message.fatal or not self.joined.is_set():
                raise Refused(message.code, message.message, message.retry_after and message.retry_after / 1000)
            case m.Failure():
                if message.code == "bad_offer":
                    self._unanswered -= 1
                log.info("synthetic.error", name=self._person.name, code=message.code, error=message.message)
            case m.Bye():
                raise Refused(message.reason, "the server ended the session")
            case m.Muted():
                log.info("synthetic.muted", name=self._person.name, track=message.track)

    async def _on_joined(self, message: m.Joined) -> None:
        self._token, self.you = message.token, message.you
        self.roster = {p.id: p for p in message.roster}
        if message.need_offer:
            self._restart.set()
        self.joined.set()

    async def _on_answer(self, message: m.Answer) -> None:
        self._unanswered -= 1
        if self.peer is None or self._unanswered > 0:
            return  # of a connection given up since
        await self.peer.answer(message.sdp)
        for name in self._tracks:
            await self._send(m.Publish(track=name, on=True))

    async def _restarts(self) -> None:
        """Make a peer connection whenever one is asked for: at the start, by the server, or because the last one
        failed.
        """
        while True:
            await self._restart.wait()
            await self.joined.wait()
            self._restart.clear()
            await self._drop_peer()
            self._tracks = self._make_tracks()
            self._apply_wanted()
            peer = Peer(self._tracks, self._person.slots, self._sink, self._person.codec, lost=self._restart.set)
            self.peer, self.connected = peer, peer.connected
            offer = await peer.offer()
            self._unanswered += 1
            await self._send(offer)

    async def _drop_peer(self) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            await peer.close()

    def _apply_wanted(self) -> None:
        for name, track in self._tracks.items():
            if isinstance(track, Camera):
                if self._wanted.get(name, True):
                    track.active.set()
                else:
                    track.active.clear()

    async def view(self, slots: tuple[m.ViewSlot, ...]) -> None:
        """Ask what the view slots shall show."""
        await self._send(m.View(slots=slots))

    async def publish(self, track: m.TrackName, on: bool) -> None:
        await self._send(m.Publish(track=track, on=on))

    async def leave(self) -> None:
        await self._send(m.Leave())

    async def ping(self) -> float:
        """Round trip time of the WebSocket in seconds."""
        began = time.monotonic()
        stamp = int(began * 1000)
        waiting: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._pings[stamp] = waiting
        await self._send(m.Ping(t=stamp))
        return await asyncio.wait_for(waiting, 5) - began

"""The WebSocket endpoint ``/ws`` and the public facts of a room ``/api/rooms/{slug}`` (aiohttp).

It carries out the decisions of `session.Session`: joins and commands go to the rooms, offers to the media plane. One
connection costs one reading task, one writing task and, while an offer is under way, one more: an engine that is slow
to answer never keeps a socket from being read.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

import structlog
from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web

from config.rooms import RoomSpec
from config.settings import Settings
from kernel import i18n, log
from kernel.clock import Clock
from kernel.errors import Fault, Local, Remote
from kernel.tasks import Tasks
from signalling.leg import Media
from signalling.rooms.pins import source_of
from signalling.rooms.registry import JoinRequest, Rooms
from signalling.rooms.room import ViewRequest
from signalling.webrtc import answer, offer, translate
from signalling.webrtc import messages as m
from signalling.webrtc.address import client_address, same_origin
from signalling.webrtc.line import Encoder, Line
from signalling.webrtc.metrics import MediaFigures, Metrics
from signalling.webrtc.session import Close, Decision, Execute, Phase, Say, Session

HEARTBEAT = 10.0
"""Seconds between our pings (RFC 6455 §5.5.2); half of it without a pong ends the socket."""
ADOPTION_TIMEOUT = 5.0
"""How long a join waits for the engine's snapshot after our own start."""
MAX_SOCKETS = 5000
MAX_OFFERS = 3
"""Offers of one person under way at the same time."""

_log = structlog.get_logger("signalling.webrtc")


class MediaPlane(Media, MediaFigures, Protocol):
    """What the endpoint needs of the media plane (`signalling.media.MediaPlane` is one)."""


class Endpoint:
    def __init__(self, rooms: Rooms, media: MediaPlane, settings: Settings, clock: Clock) -> None:
        self.rooms, self.media, self.settings, self.clock = rooms, media, settings, clock
        self.metrics = Metrics(rooms, media)
        self.encode = Encoder()
        self.descriptions = ThreadPoolExecutor(1, thread_name_prefix="sdp")
        """Reads offers and writes answers."""
        self._addresses: Counter[str] = Counter()
        self._lines: set[Line] = set()

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        address = client_address(request, self.settings.http.trusted_proxies)
        source = source_of(address)
        if not same_origin(request, self.settings.http.public_url):
            self.metrics.closed["origin"] += 1
            _log.warning("ws_origin_refused", origin=request.headers.get("Origin", "")[:200], address=address)
            return _refusal(Remote("forbidden", "origin"), request)
        if self._addresses[source] >= self.settings.limits.connections_per_address or len(self._lines) >= MAX_SOCKETS:
            self.metrics.closed["per_address"] += 1
            _log.warning("ws_too_many", address=address, sockets=len(self._lines))
            return _refusal(Remote("too_fast", "too many sockets"), request)
        ws = web.WebSocketResponse(
            protocols=(m.SUBPROTOCOL,),
            heartbeat=HEARTBEAT,
            max_msg_size=self.settings.limits.message_size,
            compress=False,
        )
        if not ws.can_prepare(request) or m.SUBPROTOCOL not in _offered(request):
            return _refusal(Remote("version", "subprotocol"), request)
        await ws.prepare(request)
        line = Line(ws, self.encode)
        self._addresses[source] += 1
        self._lines.add(line)
        self.metrics.sockets += 1
        try:
            await Connection(self, ws, line, address, _language(request)).run()
        finally:
            self.metrics.sockets -= 1
            self._lines.discard(line)
            self._addresses[source] -= 1
            if not self._addresses[source]:
                del self._addresses[source]
        return ws

    async def facts(self, request: web.Request) -> web.Response:
        """Public facts of a room, for the waiting page."""
        room = self.rooms.find(request.match_info["slug"])
        if room is None or room.closing:
            return _refusal(Remote("unknown_room"), request)
        spec = room.spec
        return web.json_response(
            {
                "slug": spec.slug,
                "name": spec.name,
                "number": spec.number,
                "language": spec.language,
                "mode": spec.mode,
                "description": spec.description,
                "pin_required": spec.pin_required,
                "seats": spec.seats,
                "present": len(room.seats),
            },
            headers={"Cache-Control": "no-store"},
        )

    async def close(self, _app: web.Application) -> None:
        """Control stops: sockets are closed with "going away", seats stay in the engine and are taken again."""
        self.descriptions.shutdown(wait=False, cancel_futures=True)
        for line in tuple(self._lines):
            line.close(WSCloseCode.GOING_AWAY, "restart")


class Connection:
    """One WebSocket from its opening to its end."""

    def __init__(self, endpoint: Endpoint, ws: web.WebSocketResponse, line: Line, address: str, language: str) -> None:
        limits, clock = endpoint.settings.limits, endpoint.clock
        self._endpoint, self._rooms, self._media = endpoint, endpoint.rooms, endpoint.media
        self._metrics, self._clock = endpoint.metrics, clock
        self._ws, self._line, self._address = ws, line, address
        self._session = Session(
            clock.now(), rate=limits.message_rate, burst=limits.message_burst, language=language
        )  # fmt: skip
        self._participant: str | None = None
        self._ids: dict[str, str] = {}
        self._confirmed = True
        self._offers = 0
        self._tasks = Tasks("connection")

    async def run(self) -> None:
        writer = self._tasks.spawn(self._line.run(), "write")
        self._tasks.spawn(self._watch_join(), "join deadline")
        try:
            await self._read()
            if self._line.ended:
                # The writer is saying the last words and closes the socket.
                await asyncio.wait((writer,), timeout=5.0)
        finally:
            self._session.over()
            self._line.close(WSCloseCode.OK, "")
            if self._line.too_slow:
                self._metrics.closed["too_slow"] += 1
                _log.warning("ws_too_slow", address=self._address, **self._ids)
            if self._participant is not None:
                self._rooms.detach(self._participant, self._line)
            await self._tasks.close()

    async def _watch_join(self) -> None:
        """Send away who does not join in time."""
        while (deadline := self._session.deadline) is not None:
            remaining = deadline - self._clock.now()
            if remaining <= 0:
                self._metrics.closed["join_timeout"] += 1
                self._session.over()
                self._line.say(m.Bye(reason="timeout"))
                self._line.close(WSCloseCode.POLICY_VIOLATION, "join timeout")
                return
            await self._clock.sleep(remaining)

    async def _read(self) -> None:
        async for frame in self._ws:
            if frame.type is WSMsgType.TEXT:
                with log.context(**self._ids):
                    await self._decide(self._session.receive(frame.data, self._clock.now()))
            elif frame.type is WSMsgType.BINARY:
                self._metrics.closed["not_text"] += 1
                self._line.close(WSCloseCode.UNSUPPORTED_DATA, "text only")
            elif frame.type is WSMsgType.ERROR:
                self._note_error(frame.data)
            if self._line.ended:
                return

    def _note_error(self, error: object) -> None:
        """aiohttp has closed the socket because of what came in; a message over the limit is worth a line."""
        if isinstance(error, WebSocketError) and error.code == WSCloseCode.MESSAGE_TOO_BIG:
            self._metrics.closed["too_large"] += 1
            _log.warning("ws_message_too_large", address=self._address, **self._ids)

    async def _decide(self, decisions: list[Decision]) -> None:
        for decision in decisions:
            match decision:
                case Say():
                    if isinstance(decision.message, m.Failure):
                        self._note_failure(decision.message)
                    self._line.say(decision.message)
                case Close():
                    if decision.reason == "too_fast":
                        self._metrics.closed["too_fast"] += 1
                    _log.warning("ws_closed_by_us", cause=decision.reason, address=self._address)
                    self._line.close(decision.code, decision.reason)
                case Execute():
                    self._metrics.messages[str(decision.message.__struct_config__.tag)] += 1
                    await self._execute(decision.message)

    def _note_failure(self, failure: m.Failure) -> None:
        self._metrics.failures[failure.code] += 1
        if failure.code == "malformed":
            self._metrics.messages["invalid"] += 1

    async def _execute(self, message: m.ClientMessage) -> None:
        try:
            match message:
                case m.Join() | m.Resume():
                    await self._enter(message)
                case m.Offer():
                    self._start_offer(message)
                case _:
                    self._command(message)
        except Fault as fault:
            await self._fail(fault)
        except Exception:
            _log.exception("ws_message_failed", type=message.__struct_config__.tag)
            await self._fail(Local("internal"))

    async def _fail(self, fault: Fault) -> None:
        _log.info("ws_refused", code=fault.code, detail=fault.detail, address=self._address)
        await self._decide(self._session.refuse(fault))

    # --- joining ------------------------------------------------------------------------------------------------------

    async def _enter(self, message: m.Join | m.Resume) -> None:
        try:
            if not await self._media.ready(ADOPTION_TIMEOUT):
                raise Local("unavailable", "the engine has not been read yet")
            if self._line.ended:
                return
            if isinstance(message, m.Join):
                request = JoinRequest(
                    room=message.room,
                    name=message.name,
                    pin=message.pin,
                    address=self._address,
                    device=message.device,
                    language=message.language,
                )
                admission = self._rooms.join(request, self._line)
            else:
                admission = self._rooms.resume(message.token, message.media_alive, self._line)
        except Fault:
            self._session.join_refused(self._clock.now())
            raise
        seat, room = admission.seat, admission.room
        self._participant = seat.id
        self._ids = {"room": room.slug, "participant": seat.id, "call": room.call}
        resumed = isinstance(message, m.Resume)
        if resumed:
            self._confirmed = False
            await self._media.save(seat.id)
            if self._rooms.seat_of(seat.id) is None:
                raise Remote("bad_token", "the seat went meanwhile")
        self._session.joined(seat.language)
        device: m.DeviceKind = seat.device if seat.device in translate.PLANS else "desktop"
        self._line.say(translate.joined(admission, resumed=resumed, device=device))
        self._line.release()

    # --- commands -----------------------------------------------------------------------------------------------------

    def _command(self, message: m.ClientMessage) -> None:
        participant = self._me()
        match message:
            case m.Publish():
                self._rooms.publish(participant, message.track, message.on)
            case m.View():
                requests = [ViewRequest(slot.slot, slot.participant, slot.track, slot.height) for slot in message.slots]
                self._rooms.view(participant, requests)
            case m.MuteOther():
                self._rooms.mute(participant, message.participant, message.track)
            case m.Leave():
                self._rooms.leave(participant)

    def _me(self) -> str:
        """The person of this line. Whatever he says proves that he got his token."""
        if self._participant is None or self._session.phase is not Phase.JOINED:
            raise Remote("not_joined", "join first")
        if not self._confirmed:
            self._confirmed = True
            self._rooms.confirm(self._participant)
        return self._participant

    def _start_offer(self, message: m.Offer) -> None:
        participant = self._me()
        if self._offers >= MAX_OFFERS:
            raise Remote("too_fast", "offers are under way", retry_after=1.0)
        room = self._rooms.room_of(participant)
        if room is None:
            raise Remote("not_joined", "the seat is gone")
        self._offers += 1
        self._tasks.spawn(self._negotiate(participant, message, room.spec), "offer")

    async def _negotiate(self, participant: str, message: m.Offer, spec: RoomSpec) -> None:
        """Descriptions are long: they are read and written in the endpoint's thread, one after the other, so that a
        crowd that comes in at once holds up nobody else's messages."""
        run = asyncio.get_running_loop().run_in_executor
        thread = self._endpoint.descriptions
        with log.context(**self._ids):
            try:
                understood = await run(thread, offer.read, message.sdp, message.tracks, message.slots, spec.codecs)
                opened = await self._media.open(participant, understood.plan)
                write = partial(answer.write, per_sender=spec.bandwidth.per_sender)
                sdp = await run(thread, write, understood, opened, secrets.randbits(62))
                self._line.say(m.Answer(sdp=sdp))
            except Fault as fault:
                await self._fail(fault)
            except Exception:
                _log.exception("offer_failed")
                await self._fail(Local("internal"))
            finally:
                self._offers -= 1


def _offered(request: web.Request) -> list[str]:
    offered = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    return [protocol.strip() for protocol in offered.split(",")]


def _language(request: web.Request) -> str:
    """The browser's first language if it is one of ours, for errors before ``join`` says it."""
    first = request.headers.get("Accept-Language", "").strip()[:2].lower()
    return first if first in i18n.LANGUAGES else i18n.DEFAULT


def _refusal(fault: Remote, request: web.Request) -> web.Response:
    failure = translate.failure(fault, _language(request))
    body = {"error": failure.code, "message": failure.message}
    return web.json_response(body, status=fault.answer.http_status, headers={"Cache-Control": "no-store"})


def setup(
    app: web.Application, *, rooms: Rooms, media: MediaPlane, settings: Settings, clock: Clock
) -> Endpoint:  # fmt: skip
    """Add ``/ws`` and ``/api/rooms/{slug}`` to an application."""
    endpoint = Endpoint(rooms, media, settings, clock)
    app.router.add_get("/ws", endpoint.websocket)
    app.router.add_get("/api/rooms/{slug}", endpoint.facts)
    app.on_shutdown.append(endpoint.close)
    return endpoint

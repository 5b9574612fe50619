"""A forward engine without media: the real control socket, rooms, legs, blobs and snapshots, and a script.

It answers as the contract says (mcu/messages.py) and forwards nothing. Tests make it send events, refuse or ignore the
next request of a kind, cut connections, or die and come back as another instance.

    async with FakeEngine(path) as engine:
        ...
        await engine.wait_for(lambda: "leg-1" in engine.legs)
        engine.connect_leg("leg-1")
        await engine.crash(); await engine.start()
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from mcu import messages as m
from mcu.engine import BadFrame, pack, read_frame

BUILD = "fake"


@dataclass
class FakeLeg:
    """One open leg and what control last said of it."""

    opened: m.LegOpen
    answer: m.LegOpened
    connected: bool = False
    view: dict[int, m.Assignment] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    wanted: dict[str, int] = field(default_factory=dict)
    """Watched tracks and their heights; tests set it."""
    blob: bytes = b""
    blob_version: int = 0

    def state(self) -> m.LegState:
        return m.LegState(
            leg=self.opened.leg,
            connected=self.connected,
            tracks=self.opened.tracks,
            slots=self.opened.slots,
            streams=self.answer.streams,
            view=tuple(self.view[slot] for slot in sorted(self.view)),
            gated=tuple(sorted(self.gated)),
            wanted=tuple(m.Watched(track=track, height=height) for track, height in sorted(self.wanted.items())),
            blob=self.blob,
            blob_version=self.blob_version,
        )


class Refusal(Exception):
    """What the engine answers instead of a result."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.error = m.Error(code=code, detail=detail or code)


class _Connection:
    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.greeted = False
        self.subscribed = False
        self.seq = itertools.count(1)

    def send(self, frame: m.Frame) -> None:
        if not self.writer.is_closing():
            self.writer.write(pack(frame))


class FakeEngine:
    """The engine's end of the control socket."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.instance = secrets.token_hex(8)
        self.rooms: dict[str, dict[str, FakeLeg]] = {}
        self.requests: list[m.AnyRequest] = []
        """Every request received (hello too), oldest first, over all instances."""
        self.hellos: list[m.Hello] = []
        self._refuse: defaultdict[type[m.Request], deque[Refusal]] = defaultdict(deque)
        self._ignore: defaultdict[type[m.Request], int] = defaultdict(int)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Condition()
        self._ssrc = itertools.count(0x10000001)

    # --- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> Self:
        """Listen. After ``crash`` this is a new instance with no rooms."""
        self._server = await asyncio.start_unix_server(self._accept, str(self.path))
        return self

    async def stop(self) -> None:
        """Cut every connection and stop listening; rooms stay (as after a restart of control only)."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        serving = tuple(self._serving)
        for task in serving:
            task.cancel()
        if serving:
            await asyncio.wait(serving)
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()

    async def crash(self) -> None:
        """Die as by ``kill -9``: everything is lost; ``start`` brings up another instance."""
        await self.stop()
        self.rooms.clear()
        self.instance = secrets.token_hex(8)

    def cut(self) -> None:
        """Cut the connections; the engine lives on and may be connected to again."""
        for connection in tuple(self._connections):
            connection.writer.transport.abort()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- script -------------------------------------------------------------------------------------------------------

    @property
    def legs(self) -> dict[str, FakeLeg]:
        """All legs of all rooms by leg id."""
        return {leg: state for legs in self.rooms.values() for leg, state in legs.items()}

    @property
    def connections(self) -> int:
        """Connections that said hello."""
        return sum(connection.greeted for connection in self._connections)

    def refuse(self, kind: type[m.Request], code: str, detail: str = "") -> None:
        """Answer the next request of ``kind`` with an error."""
        self._refuse[kind].append(Refusal(code, detail))

    def ignore(self, kind: type[m.Request], times: int = 1) -> None:
        """Never answer the next ``times`` requests of ``kind``."""
        self._ignore[kind] += times

    def send(self, event: m.AnyEvent) -> None:
        """Send an event to every subscribed connection."""
        for connection in tuple(self._connections):
            if connection.subscribed:
                connection.send(m.Frame(seq=next(connection.seq), evt=event))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are: broken frames, wrong lengths."""
        for connection in tuple(self._connections):
            connection.writer.write(data)

    def connect_leg(self, leg: str) -> None:
        """ICE and DTLS of a leg came up."""
        self.legs[leg].connected = True
        self.send(m.LegConnected(leg=leg))

    def lose_leg(
        self, leg: str, reason: Literal["consent", "dtls_failed", "dtls_closed", "timeout"] = "consent"
    ) -> None:
        """A leg's transport ended."""
        self.legs[leg].connected = False
        self.send(m.LegLost(leg=leg, reason=reason))

    def received(self, kind: type[m.Request]) -> list[Any]:
        """Requests of one kind, oldest first."""
        return [request for request in self.requests if isinstance(request, kind)]

    async def wait_for(self, condition: Callable[[], Any], timeout: float = 5.0) -> None:
        """Wait until ``condition()`` is true; it is looked at after every request and connection."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(condition)

    # --- the socket ---------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        connection = _Connection(writer)
        self._connections.add(connection)
        try:
            while True:
                self._handle(connection, await read_frame(reader))
                await self._notify()
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, BadFrame, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(connection)
            self._serving.discard(task)
            writer.transport.abort()
            await self._notify()

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _handle(self, connection: _Connection, frame: m.Frame) -> None:
        request = frame.req
        if request is None or frame.id is None:
            raise BadFrame("a client sends requests only")
        self.requests.append(request)
        if self._ignore[type(request)]:
            self._ignore[type(request)] -= 1
            return
        try:
            if self._refuse[type(request)]:
                raise self._refuse[type(request)].popleft()
            if not connection.greeted and not isinstance(request, m.Hello):
                raise Refusal("not_hello")
            response = self._answer(connection, request)
        except Refusal as refusal:
            connection.send(m.Frame(id=frame.id, err=refusal.error))
        else:
            connection.send(m.Frame(id=frame.id, res=response))

    def _answer(self, connection: _Connection, request: m.AnyRequest) -> m.AnyResponse:
        match request:
            case m.Hello():
                return self._hello(connection, request)
            case m.RoomOpen():
                self.rooms.setdefault(request.room, {})
                return m.RoomOpened(room=request.room, shard=0)
            case m.RoomClose():
                self.rooms.pop(request.room, None)
            case m.LegOpen():
                return self._open(request)
            case m.LegView():
                leg = self._leg(request.leg)
                known = {slot.slot for slot in leg.opened.slots if slot.role == "view"}
                if any(assignment.slot not in known for assignment in request.assign):
                    raise Refusal("unknown_slot")
                leg.view.update({assignment.slot: assignment for assignment in request.assign})
            case m.LegGate():
                leg = self._leg(request.leg)
                if request.track not in {track.track for track in leg.opened.tracks}:
                    raise Refusal("unknown_track")
                (leg.gated.add if request.gated else leg.gated.discard)(request.track)
            case m.LegBlob():
                if len(request.blob) > m.MAX_BLOB:
                    raise Refusal("too_large")
                leg = self._leg(request.leg)
                leg.blob, leg.blob_version = request.blob, request.blob_version
            case m.LegClose():
                for legs in self.rooms.values():
                    legs.pop(request.leg, None)
            case m.LegStats():
                return m.LegCounters(leg=request.leg, connected=self._leg(request.leg).connected)
            case m.Snapshot():
                return self._snapshot()
            case m.Stats():
                return m.Counters(
                    engine=self.instance, uptime_ms=1, counters={}, rooms=len(self.rooms), legs=len(self.legs)
                )
        return m.Ok()

    def _hello(self, connection: _Connection, request: m.Hello) -> m.Welcome:
        if request.version != m.VERSION:
            raise Refusal("version", f"version {request.version}")
        connection.greeted = True
        connection.subscribed = request.subscribe
        self.hellos.append(request)
        shard = m.ShardInfo(index=0, rooms=len(self.rooms), legs=len(self.legs), candidates=(self.candidate,))
        return m.Welcome(version=m.VERSION, engine=self.instance, build=BUILD, shards=(shard,))

    @property
    def candidate(self) -> m.Candidate:
        """The one candidate that answers carry (nobody listens there)."""
        return m.Candidate(
            foundation="1", component=1, transport="udp", priority=2130706431, address="127.0.0.1", port=40000
        )

    def _leg(self, leg: str) -> FakeLeg:
        if leg not in self.legs:
            raise Refusal("unknown_leg", leg)
        return self.legs[leg]

    def _open(self, request: m.LegOpen) -> m.LegOpened:
        if request.room not in self.rooms:
            raise Refusal("unknown_room", request.room)
        if len(request.blob) > m.MAX_BLOB:
            raise Refusal("too_large")
        streams = tuple(
            m.SlotStream(
                slot=slot.slot,
                ssrc=next(self._ssrc),
                rtx_ssrc=next(self._ssrc) if any(codec.rtx_pt is not None for codec in slot.codecs) else None,
            )
            for slot in request.slots
        )
        local = m.Local(
            ufrag=secrets.token_urlsafe(6).replace("-", "+").replace("_", "/"),
            pwd=secrets.token_urlsafe(18).replace("-", "+").replace("_", "/"),
            fingerprint="sha-256 " + ":".join(f"{byte:02X}" for byte in secrets.token_bytes(32)),
            candidates=(self.candidate,),
        )
        answer = m.LegOpened(leg=request.leg, local=local, streams=streams)
        for legs in self.rooms.values():
            legs.pop(request.leg, None)
        self.rooms[request.room][request.leg] = FakeLeg(
            opened=request, answer=answer, blob=request.blob, blob_version=request.blob_version
        )
        return answer

    def _snapshot(self) -> m.Snapped:
        rooms = tuple(
            m.RoomState(room=room, shard=0, legs=tuple(leg.state() for leg in legs.values()))
            for room, legs in self.rooms.items()
        )
        return m.Snapped(engine=self.instance, rooms=rooms)

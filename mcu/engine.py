"""Asyncio client of the engine's control socket (mcu/messages.py): one connection, requests answered by id, events in
order.

It connects by itself, says ``hello``, and after a loss connects again with back-off until closed. Its listener is
told, one call at a time and in order: ``engine_up`` (requests work from then on), each event, ``engine_down``. A
listener that is too slow for the events (``EVENT_LIMIT`` waiting) loses the connection, not the process's memory: on
the next ``engine_up`` it reads a snapshot as after any loss. A frame that is too long or malformed ends the connection
and is logged.

Left out: TLS to a distant engine; ``connect`` is an argument so that it becomes another connector, not another client.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, Protocol, Self, overload

import msgspec
import structlog

from kernel.errors import Fault, Local, Remote
from kernel.tasks import Tasks
from mcu import messages as m

OUTSTANDING_LIMIT: Final = 1024
EVENT_LIMIT: Final = 10_000
REQUEST_TIMEOUT: Final = 5.0
HELLO_TIMEOUT: Final = 5.0
BACKOFF_FIRST: Final = 0.05
BACKOFF_LAST: Final = 1.0

_log = structlog.get_logger("mcu.engine")

ANSWER_TO: Final[dict[type[m.Request], type[m.Response]]] = {
    m.Hello: m.Welcome,
    m.RoomOpen: m.RoomOpened,
    m.RoomClose: m.Ok,
    m.LegOpen: m.LegOpened,
    m.LegView: m.Ok,
    m.LegGate: m.Ok,
    m.LegBlob: m.Ok,
    m.LegClose: m.Ok,
    m.LegStats: m.LegCounters,
    m.Snapshot: m.Snapped,
    m.Stats: m.Counters,
}

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Listener(Protocol):
    """Who wants to know. Calls never overlap; one that raises is logged."""

    async def engine_up(self, welcome: m.Welcome, same_instance: bool) -> None:
        """Connected. ``same_instance``: it is the engine process of the previous connection, its legs still live."""

    async def engine_event(self, event: m.AnyEvent) -> None:
        """One event, in the engine's order."""

    async def engine_down(self) -> None:
        """The connection is lost; requests fail until the next ``engine_up``."""


class Refused(Local):
    """The engine answered with an error. ``engine_code`` is one of those of ``mcu.messages.Error``."""

    def __init__(self, engine_code: str, detail: str) -> None:
        super().__init__("unavailable" if engine_code == "limit" else "internal", f"engine: {engine_code}: {detail}")
        self.engine_code = engine_code


def refusal(error: m.Error) -> Fault:
    """The fault of an engine's error: what the browser offered is the browser's fault, the rest is ours."""
    if error.code == "bad_remote":
        return Remote("bad_offer", f"engine: {error.detail}")
    return Refused(error.code, error.detail)


def unix(path: Path | str) -> Callable[[], Awaitable[Streams]]:
    """Connector to a Unix socket."""

    async def connect() -> Streams:
        return await asyncio.open_unix_connection(str(path))

    return connect


def pack(frame: m.Frame) -> bytes:
    """A frame with its length in front. Raises Local("too_large")."""
    body = m.encode(frame)
    if len(body) > m.MAX_FRAME:
        raise Local("too_large", f"frame of {len(body)} bytes")
    return len(body).to_bytes(4, "big") + body


class BadFrame(Exception):
    """The peer sent something that is not a frame."""


async def read_frame(reader: asyncio.StreamReader) -> m.Frame:
    """The next frame. Raises BadFrame, or IncompleteReadError at the end of the stream."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length > m.MAX_FRAME:
        raise BadFrame(f"length {length} is over {m.MAX_FRAME}")
    return decode_frame(await reader.readexactly(length))


def decode_frame(body: bytes) -> m.Frame:
    """A frame from its bytes (without the length). Raises BadFrame."""
    try:
        return m.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(str(error)) from None


class _Line:
    """One connection: its writer and the requests awaiting their replies."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.waiting: dict[int, tuple[type[m.Response], asyncio.Future[m.AnyResponse]]] = {}
        self.ids = itertools.count(1)

    async def request(self, message: m.AnyRequest, timeout: float) -> m.AnyResponse:
        if len(self.waiting) >= OUTSTANDING_LIMIT:
            raise Local("overload", f"{OUTSTANDING_LIMIT} requests await the engine")
        number = next(self.ids)
        packet = pack(m.Frame(id=number, req=message))
        future: asyncio.Future[m.AnyResponse] = asyncio.get_running_loop().create_future()
        self.waiting[number] = (ANSWER_TO[type(message)], future)
        try:
            async with asyncio.timeout(timeout):
                self.writer.write(packet)
                await self.writer.drain()
                return await future
        except TimeoutError:
            raise Local("timeout", f"no answer to {message.__struct_config__.tag} in {timeout} s") from None
        except ConnectionError as error:
            raise Local("unavailable", f"engine connection: {error}") from None
        finally:
            self.waiting.pop(number, None)
            if future.done() and not future.cancelled():
                future.exception()
            future.cancel()

    def reply(self, frame: m.Frame) -> None:
        """Hand a reply to its request; a late one (after the timeout) is dropped."""
        assert frame.id is not None  # noqa: S101 - the caller's check
        expected, future = self.waiting.get(frame.id, (None, None))
        if future is None or expected is None or future.done():
            _log.warning("engine_reply_unexpected", id=frame.id)
        elif frame.err is not None:
            future.set_exception(refusal(frame.err))
        elif isinstance(frame.res, expected):
            future.set_result(frame.res)
        else:
            raise BadFrame(f"reply {type(frame.res).__name__} where {expected.__name__} is due")

    def fail(self) -> None:
        """The connection is gone: every request still waiting fails."""
        for _, future in self.waiting.values():
            if not future.done():
                future.set_exception(Local("unavailable", "the engine's connection was lost"))


class EngineClient:
    """The engine, as the rest of the control plane sees it."""

    def __init__(
        self,
        path: Path | str,
        peer: str,
        listener: Listener,
        *,
        connect: Callable[[], Awaitable[Streams]] | None = None,
        subscribe: bool = True,
    ) -> None:
        """``peer`` names this control process in the engine's log. ``start`` begins."""
        self._connect = connect or unix(path)
        self._peer = peer
        self._listener = listener
        self._subscribe = subscribe
        self._tasks = Tasks("engine")
        self._line: _Line | None = None
        self._instance: str | None = None
        self._up = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether requests can be made now."""
        return self._line is not None

    async def start(self) -> Self:
        """Begin connecting in the background; returns at once."""
        self._tasks.spawn(self._run(), "connection")
        return self

    async def ready(self, timeout: float = 10.0) -> None:
        """Wait for the connection. Raises Local("unavailable")."""
        try:
            async with asyncio.timeout(timeout):
                await self._up.wait()
        except TimeoutError:
            raise Local("unavailable", f"no engine in {timeout} s") from None

    async def close(self) -> None:
        """Leave; the engine goes on. The listener hears ``engine_down`` if it was up."""
        await self._tasks.close()

    @overload
    async def request(self, message: m.RoomOpen, timeout: float = ...) -> m.RoomOpened: ...
    @overload
    async def request(self, message: m.LegOpen, timeout: float = ...) -> m.LegOpened: ...
    @overload
    async def request(self, message: m.LegStats, timeout: float = ...) -> m.LegCounters: ...
    @overload
    async def request(self, message: m.Snapshot, timeout: float = ...) -> m.Snapped: ...
    @overload
    async def request(self, message: m.Stats, timeout: float = ...) -> m.Counters: ...
    @overload
    async def request(
        self, message: m.RoomClose | m.LegView | m.LegGate | m.LegBlob | m.LegClose, timeout: float = ...
    ) -> m.Ok: ...

    async def request(self, message: Any, timeout: float = REQUEST_TIMEOUT) -> Any:
        """Ask and await the typed answer.

        Raises Refused (the engine said no), Remote("bad_offer") for ``bad_remote``, Local("unavailable") when not
        connected, Local("timeout"), Local("overload") above OUTSTANDING_LIMIT, Local("too_large").
        """
        if self._line is None:
            raise Local("unavailable", "no engine")
        return await self._line.request(message, timeout)

    async def _run(self) -> None:
        delay = BACKOFF_FIRST
        while True:
            try:
                streams = await self._connect()
            except OSError as error:
                _log.info("engine_unreachable", error=str(error), retry_in=round(delay, 2))
            else:
                if await self._session(*streams):
                    delay = BACKOFF_FIRST
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))
            delay = min(delay * 2, BACKOFF_LAST)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One connection from hello to loss. Returns whether hello succeeded."""
        line = _Line(writer)
        events: asyncio.Queue[m.AnyEvent] = asyncio.Queue(EVENT_LIMIT)
        reading = self._tasks.spawn(self._read(reader, line, events), "read")
        try:
            hello = m.Hello(version=m.VERSION, peer=self._peer, subscribe=self._subscribe)
            welcome = await line.request(hello, HELLO_TIMEOUT)
            assert isinstance(welcome, m.Welcome)  # noqa: S101 - ANSWER_TO says so
            await self._serve(line, welcome, events, reading)
        except Fault as error:
            _log.error("engine_hello_failed", error=str(error))
            return False
        finally:
            reading.cancel()
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
        return True

    async def _serve(
        self, line: _Line, welcome: m.Welcome, events: asyncio.Queue[m.AnyEvent], reading: asyncio.Task[None]
    ) -> None:
        """Be up until the reader ends."""
        same = welcome.engine == self._instance
        self._instance = welcome.engine
        self._line = line
        self._up.set()
        _log.info("engine_up", engine=welcome.engine, build=welcome.build, same_instance=same)
        telling = self._tasks.spawn(self._tell(welcome, same, events), "tell")
        try:
            await asyncio.wait((reading, telling), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._line = None
            self._up.clear()
            line.fail()
            telling.cancel()
            await asyncio.wait((telling,))
            _log.info("engine_down", engine=welcome.engine)
            await self._guard(self._listener.engine_down())

    async def _read(self, reader: asyncio.StreamReader, line: _Line, events: asyncio.Queue[m.AnyEvent]) -> None:
        last_seq: int | None = None
        try:
            while True:
                frame = await read_frame(reader)
                if frame.evt is not None:
                    if last_seq is not None and frame.seq != last_seq + 1:
                        raise BadFrame(f"event {frame.seq} after {last_seq}")
                    last_seq = frame.seq
                    events.put_nowait(frame.evt)
                elif frame.id is not None and (frame.res is not None or frame.err is not None):
                    line.reply(frame)
                else:
                    raise BadFrame("neither a reply nor an event")
        except asyncio.QueueFull:
            _log.error("engine_events_overflow", limit=EVENT_LIMIT)
        except BadFrame as error:
            _log.error("engine_bad_frame", error=str(error))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            _log.info("engine_connection_ended", error=str(error))
        finally:
            line.fail()

    async def _tell(self, welcome: m.Welcome, same: bool, events: asyncio.Queue[m.AnyEvent]) -> None:
        await self._guard(self._listener.engine_up(welcome, same))
        while True:
            event = await events.get()
            await self._guard(self._listener.engine_event(event))

    async def _guard(self, call: Awaitable[None]) -> None:
        try:
            await call
        except Exception:
            _log.exception("engine_listener_failed")

"""The way out to one browser: a bounded queue and the task that empties it into the WebSocket.

``notify`` and ``say`` never wait. A reader too slow for `MAX_WAITING` messages or bytes, or for one message in
`SEND_TIMEOUT`, loses the socket; his seat is kept and he comes back.
"""

from __future__ import annotations

import asyncio
from collections import deque

import structlog
from aiohttp import WSCloseCode, web

from signalling.rooms import ports
from signalling.webrtc import messages as m
from signalling.webrtc.translate import message

MAX_WAITING = 512
MAX_WAITING_BYTES = 2 << 20
SEND_TIMEOUT = 10.0

_log = structlog.get_logger("signalling.webrtc")


class Encoder:
    """Encodes notices; one told to a whole room is encoded once."""

    def __init__(self) -> None:
        self._last: ports.Notice | None = None
        self._text = ""

    def __call__(self, notice: ports.Notice) -> str:
        if notice is not self._last:
            self._last, self._text = notice, m.encode(message(notice)).decode()
        return self._text


class Line:
    """An `Outbox` (signalling.rooms.ports) over a WebSocket. ``run`` is its task."""

    def __init__(self, ws: web.WebSocketResponse, encode: Encoder) -> None:
        self._ws = ws
        self._encode = encode
        self._waiting: deque[str] = deque()
        self._bytes = 0
        self._held: list[ports.Notice] | None = []
        self._wake = asyncio.Event()
        self._close: tuple[int, str] | None = None
        self.ended = False
        """Nothing more is said."""
        self.too_slow = False
        self.goodbye: str | None = None
        """The reason for which the room ended the session."""

    def notify(self, notice: ports.Notice) -> None:
        if self._held is not None and not isinstance(notice, ports.SessionEnded):
            self._held.append(notice)
            return
        self._put(self._encode(notice))
        if isinstance(notice, ports.SessionEnded):
            self.goodbye = notice.reason
            self.close(WSCloseCode.OK, notice.reason)

    def release(self) -> None:
        """Until now notices were held back, so that ``joined`` comes first."""
        held, self._held = self._held or [], None
        for notice in held:
            self.notify(notice)

    def say(self, said: m.ServerMessage) -> None:
        self._put(m.encode(said).decode())

    def close(self, code: int, reason: str) -> None:
        """Close after what is waiting has been sent."""
        if not self.ended:
            self.ended, self._close = True, (code, reason)
            self._wake.set()

    def _put(self, text: str) -> None:
        if self.ended:
            return
        self._waiting.append(text)
        self._bytes += len(text)
        if len(self._waiting) > MAX_WAITING or self._bytes > MAX_WAITING_BYTES:
            self._abort()
        self._wake.set()

    def _abort(self) -> None:
        """Cut the line without another word: there is no room for one."""
        self.ended = self.too_slow = True
        self._waiting.clear()
        self._close = (WSCloseCode.TRY_AGAIN_LATER, "too slow")

    async def run(self) -> None:
        """Send until closed; returns when the socket is closed or of no more use."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    text = self._waiting.popleft()
                    self._bytes -= len(text)
                    async with asyncio.timeout(SEND_TIMEOUT):
                        await self._ws.send_str(text)
                if self._close is not None:
                    code, reason = self._close
                    await self._ws.close(code=code, message=reason.encode())
                    return
        except TimeoutError:
            self._abort()
            await self._ws.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"too slow")
        except ConnectionError:
            self.ended = True

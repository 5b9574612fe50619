"""People who mean no good: raw WebSockets and UDP packets, from loopback addresses of their own so that limits per
address hit them and not the browsers under test.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import zlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from signalling.webrtc import messages as m
from tests.e2e.product import PIN


@contextlib.asynccontextmanager
async def socket_to(url: str, address: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A WebSocket to the product from ``address`` (any of 127.0.0.0/8)."""
    connector = aiohttp.TCPConnector(local_addr=(address, 0), family=socket.AF_INET)
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        http.ws_connect(
            url.replace("https", "wss") + "/ws", protocols=(m.SUBPROTOCOL,), ssl=False, max_msg_size=8 << 20
        ) as ws,
    ):
        yield ws


async def say(ws: aiohttp.ClientWebSocketResponse, message: m.ClientMessage) -> None:
    await ws.send_str(m.encode(message).decode())


async def hear(ws: aiohttp.ClientWebSocketResponse, *kinds: type[Any], within: float = 15.0) -> Any:
    """The next message of one of the types; fails if the socket closes first."""
    async with asyncio.timeout(within):
        async for frame in ws:
            assert frame.type is aiohttp.WSMsgType.TEXT, frame
            message = m.decode_server(frame.data)
            if isinstance(message, kinds):
                return message
    raise AssertionError(f"closed with {ws.close_code}")


def join(room: str, name: str, pin: str | None = PIN) -> m.Join:
    return m.Join(version=m.VERSION, room=room, name=name, pin=pin)


async def closed(ws: aiohttp.ClientWebSocketResponse, within: float = 15.0) -> tuple[list[Any], int | None]:
    """All messages until the socket closes, and its close code."""
    said = []
    async with asyncio.timeout(within):
        async for frame in ws:
            if frame.type is aiohttp.WSMsgType.TEXT:
                said.append(m.decode_server(frame.data))
    return said, ws.close_code


def binding_request(username: str) -> bytes:
    """A STUN Binding request (RFC 8489) with a made-up user and integrity, right in form."""
    user = username.encode()
    attributes = struct.pack("!HH", 0x0006, len(user)) + user + b"\0" * (-len(user) % 4)
    attributes += struct.pack("!HHI", 0x0024, 4, 0x6E7F1EFF) + struct.pack("!HHQ", 0x802A, 8, 7)
    attributes += struct.pack("!HH", 0x0008, 20) + os.urandom(20)
    head = struct.pack("!HHI", 0x0001, len(attributes) + 8, 0x2112A442) + os.urandom(12)
    return head + attributes + struct.pack("!HHI", 0x8028, 4, zlib.crc32(head + attributes) ^ 0x5354554E)


def flood(port: int, packets: int, per_second: int) -> int:
    """Send ``packets`` binding requests of strangers to the engine on 127.0.0.1; returns how many bytes came back."""
    import time

    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(50)]
    answered = 0
    try:
        for sock in sockets:
            sock.setblocking(False)
            sock.connect(("127.0.0.1", port))
        texts = [binding_request(f"{os.urandom(8).hex()}:{os.urandom(4).hex()}") for _ in range(500)]
        began = time.monotonic()
        for number in range(packets):
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                sockets[number % 50].send(texts[number % 500])
            if number % 200 == 0:
                ahead = number / per_second - (time.monotonic() - began)
                if ahead > 0:
                    time.sleep(ahead)
        for sock in sockets:
            with contextlib.suppress(BlockingIOError, ConnectionRefusedError):
                while True:
                    answered += len(sock.recv(2048))
    finally:
        for sock in sockets:
            sock.close()
    return answered

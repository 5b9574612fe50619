"""A small house for signalling's tests: rooms, media plane over the fake engine, a real aiohttp server, and browsers
that speak nothing but messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.rooms import Pins, RoomSpec
from config.settings import Limits, Settings
from kernel.clock import Clock, SystemClock
from kernel.events import Bus
from signalling.media import MediaPlane
from signalling.rooms.pins import PinGuard
from signalling.rooms.registry import Rooms
from signalling.webrtc import endpoint
from signalling.webrtc import messages as m
from tests.fakes.engine import FakeEngine
from tests.unit.signalling.offers import browser_offer

T = TypeVar("T", bound=m.Message)

PIN = "724913"
ORGANISER_PIN = "918273"


def spec(slug: str = "calanques", number: str = "701", **more: Any) -> RoomSpec:
    return RoomSpec(
        name="Salle des Calanques",
        slug=slug,
        number=number,
        aliases=more.pop("aliases", ()),
        pins=more.pop("pins", Pins(participant=PIN, organiser=ORGANISER_PIN)),
        **more,
    )


class Browser:
    """One WebSocket spoken to in messages."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.heard: list[m.ServerMessage] = []
        self.joined: m.Joined | None = None

    async def say(self, message: m.ClientMessage) -> None:
        await self.ws.send_str(m.encode(message).decode())

    async def hear(self, kind: type[T], which: Callable[[T], bool] = lambda _: True) -> T:
        """The next message of a kind; others are put by in ``heard``."""
        async with asyncio.timeout(5):
            while True:
                frame = await self.ws.receive()
                assert frame.type is aiohttp.WSMsgType.TEXT, (frame, self.heard)
                message = m.decode_server(frame.data)
                self.heard.append(message)
                if isinstance(message, kind) and which(message):
                    return message

    async def end(self) -> int:
        """Read until the socket is closed; the close code."""
        async with asyncio.timeout(10):
            async for frame in self.ws:
                if frame.type is aiohttp.WSMsgType.TEXT:
                    self.heard.append(m.decode_server(frame.data))
        assert self.ws.close_code is not None
        return self.ws.close_code

    async def join(self, name: str = "Jean", room: str = "calanques", pin: str | None = PIN, **more: Any) -> m.Joined:
        await self.say(m.Join(version=m.VERSION, room=room, name=name, pin=pin, **more))
        self.joined = await self.hear(m.Joined)
        return self.joined

    async def offer(self) -> m.Answer:
        await self.say(browser_offer("chromium"))
        return await self.hear(m.Answer)


class House:
    """The control plane's signalling over a fake engine."""

    def __init__(self, engine: FakeEngine, clock: Clock, settings: Settings) -> None:
        self.engine, self.clock, self.settings = engine, clock, settings
        self.bus = Bus()
        self.events: list[Any] = []
        self.bus.subscribe(object, self.events.append)
        self.http: aiohttp.ClientSession | None = None
        self.browsers: list[Browser] = []
        """All that were opened, so that none is lost before the end."""

    async def open(self, specs: list[RoomSpec]) -> None:
        """Start control; the engine may be there or not."""
        limits = self.settings.limits
        self.rooms = Rooms(self.clock, self.bus, pins=PinGuard(limits.pin_tries, limits.pin_delay))
        self.rooms.apply(specs)
        self.media = MediaPlane(self.rooms, self.clock, self.engine.path)
        app = web.Application()
        self.endpoint = endpoint.setup(
            app, rooms=self.rooms, media=self.media, settings=self.settings, clock=self.clock
        )
        self.server = TestServer(app)
        await self.media.start()
        await self.server.start_server()
        self.http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        """Stop control; what the engine holds stays there."""
        assert self.http is not None
        for browser in self.browsers:
            await browser.ws.close()
        await self.http.close()
        await self.server.close()
        await self.media.stop()

    async def browser(self, **more: Any) -> Browser:
        assert self.http is not None
        more.setdefault("protocols", (m.SUBPROTOCOL,))
        ws = await self.http.ws_connect(self.server.make_url("/ws"), max_msg_size=8 << 20, **more)
        self.browsers.append(Browser(ws))
        return self.browsers[-1]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until something is so; looked at after every turn of the loop."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)


@asynccontextmanager
async def house(
    path: Path, specs: list[RoomSpec] | None = None, clock: Clock | None = None, **limits: Any
) -> AsyncIterator[House]:
    async with FakeEngine(path / "media.sock") as engine:
        place = House(engine, clock or SystemClock(), Settings(limits=Limits(**limits)))
        await place.open(specs or [spec()])
        try:
            yield place
        finally:
            await place.close()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as opened:
        yield opened

"""The rooms of the house, wired: files → rooms in force → signalling and the engine; and what the pages may know of
them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from config.rooms import RoomSpec
from config.settings import Settings
from config.watch import RoomWatcher
from kernel.clock import Clock
from kernel.events import Bus
from kernel.tasks import Tasks
from mcu import messages as m
from mcu.engine import EngineClient
from signalling.media import MediaPlane
from signalling.rooms.pins import PinGuard
from signalling.rooms.registry import Rooms

log = structlog.get_logger("admin.rooms")


class _Unconcerned:
    """The watch points' connection to the engine only asks."""

    async def engine_up(self, welcome: m.Welcome, same_instance: bool) -> None:
        return

    async def engine_event(self, event: m.AnyEvent) -> None:
        return

    async def engine_down(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class Conferences:
    """Rooms and media plane, with the questions that pages and watch points ask."""

    rooms: Rooms
    media: MediaPlane
    clock: Clock
    engine: EngineClient
    """A second connection, for counters."""

    def specs(self) -> list[RoomSpec]:
        """The rooms open to people."""
        return [room.spec for room in self.rooms if not room.closing]

    def find(self, name: str) -> RoomSpec | None:
        """By slug, number or alias."""
        room = self.rooms.find(name)
        return None if room is None else room.spec

    def present(self, slug: str) -> int:
        """How many seats are taken."""
        room = self.rooms.by_slug(slug)
        return 0 if room is None else len(room.seats)

    def names(self, slug: str) -> list[str]:
        """Who is in the room, in the order of coming."""
        room = self.rooms.by_slug(slug)
        return [] if room is None else [seat.name for seat in room.seats.values()]


@asynccontextmanager
async def open_conferences(settings: Settings, clock: Clock) -> AsyncIterator[Conferences]:
    """Read the rooms, watch their files, meet the engine in the background; let all go in the end (legs live on)."""
    watcher = RoomWatcher(settings.rooms_path, clock)
    pins = PinGuard(settings.limits.pin_tries, settings.limits.pin_delay)
    rooms = Rooms(clock, Bus(), pins=pins)
    await watcher.load()
    rooms.apply(watcher.rooms.values())
    media = MediaPlane(rooms, clock, settings.control_socket)
    engine = EngineClient(settings.control_socket, "watch", _Unconcerned(), subscribe=False)

    async def follow() -> None:
        async for _ in watcher.changes():
            rooms.apply(watcher.rooms.values())

    async with Tasks("rooms") as tasks:
        tasks.spawn(follow(), "watch")
        await media.start()
        await engine.start()
        try:
            yield Conferences(rooms, media, clock, engine)
        finally:
            await engine.close()
            await media.stop()

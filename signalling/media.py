"""Rooms and the engine kept in step: the only part of signalling that talks to the engine.

Downwards it carries out what rooms order (views, gates, blobs, closing): orders are gathered per person and sent at
once, a later one replacing an earlier one of the same slot or track, so that no queue grows while the engine is slow.
Upwards it tells the rooms what the engine reports.

Whenever a connection to the engine comes up it reads the snapshot and makes both sides agree:
- the first time after our own start, seats found there are adopted (their owners resume within 30 s);
- legs that no seat belongs to are closed;
- seats whose leg the engine does not have (it died) are told to make a new offer;
- everything the engine should know of the others is ordered again.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import structlog

from kernel.clock import Clock
from kernel.errors import Fault, Local
from kernel.tasks import Tasks
from mcu import messages as m
from mcu.engine import EngineClient, Refused
from signalling import leg
from signalling.rooms import ports
from signalling.rooms.registry import Rooms
from signalling.rooms.seat import Seat

TICK = 0.05
"""Seconds between two looks at what time brings."""
SAVE_TIMEOUT = 1.0

_log = structlog.get_logger("signalling.media")

Shown = tuple[str, str, int] | None


@dataclass(slots=True)
class _Orders:
    """What is to be told to the engine about one person's leg."""

    show: dict[int, Shown] = field(default_factory=dict)
    gates: dict[str, bool] = field(default_factory=dict)
    save: bool = False
    close: bool = False


@dataclass(slots=True)
class Counts:
    """Totals since the start, for /metrics."""

    legs_opened: int = 0
    legs_lost: int = 0
    engine_lost: int = 0
    orders_failed: int = 0


class MediaPlane:
    """See the module. ``start`` and ``stop`` once each."""

    def __init__(self, rooms: Rooms, clock: Clock, control_socket: Path | str, *, peer: str = "control") -> None:
        self._rooms = rooms
        self._clock = clock
        self._engine = EngineClient(control_socket, peer, self)
        self._tasks = Tasks("media")
        self._orders: dict[str, _Orders] = {}
        self._closing_rooms: set[str] = set()
        self._ordered = asyncio.Event()
        self._synced = asyncio.Event()
        self._opening: dict[str, asyncio.Lock] = {}
        self._unserved: set[str] = set()
        """People whose offer failed for want of an engine: they are asked again when there is one."""
        self._adopting = True
        self.counts = Counts()
        rooms.media = self

    @property
    def connected(self) -> bool:
        """Whether the engine can be asked now."""
        return self._engine.connected

    @property
    def synced(self) -> bool:
        """Whether the engine has been read once: before that nobody can take a seat again."""
        return self._synced.is_set()

    def figures(self) -> dict[str, int]:
        """Totals since the start, by name, for /metrics."""
        return asdict(self.counts)

    async def start(self) -> None:
        """Begin; returns at once. The engine need not be there yet."""
        self._tasks.spawn(self._carry_out(), "orders")
        self._tasks.spawn(self._keep_time(), "time")
        await self._engine.start()

    async def stop(self) -> None:
        """Let go of the engine; legs live on there."""
        await self._tasks.close()
        await self._engine.close()

    # --- for dialects -------------------------------------------------------------------------------------------------

    async def ready(self, timeout: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._synced.wait()
        return self.synced

    async def open(self, participant: str, plan: leg.LegPlan) -> m.LegOpened:
        async with self._opening.setdefault(participant, asyncio.Lock()):
            return await self._open(participant, plan)

    async def _open(self, participant: str, plan: leg.LegPlan) -> m.LegOpened:
        self._rooms.leg_opening(participant, plan.shape)
        self._orders.pop(participant, None)
        room, seat = self._rooms.room_of(participant), self._rooms.seat_of(participant)
        if room is None or seat is None:
            raise Local("internal", "the seat has no room")
        try:
            await self._engine.request(m.RoomOpen(room=room.slug))
            opened = await self._engine.request(
                m.LegOpen(
                    room=room.slug,
                    leg=participant,
                    remote=plan.remote,
                    tracks=plan.tracks,
                    slots=plan.slots,
                    extensions=plan.extensions,
                    blob=leg.blob(room, seat),
                    blob_version=leg.BLOB_VERSION,
                )
            )
        except Local:
            self._unserved.add(participant)
            raise
        self.counts.legs_opened += 1
        self._unserved.discard(participant)
        self._rooms.leg_opened(participant)
        return opened

    async def save(self, participant: str) -> None:
        room, seat = self._rooms.room_of(participant), self._rooms.seat_of(participant)
        if room is None or seat is None or not seat.leg_open or not self._engine.connected:
            return
        message = m.LegBlob(leg=participant, blob=leg.blob(room, seat), blob_version=leg.BLOB_VERSION)
        try:
            await self._engine.request(message, SAVE_TIMEOUT)
        except Fault as error:
            self._failed(message, error)

    # --- orders downwards ---------------------------------------------------------------------------------------------

    def submit(self, order: ports.MediaOrder) -> None:
        """Note an order of a room; it is carried out in a moment."""
        if isinstance(order, ports.CloseRoom):
            self._closing_rooms.add(order.room)
        else:
            orders = self._orders.setdefault(order.participant, _Orders())
            match order:
                case ports.Show():
                    orders.show.update(order.slots)
                    orders.save = True
                case ports.Gate():
                    orders.gates[order.track] = order.gated
                case ports.Save():
                    orders.save = True
                case ports.CloseLeg():
                    orders.close = True
                    self._opening.pop(order.participant, None)
                    self._unserved.discard(order.participant)
        self._ordered.set()

    async def _carry_out(self) -> None:
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            orders, self._orders = self._orders, {}
            rooms, self._closing_rooms = self._closing_rooms, set()
            if not self._engine.connected:
                continue  # the snapshot after the next connection makes up for it
            results = await asyncio.gather(
                *(self._send(participant, order) for participant, order in orders.items()), return_exceptions=True
            )
            for mistake in (result for result in results if isinstance(result, Exception)):
                _log.error("media_order_mistake", exc_info=mistake)  # ours; the orders of the others go on
            for slug in rooms:
                room = self._rooms.by_slug(slug)
                if room is None or not room.seats:  # else somebody came in again meanwhile
                    await self._request(m.RoomClose(room=slug))

    async def _send(self, participant: str, orders: _Orders) -> None:
        if orders.close:
            await self._request(m.LegClose(leg=participant))
            return
        seat = self._rooms.seat_of(participant)
        if seat is None or not seat.leg_open or seat.shape is None:
            return
        for track, gated in orders.gates.items():
            await self._request(m.LegGate(leg=participant, track=track, gated=gated))
        assign = tuple(_assignment(slot, shown) for slot, shown in orders.show.items() if slot in seat.shape.views)
        if assign:
            await self._request(m.LegView(leg=participant, assign=assign))
        if orders.save:
            await self.save(participant)

    async def _request(self, message: m.RoomClose | m.LegView | m.LegGate | m.LegClose) -> None:
        try:
            await self._engine.request(message)
        except Fault as error:
            self._failed(message, error)

    def _failed(self, message: m.Request, error: Fault) -> None:
        """An order that the engine did not take. A leg that is gone meanwhile is nothing new; the rest is worth a
        line."""
        if isinstance(error, Refused) and error.engine_code == "unknown_leg":
            return
        self.counts.orders_failed += 1
        _log.warning(
            "media_order_failed", order=type(message).__name__, leg=getattr(message, "leg", ""), error=str(error)
        )

    # --- news upwards -------------------------------------------------------------------------------------------------

    async def engine_up(self, welcome: m.Welcome, same_instance: bool) -> None:
        """The engine can be asked: make both sides agree."""
        while self._engine.connected:
            try:
                snapshot = await self._engine.request(m.Snapshot())
            except Fault as error:
                _log.error("engine_snapshot_failed", error=str(error))
                await asyncio.sleep(1.0)
            else:
                self._agree(snapshot, "transport" if same_instance else "engine")
                return

    def _agree(self, snapshot: m.Snapped, cause: Literal["engine", "transport"]) -> None:
        legs = {state.leg: state for room in snapshot.rooms for state in room.legs}
        if self._adopting:
            self._adopt(snapshot)
            self._adopting = False
        for state in legs.values():
            if self._rooms.seat_of(state.leg) is None:
                self.submit(ports.CloseLeg(state.leg))
        for room in snapshot.rooms:
            if (ours := self._rooms.by_slug(room.room)) is None or not ours.seats:
                self.submit(ports.CloseRoom(room.room))
        for ours in self._rooms:
            for seat in tuple(ours.seats.values()):
                self._agree_seat(seat, legs.get(seat.id), cause)
        self._synced.set()

    def _agree_seat(self, seat: Seat, state: m.LegState | None, cause: Literal["engine", "transport"]) -> None:
        if state is not None:
            if state.connected and not seat.media_up:
                self._rooms.leg_connected(seat.id)
            elif seat.media_up and not state.connected:
                self._rooms.leg_lost(seat.id, "transport")
            self._rooms.leg_opened(seat.id)
            self._agree_wanted(seat, state)
        elif seat.leg_open or seat.id in self._unserved:
            self._unserved.discard(seat.id)
            self._rooms.leg_lost(seat.id, "engine" if seat.leg_open else cause)

    def _agree_wanted(self, seat: Seat, state: m.LegState) -> None:
        """Who watches may have changed while nobody heard the engine."""
        heights = {watched.track: watched.height for watched in state.wanted}
        for name in (track.track for track in state.tracks if track.kind == "video"):
            track, told = leg.track_name(name), (name in heights, heights.get(name, 0))
            if track is not None and seat.sending.get(track) != told:
                self._rooms.track_wanted(seat.id, track, *told)

    def _adopt(self, snapshot: m.Snapped) -> None:
        adopted = 0
        for state in (state for room in snapshot.rooms for state in room.legs):
            saved = leg.restore(state)
            if saved is not None and self._rooms.adopt(*saved):
                adopted += 1
            else:
                _log.warning("leg_not_adopted", leg=state.leg, blob_version=state.blob_version)
        _log.info("adopted", seats=adopted, rooms=len(snapshot.rooms))

    async def engine_event(self, event: m.AnyEvent) -> None:
        """One report of the engine."""
        match event:
            case m.LegConnected():
                self._rooms.leg_connected(event.leg)
            case m.LegLost():
                self.counts.legs_lost += 1
                _log.info("leg_lost", leg=event.leg, reason=event.reason)
                self._rooms.leg_lost(event.leg, "transport")
            case m.Speakers():
                active = tuple((speaker.leg, speaker.level) for speaker in event.active)
                self._rooms.speakers(event.room, event.dominant, active)
            case m.TrackWanted():
                if track := leg.track_name(event.track):
                    self._rooms.track_wanted(event.leg, track, event.wanted, event.height)
            case m.TrackFlowing():
                _log.info("track_flowing", leg=event.leg, track=event.track, flowing=event.flowing, codec=event.codec)

    async def engine_down(self) -> None:
        """Media flow on in the engine, or it is dead: the next ``engine_up`` tells."""
        self.counts.engine_lost += 1

    # --- time ---------------------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        while True:
            await self._clock.sleep(TICK)
            try:
                self._rooms.tick()
            except Exception:
                _log.exception("tick_failed")


def _assignment(slot: int, shown: Shown) -> m.Assignment:
    if shown is None:
        return m.Assignment(slot=slot)
    participant, track, height = shown
    return m.Assignment(slot=slot, source=m.Source(leg=participant, track=track), height=height)

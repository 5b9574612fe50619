"""A small typed event bus inside one process: parts that may not import each other talk through it.

An event is any object; its class is its topic, and a subscriber of a base class gets the subclasses too. Handlers are
called synchronously, in the order of subscription, and must be quick; what takes time reads a bounded queue instead. A
handler that raises is logged and the others are still called. A queue that is full drops its oldest event and counts
it: a slow reader never holds the publisher up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

import structlog

E = TypeVar("E")
_log = structlog.get_logger("kernel.events")


class Bus:
    """Publish and subscribe by type."""

    def __init__(self) -> None:
        self._handlers: dict[type[Any], list[Callable[[Any], None]]] = {}

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
        """Call ``handler`` for each event of ``kind`` (or a subclass). Returns a function that ends the
        subscription."""
        self._handlers.setdefault(kind, []).append(handler)

        def cancel() -> None:
            handlers = self._handlers.get(kind, [])
            if handler in handlers:
                handlers.remove(handler)

        return cancel

    def queue(self, kind: type[E], size: int = 1000) -> EventQueue[E]:
        """A bounded queue of the events of ``kind``; close it when done."""
        queue: EventQueue[E] = EventQueue(size)
        queue.cancel = self.subscribe(kind, queue.put)
        return queue

    def publish(self, event: object) -> None:
        """Hand ``event`` to every subscriber of its class or of a base of it."""
        for kind in type(event).__mro__:
            for handler in tuple(self._handlers.get(kind, ())):
                try:
                    handler(event)
                except Exception:
                    _log.exception("event_handler_failed", topic=type(event).__name__, handler=repr(handler))


class EventQueue(Generic[E]):
    """A bounded queue fed by a bus; read it with ``get`` or ``async for``."""

    def __init__(self, size: int) -> None:
        self._events: deque[E] = deque(maxlen=size)
        self._ready = asyncio.Event()
        self._closed = False
        self.dropped = 0
        """Events lost because the reader was too slow."""
        self.cancel: Callable[[], None] = lambda: None

    def put(self, event: E) -> None:
        if len(self._events) == self._events.maxlen:
            self.dropped += 1
        self._events.append(event)
        self._ready.set()

    async def get(self) -> E:
        """The next event. Raises ``asyncio.QueueEmpty`` once the queue is closed and empty."""
        while not self._events:
            if self._closed:
                raise asyncio.QueueEmpty
            self._ready.clear()
            await self._ready.wait()
        return self._events.popleft()

    def close(self) -> None:
        """End the subscription; what is already queued can still be read."""
        self.cancel()
        self._closed = True
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[E]:
        while True:
            try:
                yield await self.get()
            except asyncio.QueueEmpty:
                return

"""The bus: types and subclasses, order, failing handlers, bounded queues."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from kernel.events import Bus


@dataclass
class Happened:
    what: int


@dataclass
class HappenedTwice(Happened):
    pass


def test_subscribers_get_their_type_and_its_subclasses_in_order() -> None:
    bus, heard = Bus(), []
    bus.subscribe(Happened, lambda event: heard.append(("first", event.what)))
    bus.subscribe(HappenedTwice, lambda event: heard.append(("narrow", event.what)))
    bus.subscribe(str, lambda event: heard.append(("text", event)))
    bus.publish(Happened(1))
    bus.publish(HappenedTwice(2))
    assert heard == [("first", 1), ("narrow", 2), ("first", 2)]


def test_a_cancelled_subscription_hears_no_more() -> None:
    bus, heard = Bus(), []
    cancel = bus.subscribe(Happened, heard.append)
    cancel()
    cancel()
    bus.publish(Happened(1))
    assert heard == []


def test_a_handler_may_cancel_itself_while_called() -> None:
    bus, heard = Bus(), []

    def once(event: Happened) -> None:
        heard.append(event.what)
        cancel()

    cancel = bus.subscribe(Happened, once)
    bus.subscribe(Happened, lambda event: heard.append(-event.what))
    bus.publish(Happened(1))
    bus.publish(Happened(2))
    assert heard == [1, -1, -2]


def test_a_failing_handler_is_logged_and_the_others_are_called() -> None:
    bus, heard = Bus(), []
    bus.subscribe(Happened, lambda event: 1 / 0)
    bus.subscribe(Happened, heard.append)
    with capture_logs() as logs:
        bus.publish(Happened(1))
    assert heard == [Happened(1)]
    assert [line["event"] for line in logs] == ["event_handler_failed"]


async def test_a_full_queue_drops_the_oldest_and_counts() -> None:
    bus = Bus()
    queue = bus.queue(Happened, size=2)
    for what in range(5):
        bus.publish(Happened(what))
    queue.close()
    assert [event.what async for event in queue] == [3, 4]
    assert queue.dropped == 3


async def test_a_waiting_reader_gets_the_next_event_and_the_end() -> None:
    bus = Bus()
    queue = bus.queue(Happened)
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    bus.publish(Happened(7))
    assert (await reader).what == 7
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.close()
    with pytest.raises(asyncio.QueueEmpty):
        await waiting
    bus.publish(Happened(8))
    with pytest.raises(asyncio.QueueEmpty):
        await queue.get()

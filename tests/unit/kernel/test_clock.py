"""The manual clock moves only when told, wakes sleepers in order; the system clock is monotonic."""

from __future__ import annotations

import asyncio

import pytest

from kernel.clock import Clock, ManualClock, SystemClock
from kernel.tasks import Tasks


async def test_sleepers_wake_in_the_order_of_their_times() -> None:
    clock = ManualClock()
    woken: list[int] = []

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    async with Tasks("test") as tasks:
        for seconds in (3, 1, 2):
            tasks.spawn(sleeper(seconds), str(seconds))
        await asyncio.sleep(0)
        clock.advance(2)
        await asyncio.sleep(0)
        assert woken == [1, 2]
        clock.advance(1)
        await asyncio.sleep(0)
        assert woken == [1, 2, 3]


async def test_a_cancelled_sleeper_is_skipped() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(1))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    clock.advance(5)
    assert task.cancelled()


def test_both_clocks_move_together_and_never_back() -> None:
    clock = ManualClock(now=10, wall=100)
    clock.advance(2.5)
    assert (clock.now(), clock.wall()) == (12.5, 102.5)
    with pytest.raises(ValueError, match="never goes back"):
        clock.advance(-1)


async def test_the_system_clock_goes_forward() -> None:
    clock: Clock = SystemClock()
    before = clock.now()
    await clock.sleep(0)
    assert clock.now() >= before
    assert clock.wall() > 1_700_000_000

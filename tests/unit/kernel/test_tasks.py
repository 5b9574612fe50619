"""Background tasks: failures logged, all cancelled together, none leaked."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from kernel.tasks import Tasks


async def fail() -> None:
    raise ZeroDivisionError


async def test_a_failure_is_logged_told_and_harms_no_other() -> None:
    failures: list[BaseException] = []
    done = asyncio.Event()
    with capture_logs() as logs:
        async with Tasks("room") as tasks:
            other = tasks.spawn(done.wait(), "other")
            failed = tasks.spawn(fail(), "bad", on_failure=failures.append)
            await asyncio.wait((failed,))
            assert not other.done()
            done.set()
            await other
    assert [(line["event"], line["task"]) for line in logs] == [("task_failed", "room:bad")]
    assert isinstance(failures[0], ZeroDivisionError)


async def test_close_cancels_and_waits_for_the_clean_up() -> None:
    cleaned: list[str] = []

    async def careful(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(name)

    tasks = Tasks("room")
    for name in ("a", "b"):
        tasks.spawn(careful(name), name)
    await asyncio.sleep(0)
    assert len(tasks) == 2
    await tasks.close()
    assert sorted(cleaned) == ["a", "b"]
    assert len(tasks) == 0
    await tasks.close()


async def test_nothing_starts_after_close() -> None:
    tasks = Tasks("room")
    await tasks.close()
    with pytest.raises(RuntimeError, match="room is closed"):
        tasks.spawn(fail(), "late")


async def test_a_task_may_close_its_own_owner() -> None:
    tasks = Tasks("room")
    other = tasks.spawn(asyncio.Event().wait(), "other")
    await tasks.spawn(tasks.close(), "closer")
    assert other.cancelled()

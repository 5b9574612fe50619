"""Supervised background tasks: each has a name, a failure is logged, all are cancelled together, none is leaked.

Unlike ``asyncio.TaskGroup`` a task that fails does not take its brothers down: one person's connection must not end the
others'. Whoever must know passes ``on_failure``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

import structlog

_log = structlog.get_logger("kernel.tasks")


class Tasks:
    """Owner of background tasks. Use as ``async with Tasks("room") as tasks`` or call ``close`` in the end."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def spawn(
        self,
        work: Coroutine[Any, Any, Any],
        name: str,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> asyncio.Task[Any]:
        """Start ``work``. Raises RuntimeError once closed (the coroutine is then closed too)."""
        if self._closed:
            work.close()
            raise RuntimeError(f"{self._owner} is closed, cannot start {name}")
        task = asyncio.get_running_loop().create_task(work, name=f"{self._owner}:{name}")
        self._running.add(task)

        def done(ended: asyncio.Task[Any]) -> None:
            self._running.discard(ended)
            if ended.cancelled():
                return
            failure = ended.exception()
            if failure is not None:
                _log.error("task_failed", task=ended.get_name(), exc_info=failure)
                if on_failure is not None:
                    on_failure(failure)

        task.add_done_callback(done)
        return task

    def __len__(self) -> int:
        return len(self._running)

    async def close(self) -> None:
        """Cancel everything still running and wait for its end. May be called twice, and by a task of this owner."""
        self._closed = True
        current = asyncio.current_task()
        waiting = [task for task in self._running if task is not current]
        for task in waiting:
            task.cancel()
        if waiting:
            await asyncio.wait(waiting)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

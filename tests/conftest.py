"""House rules for every test: warnings are errors (pyproject), a blocked loop fails, a leaked task fails, nothing
sleeps.

- A callback that keeps the event loop for longer than ``SLOW_CALLBACK`` seconds *of this thread's CPU or of waiting in
a blocking call* fails the test. Waiting for the CPU on a busy machine is not counted: the time that the kernel made
the thread wait in the run queue is taken off. What stands in pytest's heap is left out of garbage collections while a
test runs: after a thousand tests one would last a quarter of a second.
- ``time.sleep`` fails in the loop's thread; ``asyncio.sleep`` of a real time fails when a test file calls it: wait on a
  condition, or drive a ``ManualClock``. Marker ``real_sleep`` lifts both (load and soak tests).
- Tasks still pending when a test's coroutine ends fail it.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog

TESTS = Path(__file__).parent
SLOW_CALLBACK = 0.25

sys.path.insert(0, str(TESTS.parent))


class _RunDelay:
    """Seconds this thread has waited for a CPU (Linux schedstat: ran, waited, slices); 0 where that is not to be
    had."""

    def __init__(self) -> None:
        try:
            self._fd = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        except OSError:
            self._fd = -1

    def read(self) -> float:
        if self._fd < 0:
            return 0.0
        return int(os.pread(self._fd, 64, 0).split()[1]) / 1e9

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class _LoopGuard:
    """Times every callback of the loop by wrapping ``Handle._run``."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.delay = _RunDelay()
        self.slow: list[str] = []

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = asyncio.Handle._run

        def run(handle: asyncio.Handle) -> Any:
            began, waited = time.perf_counter(), self.delay.read()
            try:
                return original(handle)
            finally:
                took = time.perf_counter() - began
                if took > self.limit:
                    waited = self.delay.read() - waited
                    if took - waited > self.limit:
                        self.slow.append(f"{took:.3f} s (of which {waited:.3f} s without a CPU) in {handle!r}")

        monkeypatch.setattr(asyncio.Handle, "_run", run)


@pytest.fixture(autouse=True)
def _loop_guard(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    marker = request.node.get_closest_marker("slow_callback")
    guard = _LoopGuard(marker.args[0] if marker else SLOW_CALLBACK)
    guard.install(monkeypatch)
    gc.freeze()
    yield
    gc.unfreeze()
    guard.delay.close()
    if guard.slow:
        pytest.fail("the event loop was blocked: " + "; ".join(guard.slow), pytrace=False)


@pytest.fixture(autouse=True)
def _no_real_sleep(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("real_sleep"):
        return
    real_sleep, real_async = time.sleep, asyncio.sleep

    def sleep(seconds: float) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if _called_by_test():
                pytest.fail("time.sleep in a test: wait on a condition")
            real_sleep(seconds)
        else:
            pytest.fail("time.sleep blocks the event loop")

    def async_sleep(delay: float, result: Any = None) -> Any:
        if delay > 0 and _called_by_test():
            pytest.fail("asyncio.sleep of a real time in a test: wait on a condition or use a ManualClock")
        return real_async(delay, result)

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(asyncio, "sleep", async_sleep)


def _called_by_test() -> bool:
    """Whether the caller of the patched function is a test's own code (fakes and helpers included)."""
    return Path(sys._getframe(2).f_code.co_filename).is_relative_to(TESTS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Coroutine tests get the leak check before all their other fixtures, so that it ends after them."""
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
            item.fixturenames.insert(0, "_no_leaked_tasks")


@pytest_asyncio.fixture
async def _no_leaked_tasks() -> AsyncIterator[None]:
    yield
    mine = asyncio.current_task()
    for _ in range(5):
        await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() if task is not mine and not task.done()]
    if left:
        pytest.fail("tasks left behind: " + ", ".join(repr(task) for task in left), pytrace=False)


@pytest.fixture(autouse=True)
def _clean_logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz-seconds", default="1", help="seconds of each fuzz loop in tests/property (10 in CI)")

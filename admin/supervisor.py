"""The supervisor of ``massalia run``: parents every process of the house on one machine.

It starts the roles (all at once: each tolerates that the others are not there yet), waits until all are ready,
starts again what dies (rules: ``admin.restart``), and at the end stops them in the opposite order. A child never
outlives it (``admin.process``). In production systemd does this work with the same role commands (deploy/systemd).

A role says that it is ready by one JSON line ``{"ready": true, …}`` on its stdout; other lines on stdout and stderr
are its log.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from admin import process
from admin.logfile import LogFile
from admin.restart import Action, Event, Life, State, step

Tell = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Role:
    """What to run. ``stop_signal`` asks for an orderly end; ``is_ready`` replaces the ready line for programs that
    print none.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    stop_signal: int = signal.SIGTERM
    end_signal: int = signal.SIGTERM
    ready_timeout: float = 20.0
    stop_timeout: float = 10.0
    is_ready: Callable[[], bool] | None = None


class GivenUp(Exception):
    """A role could not be brought up. ``tail`` holds the last lines of its log."""

    def __init__(self, role: str, log: Path, tail: Sequence[str]) -> None:
        super().__init__(f"{role} does not start")
        self.role, self.log, self.tail = role, log, tail


class Keeper:
    """Keeps one role alive: carries out what the table says, and feeds it events."""

    def __init__(self, role: Role, log: LogFile, tell: Tell) -> None:
        self.role = role
        self.log = log
        self.facts: dict[str, Any] = {}
        self.ready = asyncio.Event()
        self.pid: int | None = None
        self._tell = tell
        self._life = Life(ready_timeout=role.ready_timeout, stop_timeout=role.stop_timeout)
        self._process: asyncio.subprocess.Process | None = None
        self._wake = asyncio.Event()
        self._events: list[Event] = [Event.START]
        self._watchers: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> State:
        return self._life.state

    def post(self, event: Event) -> None:
        self._events.append(event)
        self._wake.set()

    async def run(self) -> None:
        """Until the role has stopped. Raises GivenUp."""
        loop = asyncio.get_running_loop()
        try:
            while self._life.state is not State.STOPPED:
                event = self._events.pop(0) if self._events else Event.TIMER
                self._life, action = step(self._life, event, loop.time())
                self._report(event)
                await self._act(action)
                if not self._events and self._life.state is not State.STOPPED:
                    await self._sleep(loop)
        finally:
            if self._process is not None:
                process.end(self._process, signal.SIGKILL)
                await self._process.wait()
            for task in self._watchers:
                task.cancel()
            await asyncio.gather(*self._watchers, return_exceptions=True)

    async def _sleep(self, loop: asyncio.AbstractEventLoop) -> None:
        deadline = self._life.deadline
        wait = None if deadline is None else max(0.0, deadline - loop.time())
        self._wake.clear()
        try:
            await asyncio.wait_for(self._wake.wait(), wait)
        except TimeoutError:
            return

    async def _act(self, action: Action) -> None:
        match action:
            case Action.SPAWN:
                await self._spawn()
            case Action.TERMINATE if self._process is not None:
                process.end(self._process, self.role.stop_signal)
            case Action.KILL if self._process is not None:
                process.end(self._process, signal.SIGKILL)
            case Action.GIVE_UP:
                raise GivenUp(self.role.name, self.log.path, tuple(self.log.tail))
            case _:
                return

    async def _spawn(self) -> None:
        try:
            started = await process.spawn(self.role.argv, end_signal=self.role.end_signal, env=self.role.env)
        except OSError as error:
            self.log.write(f"cannot start {self.role.argv[0]}: {error.strerror}".encode())
            self.post(Event.EXITED)
            return
        self._process, self.pid = started, started.pid
        task = asyncio.create_task(self._watch(started), name=f"watch {self.role.name}")
        self._watchers.add(task)
        task.add_done_callback(self._watchers.discard)

    async def _watch(self, started: asyncio.subprocess.Process) -> None:
        assert started.stdout is not None and started.stderr is not None  # noqa: S101 - spawned with pipes
        jobs = [
            asyncio.create_task(process.lines(started.stdout, self._take_stdout)),
            asyncio.create_task(process.lines(started.stderr, self.log.write)),
        ]
        if self.role.is_ready is not None:
            jobs.append(asyncio.create_task(self._poll(self.role.is_ready)))
        try:
            code = await started.wait()
        finally:
            for job in jobs[2:]:
                job.cancel()
            _, late = await asyncio.wait(jobs, timeout=1)
            for job in late:  # a grandchild that keeps the pipe open must not hold us
                job.cancel()
        self.log.write(f"-- {self.role.name} ended: {_how(code)}".encode())
        self._process, self.pid = None, None
        self.ready.clear()
        self.post(Event.EXITED)

    async def _poll(self, is_ready: Callable[[], bool]) -> None:
        while not is_ready():  # noqa: ASYNC110 - a file of another program, nobody sets an Event
            await asyncio.sleep(0.05)
        self._is_ready()

    def _take_stdout(self, line: bytes) -> None:
        try:
            said = json.loads(line) if line.startswith(b'{"ready"') else None
        except ValueError:
            said = None
        if isinstance(said, dict) and said.get("ready") is True:
            self.facts = said
            self._is_ready()
        else:
            self.log.write(line)

    def _is_ready(self) -> None:
        self.ready.set()
        self.post(Event.READY)

    def _report(self, event: Event) -> None:
        life, name = self._life, self.role.name
        if event is Event.EXITED and life.state is State.BACKOFF and life.deadline is not None:
            wait = life.deadline - life.last_death
            key = "run.restart_later" if wait else "run.restart_now"
            self._tell(key, role=name, seconds=wait, log=self.log.path)
        elif event is Event.READY and life.deaths:
            self._tell("run.back", role=name, pid=self.pid)


def _how(code: int) -> str:
    if code < 0:
        return f"by signal {signal.Signals(-code).name}"
    return f"exit code {code}"


class Supervisor:
    """Runs roles until ``stop`` is called. Order of the sequence is the order of start; the stop goes backwards."""

    def __init__(self, roles: Sequence[Role], log_dir: Path, tell: Tell) -> None:
        """``tell(key, **values)`` is called with a sentence of the catalogue when something happens."""
        self._stop = asyncio.Event()
        self.keepers = {role.name: Keeper(role, LogFile(log_dir / f"{role.name}.log"), tell) for role in roles}

    def stop(self) -> None:
        self._stop.set()

    async def run(self, when_ready: Callable[[], Any] | None = None) -> None:
        """Until stopped. ``when_ready`` (a coroutine function) is called once, when every role is ready. Raises
        GivenUp.
        """
        running = {
            name: asyncio.create_task(keeper.run(), name=f"keep {name}") for name, keeper in self.keepers.items()
        }
        ready = asyncio.create_task(self._all_ready(when_ready), name="ready")
        stopping = asyncio.create_task(self._stop.wait(), name="stop")
        try:
            waiting: set[asyncio.Task[Any]] = {*running.values(), ready, stopping}
            while not stopping.done():
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            ready.cancel()
            stopping.cancel()
            await asyncio.gather(ready, stopping, return_exceptions=True)
            await self._stop_all(running)

    async def _all_ready(self, when_ready: Callable[[], Any] | None) -> None:
        for keeper in self.keepers.values():
            await keeper.ready.wait()
        if when_ready is not None:
            await when_ready()

    async def _stop_all(self, running: dict[str, asyncio.Task[None]]) -> None:
        for name, keeper in reversed(self.keepers.items()):
            keeper.post(Event.STOP)
            await asyncio.gather(running[name], return_exceptions=True)
            keeper.log.close()

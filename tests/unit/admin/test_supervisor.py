"""The supervisor with real processes: readiness, restarts, giving up, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from admin.logfile import LogFile
from admin.restart import State
from admin.supervisor import GivenUp, Role, Supervisor

ROOT = Path(__file__).resolve().parents[3]
READY = "import json, sys, time, signal; print(json.dumps({'ready': True, 'port': 7}), flush=True)"
QUIET = f"{READY}; signal.pause()"
STUBBORN = f"signal=__import__('signal'); signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY}; time.sleep(60)"
BROKEN = "import sys; print('the reason', file=sys.stderr); sys.exit(3)"


def role(name: str, code: str, **more: Any) -> Role:
    return Role(name=name, argv=[sys.executable, "-c", code], env=dict(os.environ), **more)


class Told:
    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []
        self.changed = asyncio.Event()

    def __call__(self, key: str, **values: object) -> None:
        self.said.append((key, values))
        self.changed.set()

    async def wait_for(self, key: str) -> dict[str, object]:
        while True:
            for said, values in self.said:
                if said == key:
                    return values
            self.changed.clear()
            await self.changed.wait()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_ready_restart_and_stop(tmp_path: Path) -> None:
    told = Told()
    supervisor = Supervisor([role("a", QUIET), role("b", QUIET)], tmp_path, told)
    ready = asyncio.Event()

    async def when_ready() -> None:
        ready.set()

    running = asyncio.create_task(supervisor.run(when_ready))
    await ready.wait()
    a = supervisor.keepers["a"]
    assert a.facts == {"ready": True, "port": 7}
    first = a.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    values = await told.wait_for("run.back")
    assert values["role"] == "a"
    assert [key for key, _ in told.said] == ["run.restart_now", "run.back"]
    pids = [keeper.pid for keeper in supervisor.keepers.values()]
    assert first not in pids
    supervisor.stop()
    await running
    assert all(keeper.state is State.STOPPED for keeper in supervisor.keepers.values())
    assert not any(alive(pid) for pid in pids if pid)


async def test_stubborn_process_is_killed(tmp_path: Path) -> None:
    supervisor = Supervisor([role("mule", STUBBORN, stop_timeout=0.2)], tmp_path, Told())
    ready = asyncio.Event()

    async def when_ready() -> None:
        ready.set()

    running = asyncio.create_task(supervisor.run(when_ready))
    await ready.wait()
    pid = supervisor.keepers["mule"].pid
    supervisor.stop()
    await running
    assert pid and not alive(pid)


async def test_gives_up_with_the_reason_and_stops_the_others(tmp_path: Path) -> None:
    supervisor = Supervisor([role("good", QUIET), role("bad", BROKEN)], tmp_path, Told())
    with pytest.raises(GivenUp) as given:
        await supervisor.run()
    assert given.value.role == "bad"
    assert "the reason" in given.value.tail
    assert supervisor.keepers["good"].pid is None


async def test_missing_program_is_given_up(tmp_path: Path) -> None:
    missing = Role(name="gone", argv=["/nonexistent/program"], env={})
    with pytest.raises(GivenUp) as given:
        await Supervisor([missing], tmp_path, Told()).run()
    assert any("No such file" in line for line in given.value.tail)


async def test_not_ready_in_time_is_given_up(tmp_path: Path) -> None:
    slow = role("slow", "import signal; signal.pause()", ready_timeout=0.1)
    with pytest.raises(GivenUp):
        await Supervisor([slow], tmp_path, Told()).run()


async def test_a_killed_supervisor_takes_its_children_along(tmp_path: Path) -> None:
    """SIGKILL gives the supervisor no chance to do anything: the kernel does (PR_SET_PDEATHSIG)."""
    code = (
        "import asyncio, sys; from pathlib import Path; from tests.unit.admin.test_supervisor import *\n"
        "async def say(): print(s.keepers['a'].pid, flush=True)\n"
        f"async def main():\n global s; s = Supervisor([role('a', QUIET)], Path({str(tmp_path)!r}), print)\n"
        " await s.run(say)\n"
        "asyncio.run(main())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await asyncio.to_thread(parent.stdout.readline))
    assert alive(child)
    descriptor = os.pidfd_open(child)
    gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(descriptor, gone.set)
    parent.kill()
    await asyncio.to_thread(parent.wait)
    await asyncio.wait_for(gone.wait(), 10)
    asyncio.get_running_loop().remove_reader(descriptor)
    os.close(descriptor)
    parent.stdout.close()
    assert not alive(child)


def test_log_file_is_bounded(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log", max_bytes=100)
    for number in range(50):
        log.write(f"line {number}".encode())
    log.close()
    assert (tmp_path / "x.log").stat().st_size <= 110
    assert (tmp_path / "x.log.1").exists()
    assert list(tmp_path.iterdir()).__len__() == 2
    assert log.tail[-1] == "line 49"

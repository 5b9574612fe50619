"""``massalia run`` as a whole: starts, survives deaths, refuses clearly, and leaves no process. The engine is the fake
one: a process of its own that speaks the control socket (the real one is in tests/e2e).
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import ssl
import stat
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from admin.paths import WEB_DIST
from tests.unit.admin.test_supervisor import alive

ROOT = Path(__file__).resolve().parents[3]
ENGINE = """#!{python}
import asyncio, json, signal, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.fakes.engine import FakeEngine

async def main():
    path = Path(sys.argv[sys.argv.index("--control") + 1])
    path.unlink(missing_ok=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with FakeEngine(path):
        print(json.dumps({{"ready": True, "port": 0}}), flush=True)
        await stop.wait()

asyncio.run(main())
"""

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(not (WEB_DIST / "room.html").exists(), reason="build web/ first, as scripts/test does"),
]


def free_port() -> int:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::", 0))
        return int(probe.getsockname()[1])


def descendants(pid: int) -> set[int]:
    """All processes under ``pid``."""
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found |= {int(entry.name)} | descendants(int(entry.name))
    return found


@dataclass
class House:
    """One data directory, and the runs in it."""

    place: Path
    port: int
    running: list[asyncio.subprocess.Process]

    async def start(self, **extra: str) -> asyncio.subprocess.Process:
        env = os.environ | {
            "LANG": "en_GB.UTF-8",
            "LC_ALL": "",
            "MASSALIA_DATA_DIR": str(self.place / "var"),
            "MASSALIA_MEDIA_BINARY": str(self.place / "engine"),
            "MASSALIA_MEDIA_PORT": "0",
            **extra,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "admin.cli", "run", "--port", str(self.port),
            cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self.running.append(process)
        return process

    async def until(self, process: asyncio.subprocess.Process, pattern: str) -> str:
        """What it prints up to a line that matches."""
        assert process.stdout is not None and process.stderr is not None
        said = ""
        async with asyncio.timeout(60):
            while line := await process.stdout.readline():
                said += line.decode()
                if re.search(pattern, line.decode()):
                    return said
        raise AssertionError(said + (await process.stderr.read()).decode())

    async def stop(self, process: asyncio.subprocess.Process) -> int:
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(40):
            await process.communicate()
        return process.returncode or 0

    async def status(self, path: str) -> int:
        trust = ssl.create_default_context(cafile=str(self.place / "var" / "tls" / "massalia-authority.crt"))
        try:
            url = f"https://localhost:{self.port}{path}"
            async with aiohttp.ClientSession() as client, client.get(url, ssl=trust) as response:
                return response.status
        except aiohttp.ClientConnectionError:
            return 0


@pytest.fixture
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    place = tmp_path_factory.mktemp("h")
    engine = place / "engine"
    engine.write_text(ENGINE.format(python=sys.executable, root=str(ROOT)))
    engine.chmod(engine.stat().st_mode | stat.S_IXUSR)
    made = House(place, free_port(), [])
    yield made
    for process in made.running:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_start_survive_stop_and_start_again(house: House) -> None:
    run = await house.start()
    said = await house.until(run, "Ctrl-C")
    password = re.search(r"Password\s+(\S{24})", said)
    assert password and "admin@localhost" in said and "massalia-authority.crt" in said
    assert await house.status("/readyz") == 200
    people = descendants(run.pid)
    assert len(people) >= 3
    logs = "".join(path.read_text() for path in (house.place / "var" / "log").iterdir())
    assert password[1] not in logs

    control = next(pid for pid in people if b"\0control\0" in Path(f"/proc/{pid}/cmdline").read_bytes())
    began = asyncio.get_running_loop().time()
    os.kill(control, signal.SIGKILL)
    await house.until(run, "control is back")
    assert await house.status("/readyz") in (200, 503)
    took = asyncio.get_running_loop().time() - began
    assert took < 10, took

    refused = await house.start(MASSALIA_HTTP_PORT="1")
    _, why = await refused.communicate()
    assert refused.returncode == 1
    assert b"cannot be opened" in why or b"already runs" in why

    people = descendants(run.pid)
    assert await house.stop(run) == 0
    assert not [pid for pid in people if alive(pid)]

    again = await house.start()
    said = await house.until(again, "Ctrl-C")
    assert "Password" not in said
    ready = re.search(r"ready after ([0-9.]+) s", said)
    assert ready and float(ready[1]) < 10
    people = descendants(again.pid)
    assert await house.stop(again) == 0
    assert not [pid for pid in people if alive(pid)]


async def test_killed_supervisor_leaves_no_process(house: House) -> None:
    run = await house.start()
    await house.until(run, "Ctrl-C")
    people = descendants(run.pid)
    watched = {pid: os.pidfd_open(pid) for pid in people}
    gone = {pid: asyncio.Event() for pid in people}
    loop = asyncio.get_running_loop()
    for pid, descriptor in watched.items():
        loop.add_reader(descriptor, gone[pid].set)
    run.kill()
    async with asyncio.timeout(30):
        for event in gone.values():
            await event.wait()
    for descriptor in watched.values():
        loop.remove_reader(descriptor)
        os.close(descriptor)
    await run.communicate()


async def test_port_in_use_is_one_sentence_and_nothing_is_started(house: House) -> None:
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::", house.port))
        taken.listen()
        run = await house.start()
        out, why = await run.communicate()
    assert run.returncode == 1 and out == b""
    assert why.decode().count("\n") == 1 and f"TCP port {house.port} cannot be opened" in why.decode()
    assert not (house.place / "var" / "postgres").exists()


async def test_broken_settings_are_refused_with_their_place(house: House) -> None:
    run = await house.start(MASSALIA_LIMITS_PIN_TRIES="many")
    _, why = await run.communicate()
    assert run.returncode == 1 and b"MASSALIA_LIMITS_PIN_TRIES" in why and b"Traceback" not in why

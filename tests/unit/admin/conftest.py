"""The real embedded PostgreSQL, started once for the tests that need it, and gone with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from admin.db.embedded import Embedded
from admin.db.pool import Database

ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 60

SERVER = (
    "import sys; from pathlib import Path; from admin.db.embedded import Embedded, main;"
    " sys.exit(main(Embedded(Path(sys.argv[1]) / 'data', Path(sys.argv[1]) / 'socket')))"
)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Embedded]:
    """A server in a directory of its own (short: a socket's path has a limit)."""
    with tempfile.TemporaryDirectory(prefix="massalia-pg-", ignore_cleanup_errors=True) as place:
        server = Embedded(Path(place) / "data", Path(place) / "socket")
        log = (Path(place) / "log").open("wb")
        process = subprocess.Popen([sys.executable, "-c", SERVER, place], cwd=ROOT, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not server.is_ready():
            assert process.poll() is None, (Path(place) / "log").read_text()
            assert time.monotonic() < deadline, "PostgreSQL is not ready"
            os.sched_yield()
            select_pause()
        yield server
        process.send_signal(signal.SIGINT)
        process.wait(20)
        log.close()


def select_pause() -> None:
    """Give the CPU away for a moment while polling a file of another process."""
    import select

    select.select([], [], [], 0.02)


@pytest.fixture
async def database(postgres: Embedded) -> AsyncIterator[Database]:
    """A migrated, empty database of its own."""
    import asyncpg

    name = f"t{os.urandom(6).hex()}"
    root = await asyncpg.connect(postgres.dsn)
    await root.execute(f"CREATE DATABASE {name}")
    pool = Database(postgres.dsn.replace("/postgres?", f"/{name}?"))
    await pool.run()
    yield pool
    await pool.close()
    await root.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await root.close()

"""All checks of ``massalia doctor``, in the order in which a person mends things."""

from __future__ import annotations

import asyncio
import datetime as dt
import fcntl
from collections.abc import Iterator

from admin.doctor import certificate, engine, machine, network
from admin.doctor.model import Finding, error, ok, warning
from admin.paths import WEB_DIST, engine_binary
from config.rooms import RoomSpec
from config.settings import Settings

DATABASE_TIMEOUT = 5.0


async def examine(settings: Settings) -> list[Finding]:
    """Everything. Takes a few seconds at most."""
    running = is_running(settings)
    found = [*programs(settings), *rooms(settings), *machine.check(settings)]
    found += certificate.check(settings, dt.datetime.now(dt.UTC))
    found += await asyncio.to_thread(lambda: list(network.ports(settings, running)))
    found += await engine.check(settings, running)
    found.append(await database(settings, running))
    return found


def is_running(settings: Settings) -> bool:
    """Whether a supervisor holds the data directory, or the roles of systemd their socket."""
    try:
        with (settings.data_path / "massalia.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return settings.control_socket.exists()
    except OSError:
        return True
    return settings.control_socket.exists() and network.answers_tcp(settings.http.host, settings.http.port)


def programs(settings: Settings) -> Iterator[Finding]:
    """The parts that are built."""
    binary = engine_binary(settings)
    yield error("programs", "engine_unbuilt") if binary is None else ok("programs", "engine_built", file=binary)
    built = (WEB_DIST / "room.html").is_file()
    yield ok("programs", "web_built") if built else error("programs", "web_unbuilt", directory=WEB_DIST)


def rooms(settings: Settings) -> Iterator[Finding]:
    """The room files, and codes that everybody can read in the public source."""
    from config.load import load_rooms
    from config.problems import errors

    loaded = load_rooms(settings.rooms_path)
    wrong = errors(loaded.problems)
    if wrong:
        yield error("config", "rooms_wrong", count=len(wrong), first=wrong[0])
    elif not loaded.rooms:
        yield error("config", "rooms_none", directory=settings.rooms_path)
    else:
        yield ok("config", "rooms_ok", count=len(loaded.rooms))
    known = shipped_codes()
    public = [room.name for room in loaded.rooms.values() if known & set(_codes(room))]
    if public:
        yield warning("config", "codes_public", rooms=", ".join(public))


def shipped_codes() -> set[str]:
    """The codes of the rooms that come with the program."""
    from admin.paths import ROOT
    from config.load import load_rooms

    shipped = ROOT / "config" / "rooms"
    return {code for room in load_rooms(shipped).rooms.values() for code in _codes(room)} if shipped.is_dir() else set()


def _codes(room: RoomSpec) -> Iterator[str]:
    yield from (code for code in (room.pins.participant, room.pins.organiser) if code is not None)


async def database(settings: Settings, running: bool) -> Finding:
    """Whether the database answers and its schema fits."""
    if settings.database.embedded and not running:
        return ok("database", "database_stopped")
    from admin.db.pool import Database
    from admin.roles import database_dsn

    pool = Database(database_dsn(settings))
    try:
        await asyncio.wait_for(pool.run(), DATABASE_TIMEOUT)
    except TimeoutError:
        return error("database", "database_away", reason=pool.problem)
    finally:
        await pool.close()
    return ok("database", "database_ok")

"""How each process of the house is started: the one place that knows their command lines."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from admin.db.embedded import Embedded
from admin.paths import ROOT
from admin.supervisor import Role
from config.settings import Settings


def environment() -> dict[str, str]:
    """This process's environment, with the source tree importable from wherever we were started."""
    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), env.get("PYTHONPATH"))))
    env["PYTHONUNBUFFERED"] = "1"
    return env


def massalia(*words: str) -> list[str]:
    """The command line of one of our own commands."""
    return [sys.executable, "-m", "admin.cli", *words]


def embedded(settings: Settings) -> Embedded:
    """Where the embedded database lives."""
    return Embedded(data=settings.data_path.absolute() / "postgres", socket_dir=settings.data_path.absolute() / "db")


def database_dsn(settings: Settings) -> str:
    """Address of the database, for asyncpg. Secret: it may hold a password."""
    return settings.database.dsn or embedded(settings).dsn


def database(settings: Settings) -> Role:
    return Role(
        name="database",
        argv=massalia("db"),
        env=environment(),
        stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown
        end_signal=signal.SIGINT,
        ready_timeout=60.0,
        stop_timeout=20.0,
        is_ready=embedded(settings).is_ready,
    )


def engine(settings: Settings, binary: Path) -> Role:
    media = settings.media
    argv = [str(binary), "forward", "--control", str(settings.control_socket), "--port", str(media.port)]
    if media.shards is not None:
        argv += ["--shards", str(media.shards)]
    for address in media.listen:
        argv += ["--listen", address]
    for mapping in media.advertise:
        argv += ["--advertise", mapping]
    if media.loopback:
        argv.append("--loopback")
    argv += ["--log-level", {"warning": "warn"}.get(settings.log.level, settings.log.level)]
    return Role(name="engine", argv=argv, env=environment())


def control(_settings: Settings) -> Role:
    return Role(name="control", argv=massalia("control"), env=environment())


def demo(url: str, room: str, authority: Path | None, pin: str | None) -> Role:
    """The synthetic participants. The code travels by the environment: command lines can be read by everybody."""
    argv = massalia("demo", "--url", url, "--room", room)
    if authority is not None:
        argv += ["--ca", str(authority)]
    extra: Mapping[str, str] = {} if pin is None else {"DEMO_ROOM_PIN": pin}
    return Role(name="demo", argv=argv, env={**environment(), **extra}, is_ready=lambda: True)

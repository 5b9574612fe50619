"""What must be true before anything is started: each problem is one clear sentence, and nothing is started then."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from typing import IO

from admin.db.embedded import SOCKET_NAME, SOCKET_PATH_LIMIT, DatabaseError, binaries
from admin.paths import WEB_DIST, engine_binary
from admin.roles import embedded
from config.settings import Settings
from kernel.i18n import text

DISK_WANTED = 300 * 1024 * 1024
"""Bytes free on the data directory's disk: the embedded database takes about 50 MB, the rest is for logs and growth."""


class Problem(Exception):
    """Why the house cannot be started, in the operator's language."""


def check(settings: Settings, language: str) -> Iterator[str]:
    """The problems, as sentences."""
    yield from _data_directory(settings, language)
    yield from _programs(settings, language)
    yield from _ports(settings, language)


def lock(settings: Settings, language: str) -> IO[str]:
    """Claim the data directory for this supervisor until the file is closed. Raises Problem when another one runs."""
    path = settings.data_path / "massalia.lock"
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        pid = file.read().strip() or "?"
        file.close()
        raise Problem(text("run.already", language, directory=settings.data_path, pid=pid)) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _data_directory(settings: Settings, language: str) -> Iterator[str]:
    directory = settings.data_path
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / ".write-probe"
        probe.write_bytes(b"massalia" * 512)
        probe.unlink()
    except OSError as error:
        key = "run.disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "run.not_writable"
        yield text(key, language, directory=directory.absolute(), reason=error.strerror)
        return
    free = shutil.disk_usage(directory).free
    if free < DISK_WANTED:
        yield text("run.disk_low", language, directory=directory.absolute(), free=free >> 20, wanted=DISK_WANTED >> 20)
    sockets = [settings.control_socket]
    if settings.database.embedded:
        sockets.append(embedded(settings).socket_dir / SOCKET_NAME)
    for path in sockets:
        if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
            yield text("run.path_too_long", language, path=path, limit=SOCKET_PATH_LIMIT)


def _programs(settings: Settings, language: str) -> Iterator[str]:
    if engine_binary(settings) is None:
        yield text("run.no_engine", language)
    if not (WEB_DIST / "room.html").is_file():
        yield text("run.no_web", language, directory=WEB_DIST)
    if settings.database.embedded:
        try:
            binaries()
        except DatabaseError as error:
            yield text("run.no_database", language, reason=error)


def _ports(settings: Settings, language: str) -> Iterator[str]:
    http = settings.http
    if (reason := tcp_in_use(http.host, http.port)) is not None:
        yield text("run.port_tcp", language, port=http.port, reason=reason)
    media = settings.media
    if media.port:
        for port in range(media.port, media.port + (media.shards or default_shards())):
            if (reason := udp_in_use(media.listen, port)) is not None:
                yield text("run.port_udp", language, port=port, reason=reason)


def default_shards() -> int:
    """As the engine counts: one thread per core but one, at least one."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


def tcp_in_use(host: str, port: int) -> str | None:
    """Why a TCP port cannot be opened, or None. The probe closes it again."""
    if port == 0:
        return None
    families = (socket.AF_INET6, socket.AF_INET) if host in ("", "::") else (_family(host),)
    return _first_problem(families, socket.SOCK_STREAM, host, port)


def udp_in_use(listen: tuple[str, ...], port: int) -> str | None:
    """Why a UDP port cannot be opened on the engine's addresses, or None."""
    for host in listen or ("0.0.0.0", "::"):  # noqa: S104 - the engine's default
        if (reason := _first_problem((_family(host),), socket.SOCK_DGRAM, host, port)) is not None:
            return reason
    return None


def _first_problem(
    families: tuple[socket.AddressFamily, ...], kind: socket.SocketKind, host: str, port: int
) -> str | None:
    for family in families:
        try:
            probe = socket.socket(family, kind)
        except OSError:
            continue  # a machine without IPv6
        with contextlib.closing(probe):
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            address = {"": "::" if family == socket.AF_INET6 else "0.0.0.0"}.get(host, host)  # noqa: S104
            if family == socket.AF_INET and address == "::":
                address = "0.0.0.0"  # noqa: S104
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT) and host in ("", "::"):
                    continue  # IPv6 is switched off
                return error.strerror or str(error)
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET

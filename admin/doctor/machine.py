"""What the machine gives: disk, open files, clock, kernel buffers."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from admin.doctor.model import Finding, error, ok, warning
from config.settings import Settings

DISK_ERROR = 300 << 20
DISK_WARNING = 2 << 30
FILES_WANTED = 4096
"""A room of 100 needs about 100 sockets of control; the database and the logs the rest."""
RECEIVE_BUFFER_WANTED = 4 << 20
STA_UNSYNC = 0x0040
TIME_ERROR = 5
_TIMEX_BYTES = 208
_TIMEX_STATUS_OFFSET = 40
"""struct timex of adjtimex(2) on 64-bit Linux: ``status`` after modes (padded), offset, freq, maxerror and esterror."""


def check(settings: Settings) -> Iterator[Finding]:
    yield disk(settings.data_path)
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield receive_buffer()
    yield clock()


def disk(directory: Path) -> Finding:
    """Space where runtime files go."""
    existing = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    values = {"directory": directory, "free": f"{free / (1 << 30):.1f}"}
    if free < DISK_ERROR:
        return error("disk", "disk_full", **values)
    if free < DISK_WARNING:
        return warning("disk", "disk_low", **values)
    if not os.access(existing, os.W_OK):
        return error("disk", "disk_readonly", directory=existing)
    return ok("disk", "disk_ok", **values)


def open_files(limit: int) -> Finding:
    """The soft limit on open files (getrlimit(2))."""
    if limit != resource.RLIM_INFINITY and limit < FILES_WANTED:
        return warning("limits", "files_low", limit=limit, wanted=FILES_WANTED)
    return ok("limits", "files_ok", limit=limit if limit != resource.RLIM_INFINITY else "∞")


def clock() -> Finding:
    """Whether the kernel's clock is disciplined (adjtimex(2)); a container sees its host's."""
    buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
    state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    if state < 0:
        return warning("clock", "clock_unknown")
    status = int.from_bytes(buffer.raw[_TIMEX_STATUS_OFFSET : _TIMEX_STATUS_OFFSET + 4], "little")
    if state == TIME_ERROR or status & STA_UNSYNC:
        return warning("clock", "clock_free")
    return ok("clock", "clock_ok")


def receive_buffer(path: Path = Path("/proc/sys/net/core/rmem_max")) -> Finding:
    """How much a UDP socket may hold while the engine is busy."""
    try:
        limit = int(path.read_text())
    except (OSError, ValueError):
        return warning("limits", "buffer_unknown")
    if limit < RECEIVE_BUFFER_WANTED:
        return warning("limits", "buffer_low", limit=limit, wanted=RECEIVE_BUFFER_WANTED)
    return ok("limits", "buffer_ok", limit=limit)

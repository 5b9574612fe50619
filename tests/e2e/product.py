"""The product as an operator runs it: ``massalia run`` in a directory of its own, on free ports, with rooms made for
the tests.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
PIN, ORGANISER_PIN = "482915", "730184"

ROOM = """\
name: "{name}"
slug: {slug}
number: "{number}"
seats: {seats}
pins:
  participant: "{pin}"
  organiser: "{organiser}"
mode: meeting
language: fr
"""


def room(slug: str, number: str, name: str = "Salle d'essai", seats: int = 100) -> str:
    """A room file's text."""
    return ROOM.format(name=name, slug=slug, number=number, seats=seats, pin=PIN, organiser=ORGANISER_PIN)


ROOMS = {
    "essai": room("essai", "9001", "Salle d'essai"),
    "coupure": room("coupure", "9002", "Salle des coupures"),
    "foule": room("foule", "9003", "Salle de la foule"),
    "vivante": room("vivante", "9004", "Salle vivante"),
    "visite": room("visite", "9005", "Salle de la visite"),
}


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Product:
    """Start it with ``start``; ``url`` is its address once ready. ``settings`` are more of its environment."""

    def __init__(self, directory: Path, addresses: tuple[str, ...] = ("127.0.0.1",)) -> None:
        """``addresses`` are those that the engine listens on."""
        self.addresses = addresses
        self.settings: dict[str, str] = {}
        self.directory = directory
        self.rooms = directory / "rooms"
        self.log = directory / "run.log"
        self.port = free_port(socket.SOCK_STREAM)
        self.media_port = free_port(socket.SOCK_DGRAM)
        self.url = f"https://localhost:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MASSALIA_")}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "MASSALIA_DATA_DIR": str(self.directory / "var"),
            "MASSALIA_ROOMS_DIR": str(self.rooms),
            "MASSALIA_HTTP_PORT": str(self.port),
            "MASSALIA_HTTP_HOST": "127.0.0.1",
            "MASSALIA_MEDIA_PORT": str(self.media_port),
            "MASSALIA_MEDIA_LISTEN": ",".join(self.addresses),
            "MASSALIA_MEDIA_LOOPBACK": "true",
            "MASSALIA_MEDIA_SHARDS": "1",
            **self.settings,
        }

    def start(self, patience: float = 60.0) -> None:
        """Start it and wait until it is ready. Raises RuntimeError with its last words if it does not come up."""
        self.rooms.mkdir(parents=True)
        for slug, text in ROOMS.items():
            (self.rooms / f"{slug}.yaml").write_text(text, encoding="utf-8")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "admin.cli", "run"],
                cwd=ROOT, env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until = time.monotonic() + patience
        while not self.ready():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise RuntimeError("massalia run did not come up:\n" + self.words())
            time.sleep(0.1)

    def ready(self) -> bool:
        try:
            # The certificate of the local authority is not checked here: test_pages does.
            with urllib.request.urlopen(
                f"{self.url}/readyz", timeout=2, context=ssl._create_unverified_context()
            ) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def engine_counter(self, name: str) -> int:
        """One of the engine's counters, as ``/metrics`` tells it."""
        with urllib.request.urlopen(
            f"{self.url}/metrics", timeout=5, context=ssl._create_unverified_context()
        ) as answer:
            lines = answer.read().decode().splitlines()
        return int(float(next(line for line in lines if line.startswith(f"massalia_engine_{name}_total ")).split()[1]))

    @property
    def authority(self) -> Path:
        """Certificate of the local authority that ``massalia run`` made."""
        return self.directory / "var" / "tls" / "massalia-authority.crt"

    def words(self) -> str:
        """The last lines of everything it has logged."""
        files = [self.log, *sorted((self.directory / "var").rglob("*.log"))]
        return "\n".join(f"--- {file.name}\n" + "\n".join(_tail(file)) for file in files if file.exists())

    def pid(self, role: str) -> int:
        """The process of a role: ``engine`` or ``control``. Raises LookupError while there is none."""
        assert self._process is not None
        word = {"engine": "forward", "control": "control"}[role]
        for child in psutil.Process(self._process.pid).children(recursive=True):
            try:
                if word in child.cmdline()[1:] or f" {word} " in " ".join(child.cmdline()) + " ":
                    return child.pid
            except psutil.Error:
                continue
        raise LookupError(role)

    def kill(self, role: str) -> int:
        """``kill -9`` of a role; returns the pid it had."""
        pid = self.pid(role)
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self) -> None:
        """As Ctrl-C would; whatever is left after that is killed and named in an AssertionError."""
        if self._process is None:
            return
        family = psutil.Process(self._process.pid).children(recursive=True) if self._process.poll() is None else []
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _, left = psutil.wait_procs(family, timeout=3)
        for process in left:
            process.kill()
        assert not left, f"processes left behind: {left}"


def _tail(file: Path, lines: int = 40) -> list[str]:
    return file.read_text(errors="replace").splitlines()[-lines:]


async def until(condition: Callable[[], Awaitable[object]], within: float, what: str) -> float:
    """Wait until ``condition`` gives something true; returns the seconds it took. Fails with ``what`` after
    ``within`` seconds.
    """
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < within, f"not within {within} s: {what}"
        await asyncio.sleep(0.05)
    return time.monotonic() - began

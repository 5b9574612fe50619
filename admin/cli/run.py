"""``massalia run``: everything on one machine, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from admin import certs, preflight, roles
from admin.cli.terminal import fail, language, load_settings
from admin.paths import engine_binary
from admin.supervisor import GivenUp, Role, Supervisor
from config.settings import Settings
from kernel.i18n import text

LABEL_WIDTH = 16


def run(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    if arguments.port is not None:
        if not 1 <= arguments.port <= 65535:
            return fail(f"--port {arguments.port}: 1 … 65535")
        os.environ["MASSALIA_HTTP_PORT"] = str(arguments.port)
    if arguments.demo:
        os.environ.setdefault("MASSALIA_MEDIA_LOOPBACK", "true")
    settings = load_settings()
    words = language(settings)
    problems = list(preflight.check(settings, words))
    if problems:
        for problem in problems:
            print(problem, file=sys.stderr)
        return 1
    try:
        with preflight.lock(settings, words):
            return asyncio.run(House(settings, words, arguments.demo, started).run())
    except preflight.Problem as problem:
        return fail(str(problem))


class House:
    """One run of the house, and what it tells the operator."""

    def __init__(self, settings: Settings, words: str, demo: bool, started: float) -> None:
        self._settings = settings
        self._words = words
        self._demo = demo
        self._started = started
        self._authority: Path | None = None
        self._supervisor: Supervisor | None = None

    async def run(self) -> int:
        self._prepare_certificate()
        chosen = self._roles()
        self._supervisor = supervisor = Supervisor(chosen, self._settings.data_path / "log", self._tell)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        self._tell("run.starting", roles=", ".join(role.name for role in chosen))
        try:
            await supervisor.run(self._welcome)
        except GivenUp as given:
            self._tell("run.gave_up", role=given.role, log=given.log)
            for line in given.tail[-10:]:
                print(f"    {line}", file=sys.stderr)
            return 1
        self._tell("run.stopped")
        return 0

    def _stop(self) -> None:
        if self._supervisor is not None:
            self._tell("run.stopping")
            self._supervisor.stop()

    def _prepare_certificate(self) -> None:
        if self._settings.tls.cert:
            return
        files = certs.Files(self._settings.data_path / "tls")
        host = self._settings.public_url.removeprefix("https://").rsplit(":", 1)[0].strip("[]")
        if certs.ensure(files, certs.machine_names((host,)), dt.datetime.now(dt.UTC)):
            self._tell("run.certificate_made", file=files.certificate)
        self._authority = files.authority

    def _roles(self) -> Sequence[Role]:
        settings = self._settings
        binary = engine_binary(settings)
        assert binary is not None  # noqa: S101 - the preflight's check
        chosen = [roles.database(settings)] if settings.database.embedded else []
        chosen += [roles.engine(settings, binary), roles.control(settings)]
        if self._demo:
            slug, pin = self._demo_room()
            chosen.append(roles.demo(self._local_url(), slug, self._authority, pin))
        return chosen

    def _local_url(self) -> str:
        return f"https://localhost:{self._settings.http.port}"

    def _demo_room(self) -> tuple[str, str | None]:
        from config.load import load_rooms

        rooms = load_rooms(self._settings.rooms_path).rooms
        first = min(rooms.values(), key=lambda room: (room.pin_required, room.lobby, room.number))
        return first.slug, first.pins.participant

    async def _welcome(self) -> None:
        """Everything is ready: say where it is and how to come in."""
        lines = [("run.address", f"{self._settings.public_url}/")]
        if self._demo:
            slug, pin = self._demo_room()
            lines.append(("run.demo", f"{self._settings.public_url}/r/{slug}" + (f"#code={pin}" if pin else "")))
        email, password = await self._administrator()
        if email:
            lines.append(("run.administrator", f"{self._settings.public_url}/admin  ({email})"))
        if password:
            lines.append(("run.password", f"{password}  ({text('run.once', self._words)})"))
        self._tell("run.ready", seconds=f"{time.monotonic() - self._started:.1f}")
        print()
        for key, value in lines:
            print(f"  {text(key, self._words):<{LABEL_WIDTH}} {value}")
        if self._authority is not None:
            self._print_trust(self._authority)
        print(f"\n  {text('run.how_to_stop', self._words)}\n", flush=True)

    def _print_trust(self, authority: Path) -> None:
        print(f"\n  {text('run.trust', self._words, file=authority.absolute())}")
        print(f"  SHA-256 {certs.fingerprint(authority)}")
        for system, line in certs.how_to_trust(authority.absolute(), self._words):
            print(f"    {system}: {line}")

    async def _administrator(self) -> tuple[str | None, str | None]:
        """Created in a process of its own: the supervisor stays small and knows no SQL."""
        asked = await asyncio.create_subprocess_exec(
            *roles.massalia("account", "ensure", "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=roles.environment(),
        )
        try:
            async with asyncio.timeout(30):
                out, err = await asked.communicate()
        except (TimeoutError, asyncio.CancelledError):
            asked.kill()
            await asked.wait()
            raise
        if asked.returncode != 0:
            self._say(err.decode("utf-8", "replace").strip())
            return None, None
        said = json.loads(out)
        return said["email"], said["password"]

    def _tell(self, key: str, **values: object) -> None:
        self._say(text(key, self._words, **values))

    def _say(self, sentence: str) -> None:
        print(f"[{time.monotonic() - self._started:6.1f} s] {sentence}", flush=True)

"""The media engine: does it answer, with how many threads, and does UDP reach it (by a leg opened for the moment of
the check).
"""

from __future__ import annotations

import asyncio
import secrets

from admin.doctor import network
from admin.doctor.model import Finding, error, ok
from config.settings import Settings
from kernel.errors import Fault
from kernel.ids import new_id
from mcu import messages as m
from mcu.engine import EngineClient

TIMEOUT = 3.0
FINGERPRINT = "sha-256 " + ":".join(["00"] * 32)
"""No DTLS follows: any fingerprint will do."""
OPUS = m.Codec(name="opus", pt=111, clock_rate=48_000)


class _Greeting:
    """Remembers the engine's welcome."""

    def __init__(self) -> None:
        self.welcome: asyncio.Future[m.Welcome] = asyncio.get_running_loop().create_future()

    async def engine_up(self, welcome: m.Welcome, same_instance: bool) -> None:
        if not self.welcome.done():
            self.welcome.set_result(welcome)

    async def engine_event(self, event: m.AnyEvent) -> None:
        return

    async def engine_down(self) -> None:
        return


async def check(settings: Settings, running: bool) -> list[Finding]:
    """Findings about the engine and, if it answers, the UDP path."""
    path = settings.control_socket
    if not path.exists():
        return [error("engine", "engine_absent", path=path)] if running else [ok("engine", "engine_stopped")]
    greeting = _Greeting()
    client = EngineClient(path, "doctor", greeting, subscribe=False)
    await client.start()
    try:
        welcome = await asyncio.wait_for(asyncio.shield(greeting.welcome), TIMEOUT)
        shards = welcome.shards
        found = [ok("engine", "engine_ok", build=welcome.build, shards=len(shards), legs=sum(s.legs for s in shards))]
        return [*found, *await _udp(client)]
    except TimeoutError:
        return [error("engine", "engine_silent", path=path)]
    except Fault as fault:
        return [error("engine", "engine_failed", reason=fault)]
    finally:
        greeting.welcome.cancel()
        await client.close()


async def _udp(client: EngineClient) -> list[Finding]:
    room = leg = f"doctor-{new_id()}"
    remote = m.Remote(ufrag="doctor", pwd=secrets.token_hex(16), fingerprint=FINGERPRINT)  # ice-char (RFC 8839 §5.4)
    track = m.Track(track="mic", kind="audio", mid="0", codecs=(OPUS,))
    await client.request(m.RoomOpen(room=room))
    try:
        opened = await client.request(
            m.LegOpen(room=room, leg=leg, remote=remote, tracks=(track,), slots=(), extensions=m.Extensions())
        )
        credentials = network.Credentials(f"{opened.local.ufrag}:{remote.ufrag}", opened.local.pwd)
        return await asyncio.to_thread(lambda: list(network.udp_path(opened.local.candidates, credentials)))
    finally:
        await client.request(m.RoomClose(room=room))

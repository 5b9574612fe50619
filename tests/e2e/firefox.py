"""Drives Firefox by its own remote protocol, Marionette (length-prefixed JSON over TCP), so that no driver program is
needed.

Only what the tests use: navigate, run a script, type, click, take a picture. The profile lets media reach the
loopback address.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

PREFERENCES: dict[str, bool | int | str] = {
    "marionette.port": 0,
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.autoplay.default": 0,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "network.proxy.type": 0,
    "network.dns.disableIPv6": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "browser.aboutwelcome.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.enabled": False,
    "app.update.enabled": False,
    "extensions.update.enabled": False,
    "browser.safebrowsing.downloads.remote.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "privacy.resistFingerprinting": False,
}
"""What is set beside the defaults; the last lines keep it from calling home."""


class MarionetteError(Exception):
    """Firefox's own error, by name."""


class Firefox:
    """One headless Firefox with one tab."""

    def __init__(self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter):
        self._process, self._reader, self._writer = process, reader, writer
        self._last = 0
        self._lock = asyncio.Lock()

    @classmethod
    async def start(cls, profile: Path, program: str = "firefox-esr", patience: float = 45.0) -> Firefox:
        """Start it with a fresh profile in ``profile``. Raises FileNotFoundError if it is not installed."""
        found = shutil.which(program)
        if found is None:
            raise FileNotFoundError(program)
        profile.mkdir(parents=True, exist_ok=True)
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines))
        environment = {**os.environ, "HOME": str(profile), "MOZ_HEADLESS": "1", "MOZ_DISABLE_CONTENT_SANDBOX": "1"}
        process = await asyncio.create_subprocess_exec(
            found, "--headless", "--marionette", "--no-remote", "--profile", str(profile), "about:blank",
            env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            async with asyncio.timeout(patience):
                reader, writer = await _connect(profile / "MarionetteActivePort")
                self = cls(process, reader, writer)
                await self._read()  # its greeting
                capabilities = {"alwaysMatch": {"acceptInsecureCerts": True}}
                await self.command("WebDriver:NewSession", {"capabilities": capabilities})
        except BaseException:
            process.kill()
            await process.wait()
            raise
        return self

    async def command(self, name: str, parameters: dict[str, Any] | None = None) -> Any:
        async with self._lock:
            self._last += 1
            text = json.dumps([0, self._last, name, parameters or {}]).encode()
            self._writer.write(b"%d:%b" % (len(text), text))
            await self._writer.drain()
            _, number, error, result = await self._read()
        assert number == self._last
        if error:
            raise MarionetteError(f"{error.get('error')}: {error.get('message')}")
        return result.get("value", result) if isinstance(result, dict) else result

    async def _read(self) -> Any:
        length = int((await self._reader.readuntil(b":"))[:-1])
        return json.loads(await self._reader.readexactly(length))

    async def goto(self, url: str) -> None:
        await self.command("WebDriver:Navigate", {"url": url})

    async def run(self, script: str, *arguments: Any) -> Any:
        """Run a function body in the page and return its value; a promise is awaited."""
        script = f"return (async function () {{ {script} }}).apply(null, arguments);"
        parameters = {"script": script, "args": list(arguments), "sandbox": None, "newSandbox": False}
        return await self.command("WebDriver:ExecuteScript", parameters)

    async def _element(self, selector: str) -> str:
        found = await self.command("WebDriver:FindElement", {"using": "css selector", "value": selector})
        return next(iter(found.values()))

    async def type(self, selector: str, text: str) -> None:
        element = await self._element(selector)
        await self.command("WebDriver:ElementClear", {"id": element})
        await self.command("WebDriver:ElementSendKeys", {"id": element, "text": text})

    async def click(self, selector: str) -> None:
        await self.command("WebDriver:ElementClick", {"id": await self._element(selector)})

    async def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(await self.command("WebDriver:TakeScreenshot", {"full": False})))

    async def close(self) -> None:
        with contextlib.suppress(MarionetteError, OSError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(5):
                await self.command("Marionette:Quit", {"flags": ["eForceQuit"]})
        self._writer.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 5)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


async def _connect(port_file: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        with contextlib.suppress(OSError, ValueError):
            return await asyncio.open_connection("127.0.0.1", int(port_file.read_text()))
        await asyncio.sleep(0.1)

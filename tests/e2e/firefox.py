"""Drives Firefox by WebDriver BiDi, the W3C protocol that it speaks itself over a WebSocket, so that no driver
program is needed.

Only what the tests use: a script before the page's own, navigate, run a script, take a picture. The profile lets
media reach the loopback address.
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

import aiohttp

PREFERENCES: dict[str, bool | int | str] = {
    "media.navigator.permission.disabled": True,
    "media.navigator.streams.fake": True,
    "media.navigator.audio.fake_frequency": 1000,  # pattern.TONES[3]
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


class FirefoxError(Exception):
    """Firefox's own error, or an exception in the page."""


class Firefox:
    """One headless Firefox with one tab."""

    def __init__(self, process: asyncio.subprocess.Process, http: aiohttp.ClientSession) -> None:
        self._process, self._http = process, http
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._tab = ""
        self._last = 0

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
        words = ("--headless", "--remote-debugging-port", "0", "--no-remote", "--profile", str(profile), "about:blank")
        process = await asyncio.create_subprocess_exec(
            found, *words, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        self = cls(process, aiohttp.ClientSession())
        try:
            async with asyncio.timeout(patience):
                await self._connect(profile / "WebDriverBiDiServer.json")
        except BaseException:
            await self.close()
            raise
        return self

    async def _connect(self, port_file: Path) -> None:
        while self._ws is None:
            with contextlib.suppress(OSError, ValueError, KeyError, aiohttp.ClientError):
                port = json.loads(port_file.read_text())["ws_port"]
                self._ws = await self._http.ws_connect(f"ws://127.0.0.1:{port}/session", max_msg_size=64 << 20)
            await asyncio.sleep(0.1)
        await self.command("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        tree = await self.command("browsingContext.getTree")
        self._tab = tree["contexts"][0]["context"]

    async def command(self, method: str, **parameters: Any) -> Any:
        """One command and its answer. Raises FirefoxError."""
        assert self._ws is not None
        self._last += 1
        await self._ws.send_str(json.dumps({"id": self._last, "method": method, "params": parameters}))
        async for frame in self._ws:
            answer = json.loads(frame.data)
            if answer.get("id") == self._last:
                if answer["type"] == "error":
                    raise FirefoxError(f"{answer['error']}: {answer['message']}")
                return answer["result"]
        raise FirefoxError("the connection is closed")

    async def before_pages(self, script: str) -> None:
        """Run ``script`` in every page from now on, before the page's own scripts."""
        await self.command("script.addPreloadScript", functionDeclaration=f"() => {{ {script} }}")

    async def goto(self, url: str) -> None:
        await self.command("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    async def run(self, script: str) -> Any:
        """Run the body of an async function in the page and return its value (which must fit into JSON)."""
        function = f"async () => JSON.stringify((await (async () => {{ {script} }})()) ?? null)"
        got = await self.command(
            "script.callFunction", functionDeclaration=function, awaitPromise=True, target={"context": self._tab}
        )
        if got["type"] == "exception":
            raise FirefoxError(got["exceptionDetails"]["text"])
        return json.loads(got["result"]["value"])

    async def screenshot(self, path: Path) -> None:
        got = await self.command("browsingContext.captureScreenshot", context=self._tab)
        path.write_bytes(base64.b64decode(got["data"]))

    async def close(self) -> None:
        if self._ws is not None:
            with contextlib.suppress(FirefoxError, OSError, TimeoutError, aiohttp.ClientError):
                async with asyncio.timeout(5):
                    await self.command("browser.close")
            await self._ws.close()
        await self._http.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 5 if self._ws else 0.1)
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

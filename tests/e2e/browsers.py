"""People in browsers: Chromium with our capture files as camera and microphone, and what ``observer.js`` saw and
heard.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page, Playwright, WebSocket

from tests.e2e import pattern
from tests.e2e.product import PIN, until

OBSERVER = (Path(__file__).parent / "observer.js").read_text(encoding="utf-8")
PROGRAM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
)


class Chromiums:
    """Two Chromiums, each with a sender's number of its own."""

    def __init__(self, browsers: dict[int, Browser]) -> None:
        self._browsers = browsers

    @classmethod
    async def start(cls, playwright: Playwright, capture: Path) -> Chromiums:
        browsers = {}
        for sender in (1, 2):
            files = (
                f"--use-file-for-fake-video-capture={capture / f'{sender}.y4m'}",
                f"--use-file-for-fake-audio-capture={capture / f'{sender}.wav'}",
            )
            browsers[sender] = await playwright.chromium.launch(executable_path=PROGRAM, args=[*FLAGS, *files])
        return cls(browsers)

    async def person(self, sender: int, **options: Any) -> Person:
        """A new window, observed, in the Chromium whose camera shows ``sender``."""
        options = {"locale": "fr-FR", "viewport": {"width": 1100, "height": 700}, **options}
        context = await self._browsers[sender].new_context(ignore_https_errors=True, **options)
        await context.add_init_script(f"{OBSERVER}; e2e.sender = {sender};")
        return Person(sender, context, await context.new_page())

    async def close(self) -> None:
        for browser in self._browsers.values():
            await browser.close()


@dataclass
class Person:
    """Somebody at a browser window."""

    sender: int
    context: BrowserContext
    page: Page
    said: list[str] = field(default_factory=list)
    """Messages of its WebSockets, cut."""

    def __post_init__(self) -> None:
        self.page.on("websocket", self._overhear)

    def _overhear(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda text: self.said.append(f"> {str(text)[:160]}"))
        socket.on("framereceived", lambda text: self.said.append(f"< {str(text)[:240]}"))

    async def open(self, url: str, room: str, query: str = "") -> None:
        await self.page.goto(f"{url}/r/{room}{query}")

    async def join(self, url: str, room: str, name: str, pin: str = PIN, query: str = "") -> None:
        """Fill in the waiting page and enter."""
        await self.open(url, room, query)
        await self.page.locator("input[name=name]").fill(name)
        await self.page.locator("input[name=pin]").fill(pin)
        await self.action("join").click()
        await self.action("leave").wait_for(timeout=20_000)

    def action(self, name: str) -> Locator:
        """The visible control of one action of the client: join, leave, mic, camera, share…"""
        return self.page.locator(f"[data-action={name}]:visible").first

    def button(self, words: str) -> Locator:
        """A button by its accessible name."""
        return self.page.get_by_role("button", name=re.compile(words)).first

    async def leave(self) -> None:
        if not self.page.is_closed():
            if await self.action("leave").is_visible():
                await self.action("leave").click()
            await self.context.close()

    # --- what is received --------------------------------------------------------------------------------------------

    async def frames(self, sender: int | str) -> list[dict[str, float]]:
        """The frames of ``sender`` read back so far: time in ms, number, width, height."""
        got: list[dict[str, float]] = await self.page.evaluate("(who) => e2e.seen[who] ?? []", str(sender))
        return got

    async def count(self, sender: int | str) -> int:
        return int(await self.page.evaluate("(who) => e2e.seen[who]?.length ?? 0", str(sender)))

    async def sees(self, sender: int | str, within: float = 20.0, more: int = 5) -> float:
        """Wait until ``more`` new frames of ``sender`` have been read back; returns the seconds that took."""
        start = await self.count(sender)

        async def enough() -> bool:
            return await self.count(sender) >= start + more

        try:
            return await until(enough, within, f"sender {self.sender} sees sender {sender}")
        except AssertionError as error:
            raise AssertionError(f"{error}; {await self.report()}") from None

    async def report(self) -> str:
        """What this browser says of its media and what passed over its WebSocket, for a failed test's message."""
        flows = [
            f"{s['type']} {s['kind']} {s['mid']}: {s.get('packetsSent', s.get('packetsReceived'))} packets, "
            f"{s.get('framesSent', s.get('framesDecoded'))} frames"
            for s in await self.stats()
            if s.get("packetsSent") or s.get("packetsReceived")
        ]
        return f"state {await self.page.evaluate('document.body.dataset.state')}; {flows}; {self.said[-60:]}"

    async def tone(self, sender: int) -> dict[str, float]:
        """``count`` blocks in which the sender's tone was heard, ``last`` time, worst ``gap`` in ms, ``level`` 0…1."""
        got = await self.page.evaluate("(who) => e2e.tones[who] ?? null", str(sender))
        return got or {"count": 0, "last": 0.0, "gap": 0.0, "level": 0.0}

    async def hears(self, sender: int, within: float = 15.0) -> None:
        """Wait until the tone of ``sender`` is heard anew."""
        start = (await self.tone(sender))["count"]

        async def more() -> bool:
            return (await self.tone(sender))["count"] >= start + 20

        await until(more, within, f"sender {self.sender} hears sender {sender}")

    async def stats(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await self.page.evaluate("e2e.stats()")
        return rows

    async def bytes_sent(self, kind: str) -> int:
        """Bytes of media that this browser has sent in all."""
        return sum(
            s.get("bytesSent", 0) for s in await self.stats() if s["type"] == "outbound-rtp" and s["kind"] == kind
        )

    async def others_shown(self) -> int:
        """Visible pictures of other people."""
        return int(await self.page.evaluate("e2e.moving(0)"))

    async def errors(self) -> list[str]:
        found: list[str] = await self.page.evaluate("e2e.errors")
        return found


@dataclass(frozen=True)
class Reception:
    """What one person received of another over some seconds."""

    frames_per_second: float
    width: int
    height: int
    longest_pause_ms: float
    longest_silence_ms: float
    tone_blocks: int


async def receive(person: Person, sender: int, seconds: float) -> Reception:
    """Measure for ``seconds``: distinct frames a second, the longest pause of the picture and of the tone."""
    await person.page.evaluate("e2e.resetGaps()")
    begin = float(await person.page.evaluate("performance.now()"))
    blocks = (await person.tone(sender))["count"]
    await person.page.evaluate("(ms) => new Promise((done) => setTimeout(done, ms))", seconds * 1000)
    end = float(await person.page.evaluate("performance.now()"))
    tone = await person.tone(sender)
    return measure(await person.frames(sender), begin, end, tone, int(tone["count"]) - int(blocks))


def measure(frames: list[dict[str, float]], begin: float, end: float, tone: dict[str, float], blocks: int) -> Reception:
    """Of ``frames`` as the observer gives them, those between ``begin`` and ``end`` (ms).

    A busy page is not called for every frame that its <video> presents. So a step from one read frame to the next
    counts as many frames as were presented between, but at most as many as the numbers read in them advanced.
    """
    mine = [f for f in frames if begin <= f["t"] <= end]
    changes = [b for a, b in itertools.pairwise(mine) if a["n"] != b["n"]]
    times = [begin, *(f["t"] for f in changes), end]
    shown = sum(min((b["n"] - a["n"]) % LOOP, b["p"] - a["p"]) for a, b in itertools.pairwise(mine))
    last = mine[-1] if mine else {"w": 0, "h": 0}
    silence = max(tone["gap"], end - tone["last"]) if tone["count"] else end - begin
    return Reception(
        frames_per_second=shown / ((end - begin) / 1000),
        width=int(last["w"]),
        height=int(last["h"]),
        longest_pause_ms=max(b - a for a, b in itertools.pairwise(times)),
        longest_silence_ms=silence,
        tone_blocks=blocks,
    )


def offset(flashes: list[float], beeps: list[float]) -> float:
    """By how many ms the picture is behind the sound: the median over all flashes of the distance to the nearest
    beep.
    """
    near = sorted(min((f - b for b in beeps), key=abs) for f in flashes if any(abs(f - b) < 400 for b in beeps))
    assert len(near) >= 3, f"too few flashes with a beep: {flashes} {beeps}"
    return near[len(near) // 2]


LOOP = pattern.FPS * pattern.SECONDS
TONE_BLOCKS_PER_SECOND = pattern.RATE / 512

"""Record the offers that real browsers make for Massalia's m-line plan; run by hand when a browser changes.

    python tests/data/sdp/capture.py chromium|firefox [BINARY] > tests/data/sdp/NAME.sdp

Chromium is driven by playwright, Firefox by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/) over aiohttp. The
browser is headless, loads no page but about:blank and sends nothing: the offer is made before any candidate is
gathered.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile

MAKE_OFFER = """
(async () => {
  const pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
  for (const kind of ['audio', 'video', 'audio', 'video']) pc.addTransceiver(kind, {direction: 'sendonly'});
  for (let i = 0; i < 4; i++) pc.addTransceiver('audio', {direction: 'recvonly'});
  for (let i = 0; i < 26; i++) pc.addTransceiver('video', {direction: 'recvonly'});
  const offer = await pc.createOffer();
  await pc.setLocalDescription(offer);
  return pc.localDescription.sdp;
})()
"""


async def chromium(binary: str) -> str:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=binary, args=["--no-sandbox"])
        page = await browser.new_page()
        sdp: str = await page.evaluate(MAKE_OFFER)
        await browser.close()
    return sdp


async def firefox(binary: str) -> str:
    import aiohttp

    with tempfile.TemporaryDirectory() as profile:
        process = await asyncio.create_subprocess_exec(
            binary,
            "--headless",
            "--profile",
            profile,
            "--remote-debugging-port",
            "0",
            "--no-remote",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            while not (found := re.search(rb"ws://\S+", await process.stderr.readline())):
                pass
            async with aiohttp.ClientSession() as http, http.ws_connect(found[0].decode() + "/session") as socket:

                async def call(number: int, method: str, **params: object) -> dict:
                    await socket.send_json({"id": number, "method": method, "params": params})
                    while True:
                        reply = await socket.receive_json()
                        if reply.get("id") == number:
                            return reply

                await call(1, "session.new", capabilities={})
                tree = await call(2, "browsingContext.getTree")
                context = tree["result"]["contexts"][0]["context"]
                reply = await call(
                    3, "script.evaluate", expression=MAKE_OFFER, target={"context": context}, awaitPromise=True
                )
            return reply["result"]["result"]["value"]
        finally:
            process.terminate()
            await process.wait()


if __name__ == "__main__":
    name = sys.argv[1]
    path = sys.argv[2] if len(sys.argv) > 2 else {"chromium": "chromium", "firefox": "firefox-esr"}[name]
    sys.stdout.write(asyncio.run({"chromium": chromium, "firefox": firefox}[name](path)))

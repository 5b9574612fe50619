"""What a newcomer sees: the certificate, accessible pages, a living room of six, and the probe that measures it."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import urllib.request
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from axe_playwright_python.async_playwright import Axe

from tests.e2e.browsers import Chromiums, Person
from tests.e2e.product import PIN, ROOT, Product, until


async def test_the_local_authority_vouches_for_the_server(product: Product) -> None:
    def ask() -> int:
        context = ssl.create_default_context(cafile=str(product.authority))
        with urllib.request.urlopen(f"{product.url}/healthz", context=context) as answer:
            return int(answer.status)

    assert await asyncio.to_thread(ask) == 200


async def test_pages_without_serious_violations_of_accessibility(product: Product, chromiums: Chromiums) -> None:
    one, two = await chromiums.person(1), await chromiums.person(2)
    try:
        await two.join(product.url, "essai", "Samir Benali")
        await one.open(product.url, "essai")
        await one.action("join").wait_for()
        assert await _violations(one) == []
        await one.join(product.url, "essai", "Clara Santoni")
        await one.sees(2)
        assert await _violations(one) == []
        await one.page.goto(product.url)
        assert await _violations(one) == []
    finally:
        await asyncio.gather(one.leave(), two.leave())


@pytest_asyncio.fixture(loop_scope="session")
async def six(product: Product) -> AsyncIterator[None]:
    """The demonstration's participants in the room ``visite``."""
    words = ("demo", "--url", product.url, "--room", "visite", "--pin", PIN, "--ca", str(product.authority))
    demo = await asyncio.create_subprocess_exec(sys.executable, "-m", "admin.cli", *words, cwd=ROOT)
    yield
    demo.terminate()
    await demo.wait()


async def test_a_newcomer_finds_six_people_who_move_and_speak(
    product: Product, chromiums: Chromiums, six: None
) -> None:
    one = await chromiums.person(1, viewport={"width": 1440, "height": 900})
    try:
        await one.join(product.url, "visite", "Clara Santoni")

        async def all_move() -> bool:
            return bool(await one.page.evaluate("e2e.moving(20) >= 6"))

        await until(all_move, 30, "six moving pictures")
        pictures = ROOT / "var" / "test"
        pictures.mkdir(parents=True, exist_ok=True)
        await one.page.screenshot(path=pictures / "demo.png")
        report = await _probe(product)
        assert report["ok"] and report["others"] == 7 and report["frames"] > 50, report
        assert report["audio_level_dbov"] > -40 and report["received_loss_pct"] < 1, report
    finally:
        await one.leave()


async def _probe(product: Product) -> dict[str, Any]:
    words = ("probe", "--url", product.url, "--room", "visite", "--pin", PIN, "--ca", str(product.authority))
    probe = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "admin.cli", *words, "--seconds", "5", "--json", cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await probe.communicate()
    assert probe.returncode == 0, out
    report: dict[str, Any] = json.loads(out)
    return report


async def _violations(person: Person) -> list[str]:
    """Serious and critical ones, as ``rule: selectors``."""
    results = await Axe().run(person.page)
    return [
        f"{v['id']}: {[node['target'] for node in v['nodes']][:3]}"
        for v in results.response["violations"]
        if v["impact"] in ("serious", "critical")
    ]

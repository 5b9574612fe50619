"""Fixtures of the end-to-end tests: one running product and one set of browsers for the whole session."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from tests.e2e import namespace, pattern
from tests.e2e.browsers import Chromiums
from tests.e2e.firefox import Firefox
from tests.e2e.product import Product

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these share one event loop and may wait for real time: that is what they measure."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.real_sleep)
            item.add_marker(pytest.mark.slow_callback(2.0))
            item.add_marker(pytest.mark.timeout(150))
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def addresses() -> tuple[str, ...]:
    """Where media may be sent to: in a network namespace of our own, if we may have one, two addresses."""
    return ("127.0.0.1", namespace.ADDRESS) if namespace.enter() else ("127.0.0.1",)


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory, addresses: tuple[str, ...]) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("massalia"), addresses)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="session")
def capture_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with N.y4m and N.wav for the senders 1 and 2; large, so removed at the end."""
    directory = tmp_path_factory.mktemp("capture")
    for sender in (1, 2):
        pattern.write_video(directory / f"{sender}.y4m", sender)
        pattern.write_audio(directory / f"{sender}.wav", sender)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromiums(capture_files: Path, addresses: tuple[str, ...]) -> AsyncIterator[Chromiums]:
    async with async_playwright() as playwright:
        browsers = await Chromiums.start(playwright, capture_files)
        yield browsers
        await browsers.close()


@pytest_asyncio.fixture(loop_scope="session")
async def firefox(tmp_path: Path, addresses: tuple[str, ...]) -> AsyncIterator[Firefox]:
    """Needs the namespace: Firefox never uses the loopback address for media."""
    if len(addresses) < 2:
        pytest.skip("no network namespace may be made here: run as root")
    browser = await Firefox.start(tmp_path / "profile")
    yield browser
    await browser.close()

"""Protocol cores and models do no I/O and read no clock: they take ``now`` and bytes as arguments."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.sources import product, tree

PURE: Final = (
    "signalling/sdp/",
    "signalling/q931/",
    "signalling/asn1/",
    "signalling/rooms/",
    "signalling/webrtc/messages.py",
    "mcu/messages.py",
    "config/rooms.py",
    "config/settings.py",
    "config/units.py",
    "config/pins.py",
    "config/checks.py",
    "config/problems.py",
    "config/document.py",
    "config/validate.py",
    "kernel/errors.py",
    "kernel/ids.py",
)
BANNED: Final = frozenset(
    (
        "asyncio",
        "socket",
        "ssl",
        "select",
        "selectors",
        "time",
        "threading",
        "subprocess",
        "random",
        "signal",
        "multiprocessing",
        "shutil",
        "tempfile",
        "urllib.request",
        "http.client",
        "aiohttp",
        "asyncpg",
        "kernel.clock",
    )
)
BANNED_CALLS: Final = frozenset(("open", "input", "print", "now", "utcnow", "today", "read_text", "read_bytes"))
HANDED_A_CLOCK: Final = {
    "signalling/rooms/registry.py": "the entry to all rooms stamps some ten commands; below it everything takes now",
}
"""Modules that may hold a ``Clock`` given to them (never the system's by themselves), with the reason."""


def pure() -> list[Path]:
    return [path for path in product() if str(path).startswith(PURE)]


def faults(module: ast.Module, handed_a_clock: bool = False) -> list[str]:
    """Banned imports and calls of a module, with their lines."""
    found: list[str] = []
    for node in ast.walk(module):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            if not (handed_a_clock and names == ["kernel.clock.Clock"]):
                names.append(node.module)
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            on_its_clock = handed_a_clock and ast.unparse(node.func).startswith("self._clock.")
            if called in BANNED_CALLS and not on_its_clock:
                found.append(f"line {node.lineno}: calls {called}()")
        found += [f"line {node.lineno}: imports {name}" for name in names if name in BANNED]
    return found


@pytest.mark.parametrize("path", pure(), ids=str)
def test_core_is_pure(path: Path) -> None:
    found = faults(tree(path), handed_a_clock=str(path) in HANDED_A_CLOCK)
    assert not found, f"{path}: " + "; ".join(found)


def test_the_check_bites() -> None:
    bad = "import time\nfrom asyncio import sleep\nfrom kernel import clock\nx = open('f')\nd = datetime.now()\n"
    assert len(faults(ast.parse(bad))) == 5


def test_the_pure_files_exist() -> None:
    named = [name for name in PURE if name.endswith(".py")]
    assert {str(path) for path in pure()} >= set(named)


def test_a_handed_clock_is_no_system_clock() -> None:
    handed = "from kernel.clock import Clock\nself._clock.now()\n"
    assert faults(ast.parse(handed), handed_a_clock=True) == []
    assert len(faults(ast.parse(handed))) == 2
    assert faults(ast.parse("from kernel.clock import Clock, SystemClock"), handed_a_clock=True)
    assert faults(ast.parse("datetime.now()"), handed_a_clock=True)

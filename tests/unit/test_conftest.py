"""The guards of conftest.py bite: each bad habit makes a test fail."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CONFTEST = Path(__file__).parents[1] / "conftest.py"

INI = """[pytest]
asyncio_mode=auto
asyncio_default_fixture_loop_scope=function
filterwarnings=error
markers=
 slow_callback
 real_sleep
"""

BAD = {
    "blocked": """
import time
async def test_blocked():
    end = time.thread_time() + 0.4
    while time.thread_time() < end:
        pass
""",
    "leak": """
import asyncio
async def test_leak():
    asyncio.get_running_loop().create_task(asyncio.Event().wait())
""",
    "sleep": """
import asyncio
async def test_sleep():
    await asyncio.sleep(0.01)
""",
    "blocking_sleep": """
import time
async def test_blocking_sleep():
    time.sleep(0.01)
""",
    "warning": """
import warnings
def test_warning():
    warnings.warn("old", DeprecationWarning)
""",
}


@pytest.mark.slow_callback(30)  # the inner run blocks on purpose; its own guard must tell
@pytest.mark.parametrize("habit", BAD)
def test_bad_habit_fails(pytester: pytest.Pytester, habit: str) -> None:
    pytester.makeconftest(CONFTEST.read_text("utf-8"))
    pytester.makeini(INI)
    pytester.makepyfile(BAD[habit])
    outcome = pytester.runpytest_inprocess("-p", "no:cacheprovider").parseoutcomes()
    assert outcome.get("failed", 0) + outcome.get("errors", 0) >= 1, outcome


def test_good_habits_pass(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST.read_text("utf-8"))
    pytester.makeini(INI)
    pytester.makepyfile(
        """
import asyncio
async def test_good():
    task = asyncio.get_running_loop().create_task(asyncio.Event().wait())
    await asyncio.sleep(0)
    task.cancel()
def test_plain():
    assert True
"""
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)

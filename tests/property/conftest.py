"""Hypothesis without deadlines (the machine may be busy), and the budget of the fuzz loops."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


@pytest.fixture
def fuzz_seconds(request: pytest.FixtureRequest) -> float:
    """Seconds that each fuzz loop may last: ``--fuzz-seconds``, 1 by default, 10 in CI."""
    return float(request.config.getoption("--fuzz-seconds"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A fuzz loop may last longer than a test's usual minute."""
    longer = 60 + 2 * float(config.getoption("--fuzz-seconds"))
    for item in items:
        if isinstance(item, pytest.Function) and "fuzz_seconds" in item.fixturenames:
            item.add_marker(pytest.mark.timeout(longer))

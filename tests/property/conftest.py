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

"""Lists the files that grow too long, at the end of the run."""

from __future__ import annotations

import pytest

from tests.architecture.sources import lines
from tests.architecture.test_sizes import ours

WANTED = 400


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    long = [(lines(path), path) for path in ours() if lines(path) > WANTED]
    if long:
        terminalreporter.section(f"files over {WANTED} lines")
        for count, path in sorted(long, reverse=True):
            terminalreporter.line(f"{count:5} {path}")

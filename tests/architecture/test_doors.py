"""Who may import whom (pyproject.toml, [tool.importlinter]); a broken door prints the chain of imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.sources import ROOT

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter in ``directory``."""
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--config", "pyproject.toml", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(directory), "PATH": "", "COLUMNS": "200"},
    )


def test_the_doors_hold() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, "\n" + result.stdout + result.stderr


def test_a_broken_door_fails_and_prints_its_chain(tmp_path: Path) -> None:
    """The contracts themselves, on a small house whose kernel reaches up through config."""
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"), "utf-8")
    for package in ("kernel", "config", "mcu", "signalling", "admin"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "kernel" / "clock.py").write_text("import config.load\n")
    (tmp_path / "config" / "load.py").write_text("import admin.pages\n")
    (tmp_path / "admin" / "pages.py").write_text("import asyncpg\n")
    result = lint(tmp_path)
    assert result.returncode == 1
    for chain in ("kernel.clock -> config.load", "config.load -> admin.pages", "admin.pages -> asyncpg"):
        assert chain in result.stdout, result.stdout

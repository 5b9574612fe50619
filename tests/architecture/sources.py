"""Which files are ours: what git knows and what is new but not ignored."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("kernel", "config", "mcu", "signalling", "admin")


@cache
def files(*suffixes: str) -> tuple[Path, ...]:
    """Our files with one of these suffixes, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split("\0")
    found = (Path(name) for name in listed if name.endswith(suffixes))
    return tuple(sorted(path for path in found if (ROOT / path).is_file()))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse((ROOT / path).read_text("utf-8"), str(path))


def product() -> Iterator[Path]:
    """The Python files of the product."""
    return (path for path in files(".py") if path.parts[0] in PACKAGES)


def lines(path: Path) -> int:
    """Number of lines of a file."""
    return (ROOT / path).read_bytes().count(b"\n")

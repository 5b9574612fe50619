"""Files under 400 lines wanted (listed at the end of the run) and over 800 refused; functions under 50; heads
everywhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.architecture.sources import ROOT, files, lines, product, tree

MOST_FILE: Final = 800
MOST_FUNCTION: Final = 50
CODE: Final = (".py", ".rs", ".ts", ".tsx", ".css", ".html", ".sh", ".sql")
EXEMPT: Final = ("tests/data/", "web/dist/", "mcu/fuzz/corpus/")
"""Generated or recorded; tables may be named here one by one, with the reason."""
LONG_FUNCTIONS: Final[dict[str, str]] = {}
"""``path::function`` of functions that are tables, with the reason."""


def ours() -> Iterator[Path]:
    return (path for path in files(*CODE) if not str(path).startswith(EXEMPT))


def test_files_are_not_too_long() -> None:
    long = [f"{path}: {lines(path)} lines" for path in ours() if lines(path) > MOST_FILE]
    assert not long, "split by reasons to exist: " + ", ".join(long)


def test_functions_are_not_too_long() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}: {length(node)} lines"
        for path in files(".py")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and length(node) > MOST_FUNCTION
        and f"{path}::{node.name}" not in LONG_FUNCTIONS
    ]
    assert not long, "\n".join(long)


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its decorators and docstring."""
    first = node.body[0]
    doc = ast.get_docstring(node, clean=False) is not None
    skipped = (first.end_lineno or first.lineno) - first.lineno + 1 if doc else 0
    return (node.end_lineno or node.lineno) - node.lineno + 1 - skipped


def test_python_modules_say_what_they_are() -> None:
    silent = [str(path) for path in product() if tree(path).body and not ast.get_docstring(tree(path))]
    assert not silent, "no docstring: " + ", ".join(silent)


def test_rust_modules_say_what_they_are() -> None:
    sources = [path for path in files(".rs") if "src" in path.parts]
    silent = [str(path) for path in sources if not (ROOT / path).read_text("utf-8").startswith("//!")]
    assert not silent, "no //! head: " + ", ".join(silent)

"""Every direct dependency is justified in docs/dependencies.md, every justified one is used, and lock files name no
index.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
LOCKS = ("requirements.txt", "requirements-demo.txt", "requirements-dev.txt")


def explained() -> set[str]:
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    return {name.lower() for name in re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)}


def python_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return {re.split(r"[<>=!~;\[ ]", line, maxsplit=1)[0].lower() for line in lines}


def cargo_dependencies() -> set[str]:
    found: set[str] = set()
    for manifest in [
        *(ROOT / "mcu").glob("crates/*/Cargo.toml"),
        ROOT / "mcu" / "Cargo.toml",
        *(ROOT / "mcu").glob("*/Cargo.toml"),
    ]:
        document = tomllib.loads(manifest.read_text("utf-8"))
        tables = [document, document.get("workspace", {}), *document.get("target", {}).values()]
        for table in tables:
            for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
                for name, wanted in table.get(kind, {}).items():
                    if not (isinstance(wanted, dict) and ("path" in wanted or wanted.get("workspace"))):
                        found.add((wanted.get("package", name) if isinstance(wanted, dict) else name).lower())
    return found


def npm_dependencies() -> set[str]:
    package = json.loads((ROOT / "web" / "package.json").read_text("utf-8"))
    return {name.lower() for kind in ("dependencies", "devDependencies") for name in package.get(kind, {})}


def test_every_direct_dependency_is_explained() -> None:
    direct = python_dependencies() | cargo_dependencies() | npm_dependencies()
    assert len(direct) > 30
    assert direct - explained() == set()


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_have_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text and "index-url" not in text
    packages = re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)
    blocks = re.split(r"^(?=[A-Za-z0-9._-]+==)", text, flags=re.MULTILINE)[1:]
    assert len(packages) == len(blocks) > 20
    assert all("--hash=sha256:" in block for block in blocks)


def test_lock_files_hold_every_direct_dependency() -> None:
    locked = {
        name.lower().replace("_", "-")
        for name in re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / LOCKS[2]).read_text(), re.MULTILINE)
    }
    assert python_dependencies() <= locked

"""scripts/run before anything is installed: what is missing is said in one sentence, and what is unchanged is not made
again.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from admin import bootstrap
from admin.bootstrap import Setup, Step, Stop

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in (("ROOT", tmp_path), ("STAMPS", tmp_path / "stamps"), ("LOGS", tmp_path / "logs")):
        monkeypatch.setattr(bootstrap, name, value)
    monkeypatch.setenv("LC_ALL", "en_GB.UTF-8")
    return tmp_path


def tools(place: Path, monkeypatch: pytest.MonkeyPatch, **says: str) -> None:
    """A PATH with only these programs, each printing its version."""
    directory = place / "bin"
    directory.mkdir(exist_ok=True)
    for name, version in says.items():
        (directory / name).write_text(f"#!/bin/sh\necho '{version}'\n")
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))


GOOD = {"rustc": "rustc 1.95.0 (abc 2026-01-01)", "cargo": "cargo 1.95.0", "node": "v20.19.2", "npm": "11.0.0"}


def test_tools_present(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools(place, monkeypatch, **GOOD)
    assert bootstrap.missing_tools() == []


@pytest.mark.parametrize(("name", "version", "says"), [
    ("rustc", "rustc 1.84.1 (abc)", "Rust 1.84 is too old"), ("node", "v18.20.0", "Node.js 18.20 is too old"),
    ("rustc", "nothing", "Rust 1.85 or newer is needed"), ("node", "", "Node.js 20.19 or newer is needed"),
])  # fmt: skip
def test_old_or_strange_tools(place: Path, monkeypatch: pytest.MonkeyPatch, name: str, version: str, says: str) -> None:
    tools(place, monkeypatch, **(GOOD | {name: version}))
    assert len(bootstrap.missing_tools()) == 1
    assert bootstrap.missing_tools()[0].startswith(says)


def test_no_tools_at_all_is_two_sentences_and_exit_one(tmp_path: Path) -> None:
    """The real script with an empty PATH (but Python and the shell)."""
    for name in ("dirname", "env", "bash"):
        (tmp_path / name).symlink_to(shutil.which(name) or "/nowhere")
    (tmp_path / "python3").symlink_to(sys.executable)
    done = subprocess.run(
        ["/bin/bash", ROOT / "scripts" / "run", "--no-apt"],
        env={"PATH": str(tmp_path), "LANG": "fr_FR.UTF-8"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 2
    assert "Rust" in done.stderr and "Node.js" in done.stderr


def test_packages_are_named_in_one_command(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Stop, match=r"sudo apt-get install -y --no-install-recommends build-essential python3-venv"):
        bootstrap.install(["build-essential", "python3-venv"], may_install=False)


def test_port_in_use_is_said_early(place: Path) -> None:
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::", 0))
        taken.listen()
        with pytest.raises(Stop, match=f"TCP port {taken.getsockname()[1]} cannot be opened"):
            bootstrap._check_port(taken.getsockname()[1])


def test_full_disk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda _path: type("Usage", (), {"free": 1 << 30})())
    step = Step("web", [], place / "out", lambda _step: pytest.fail("must not be made"))
    with pytest.raises(Stop, match="Only 1024 MiB"):
        Setup([step]).run()


def test_steps_are_made_once_until_their_content_changes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output, made = place / "source", place / "output", []
    source.mkdir()
    (source / "a").write_text("1")
    (source / "target").mkdir()

    def make(step: Step) -> None:
        step.run("touch", str(output))
        made.append(1)

    def run() -> int:
        Setup([Step("engine", [source], output, make)]).run()
        return len(made)

    assert [run(), run()] == [1, 1]
    (source / "target" / "x").write_text("not a source")
    assert run() == 1
    (source / "a").write_text("2")
    assert run() == 2
    output.unlink()
    assert run() == 3
    assert "unchanged" in capsys.readouterr().out


def test_a_failing_step_shows_its_log_and_is_tried_again(place: Path) -> None:
    def make(step: Step) -> None:
        step.run("sh", "-c", "echo the reason; exit 3")

    step = Step("web", [], place, make)
    with pytest.raises(Stop, match=r"(?s)Step web did not succeed.*the reason"):
        Setup([step]).run()
    assert not step.is_made()


def test_one_failure_stops_the_other_step(place: Path) -> None:
    slow = Step("engine", [], place, lambda step: step.run("sleep", "30"))
    bad = Step("python", [], place, lambda step: step.run("false"))
    with pytest.raises(Stop, match="Step python"):
        Setup([slow, bad]).run()
    assert all(process.poll() is not None for process in slow.commands)

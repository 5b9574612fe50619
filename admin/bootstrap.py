"""What ``scripts/run`` does before ``massalia run``: tools, system packages, Python packages, engine, web pages.

Standard library only: it runs with the system's Python before anything is installed. Each step is skipped when the
content it is made from has not changed since it last succeeded (a hash in ``var/setup``), so that a second start
takes seconds. The engine is compiled while the Python and web packages arrive. Output of the tools goes to
``var/log/setup-<step>.log``.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from kernel.i18n import text

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMPS = ROOT / "var" / "setup"
LOGS = ROOT / "var" / "log"
DISK_WANTED = 4 << 30
"""Bytes: the engine's build takes about 1.2 GB, packages 1 GB, the npm cache and the database the rest."""
RUST_WANTED = (1, 85)
NODE_WANTED = (20, 19)
HEARTBEAT = 15.0
DEFAULT_PORT = 8443
TAIL = 15


class Stop(Exception):
    """Why it cannot go on, in the operator's language."""


@dataclass
class Step:
    """One thing to make. ``inputs``: files whose content decides whether it is made again; ``output`` must exist."""

    name: str
    inputs: Sequence[Path]
    output: Path
    make: Callable[[Step], None]
    extra: str = ""
    commands: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return LOGS / f"setup-{self.name}.log"

    def digest(self) -> str:
        total = hashlib.sha256(self.extra.encode())
        for path in sorted(_files(self.inputs)):
            total.update(str(path.relative_to(ROOT)).encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
        return total.hexdigest()

    def is_made(self) -> bool:
        with contextlib.suppress(OSError):
            return self.output.exists() and (STAMPS / self.name).read_text() == self.digest()
        return False

    def run(self, *argv: str, cwd: Path = ROOT) -> None:
        """Run a tool with its output in the log. Raises Stop when it fails."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603
            self.commands.append(process)
            code = process.wait()
        if code:
            raise Stop(f"{_t('setup.failed', step=self.name, log=self.log)}\n{_tail(self.log)}")


class Setup:
    """Carries out the steps and tells the operator."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._started = time.monotonic()
        self._done = 0
        self._lock = threading.Lock()
        self._failure: Stop | None = None

    def run(self) -> None:
        """Everything; the first step (the engine, long) beside the others. Raises Stop."""
        for directory in (STAMPS, LOGS):
            directory.mkdir(parents=True, exist_ok=True)
        todo = [step for step in self._steps if not step.is_made()]
        for step in self._steps:
            if step not in todo:
                self._say(step, _t("setup.unchanged"))
        if not todo:
            return
        _check_disk()
        aside = threading.Thread(target=self._guard, args=(todo[0],), name=todo[0].name)
        aside.start()
        try:
            for step in todo[1:]:
                self._guard(step)
            self._wait(aside, todo[0])
        except BaseException:
            for step in todo:
                for process in step.commands:
                    process.terminate()
            raise
        if self._failure is not None:
            raise self._failure

    def _guard(self, step: Step) -> None:
        if self._failure is not None:
            return
        began = time.monotonic()
        step.log.write_bytes(b"")
        try:
            digest = step.digest()
            step.make(step)
            (STAMPS / step.name).write_text(digest)
        except Stop as stop:
            self._failure = self._failure or stop
            for other in self._steps:
                for process in other.commands:
                    if process.poll() is None:
                        process.terminate()
            return
        except OSError as error:
            self._failure = self._failure or Stop(_t("setup.system", step=step.name, reason=error.strerror or error))
            return
        self._say(step, _t("setup.took", seconds=f"{time.monotonic() - began:.0f}"))

    def _wait(self, aside: threading.Thread, step: Step) -> None:
        while aside.is_alive():
            aside.join(HEARTBEAT)
            if aside.is_alive():
                print(f"[{self._elapsed()}] … {_t(f'setup.step_{step.name}')}", flush=True)

    def _say(self, step: Step, how: str) -> None:
        with self._lock:
            self._done += 1
            line = f"[{self._elapsed()}] {self._done}/{len(self._steps)} {_t(f'setup.step_{step.name}')}: {how}"
            print(line.replace(": ", "\u00a0: ") if _language() == "fr" else line, flush=True)

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._started:6.1f} s"


def _files(inputs: Iterable[Path]) -> Iterable[Path]:
    for path in inputs:
        if path.is_dir():
            for directory, below, names in os.walk(path):
                below[:] = [name for name in below if name not in ("target", "node_modules", "dist", "fuzz", "test")]
                yield from (Path(directory) / name for name in names)
        elif path.exists():
            yield path


def steps(demo: bool) -> list[Step]:
    """The engine first: it takes longest."""
    wanted = ROOT / ("requirements-demo.txt" if demo else "requirements.txt")
    dev = ROOT / "requirements-dev.txt"
    if (VENV / ".tests-installed").exists():
        wanted = dev  # scripts/test has installed more: leave it
    web = ROOT / "web"
    python = f"{sys.version_info[:2]} {sys.prefix}"
    return [
        Step("engine", [ROOT / "mcu"], ROOT / "mcu" / "target" / "release" / "massalia-media", _make_engine),
        Step("python", [wanted], VENV / "bin" / "massalia", lambda step: _make_python(step, wanted), python),
        Step("web", [web], web / "dist" / "room.html", _make_web),
    ]


def _make_engine(step: Step) -> None:
    step.run("cargo", "build", "--release", "--locked", "--manifest-path", "mcu/Cargo.toml", "-p", "media")


def _make_python(step: Step, wanted: Path) -> None:
    python = VENV / "bin" / "python"
    works = python.exists() and subprocess.run([python, "-c", "import pip"], check=False).returncode == 0  # noqa: S603
    if not works:
        step.run(sys.executable, "-m", "venv", "--clear", str(VENV))
    step.run(str(python), "-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "-r", str(wanted))
    site = next((VENV / "lib").glob("python*/site-packages"))
    (site / "massalia.pth").write_text(f"{ROOT}\n")
    command = VENV / "bin" / "massalia"
    command.write_text(f"#!{python}\nfrom admin.cli import main\n\nraise SystemExit(main())\n")
    command.chmod(0o755)


def _make_web(step: Step) -> None:
    step.run("npm", "ci", "--no-audit", "--no-fund", cwd=ROOT / "web")
    step.run("npm", "run", "build", cwd=ROOT / "web")


def missing_tools() -> list[str]:
    """Sentences about what apt does not bring in the right version: Rust and Node."""
    found = []
    if (rust := _version("rustc", "--version")) is None or shutil.which("cargo") is None:
        found.append(_t("setup.no_rust", wanted=_dotted(RUST_WANTED)))
    elif rust < RUST_WANTED:
        found.append(_t("setup.old_rust", found=_dotted(rust), wanted=_dotted(RUST_WANTED)))
    if (node := _version("node", "--version")) is None or shutil.which("npm") is None:
        found.append(_t("setup.no_node", wanted=_dotted(NODE_WANTED)))
    elif node < NODE_WANTED:
        found.append(_t("setup.old_node", found=_dotted(node), wanted=_dotted(NODE_WANTED)))
    return found


def missing_packages() -> list[str]:
    """Debian packages that are needed and not there."""
    wanted = []
    if shutil.which("cc") is None or shutil.which("ld") is None or not _has_headers():
        wanted.append("build-essential")
    venv_works = subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False)
    if venv_works.returncode:
        wanted.append(f"python3.{sys.version_info.minor}-venv")
    return wanted


def _has_headers() -> bool:
    words = ["cc", "-E", "-x", "c", "-"]
    done = subprocess.run(words, input=b"#include <stdlib.h>\n", capture_output=True, check=False)  # noqa: S603
    return done.returncode == 0


def install(packages: Sequence[str], may_install: bool) -> None:
    """By apt when it may (root, or sudo without a password), else say the one command. Raises Stop."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0:
        command = ["sudo", *command]
    line = " ".join(command)
    if not may_install or shutil.which("apt-get") is None or not _is_root_or_sudo():
        raise Stop(_t("setup.install", command=line))
    print(_t("setup.installing", packages=", ".join(packages)), flush=True)
    before = [] if os.geteuid() == 0 else ["sudo", "-n"]
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["apt-get", "update", "-q"], ["apt-get", "install", "-qy", "--no-install-recommends", *packages]):
        done = subprocess.run([*before, *words], env=env, capture_output=True, check=False)  # noqa: S603
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise Stop(_t("setup.apt_failed", command=line, reason=reason[-1] if reason else done.returncode))


def _is_root_or_sudo() -> bool:
    if os.geteuid() == 0:
        return True
    if shutil.which("sudo") is None:
        return False
    return subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0  # noqa: S607


def _version(*command: str) -> tuple[int, int] | None:
    """First two numbers of a tool's version, or None when it is not there or does not run."""
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    numbers = "".join(sign if sign.isdigit() else " " for sign in said).split()
    return (int(numbers[0]), int(numbers[1])) if len(numbers) >= 2 else None


def _check_disk() -> None:
    free = shutil.disk_usage(ROOT).free
    if free < DISK_WANTED:
        raise Stop(_t("setup.disk", directory=ROOT, free=free >> 20, wanted=DISK_WANTED >> 20))


def _check_port(port: int) -> None:
    """Early: nobody wants to hear it after the builds. ``massalia run`` checks all ports again."""
    for family, host in ((socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")):  # noqa: S104
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if host == "::" and error.errno not in (98, 13):
                    continue  # no IPv6 here
                raise Stop(_t("run.port_tcp", port=port, reason=error.strerror)) from None


def _tail(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()[-TAIL:]
    return "\n".join(f"    {line}" for line in lines)


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))


def _language() -> str:
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if (code := os.environ.get(variable, "")[:2].lower()) in ("fr", "en"):
            return code
    return "fr"


def _t(key: str, **values: object) -> str:
    return text(key, _language(), **values)


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/run", description="Prepare and run Massalia.")
    parser.add_argument("--demo", action="store_true", help="six synthetic participants join a room")
    parser.add_argument("--port", type=int, metavar="N", help=f"TCP port of the web server (default {DEFAULT_PORT})")
    parser.add_argument("--no-apt", action="store_true", help="print the apt command instead of running it")
    parser.add_argument("--only-prepare", action="store_true", help="stop before running")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    try:
        if problems := missing_tools():
            raise Stop("\n".join(problems))
        if not arguments.only_prepare:
            _check_port(arguments.port or int(os.environ.get("MASSALIA_HTTP_PORT") or DEFAULT_PORT))
        if packages := missing_packages():
            install(packages, not arguments.no_apt)
        Setup(steps(arguments.demo)).run()
    except Stop as stop:
        print(stop, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(_t("run.stopped"), file=sys.stderr)
        return 130
    if arguments.only_prepare:
        return 0
    words = [str(VENV / "bin" / "python"), "-m", "admin.cli", "run"]
    words += ["--demo"] if arguments.demo else []
    words += ["--port", str(arguments.port)] if arguments.port else []
    sys.stdout.flush()
    return _become(words)


def _become(words: list[str]) -> NoReturn:
    os.execv(words[0], words)  # noqa: S606 - our own program


if __name__ == "__main__":
    raise SystemExit(main())

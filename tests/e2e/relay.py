"""A bad network: the ``netem-relay`` program between the browsers and the engine."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.e2e.product import ROOT

BINARY = ROOT / "mcu" / "target" / "release" / "netem-relay"
PERFECT: dict[str, Any] = {}


class Relay:
    """Relays 127.0.0.1:``port`` to the engine's port. ``set`` changes the links of all browsers."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self._process = process
        self.port = port

    @classmethod
    def start(cls, server_port: int, seed: int = 1) -> Relay:
        """Build it if need be, and start it."""
        manifest = str(ROOT / "mcu" / "Cargo.toml")
        subprocess.run(
            ["cargo", "build", "--quiet", "--release", "--package", "netem", "--manifest-path", manifest], check=True
        )
        process = subprocess.Popen(
            [BINARY, "127.0.0.1:0", f"127.0.0.1:{server_port}", str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        return cls(process, int(json.loads(process.stdout.readline())["port"]))

    def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        """One command and its answer (see mcu/crates/netem/src/relay.rs). Raises ValueError if it is refused."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer

    def set(self, up: dict[str, Any] | None = None, down: dict[str, Any] | None = None) -> None:
        """Links from the browsers (``up``) and to them (``down``); a direction not given becomes perfect."""
        self.ask({"up": up or PERFECT, "down": down or PERFECT})

    def packets(self) -> dict[str, int]:
        """What all links have done so far, added up."""
        total: dict[str, int] = {}
        for client in self.ask({"stats": True})["clients"]:
            for way in ("up", "down"):
                for name, value in client[way].items():
                    total[f"{way}_{name}"] = total.get(f"{way}_{name}", 0) + value
        return total

    def stop(self) -> None:
        self._process.communicate(timeout=10)

"""The forwarding benchmark: our engine, the limit and str0m, one after the other, in interleaved rounds on one load.

Each round starts a fresh server, drives it with ``massalia-media load`` and takes the server's CPU time over the
generator's measured window, divided by the packets that arrived in it. ``limit`` sends the same packets to as many
sockets, sealed with the same AES-GCM and in GSO runs as long as the engine's own in that round
(mcu/benches/src/limit.rs). Figures are medians of the rounds. Standard library only: it runs before any environment is
built. Called by ``scripts/bench``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

WANTED = {"ratio_to_limit": 1.8, "user_us_per_packet": 0.8, "ratio_to_str0m": 0.6}
START_TIMEOUT = 20
Figures = dict[str, float]


def options() -> argparse.Namespace:
    """The command line; the defaults are the load of the requirement."""
    parser = argparse.ArgumentParser(description="CPU time per forwarded packet")
    parser.add_argument("--bin", type=Path, required=True, help="folder of the release binaries")
    parser.add_argument("--json", action="store_true", help="print one JSON object, last on stdout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--publishers", type=int, default=4)
    parser.add_argument("--subscribers", type=int, default=50)
    parser.add_argument("--pps", type=int, default=400)
    parser.add_argument("--size", type=int, default=1150)
    parser.add_argument("--fps", type=int, default=30)
    return parser.parse_args()


def main() -> int:
    opt = options()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)  # other work on the machine then disturbs the bursts less
    load_before = os.getloadavg()[0]
    rounds = []
    for number in range(opt.rounds):
        rounds.append(one_round(opt))
        print(f"round {number + 1}: {json.dumps(rounds[-1])}", file=sys.stderr)
    result = summary(rounds)
    result |= {"rounds": rounds, "load_average_before": round(load_before, 2), "cores": os.cpu_count()}
    if opt.json:
        print(json.dumps(result))
    else:
        print_table(result)
    return 0


def one_round(opt: argparse.Namespace) -> Figures:
    """Engine, limit and str0m once each."""
    ours = drive(opt, [opt.bin / "massalia-media", "forward", "--shards", "1", "--listen", "127.0.0.1", "--loopback"])
    run = ours["mean_gso_run"]
    same = [
        "--run",
        f"{run:.3f}",
        "--size",
        round(ours["size"]),
        "--profile",
        ours["profile"],
        "--seconds",
        opt.seconds,
    ]
    limit = run_json([opt.bin / "forward-bench", "limit", *same, *load_options(opt)])
    unpaced = run_json([opt.bin / "forward-bench", "limit", "--unpaced", *same, *load_options(opt)])
    peer = drive(opt, [opt.bin / "forward-bench", "str0m"])
    cpu = ours["user_us"] + ours["sys_us"]
    theirs = peer["user_us"] + peer["sys_us"]
    return {
        "cpu_us_per_packet": cpu,
        "user_us_per_packet": ours["user_us"],
        "sys_us_per_packet": ours["sys_us"],
        "limit_us_per_packet": limit["cpu_us_per_packet"],
        "str0m_us_per_packet": theirs,
        "str0m_user_us_per_packet": peer["user_us"],
        "limit_unpaced_us_per_packet": unpaced["cpu_us_per_packet"],
        "ratio_to_limit_unpaced": cpu / unpaced["cpu_us_per_packet"],
        "ratio_to_limit": cpu / limit["cpu_us_per_packet"],
        "ratio_to_str0m": cpu / theirs,
        "mean_gso_run": run,
        "delivery_pct": ours["delivery_pct"],
        "p50_ms": ours["p50_ms"],
        "p99_ms": ours["p99_ms"],
        "str0m_delivery_pct": peer["delivery_pct"],
        "str0m_p99_ms": peer["p99_ms"],
        "str0m_mean_gso_run": peer["mean_gso_run"],
    }


def drive(opt: argparse.Namespace, server: list[Any]) -> dict[str, Any]:
    """Run one server under the load; its CPU time is per packet that arrived."""
    with tempfile.TemporaryDirectory(prefix="massalia-bench-") as folder:
        control = Path(folder) / "control"
        with running([*server, "--control", control, "--port", "0"]) as pid:
            command = [opt.bin / "massalia-media", "load", "--control", control, "--json", "--server-pid", pid]
            got = run_json([*command, "--seconds", opt.seconds, *load_options(opt)])
    packets = max(1, got["received"])
    return {
        "user_us": got["server_user_us"] / packets,
        "sys_us": got["server_sys_us"] / packets,
        "profile": got["profile"],
        "size": got["mean_size"],
        "mean_gso_run": got["server"]["udp_out"] / max(1, got["server"]["udp_out_messages"]),
        "delivery_pct": got["delivery_pct"],
        "p50_ms": got["p50_ms"],
        "p99_ms": got["p99_ms"],
    }


def load_options(opt: argparse.Namespace) -> list[Any]:
    names = ("publishers", "subscribers", "pps", "size", "fps")
    return [word for name in names for word in (f"--{name}", getattr(opt, name))]


@contextlib.contextmanager
def running(command: list[Any]) -> Iterator[int]:
    """A server process that has printed its ready line; ended by SIGTERM."""
    process = subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line or not json.loads(line).get("ready"):
            raise SystemExit(f"{command[0]} did not start: {line!r}")
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(START_TIMEOUT)
        process.kill()
        process.wait()
        process.stdout.close()


def run_json(command: list[Any]) -> dict[str, Any]:
    """Run a program and read the JSON object on the last line of its stdout."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0 or not done.stdout.strip():
        raise SystemExit(f"{command[0]} {command[1]} failed with status {done.returncode}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def summary(rounds: list[Figures]) -> dict[str, Any]:
    """Medians by key, and whether each wanted figure is met."""
    result: dict[str, Any] = {key: round(statistics.median(r[key] for r in rounds), 3) for key in rounds[0]}
    result["met"] = {key: result[key] <= bound for key, bound in WANTED.items()}
    return result


def print_table(result: dict[str, Any]) -> None:
    for key, value in result.items():
        if isinstance(value, (int, float)):
            wanted = f"   wanted ≤ {WANTED[key]}" if key in WANTED else ""
            print(f"{key:28} {value:10}{wanted}")


if __name__ == "__main__":
    sys.exit(main())

"""The forwarding benchmark yields every promised key with a plausible value.

A short run on few subscribers: it does not judge speed, which needs a quiet machine.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEYS = (
    "cpu_us_per_packet",
    "user_us_per_packet",
    "limit_us_per_packet",
    "ratio_to_limit",
    "ratio_to_str0m",
    "mean_gso_run",
    "delivery_pct",
    "p99_ms",
)


@pytest.mark.timeout(600)
def test_a_short_run_yields_all_keys_with_plausible_values() -> None:
    command = [
        "scripts/bench",
        "forward",
        "--json",
        "--rounds",
        "1",
        "--seconds",
        "2",
        "--publishers",
        "2",
        "--subscribers",
        "5",
    ]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert [key for key in KEYS if key not in result] == []
    assert 99.0 <= result["delivery_pct"] <= 100.0
    assert 0 < result["user_us_per_packet"] < result["cpu_us_per_packet"] < 500
    assert 0.1 < result["limit_us_per_packet"] < 100
    assert 1 <= result["mean_gso_run"] <= 64
    assert 0 < result["p99_ms"] < 1000
    assert result["ratio_to_limit"] == pytest.approx(
        result["cpu_us_per_packet"] / result["limit_us_per_packet"], rel=0.01
    )

"""The load generator against the engine: losses are repaired, and strangers disturb nobody and learn nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bench.forward import run_json, running

RELEASE = Path(__file__).parents[2] / "mcu" / "target" / "release"
BINARY = RELEASE / "massalia-media"


def load(folder: Path, *options: Any) -> dict[str, Any]:
    """One run of the generator against an engine of its own."""
    control = folder / "control"
    engine = [BINARY, "forward", "--control", control, "--port", "0", "--listen", "127.0.0.1", "--loopback"]
    with running(engine):
        return run_json([BINARY, "load", "--control", control, "--json", *options])


@pytest.fixture(autouse=True)
def built() -> None:
    """scripts/test builds the engine before; a lone pytest run may not have it."""
    if not BINARY.exists():
        pytest.fail(f"{BINARY} is missing: cargo build --release --manifest-path mcu/Cargo.toml")


@pytest.mark.timeout(60)
def test_lost_packets_come_back_and_speakers_are_heard(tmp_path: Path) -> None:
    got = load(tmp_path, "--publishers", 3, "--subscribers", 4, "--pps", 90, "--seconds", 3, "--loss", 5, "--audio")
    assert got["thrown_away"] > 0
    assert got["nacked"] > 0
    assert got["recovered"] > 0.6 * got["nacked"], "repairs are lost too, but most of them work"
    assert got["delivery_pct"] > 99.5
    assert got["audio_received"] > 0
    assert (got["refused"], got["damaged"], got["unknown_ssrc"]) == (0, 0, 0)
    assert got["keyframes"] >= 12, "every subscriber's picture begins with a keyframe"


@pytest.mark.timeout(60)
def test_strangers_disturb_nobody_and_learn_nothing(tmp_path: Path) -> None:
    got = load(tmp_path, "--strangers", 20_000)
    server = got["server"]
    assert got["strangers_sent"] > 29_000
    assert got["delivery_pct"] == 100, "the honest pair loses nothing"
    assert (got["duplicates"], got["damaged"], got["refused"]) == (0, 0, 0), "no forged or replayed packet went through"
    assert got["leaks"] == 0, "a stranger gets nothing but STUN errors"
    assert got["answer_bytes"] < 0.1 * got["strangers_bytes"], "no amplifier"
    assert server["stun_unknown"] >= got["stun_unknown_ufrag"]
    assert server["drop_replay"] + server["drop_auth"] >= 0.95 * (got["srtp_replayed"] + got["srtp_forged"])
    assert server["drop_unknown_address"] >= 0.95 * (got["srtp_copied"] + got["dtls"])
    assert server["leg_lost"] == 0

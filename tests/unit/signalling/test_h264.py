"""Field case W04: profiles and levels (RFC 6184 §8.1, §8.2.2)."""

from __future__ import annotations

import pytest

from mcu import messages as engine
from signalling.sdp import h264
from signalling.webrtc import messages as m
from signalling.webrtc import offer


@pytest.mark.parametrize(
    ("offered", "asymmetry", "answered"),
    [
        # Safari: constrained baseline at level 5.2; ours when it may differ, else the lower one, which is ours too.
        ("42e034", True, "42e01f"),
        ("42e034", False, "42e01f"),
        ("42e01f", True, "42e01f"),
        ("42e01f", False, "42e01f"),
        # Baseline by name is sent as constrained baseline; the answer repeats the bytes that the browser compares.
        ("42001f", True, "42001f"),
        ("42001f", False, "42001f"),
        ("42E01F", True, "42e01f"),
        # Level 1: theirs is lower, so it holds for both unless asymmetry is allowed.
        ("420010", True, "42001f"),
        ("42000a", False, "42000a"),
        ("42e00d", False, "42e00d"),
        # No profile-level-id is baseline level 1.
        (None, True, "42001f"),
        (None, False, "420010"),
        # Main with constraint_set0 is constrained baseline in another spelling.
        ("4d801f", True, "4d801f"),
        ("58c01f", True, "58c01f"),
        # Level 1b is written by constraint_set3.
        ("42f00b", False, "42f00b"),
        ("42f00b", True, "42e01f"),
        # Other profiles do not match, whatever the level.
        ("640c34", True, None),
        ("640c1f", False, None),
        ("64001f", True, None),
        ("4d001f", True, None),
        ("58001f", True, None),
        ("f4001f", True, None),
        # Not a profile-level-id.
        ("", True, None),
        ("42e0", True, None),
        ("zzzzzz", True, None),
        ("42e01f0", True, None),
        ("00e01f", True, None),
    ],
)
def test_answered_profile_and_level(offered: str | None, asymmetry: bool, answered: str | None) -> None:
    assert h264.answer(offered, "42e01f", asymmetry=asymmetry) == answered


def test_the_default_is_level_1() -> None:
    assert h264.ProfileLevel.parse(None) == h264.ProfileLevel.parse("420010")
    assert h264.ProfileLevel.parse("42f00b").level == h264.LEVEL_1B
    assert h264.ProfileLevel.parse("640009").level == h264.LEVEL_1B
    assert h264.ProfileLevel.parse("42e00b").level == 11


HEAD = """v=0
o=- 1 1 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF {formats}
a=mid:0
a=sendonly
a=rtcp-mux
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuv
a=fingerprint:sha-256 {print}
a=setup:actpass
{lines}
"""
PRINT = ":".join(["AB"] * 32)


def read(formats: str, *lines: str) -> tuple[engine.Codec, ...]:
    sdp = HEAD.format(formats=formats, print=PRINT, lines="\n".join(lines))
    return offer.read(sdp, [m.OfferTrack(mid="0", track="camera")], []).plan.tracks[0].codecs


def test_without_a_match_vp8_is_left_and_nothing_loops() -> None:
    codecs = read(
        "96 98",
        "a=rtpmap:96 H264/90000",
        "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c34",
        "a=rtpmap:98 VP8/90000",
    )
    assert [codec.name for codec in codecs] == ["vp8"]


def test_safari_offers_high_and_constrained_baseline() -> None:
    codecs = read(
        "96 97 98",
        "a=rtpmap:96 H264/90000",
        "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c34",
        "a=rtpmap:97 H264/90000",
        "a=fmtp:97 level-asymmetry-allowed=1; packetization-mode=1; profile-level-id=42e034",
        "a=rtpmap:98 VP8/90000",
    )
    assert [(codec.name, codec.pt, codec.profile_level_id) for codec in codecs] == [
        ("vp8", 98, None),
        ("h264", 97, "42e01f"),
    ]


def test_constrained_baseline_is_taken_before_baseline() -> None:
    codecs = read(
        "96 97",
        "a=rtpmap:96 H264/90000",
        "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f",
        "a=rtpmap:97 H264/90000",
        "a=fmtp:97 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    )
    assert [codec.pt for codec in codecs] == [97]


@pytest.mark.parametrize("fmtp", ["", "a=fmtp:96 packetization-mode=0;profile-level-id=42e01f"])
def test_mode_0_is_another_format(fmtp: str) -> None:
    codecs = read("96 98", "a=rtpmap:96 H264/90000", *filter(None, [fmtp]), "a=rtpmap:98 VP8/90000")
    assert [codec.name for codec in codecs] == ["vp8"]

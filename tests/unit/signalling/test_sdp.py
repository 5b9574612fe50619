"""The SDP grammar: what is kept, tolerated and refused (RFC 8866; field case S03)."""

from __future__ import annotations

import pytest

from signalling.sdp import grammar
from signalling.sdp.attributes import (
    Candidate,
    ExtMap,
    Fingerprint,
    Fmtp,
    Group,
    Msid,
    Rid,
    RtcpFb,
    RtpMap,
    Simulcast,
    Ssrc,
    SsrcGroup,
)
from signalling.sdp.grammar import SdpError, parse
from tests.unit.signalling.offers import text

ROOM_CODEC = """v=0
o=- 1 1 IN IP4 192.0.2.9
s=-
c=IN IP4 192.0.2.9
t=0 0
m=audio 3230 RTP/AVP 115 9 8 119
a=rtpmap:115 G7221/32000
a=rtpmap:119 telephone-event/8000
m=video 3232 RTP/AVP 109 110 34
a=rtcp-fb:* ccm fir
a=rtpmap:109 H264/90000
a=fmtp:109 profile-level-id=64001f; packetization-mode=1; max-br=2000; sar=13
a=rtpmap:110 H264/90000
a=fmtp:110 profile-level-id=42801f; max-br=2000
a=content:main
a=label:11
m=application 5070 UDP/BFCP *
a=floorctrl:c-s
a=floorid:1 mstrm:12
m=video 3236/2 RTP/AVP 109
a=rtpmap:109 H264/90000
a=content:slides
m=application 3238 RTP/AVP 100
a=rtpmap:100 H224/4800"""


@pytest.mark.parametrize("name", ["chromium", "firefox"])
def test_what_a_browser_wrote_is_kept_to_the_letter(name: str) -> None:
    assert str(parse(text(name))) == text(name)


def test_a_room_codec_is_read() -> None:
    session = parse(ROOM_CODEC)
    assert [media.kind for media in session.media] == ["audio", "video", "application", "video", "application"]
    video = session.media[1]
    assert video.view("rtcp-fb", RtcpFb.parse) == (RtcpFb(None, "ccm fir"),)
    assert video.view("fmtp", Fmtp.parse)[0].get("packetization-mode") == "1"
    assert video.view("fmtp", Fmtp.parse)[0].get("sar") == "13"
    assert session.media[2].formats == ("*",)
    assert (session.media[3].port, session.media[3].port_count) == (3236, 2)
    assert str(session) == ROOM_CODEC.replace("\n", "\r\n") + "\r\n"


def test_line_ends_of_all_sorts_and_empty_lines() -> None:
    assert parse("v=0\rs=-\n\n\r\nt=0 0") == parse("v=0\r\ns=-\r\nt=0 0\r\n")


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        ("", 0),
        ("\r\n\r\n", 0),
        ("s=-", 1),
        ("v=1", 1),
        ("v=0\nrubbish", 2),
        ("v=0\n=x", 2),
        ("v=0\n1=x", 2),
        ("v=0\ns=-\na=\0", 3),
        ("v=0\nm=audio 9 RTP/AVP", 2),
        ("v=0\nm=audio x RTP/AVP 0", 2),
        ("v=0\nm=audio 65536 RTP/AVP 0", 2),
        ("v=0\nm=audio 9/x RTP/AVP 0", 2),
        ("v=0\nm=audio ٣ RTP/AVP 0", 2),
        ("v=0\nm=a/b 9 RTP/AVP 0", 2),
        ("v=0\na=" + "x" * grammar.MAX_LINE, 2),
        ("v=0\n" + "m=audio 9 RTP/AVP 0\n" * (grammar.MAX_MEDIA + 1), grammar.MAX_MEDIA + 2),
        ("v=0\n" + "a=x\n" * grammar.MAX_LINES, grammar.MAX_LINES + 1),
        ("v=0\n" + "x" * grammar.MAX_SIZE, 0),
    ],
)
def test_what_cannot_be_read_names_its_line(bad: str, line: int) -> None:
    with pytest.raises(SdpError) as refused:
        parse(bad)
    assert refused.value.line == line


def test_a_bad_attribute_names_its_line_when_it_is_read() -> None:
    session = parse("v=0\na=group:\na=x")
    with pytest.raises(SdpError) as refused:
        session.view("group", Group.parse)
    assert refused.value.line == 2 and "group" in refused.value.reason


@pytest.mark.parametrize(
    ("view", "value", "parsed"),
    [
        (RtpMap, "111 opus/48000/2", RtpMap(111, "opus", 48000, 2)),
        (RtpMap, "0 PCMU/8000", RtpMap(0, "PCMU", 8000)),
        (Fmtp, "101 0-15", Fmtp(101, (("0-15", None),))),
        (Fmtp, "63 111/111", Fmtp(63, (("111/111", None),))),
        (Fmtp, "97 apt=96", Fmtp(97, (("apt", "96"),))),
        (RtcpFb, "96 nack pli", RtcpFb(96, "nack pli")),
        (RtcpFb, "* trr-int 100", RtcpFb(None, "trr-int 100")),
        (ExtMap, "2/recvonly urn:x", ExtMap(2, "urn:x", "recvonly")),
        (ExtMap, "1 urn:x vad=on more", ExtMap(1, "urn:x", None, "vad=on more")),
        (Ssrc, "4294967295 cname:a b", Ssrc(4294967295, "cname", "a b")),
        (SsrcGroup, "FID 1 2", SsrcGroup("FID", (1, 2))),
        (Msid, "- {x}", Msid("-", "{x}")),
        (Msid, "stream", Msid("stream")),
        (Group, "BUNDLE 0 1 a", Group("BUNDLE", ("0", "1", "a"))),
        (Rid, "h send", Rid("h", "send")),
        (Rid, "1 recv pt=97;max-width=1280", Rid("1", "recv", (("pt", "97"), ("max-width", "1280")))),
        (Simulcast, "send 1,2;~3 recv 4", Simulcast((("1", "2"), ("~3",)), (("4",),))),
        (
            Candidate,
            "1 1 udp 2130706431 192.0.2.1 40000 typ srflx raddr 10.0.0.1 rport 5 generation 0",
            Candidate(
                "1", 1, "udp", 2130706431, "192.0.2.1", 40000, "srflx",
                ("raddr", "10.0.0.1", "rport", "5", "generation", "0"),
            ),
        ),
    ],
)  # fmt: skip
def test_attributes_are_read_and_written(view: type, value: str, parsed: object) -> None:
    assert view.parse(value) == parsed
    assert str(parsed) == value


@pytest.mark.parametrize(
    ("view", "value"),
    [
        (RtpMap, "111"), (RtpMap, "128 opus/48000"), (RtpMap, "1 opus"), (RtpMap, "1 /8000"), (RtpMap, "1 a/1/2/3"),
        (RtpMap, "-1 opus/48000"), (RtpMap, "1 opus/4 8"), (Fmtp, "96"), (Fmtp, "x a=b"), (RtcpFb, "96"),
        (ExtMap, "1"), (ExtMap, "x urn:x"), (ExtMap, "1/both urn:x"), (ExtMap, "9999 urn:x"), (Ssrc, ""),
        (Ssrc, "4294967296 cname:x"), (SsrcGroup, ""), (SsrcGroup, "FID x"), (Msid, ""), (Msid, "a b c"), (Group, ""),
        (Fingerprint, "sha-256"), (Fingerprint, "sha-256 AB:C"), (Rid, "a"), (Rid, "a both"), (Rid, "a/b send"),
        (Simulcast, "send"), (Simulcast, "send 1 send 2"), (Simulcast, "both 1"), (Candidate, "1 1 udp 1 a 1"),
        (Candidate, "1 1 udp 1 a 1 type host"), (Candidate, "1 1 udp 1 a 65536 typ host"),
    ],
)  # fmt: skip
def test_attributes_that_cannot_be_read(view: type, value: str) -> None:
    with pytest.raises(ValueError):
        view.parse(value)

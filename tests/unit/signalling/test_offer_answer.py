"""Offers of real browsers, broken offers, and the answer."""

from __future__ import annotations

import re

import msgspec
import pytest

from kernel.errors import Remote
from mcu import messages as engine
from signalling.sdp.attributes import Candidate, ExtMap, Fingerprint, Group, Msid, RtcpFb, RtpMap, Ssrc, SsrcGroup
from signalling.sdp.grammar import Session, parse
from signalling.webrtc import answer, offer
from signalling.webrtc import messages as m
from tests.unit.signalling.offers import browser_offer

LOCAL = engine.Local(
    ufrag="abcdefgh",
    pwd="abcdefghijklmnopqrstuvwx",
    fingerprint="sha-256 " + ":".join(["AA"] * 32),
    candidates=(
        engine.Candidate(
            foundation="1", component=1, transport="udp", priority=2130706431, address="192.0.2.1", port=40000
        ),
        engine.Candidate(
            foundation="2", component=1, transport="udp", priority=2130706175, address="2001:db8::1", port=40000
        ),
    ),
)


def read(message: m.Offer, **change: str) -> offer.Offer:
    return offer.read(message.sdp, message.tracks, message.slots)


def opened(understood: offer.Offer) -> engine.LegOpened:
    streams = tuple(
        engine.SlotStream(
            slot=slot.slot, ssrc=1000 + slot.slot, rtx_ssrc=2000 + slot.slot if slot.kind == "video" else None
        )
        for slot in understood.plan.slots
    )
    return engine.LegOpened(leg="x", local=LOCAL, streams=streams)


def answered(message: m.Offer) -> Session:
    understood = read(message)
    return parse(answer.write(understood, opened(understood), 77))


@pytest.mark.parametrize("name", ["chromium", "firefox"])
def test_a_browsers_offer_becomes_a_plan(name: str) -> None:
    plan = read(browser_offer(name)).plan
    assert [track.track for track in plan.tracks] == ["mic", "camera", "screen-audio", "screen"]
    assert [slot.slot for slot in plan.slots] == list(range(30))
    assert [slot.role for slot in plan.slots].count("speaker") == 3
    assert plan.extensions.mid and plan.extensions.audio_level
    assert plan.extensions.abs_send_time is None, "nothing uses it"
    assert plan.extensions.transport_cc == {"chromium": 3, "firefox": 7}[name]
    assert re.fullmatch(r"sha-256 ([0-9A-F]{2}:){31}[0-9A-F]{2}", plan.remote.fingerprint)
    for track in plan.tracks:
        assert len(track.ssrcs) == 1 and len(track.rtx_ssrcs) == (1 if track.kind == "video" else 0)
    names = {codec.name for slot in plan.slots if slot.kind == "video" for codec in slot.codecs}
    assert names == ({"vp8", "h264"} if name == "chromium" else {"vp8"})
    assert all(codec.rtx_pt for slot in plan.slots if slot.kind == "video" for codec in slot.codecs)
    assert (plan.extensions.rid is not None) == (name == "chromium")


@pytest.mark.parametrize("name", ["chromium", "firefox"])
def test_the_answer_fits_the_offer_line_by_line(name: str) -> None:
    message = browser_offer(name)
    asked, told = parse(message.sdp), answered(message)
    assert len(told.media) == len(asked.media)
    assert told.has("ice-lite")
    assert told.view("group", Group.parse)[0].mids == asked.view("group", Group.parse)[0].mids
    for index, (theirs, ours) in enumerate(zip(asked.media, told.media, strict=True)):
        assert (ours.kind, ours.proto, ours.text("mid")) == (theirs.kind, theirs.proto, theirs.text("mid"))
        assert ours.port != 0
        assert ours.direction == ("recvonly" if index < 4 else "sendonly")
        assert set(ours.formats) <= set(theirs.formats)
        assert ours.text("setup") == "passive" and ours.has("rtcp-mux")
        assert ours.has("rtcp-rsize") == theirs.has("rtcp-rsize")
        assert set(ours.view("extmap", ExtMap.parse)) <= set(theirs.view("extmap", ExtMap.parse))
        assert set(ours.view("rtcp-fb", RtcpFb.parse)) <= set(theirs.view("rtcp-fb", RtcpFb.parse))
        if ours.kind == "video":
            feedback = {entry.feedback for entry in ours.view("rtcp-fb", RtcpFb.parse)}
            assert feedback == {"nack", "nack pli", "ccm fir", "transport-cc"}
        uris = {extmap.uri for extmap in ours.view("extmap", ExtMap.parse)}
        assert (offer.TRANSPORT_CC in uris) == (ours.kind == "video"), "pictures only"
        assert {rtpmap.pt for rtpmap in ours.view("rtpmap", RtpMap.parse)} == set(map(int, ours.formats))
        assert ours.view("fingerprint", Fingerprint.parse)[0].algorithm == "sha-256"
        candidates = ours.view("candidate", Candidate.parse)
        assert len(candidates) == 2 and ours.has("end-of-candidates")


def test_every_slot_has_a_stream_and_ssrcs_of_its_own() -> None:
    told = answered(browser_offer("chromium"))
    streams = [media.view("msid", Msid.parse)[0].stream for media in told.media[4:]]
    assert len(set(streams)) == 30
    video = told.media[-1]
    assert video.view("ssrc-group", SsrcGroup.parse) == (SsrcGroup("FID", (1029, 2029)),)
    assert {entry.ssrc for entry in video.view("ssrc", Ssrc.parse)} == {1029, 2029}
    assert not told.media[4].view("ssrc-group", SsrcGroup.parse)


def test_mid_rid_and_repaired_rid_are_answered_to_who_offers_them() -> None:
    """Field case W01: the ids on packets decide which layer and which repair stream a packet belongs to."""
    uris = {
        extmap.uri.rpartition(":")[2]
        for extmap in answered(browser_offer("chromium")).media[1].view("extmap", ExtMap.parse)
    }
    assert {"mid", "rtp-stream-id", "repaired-rtp-stream-id", "video-orientation"} <= uris


def test_crossed_ssrc_groups_are_hints_only() -> None:
    """Field case W01: Firefox's pairs may be crossed; each SSRC is still known as media or repair, not as a pair."""
    message = browser_offer("chromium")
    track = read(message).plan.tracks[1]
    media, repair = track.ssrcs[0], track.rtx_ssrcs[0]
    more = f"a=ssrc-group:FID 11 {repair}\r\na=ssrc-group:FID {media} 22\r\na=ssrc:11 cname:x\r\na=ssrc:22 cname:x\r\n"
    changed = msgspec.structs.replace(
        message, sdp=message.sdp.replace(f"a=ssrc-group:FID {media} {repair}\r\n", more, 1)
    )
    track = read(changed).plan.tracks[1]
    assert set(track.ssrcs) == {media, 11} and set(track.rtx_ssrcs) == {repair, 22}


def test_a_room_decides_its_codecs() -> None:
    message = browser_offer("chromium")
    only = offer.read(message.sdp, message.tracks, message.slots, ("h264",))
    assert {codec.name for slot in only.plan.slots if slot.kind == "video" for codec in slot.codecs} == {"h264"}
    first = offer.read(message.sdp, message.tracks, message.slots, ("h264", "vp8"))
    assert [codec.name for codec in first.plan.tracks[1].codecs] == ["h264", "vp8"]


def test_a_line_without_our_codecs_is_refused_alone() -> None:
    message = browser_offer("firefox")
    understood = offer.read(message.sdp, message.tracks, message.slots, ("h264",))
    assert [track.track for track in understood.plan.tracks] == ["mic", "screen-audio"]
    told = parse(answer.write(understood, opened(understood), 1))
    assert [media.port for media in told.media[:4]] == [9, 0, 9, 0]
    assert "1" not in told.view("group", Group.parse)[0].mids


def test_a_line_that_nobody_named_is_refused_alone() -> None:
    message = browser_offer("chromium")
    fewer = offer.read(message.sdp, message.tracks[:2], message.slots)
    told = parse(answer.write(fewer, opened(fewer), 1))
    assert [media.port for media in told.media[:5]] == [9, 9, 0, 0, 9]


BROKEN = {
    "no BUNDLE": (r"a=group:BUNDLE.*\r\n", ""),
    "a line outside the BUNDLE": (r"a=group:BUNDLE 0 ", "a=group:BUNDLE "),
    "two BUNDLE groups": (r"(a=group:BUNDLE.*\r\n)", r"\1\1"),
    "no mid": (r"a=mid:3\r\n", ""),
    "a mid twice": (r"a=mid:3\r\n", "a=mid:2\r\n"),
    "a long mid": (r"a=mid:3\r\n", "a=mid:" + "3" * 17 + "\r\n"),
    "no fingerprint": (r"a=fingerprint:.*\r\n", ""),
    "SHA-1 only": (r"a=fingerprint:sha-256 .*\r\n", "a=fingerprint:sha-1 " + ":".join(["AB"] * 20) + "\r\n"),
    "a short SHA-256": (r"a=fingerprint:sha-256 .*\r\n", "a=fingerprint:sha-256 " + ":".join(["AB"] * 20) + "\r\n"),
    "a fingerprint that is none": (r"a=fingerprint:sha-256 .*\r\n", "a=fingerprint:sha-256 hello\r\n"),
    "passive": (r"a=setup:actpass", "a=setup:passive"),
    "no setup": (r"a=setup:actpass\r\n", ""),
    "no ufrag": (r"a=ice-ufrag:.*\r\n", ""),
    "a short pwd": (r"a=ice-pwd:.*\r\n", "a=ice-pwd:short\r\n"),
    "a pwd of other characters": (r"a=ice-pwd:.*\r\n", "a=ice-pwd:" + "é" * 30 + "\r\n"),
    "no rtcp-mux": (r"a=rtcp-mux\r\n", ""),
    "a payload type twice in the list": (r"(m=audio 9 UDP/TLS/RTP/SAVPF) (\d+)", r"\1 \2 \2"),
    "a payload type mapped twice": (r"(a=rtpmap:111 opus/48000/2\r\n)", r"\1a=rtpmap:111 PCMU/8000\r\n"),
    "an extension id with two meanings": (
        r"a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:4 urn:x",
    ),
    "another protocol": (r"UDP/TLS/RTP/SAVPF", "RTP/AVP"),
    "a direction that cannot be": (r"a=sendonly", "a=recvonly"),
    "not a description": (r"^v=0", "w=0"),
    "a number that is none": (r"a=rtpmap:111 opus/48000/2", "a=rtpmap:eleven opus/48000/2"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_offer_is_a_bad_offer(fault: str) -> None:
    message = browser_offer("chromium")
    pattern, replacement = BROKEN[fault]
    sdp = re.sub(pattern, replacement, message.sdp)
    assert sdp != message.sdp
    with pytest.raises(Remote) as refused:
        read(msgspec.structs.replace(message, sdp=sdp))
    assert refused.value.code == "bad_offer" and refused.value.detail


def _changed(**change: object) -> m.Offer:
    return msgspec.structs.replace(browser_offer("chromium"), **change)


TRACKS, SLOTS = browser_offer("chromium").tracks, browser_offer("chromium").slots


@pytest.mark.parametrize(
    "message",
    [
        _changed(tracks=(*TRACKS, m.OfferTrack(mid="99", track="mic"))),
        _changed(tracks=(*TRACKS[:3], m.OfferTrack(mid="3", track="camera"))),
        _changed(tracks=(m.OfferTrack(mid="1", track="mic"),)),
        _changed(tracks=(m.OfferTrack(mid="4", track="mic"),), slots=()),
        _changed(slots=(*SLOTS, m.OfferSlot(mid="0", slot=40, kind="audio", role="view"))),
        _changed(slots=(m.OfferSlot(mid="4", slot=0, kind="video", role="view"),)),
        _changed(slots=(m.OfferSlot(mid="8", slot=0, kind="video", role="speaker"),)),
        _changed(slots=tuple(msgspec.structs.replace(slot, slot=1) for slot in SLOTS[:2])),
        _changed(slots=(msgspec.structs.replace(SLOTS[0], slot=64),)),
        _changed(slots=(msgspec.structs.replace(SLOTS[0], slot=-1),)),
        _changed(tracks=(), slots=()),
        _changed(sdp=browser_offer("chromium").sdp + "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:x\r\n" * 40),
    ],
)
def test_names_that_do_not_fit_the_lines_are_a_bad_offer(message: m.Offer) -> None:
    with pytest.raises(Remote) as refused:
        read(message)
    assert refused.value.code == "bad_offer"


@pytest.mark.parametrize("name", ["chromium", "firefox"])
def test_truncated_offers_are_answered_or_refused(name: str) -> None:
    """Cut at every 97th character: never anything but a plan or a bad offer."""
    message = browser_offer(name)
    refused = 0
    for end in range(0, len(message.sdp), 97 if name == "firefox" else 997):
        try:
            read(msgspec.structs.replace(message, sdp=message.sdp[:end]))
        except Remote as fault:
            assert fault.code == "bad_offer"
            refused += 1
    assert refused > 100


def test_browsers_are_told_how_much_a_picture_may_take() -> None:
    understood = read(browser_offer("chromium"))
    told = parse(answer.write(understood, opened(understood), 1, per_sender=4_000_000))
    caps = {line.mid: [entry.value for entry in media.lines if entry.type == "b"] for line, media in zip(
        understood.lines, told.media, strict=True
    )}  # fmt: skip
    pictures = {track.mid for track in understood.plan.tracks if track.kind == "video"}
    assert len(pictures) == 2
    assert caps == {line.mid: ["TIAS:4000000"] if line.mid in pictures else [] for line in understood.lines}


@pytest.mark.parametrize("order", [("vp8", "h264"), ("h264", "vp8"), ("h264",)])
def test_the_rooms_order_of_codecs_is_answered(order: tuple[str, ...]) -> None:
    message = browser_offer("chromium")
    plan = offer.read(message.sdp, message.tracks, message.slots, order).plan
    for line in (*plan.tracks, *plan.slots):
        if line.kind == "video":
            assert tuple(codec.name for codec in line.codecs) == order

"""Writes the answer to an offer from what the engine opened (RFC 8829 §5.3, RFC 3264 §6).

ICE-lite with all candidates at once (RFC 8839 §4.2.2, §5.4; a=end-of-candidates, RFC 8838 §8.2), a=setup:passive, one
BUNDLE. The person's own tracks are received, his slots are sent, each slot in a media stream of its own (RFC 8830)
under SSRCs that never change (RFC 5576), so that what a slot shows changes without a new description.
"""

from __future__ import annotations

from collections.abc import Iterator

from mcu import messages as m
from signalling.sdp.attributes import Candidate, Fmtp, Group, RtcpFb, RtpMap, Ssrc, SsrcGroup
from signalling.sdp.grammar import Line as SdpLine
from signalling.sdp.grammar import Media, Session, attribute, media
from signalling.webrtc.offer import Line, Offer

CNAME = "massalia"
FEEDBACK = ("nack", "nack pli", "ccm fir")
"""What we answer for video when it was offered (RFC 4585 §4.2, RFC 5104 §7.1)."""
TRANSPORT_CC = "transport-cc"
"""Feedback where its header extension is answered too; goog-remb is left out, since one estimate is enough."""
OPUS = (("minptime", "10"), ("useinbandfec", "1"), ("usedtx", "1"))


def write(offer: Offer, opened: m.LegOpened, session_id: int, *, per_sender: int | None = None) -> str:
    """The answer's text. ``session_id`` is random, below 2^63 (RFC 8866 §5.2). ``per_sender``: most bits per second
    that the browser may send of one picture."""
    streams = {stream.slot: stream for stream in opened.streams}
    mids = tuple(line.mid for line in offer.lines if line.accepted)
    head = (
        SdpLine("v", "0"),
        SdpLine("o", f"- {session_id} 1 IN IP4 127.0.0.1"),
        SdpLine("s", "-"),
        SdpLine("t", "0 0"),
        attribute("group", Group("BUNDLE", mids)),
        attribute("ice-lite"),
        attribute("msid-semantic", "WMS *"),
    )
    sections = tuple(_section(line, opened.local, streams, per_sender) for line in offer.lines)
    return str(Session(head, sections))


def _section(line: Line, local: m.Local, streams: dict[int, m.SlotStream], per_sender: int | None) -> Media:
    offered = line.media
    if not line.accepted:
        refused = (SdpLine("c", "IN IP4 0.0.0.0"), attribute("inactive"), attribute("mid", line.mid))
        return media(offered.kind, 0, offered.proto, offered.formats[:1], refused)
    lines = [SdpLine("c", "IN IP4 0.0.0.0")]
    if per_sender is not None and line.track is not None and line.track.kind == "video":
        lines.append(SdpLine("b", f"TIAS:{per_sender}"))  # RFC 3890 §6.2.2; voices are small and not capped
    lines.append(attribute("mid", line.mid))
    lines.append(attribute("recvonly" if line.track else "sendonly"))
    lines += [attribute("rtcp-mux")]
    lines += [attribute("rtcp-rsize")] if offered.has("rtcp-rsize") else []
    lines += _transport(local)
    lines += [attribute("extmap", extmap) for extmap in line.extensions]
    lines += [entry for codec in line.codecs for entry in _codec(codec, line)]
    if line.slot is not None:
        lines += _stream(line.slot, streams.get(line.slot.slot))
    formats = [str(pt) for codec in line.codecs for pt in (codec.pt, codec.rtx_pt) if pt is not None]
    return media(offered.kind, 9, offered.proto, formats, lines)


def _transport(local: m.Local) -> Iterator[SdpLine]:
    """The BUNDLE's transport, repeated on every line: browsers read the first (RFC 9143 §7.3), aiortc the last."""
    yield attribute("ice-ufrag", local.ufrag)
    yield attribute("ice-pwd", local.pwd)
    yield attribute("fingerprint", local.fingerprint)
    yield attribute("setup", "passive")
    for candidate in local.candidates:
        yield attribute("candidate", _candidate(candidate))
    yield attribute("end-of-candidates")


def _codec(codec: m.Codec, line: Line) -> Iterator[SdpLine]:
    match codec.name:
        case "opus":
            yield attribute("rtpmap", RtpMap(codec.pt, "opus", codec.clock_rate, 2))
            stereo = (("stereo", "1"),) if line.track and line.track.track == "screen-audio" else ()
            yield attribute("fmtp", Fmtp(codec.pt, (*OPUS, *stereo)))
        case "vp8":
            yield attribute("rtpmap", RtpMap(codec.pt, "VP8", codec.clock_rate))
        case "h264":
            yield attribute("rtpmap", RtpMap(codec.pt, "H264", codec.clock_rate))
            parameters = (
                ("level-asymmetry-allowed", "1"),
                ("packetization-mode", str(codec.packetization_mode or 0)),
                ("profile-level-id", codec.profile_level_id),
            )
            yield attribute("fmtp", Fmtp(codec.pt, parameters))
    if line.media.kind == "video":
        for feedback in (*FEEDBACK, TRANSPORT_CC) if line.transport_cc else FEEDBACK:
            if (codec.pt, feedback) in line.feedback:
                yield attribute("rtcp-fb", RtcpFb(codec.pt, feedback))
    if codec.rtx_pt is not None:
        yield attribute("rtpmap", RtpMap(codec.rtx_pt, "rtx", codec.clock_rate))
        yield attribute("fmtp", Fmtp(codec.rtx_pt, (("apt", str(codec.pt)),)))


def _stream(slot: m.Slot, stream: m.SlotStream | None) -> Iterator[SdpLine]:
    name = f"slot-{slot.slot}"
    yield attribute("msid", f"{name} {name}-{slot.kind}")
    if stream is None:
        return
    ssrcs = [ssrc for ssrc in (stream.ssrc, stream.rtx_ssrc) if ssrc is not None]
    if len(ssrcs) == 2:
        yield attribute("ssrc-group", SsrcGroup("FID", tuple(ssrcs)))
    for ssrc in ssrcs:
        yield attribute("ssrc", Ssrc(ssrc, "cname", CNAME))


def _candidate(candidate: m.Candidate) -> Candidate:
    extensions = ("tcptype", "passive") if candidate.transport == "tcp" else ()
    return Candidate(
        candidate.foundation,
        candidate.component,
        candidate.transport,
        candidate.priority,
        candidate.address,
        candidate.port,
        "host",
        extensions,
    )

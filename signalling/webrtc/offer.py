"""Reads a browser's offer (JSEP, RFC 8829) into a plan for the engine (`leg.LegPlan`).

One BUNDLE with rtcp-mux (RFC 9143, RFC 8858), DTLS-SRTP with a SHA-256 fingerprint and the browser able to be active
(RFC 8842, RFC 8122), m-lines as the message `Offer` names them. A m-line that is not named there, or that has no codec
of ours, is refused by port 0 in the answer and costs the others nothing. A zero port with a=bundle-only is no refusal.

SSRCs in the offer are hints only (field case W01): mid, rid and repaired-rid on the packets win, and the pairs of
a=ssrc-group:FID are known to be crossed in the field. a=simulcast and a=rid are read by nobody yet.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from kernel.errors import Remote
from mcu import messages as m
from signalling.leg import LegPlan
from signalling.rooms.ports import AUDIO_TRACKS
from signalling.sdp import h264
from signalling.sdp.attributes import ExtMap, Fingerprint, Fmtp, Group, RtcpFb, RtpMap, Ssrc, SsrcGroup
from signalling.sdp.grammar import Media, SdpError, Session, parse
from signalling.webrtc.messages import OfferSlot, OfferTrack

MAX_LINES = 64
"""m-lines of one offer: four tracks and thirty slots, with room to grow."""
MAX_SSRCS = 16
"""SSRC hints kept of one track."""
H264_LEVEL = "42e01f"
"""What we answer: constrained baseline, level 3.1."""

TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
EXTENSIONS: dict[str, str] = {
    "urn:ietf:params:rtp-hdrext:sdes:mid": "mid",
    "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id": "rid",
    "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id": "repaired_rid",
    "urn:ietf:params:rtp-hdrext:ssrc-audio-level": "audio_level",
    "urn:3gpp:video-orientation": "video_orientation",
    TRANSPORT_CC: "transport_cc",
}
"""Header extensions we take, by URI, and their names in m.Extensions. Only ids 1 to 14 (one-byte form, RFC 8285
§4.2)."""

_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_MID = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,16}")


@dataclass(frozen=True, slots=True)
class Line:
    """One m-line of the offer and what becomes of it: exactly one of ``track`` and ``slot``, or neither when
    refused."""

    media: Media
    mid: str
    codecs: tuple[m.Codec, ...] = ()
    extensions: tuple[ExtMap, ...] = ()
    feedback: frozenset[tuple[int, str]] = frozenset()
    """Payload type and feedback that the browser understands; the wildcard is resolved."""
    track: m.Track | None = None
    slot: m.Slot | None = None

    @property
    def accepted(self) -> bool:
        return self.track is not None or self.slot is not None

    @property
    def transport_cc(self) -> bool:
        return any(extmap.uri == TRANSPORT_CC for extmap in self.extensions)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer understood."""

    lines: tuple[Line, ...]
    plan: LegPlan


def bad(reason: str, line: int = 0) -> NoReturn:
    raise Remote("bad_offer", f"line {line}: {reason}" if line else reason, field="sdp")


def read(
    sdp: str, tracks: Sequence[OfferTrack], slots: Sequence[OfferSlot], video: Sequence[str] = ("vp8", "h264")
) -> Offer:
    """Understand an offer. ``video``: the room's codecs. Raises Remote("bad_offer") with the reason."""
    try:
        session = parse(sdp)
        return _read(session, tracks, slots, video)
    except SdpError as error:
        bad(error.reason, error.line)


def _read(session: Session, tracks: Sequence[OfferTrack], slots: Sequence[OfferSlot], video: Sequence[str]) -> Offer:
    if not 1 <= len(session.media) <= MAX_LINES:
        bad(f"{len(session.media)} media lines, 1 to {MAX_LINES} expected")
    mids = _mids(session)
    _check_bundle(session, mids)
    roles = _roles(mids, tracks, slots)
    maps = _Maps(video)
    lines = tuple(_line(media, mid, roles.get(mid), maps) for media, mid in zip(session.media, mids, strict=True))
    accepted = [line for line in lines if line.accepted]
    if not accepted:
        bad("no media line has a codec of ours")
    plan = LegPlan(
        remote=_remote(session, accepted),
        tracks=tuple(line.track for line in lines if line.track is not None),
        slots=tuple(line.slot for line in lines if line.slot is not None),
        extensions=maps.extensions(),
    )
    return Offer(lines, plan)


def _mids(session: Session) -> list[str]:
    mids: list[str] = []
    for media in session.media:
        mid = media.text("mid")
        if mid is None or not _MID.fullmatch(mid):
            bad("a=mid is missing or longer than 16 characters", media.number)
        if mid in mids:
            bad(f"a=mid:{mid} twice", media.number)
        mids.append(mid)
    return mids


def _check_bundle(session: Session, mids: list[str]) -> None:
    groups = [group for group in session.view("group", Group.parse) if group.semantics == "BUNDLE"]
    if len(groups) != 1:
        bad("one BUNDLE group is needed")
    missing = [mid for mid in mids if mid not in groups[0].mids]
    if missing:
        bad(f"a=mid:{missing[0]} is not in the BUNDLE")
    for media in session.media:
        if media.kind in ("audio", "video") and media.port != 0 and not media.has("rtcp-mux"):
            bad("a=rtcp-mux is needed", media.number)


def _roles(
    mids: list[str], tracks: Sequence[OfferTrack], slots: Sequence[OfferSlot]
) -> dict[str, OfferTrack | OfferSlot]:
    """Which m-line is what, checked to be one thing each."""
    roles: dict[str, OfferTrack | OfferSlot] = {}
    entries: list[OfferTrack | OfferSlot] = [*tracks, *slots]
    for entry in entries:
        if entry.mid not in mids:
            bad(f"no media line has a=mid:{entry.mid}")
        if entry.mid in roles:
            bad(f"a=mid:{entry.mid} is named twice")
        roles[entry.mid] = entry
    if len({track.track for track in tracks}) != len(tracks):
        bad("a track is named twice")
    if len({slot.slot for slot in slots}) != len(slots):
        bad("a slot is named twice")
    if any(not 0 <= slot.slot < MAX_LINES for slot in slots):
        bad("a slot number is out of range")
    if any(slot.role == "speaker" and slot.kind == "video" for slot in slots):
        bad("a speaker slot is for audio")
    return roles


class _Maps:
    """What must be the same on all m-lines of a BUNDLE: payload types (RFC 9143 §9.1), extension ids (RFC 8285 §8)."""

    def __init__(self, video: Sequence[str]) -> None:
        self.video = video
        """The room's video codecs."""
        self._payloads: dict[int, tuple[str, int]] = {}
        self._ids: dict[int, str] = {}
        self._uris: dict[str, int] = {}

    def payload(self, rtpmap: RtpMap, line: int) -> None:
        codec = (rtpmap.name.lower(), rtpmap.clock_rate)
        if self._payloads.setdefault(rtpmap.pt, codec) != codec:
            bad(f"payload type {rtpmap.pt} has two meanings", line)

    def extension(self, extmap: ExtMap, line: int) -> None:
        if self._ids.setdefault(extmap.id, extmap.uri) != extmap.uri:
            bad(f"extension id {extmap.id} has two meanings", line)
        if extmap.uri in EXTENSIONS and self._uris.setdefault(extmap.uri, extmap.id) != extmap.id:
            bad(f"extension {extmap.uri} has two ids", line)

    def extensions(self) -> m.Extensions:
        named = {EXTENSIONS[uri]: id for uri, id in self._uris.items() if 1 <= id <= 14}
        return m.Extensions(**named)


def _line(media: Media, mid: str, role: OfferTrack | OfferSlot | None, maps: _Maps) -> Line:
    refused = Line(media, mid)
    if role is None or (media.port == 0 and not media.has("bundle-only")) or media.direction == "inactive":
        return refused
    if media.kind not in ("audio", "video") or media.proto.upper() not in ("UDP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF"):
        bad(f"{media.kind} over {media.proto} is not ours", media.number)
    _check_role(media, role)
    codecs = _codecs(media, maps)
    extensions = _extensions(media, maps)
    if media.kind != "video":
        # Voices are small and come first: their rate is left alone, at both ends.
        extensions = tuple(extmap for extmap in extensions if extmap.uri != TRANSPORT_CC)
    if not codecs:
        return refused
    feedback = frozenset(
        (codec.pt, entry.feedback)
        for entry in media.view("rtcp-fb", RtcpFb.parse)
        for codec in codecs
        if entry.pt in (None, codec.pt)
    )
    if isinstance(role, OfferSlot):
        slot = m.Slot(slot=role.slot, kind=role.kind, mid=mid, role=role.role, codecs=codecs)
        return Line(media, mid, codecs, extensions, feedback, slot=slot)
    ssrcs, rtx_ssrcs = _ssrcs(media)
    kind: m.Kind = "audio" if role.track in AUDIO_TRACKS else "video"
    track = m.Track(track=role.track, kind=kind, mid=mid, codecs=codecs, ssrcs=ssrcs, rtx_ssrcs=rtx_ssrcs)
    return Line(media, mid, codecs, extensions, feedback, track=track)


def _check_role(media: Media, role: OfferTrack | OfferSlot) -> None:
    if isinstance(role, OfferSlot):
        kind, directions = role.kind, ("recvonly", "sendrecv")
    else:
        kind, directions = ("audio" if role.track in AUDIO_TRACKS else "video"), ("sendonly", "sendrecv")
    if media.kind != kind:
        bad(f"a=mid:{role.mid} is {media.kind}, not {kind}", media.number)
    if media.direction not in directions:
        bad(f"a=mid:{role.mid} is {media.direction}", media.number)


def _codecs(media: Media, maps: _Maps) -> tuple[m.Codec, ...]:
    """Our codecs among those offered, in the room's order, H.264 once (constrained baseline before baseline)."""
    offered = _rtpmaps(media, maps)
    fmtps = {fmtp.pt: fmtp for fmtp in media.view("fmtp", Fmtp.parse)}
    rtx: dict[int, int] = {}
    for pt, rtpmap in offered.items():
        apt = fmtps[pt].get("apt") if rtpmap.name.lower() == "rtx" and pt in fmtps else None
        if apt is not None and apt.isascii() and apt.isdigit():
            rtx.setdefault(int(apt), pt)
    found: list[m.Codec] = []
    for pt, rtpmap in offered.items():
        codec = _codec(media.kind, rtpmap, fmtps.get(pt), rtx.get(pt))
        if codec is None:
            continue
        same = next((index for index, other in enumerate(found) if other.name == codec.name), None)
        if same is None:
            found.append(codec)
        elif codec.name == "h264" and not _preferred(found[same], fmtps) and _preferred(codec, fmtps):
            found[same] = codec
    if media.kind == "video":
        found = [codec for codec in found if codec.name in maps.video]
        found.sort(key=lambda codec: maps.video.index(codec.name))
    return tuple(found)


def _rtpmaps(media: Media, maps: _Maps) -> dict[int, RtpMap]:
    """Payload types in the order of the m= line; a type mapped twice or listed twice is a bad offer."""
    by_pt: dict[int, RtpMap] = {}
    for rtpmap in media.view("rtpmap", RtpMap.parse):
        if rtpmap.pt in by_pt:
            bad(f"a=rtpmap:{rtpmap.pt} twice", media.number)
        by_pt[rtpmap.pt] = rtpmap
        maps.payload(rtpmap, media.number)
    if len(set(media.formats)) != len(media.formats):
        bad("a payload type is listed twice", media.number)
    return {int(pt): by_pt[int(pt)] for pt in media.formats if pt.isascii() and pt.isdigit() and int(pt) in by_pt}


def _preferred(codec: m.Codec, fmtps: dict[int, Fmtp]) -> bool:
    return codec.pt in fmtps and h264.is_preferred(fmtps[codec.pt].get("profile-level-id"))


def _codec(kind: str, rtpmap: RtpMap, fmtp: Fmtp | None, rtx: int | None) -> m.Codec | None:
    match kind, rtpmap.name.lower(), rtpmap.clock_rate:
        case "audio", "opus", 48000 if rtpmap.channels == 2:
            return m.Codec(name="opus", pt=rtpmap.pt, clock_rate=48000)
        case "video", "vp8", 90000:
            return m.Codec(name="vp8", pt=rtpmap.pt, clock_rate=90000, rtx_pt=rtx)
        case "video", "h264", 90000:
            return _h264(rtpmap.pt, fmtp, rtx)
    return None


def _h264(pt: int, fmtp: Fmtp | None, rtx: int | None) -> m.Codec | None:
    """Mode 1 only: what others send in mode 1 could not be passed to a mode 0 receiver. Levels: field case W04."""
    if h264.packetization_mode(fmtp) != 1:
        return None
    offered = fmtp.get("profile-level-id") if fmtp else None
    asymmetry = fmtp is not None and fmtp.get("level-asymmetry-allowed") == "1"
    profile = h264.answer(offered, H264_LEVEL, asymmetry=asymmetry)
    if profile is None:
        return None
    return m.Codec(
        name="h264", pt=pt, clock_rate=90000, rtx_pt=rtx, packetization_mode=1, profile_level_id=profile
    )  # fmt: skip


def _extensions(media: Media, maps: _Maps) -> tuple[ExtMap, ...]:
    kept: list[ExtMap] = []
    for extmap in media.view("extmap", ExtMap.parse):
        if extmap.id == 0 or extmap.id > 255:
            continue
        maps.extension(extmap, media.number)
        if extmap.uri in EXTENSIONS and extmap.id <= 14 and extmap.direction in (None, "sendrecv"):
            kept.append(ExtMap(extmap.id, extmap.uri))
    return tuple(kept)


def _ssrcs(media: Media) -> tuple[tuple[int, ...], tuple[int, ...]]:
    ssrcs = list(dict.fromkeys(entry.ssrc for entry in media.view("ssrc", Ssrc.parse)))
    pairs = [group.ssrcs for group in media.view("ssrc-group", SsrcGroup.parse) if group.semantics == "FID"]
    rtx = list(dict.fromkeys(ssrc for pair in pairs for ssrc in pair[1:]))
    return tuple(ssrc for ssrc in ssrcs if ssrc not in rtx)[:MAX_SSRCS], tuple(rtx)[:MAX_SSRCS]


def _remote(session: Session, accepted: list[Line]) -> m.Remote:
    """The transport of the BUNDLE, read from its first accepted m-line (RFC 9143 §7.2), then from the session level."""
    media = accepted[0].media
    ufrag, pwd = (media.text(name) or session.text(name) for name in ("ice-ufrag", "ice-pwd"))
    if ufrag is None or not _UFRAG.fullmatch(ufrag) or pwd is None or not _PWD.fullmatch(pwd):
        bad("a=ice-ufrag or a=ice-pwd is missing or malformed", media.number)
    fingerprints = media.view("fingerprint", Fingerprint.parse) or session.view("fingerprint", Fingerprint.parse)
    fingerprint = next((print for print in fingerprints if print.algorithm == "sha-256"), None)
    if fingerprint is None or len(fingerprint.value) != 95:
        bad("a SHA-256 fingerprint is needed", media.number)
    setup = media.text("setup") or session.text("setup")
    if setup not in ("actpass", "active"):
        bad(f"a=setup:{setup}: the browser must be able to be active", media.number)
    return m.Remote(ufrag=ufrag, pwd=pwd, fingerprint=str(fingerprint))

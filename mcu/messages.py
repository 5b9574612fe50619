"""Messages of the control socket between the control plane and the media engine, version 1.

Wire format (docs/control-socket.md): each frame is a 4-byte big-endian length (at most ``MAX_FRAME``) and one
MessagePack map, a ``Frame``. A request carries ``id`` and ``req``; its reply carries the same ``id`` and either ``res``
or ``err``; an event carries ``seq`` and ``evt``. The first request on a connection is ``hello``.

The same types are written in Rust (``mcu/crates/media/src/control/messages.rs``); the samples in ``mcu/_contract`` are
parsed by both (tests/contract). No message carries a file descriptor, a pointer or a local path, so that the same
messages can later travel over a network to many media hosts.

Units: milliseconds, bits per second, RTP clock rates in hertz. Audio levels are RFC 6464 ``-dBov`` (0 loud, 127
silent).
"""

from __future__ import annotations

from typing import Literal

import msgspec

VERSION = 1
MAX_FRAME = 16 << 20
"""A snapshot of seven rooms of 100 legs with the full slot plan measures 6.3 MB."""
MAX_BLOB = 16 * 1024

Kind = Literal["audio", "video"]
CodecName = Literal["opus", "vp8", "h264"]


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of the values that travel inside messages."""


class Codec(Struct):
    """One negotiated payload format of one m-line, as seen by the browser."""

    name: CodecName
    pt: int
    clock_rate: int
    rtx_pt: int | None = None
    packetization_mode: int | None = None
    profile_level_id: str | None = None


class Extensions(Struct):
    """Header extension ids negotiated for the BUNDLE (RFC 8285); None means not negotiated."""

    mid: int | None = None
    rid: int | None = None
    repaired_rid: int | None = None
    audio_level: int | None = None
    video_orientation: int | None = None
    abs_send_time: int | None = None
    transport_cc: int | None = None


class Track(Struct):
    """One stream the leg may send: ``track`` is its name in the room (mic, camera, screen, screen-audio)."""

    track: str
    kind: Kind
    mid: str
    codecs: tuple[Codec, ...]
    ssrcs: tuple[int, ...] = ()
    """Hints from a=ssrc lines; header extensions win over them."""
    rtx_ssrcs: tuple[int, ...] = ()


class Slot(Struct):
    """One receive slot negotiated once. ``role`` speaker slots are filled by the engine (loudest first);
    view slots show what ``leg.view`` assigns."""

    slot: int
    kind: Kind
    mid: str
    role: Literal["speaker", "view"]
    codecs: tuple[Codec, ...]


class Source(Struct):
    """A published track: leg id and track name."""

    leg: str
    track: str


class Assignment(Struct):
    """What one view slot shows; ``source`` None empties it. ``height`` is the tile's height in CSS pixels × device
    ratio."""

    slot: int
    source: Source | None = None
    height: int = 0


class SlotStream(Struct):
    """SSRCs the engine chose for a slot; they go into the SDP answer (RFC 5576)."""

    slot: int
    ssrc: int
    rtx_ssrc: int | None = None


class Candidate(Struct):
    """One ICE host candidate of the shard that holds the room (RFC 8839 §5.1)."""

    foundation: str
    component: int
    transport: Literal["udp", "tcp"]
    priority: int
    address: str
    port: int


class Remote(Struct):
    """What the browser's offer says of its transport. ``fingerprint`` is ``sha-256 AA:BB:…`` (RFC 8122)."""

    ufrag: str
    pwd: str
    fingerprint: str


class Local(Struct):
    """The engine's end of the transport, for the SDP answer (ICE-lite, ``a=setup:passive``)."""

    ufrag: str
    pwd: str
    fingerprint: str
    candidates: tuple[Candidate, ...]


class ShardInfo(Struct):
    index: int
    rooms: int
    legs: int
    candidates: tuple[Candidate, ...]


class Watched(Struct):
    """A video track of the leg that somebody watches, as ``track.wanted`` last told it."""

    track: str
    height: int = 0
    """The largest tile's height, as in ``Assignment``."""


class LegState(Struct):
    """One leg as the engine holds it: enough for a new control plane to adopt it."""

    leg: str
    connected: bool
    tracks: tuple[Track, ...]
    slots: tuple[Slot, ...]
    streams: tuple[SlotStream, ...]
    view: tuple[Assignment, ...]
    gated: tuple[str, ...]
    wanted: tuple[Watched, ...]
    """The leg's video tracks that somebody watches; what is not named need not be sent."""
    blob: bytes
    blob_version: int


class RoomState(Struct):
    room: str
    shard: int
    legs: tuple[LegState, ...]


class ActiveSpeaker(Struct):
    leg: str
    level: int


# --- requests -------------------------------------------------------------------------------------------------------


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of the requests."""


class Hello(Request, tag="hello"):
    """First request. The engine refuses a version it does not know with error ``version``."""

    version: int
    peer: str
    subscribe: bool = True
    """Receive events on this connection."""


class RoomOpen(Request, tag="room.open"):
    """Open a room on the least loaded shard; idempotent."""

    room: str


class RoomClose(Request, tag="room.close"):
    """Close a room and all its legs; unknown room is no error."""

    room: str


class LegOpen(Request, tag="leg.open"):
    """Open a WebRTC leg in a room (or replace the leg of the same id). Answer: ``leg.opened``."""

    room: str
    leg: str
    remote: Remote
    tracks: tuple[Track, ...]
    slots: tuple[Slot, ...]
    extensions: Extensions
    blob: bytes = b""
    blob_version: int = 0


class LegView(Request, tag="leg.view"):
    """Assign view slots; slots not named keep what they show."""

    leg: str
    assign: tuple[Assignment, ...]


class LegGate(Request, tag="leg.gate"):
    """Close (True) or open (False) the gate of a track: packets of a gated track are dropped at ingress (mute by
    server)."""

    leg: str
    track: str
    gated: bool


class LegBlob(Request, tag="leg.blob"):
    """Store the control plane's opaque state with the leg (at most MAX_BLOB bytes)."""

    leg: str
    blob: bytes
    blob_version: int


class LegClose(Request, tag="leg.close"):
    """Close a leg; unknown leg is no error. Sends DTLS close_notify."""

    leg: str


class LegStats(Request, tag="leg.stats"):
    leg: str


class Snapshot(Request, tag="snapshot"):
    """All rooms and legs, for adoption."""


class Stats(Request, tag="stats"):
    """Counters of the whole engine."""


AnyRequest = (
    Hello | RoomOpen | RoomClose | LegOpen | LegView | LegGate | LegBlob | LegClose | LegStats | Snapshot | Stats
)


# --- responses ------------------------------------------------------------------------------------------------------


class Response(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of the responses."""


class Ok(Response, tag="ok"):
    pass


class Welcome(Response, tag="welcome"):
    """``engine`` is random per engine process: a changed value means that all legs are gone."""

    version: int
    engine: str
    build: str
    shards: tuple[ShardInfo, ...]


class RoomOpened(Response, tag="room.opened"):
    room: str
    shard: int


class LegOpened(Response, tag="leg.opened"):
    leg: str
    local: Local
    streams: tuple[SlotStream, ...]


class Snapped(Response, tag="snapshot"):
    engine: str
    rooms: tuple[RoomState, ...]


class Counters(Response, tag="stats"):
    """Monotonic counters by name (``rtp_in``, ``rtp_out``, ``drop_replay``…); see docs/control-socket.md."""

    engine: str
    uptime_ms: int
    counters: dict[str, int]
    rooms: int
    legs: int


class LegCounters(Response, tag="leg.stats"):
    leg: str
    connected: bool
    remote_address: str | None = None
    dtls_version: str | None = None
    srtp_profile: str | None = None
    counters: dict[str, int] = {}


AnyResponse = Ok | Welcome | RoomOpened | LegOpened | Snapped | Counters | LegCounters


class Error(Struct):
    """``code`` is one of: version, malformed, not_hello, unknown_room, unknown_leg, unknown_track, unknown_slot,
    too_large, limit, bad_remote, internal. ``detail`` is English, for the log."""

    code: str
    detail: str


# --- events ---------------------------------------------------------------------------------------------------------


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of the events."""


class LegConnected(Event, tag="leg.connected"):
    """ICE and DTLS are up, media may flow."""

    leg: str


class LegLost(Event, tag="leg.lost"):
    """The leg's transport ended. The engine keeps the leg's state until ``leg.close`` or a new ``leg.open``."""

    leg: str
    reason: Literal["consent", "dtls_failed", "dtls_closed", "timeout"]


class Speakers(Event, tag="speakers"):
    """Who is heard in a room, loudest first (at most three), at most ten times a second and only on change."""

    room: str
    dominant: str | None = None
    active: tuple[ActiveSpeaker, ...] = ()


class TrackWanted(Event, tag="track.wanted"):
    """Whether anybody watches a video track: the browser stops sending what nobody watches."""

    leg: str
    track: str
    wanted: bool
    height: int = 0


class TrackFlowing(Event, tag="track.flowing"):
    """A track's packets began (or stopped for 2 s)."""

    leg: str
    track: str
    flowing: bool
    codec: CodecName | None = None


AnyEvent = LegConnected | LegLost | Speakers | TrackWanted | TrackFlowing


class Frame(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One frame of the control socket: a request, a reply or an event."""

    id: int | None = None
    req: AnyRequest | None = None
    res: AnyResponse | None = None
    err: Error | None = None
    seq: int | None = None
    evt: AnyEvent | None = None


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Frame).decode

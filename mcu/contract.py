"""Samples of the control socket's messages, parsed by Python and by Rust: ``python -m mcu.contract`` writes
``mcu/_contract``.

Each file is one ``Frame``: ``<part>.<type>.<variant>`` as MessagePack (what travels) and as JSON (what people read;
bytes are base64). ``full`` sets every field, ``bare`` only the required ones; other variants go through the values of
a literal. Both languages must decode every sample, and Python must encode it again to the same bytes; Rust to an equal
value.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import msgspec

from mcu import messages as m

DIRECTORY: Final = Path(__file__).parent / "_contract"

ERROR_CODES: Final = (
    "version",
    "malformed",
    "not_hello",
    "unknown_room",
    "unknown_leg",
    "unknown_track",
    "unknown_slot",
    "too_large",
    "limit",
    "bad_remote",
    "internal",
)

OPUS = m.Codec(name="opus", pt=111, clock_rate=48000)
VP8 = m.Codec(name="vp8", pt=96, clock_rate=90000, rtx_pt=97)
H264 = m.Codec(name="h264", pt=102, clock_rate=90000, rtx_pt=103, packetization_mode=1, profile_level_id="42e01f")
FINGERPRINT = "sha-256 " + ":".join(f"{byte:02X}" for byte in range(0x20, 0x40))
UDP = m.Candidate(foundation="1", component=1, transport="udp", priority=2130706431, address="198.51.100.7", port=40001)
TCP = m.Candidate(foundation="2", component=1, transport="tcp", priority=2105524479, address="2001:db8::7", port=40000)
SHARD = m.ShardInfo(index=1, rooms=2, legs=40, candidates=(UDP, TCP))
MIC = m.Track(track="mic", kind="audio", mid="0", codecs=(OPUS,), ssrcs=(4294967295,))
CAMERA = m.Track(track="camera", kind="video", mid="1", codecs=(VP8, H264), ssrcs=(11, 12), rtx_ssrcs=(13, 14))
VOICE = m.Slot(slot=0, kind="audio", mid="4", role="speaker", codecs=(OPUS,))
TILE = m.Slot(slot=3, kind="video", mid="7", role="view", codecs=(VP8, H264))
STREAMS = (m.SlotStream(slot=0, ssrc=1000), m.SlotStream(slot=3, ssrc=2000, rtx_ssrc=2001))
SHOWN = m.Assignment(slot=3, source=m.Source(leg="leg-b", track="camera"), height=720)
EMPTY = m.Assignment(slot=4)
LEG = m.LegState(
    leg="leg-a",
    connected=True,
    tracks=(MIC, CAMERA),
    slots=(VOICE, TILE),
    streams=STREAMS,
    view=(SHOWN, EMPTY),
    gated=("camera",),
    wanted=(m.Watched(track="camera", height=720),),
    blob=b"\x00\x01state\xff",
    blob_version=7,
)
EXTENSIONS = m.Extensions(
    mid=1, rid=2, repaired_rid=3, audio_level=4, video_orientation=5, abs_send_time=6, transport_cc=7
)
LEG_OPEN = m.LegOpen(
    room="vieux-port",
    leg="leg-a",
    remote=m.Remote(ufrag="Ab3+", pwd="0123456789abcdefghijkl", fingerprint=FINGERPRINT),  # noqa: S106 - a sample
    tracks=(MIC, CAMERA),
    slots=(VOICE, TILE),
    extensions=EXTENSIONS,
    blob=b"\x00\x01state\xff",
    blob_version=7,
)
LOCAL = m.Local(
    ufrag="srv0",
    pwd="zyxwvutsrqponmlkjihgfe",  # noqa: S106 - a sample
    fingerprint=FINGERPRINT,
    candidates=(UDP, TCP),
)
COUNTS = {"rtp_in": 9007199254740993, "rtp_out": 0, "drop_replay": 3}

REQUESTS: Final[tuple[m.AnyRequest, ...]] = (
    m.Hello(version=m.VERSION, peer="control-1", subscribe=False),
    m.RoomOpen(room="vieux-port"),
    m.RoomClose(room="vieux-port"),
    LEG_OPEN,
    m.LegView(leg="leg-a", assign=(SHOWN, EMPTY)),
    m.LegGate(leg="leg-a", track="mic", gated=True),
    m.LegBlob(leg="leg-a", blob=bytes(range(256)), blob_version=2),
    m.LegClose(leg="leg-a"),
    m.LegStats(leg="leg-a"),
    m.Snapshot(),
    m.Stats(),
)
RESPONSES: Final[tuple[m.AnyResponse, ...]] = (
    m.Ok(),
    m.Welcome(version=m.VERSION, engine="5f3a9c", build="0.1.0", shards=(SHARD,)),
    m.RoomOpened(room="vieux-port", shard=1),
    m.LegOpened(leg="leg-a", local=LOCAL, streams=STREAMS),
    m.Snapped(engine="5f3a9c", rooms=(m.RoomState(room="vieux-port", shard=1, legs=(LEG,)),)),
    m.Counters(engine="5f3a9c", uptime_ms=123456, counters=COUNTS, rooms=2, legs=40),
    m.LegCounters(
        leg="leg-a",
        connected=True,
        remote_address="192.0.2.9:51000",
        dtls_version="1.3",
        srtp_profile="AEAD_AES_128_GCM",
        counters=COUNTS,
    ),
)
EVENTS: Final[tuple[m.AnyEvent, ...]] = (
    m.LegConnected(leg="leg-a"),
    m.LegLost(leg="leg-a", reason="consent"),
    m.Speakers(
        room="vieux-port",
        dominant="leg-a",
        active=(m.ActiveSpeaker(leg="leg-a", level=20), m.ActiveSpeaker(leg="leg-b", level=127)),
    ),
    m.TrackWanted(leg="leg-a", track="camera", wanted=True, height=360),
    m.TrackFlowing(leg="leg-a", track="camera", flowing=True, codec="vp8"),
)


def bare(value: Any) -> Any:
    """``value`` with only the fields that must be there, at every depth."""
    if isinstance(value, tuple):
        return tuple(bare(item) for item in value)
    if not isinstance(value, msgspec.Struct):
        return value
    required = {field.name for field in msgspec.structs.fields(type(value)) if field.required}
    return type(value)(**{name: bare(getattr(value, name)) for name in required})


def variants(message: Any) -> Iterator[tuple[str, Any]]:
    """``full``, ``bare`` where it differs, and one variant for each other value of a top-level literal."""
    yield "full", message
    if bare(message) != message:
        yield "bare", bare(message)
    for field in msgspec.structs.fields(type(message)):
        kind = next((each for each in (field.type, *get_args(field.type)) if _literals(each)), None)
        for value in _literals(kind):
            if value != getattr(message, field.name):
                yield str(value), msgspec.structs.replace(message, **{field.name: value})


def _literals(kind: Any) -> tuple[Any, ...]:
    arguments = get_args(kind)
    return arguments if arguments and all(isinstance(value, str) for value in arguments) else ()


def samples() -> dict[str, m.Frame]:
    """Every sample by its file name without suffix."""
    found: dict[str, m.Frame] = {}
    for part, messages in (("request", REQUESTS), ("response", RESPONSES), ("event", EVENTS)):
        for message in messages:
            for variant, value in variants(message):
                name = f"{part}.{type(message).__struct_config__.tag}.{variant}"
                found[name] = _frame(part, value)
    for code in ERROR_CODES:
        found[f"error.{code}"] = m.Frame(id=3, err=m.Error(code=code, detail=f"why it is {code}"))
    return found


def _frame(part: str, message: Any) -> m.Frame:
    if part == "request":
        return m.Frame(id=1, req=message)
    if part == "response":
        return m.Frame(id=4294967296, res=message)
    return m.Frame(seq=2, evt=message)


def files() -> dict[str, bytes]:
    """Every file's name and content."""
    written: dict[str, bytes] = {}
    for name, frame in samples().items():
        written[f"{name}.msgpack"] = m.encode(frame)
        written[f"{name}.json"] = msgspec.json.format(msgspec.json.encode(frame), indent=2) + b"\n"
    return written


def write(directory: Path, wanted: dict[str, bytes]) -> None:
    """Make ``directory`` hold exactly ``wanted``."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in directory.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        (directory / name).write_bytes(content)


if __name__ == "__main__":
    write(DIRECTORY, files())

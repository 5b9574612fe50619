"""``massalia probe``: joins a room as a browser would, sends and receives media for a while, measures, and reports.

Measured: how long joining and the media connection took, the round trip by WebSocket and by RTCP, and for what is
received packets, loss, jitter, frames a second and the loudest sound. Exit code 0 if the room works, 1 if it does
not, 2 if refused.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import time
from typing import Any

import msgspec
import numpy as np
from aiortc import MediaStreamTrack

from admin.synthetic.participant import Participant, Person, Refused, Server
from admin.synthetic.peer import Slots
from admin.synthetic.picture import Look, Picture
from admin.synthetic.server import add_server_arguments, server_of
from admin.synthetic.speech import Conversation, Voice, melody
from admin.synthetic.tracks import Camera, Microphone
from signalling.webrtc.messages import TrackName, ViewSlot

SLOTS = Slots(audio=3, video=4)
NAME = "Sonde"


class Report(msgspec.Struct, kw_only=True):
    """What a probe found. Times in milliseconds, levels in dBov (0 loud, -127 silent), ``None`` where nothing could
    be measured.
    """

    ok: bool = False
    problem: str | None = None
    join_ms: float | None = None
    media_ms: float | None = None
    websocket_rtt_ms: float | None = None
    rtcp_rtt_ms: float | None = None
    others: int = 0
    sent_packets: int = 0
    sent_loss_pct: float | None = None
    received_packets: int = 0
    received_loss_pct: float | None = None
    jitter_ms: float | None = None
    frames: int = 0
    frames_per_second: float = 0.0
    audio_level_dbov: float = -127.0


class _Ears:
    """Counts what arrives."""

    def __init__(self) -> None:
        self.frames = 0
        self.level = -127.0

    async def take(self, _slot: int, frame: Any) -> None:
        if hasattr(frame, "samples"):
            pcm = frame.to_ndarray().astype(np.float64)
            power = float(np.sqrt(np.mean(pcm * pcm)))
            if power > 0:
                self.level = max(self.level, 20 * math.log10(power / 32768))
        else:
            self.frames += 1


async def probe(server: Server, person: Person, seconds: float, patience: float = 15.0) -> Report:
    """Join, measure for ``seconds``, leave. Joining and connecting may take ``patience`` seconds each."""
    report, ears = Report(), _Ears()
    talk = Conversation([(0, melody(Voice("m1", 40), "un deux trois"))])
    picture = Picture(Look(NAME, 0.1, "cross"), 320, 180)

    def tracks() -> dict[TrackName, MediaStreamTrack]:
        return {"mic": Microphone(talk, 0), "camera": Camera(picture)}

    participant = Participant(server, person, tracks, ears.take)
    running = asyncio.create_task(participant.run())
    try:
        began = time.monotonic()
        await _either(running, participant.joined.wait(), patience, "the server did not let us join in time")
        report.join_ms = _ms(time.monotonic() - began)
        await _either(running, _connected(participant), patience, "no media connection came up (UDP blocked?)")
        report.media_ms = _ms(time.monotonic() - began)
        others = [p for p in participant.roster.values() if p.id != participant.you]
        report.others = len(others)
        watched = [p for p in others if "camera" in p.tracks][: SLOTS.video]
        await participant.view(
            tuple(ViewSlot(slot=SLOTS.audio + n, participant=p.id, height=360) for n, p in enumerate(watched))
        )
        await _either(running, asyncio.sleep(seconds), seconds + patience, "")
        report.websocket_rtt_ms = _ms(await participant.ping())
        await _measure(participant, report)
        _judge(report, watching=bool(watched))
        await participant.leave()
    except _Problem as problem:
        report.problem = str(problem)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    report.frames, report.frames_per_second = ears.frames, round(ears.frames / seconds, 1)
    report.audio_level_dbov = round(ears.level, 1)
    if report.ok and report.others and not report.received_packets:
        report.ok, report.problem = False, "nothing was received from the others"
    return report


class _Problem(Exception):
    pass


async def _connected(participant: Participant) -> None:
    while not participant.connected.is_set():  # the event is another one after each restart
        try:
            await asyncio.wait_for(participant.connected.wait(), 0.25)
        except TimeoutError:
            continue


async def _either(running: asyncio.Task[None], step: Any, patience: float, problem: str) -> None:
    """Wait for ``step``, unless the participant ends first (its refusal is raised) or patience does."""
    waiting = asyncio.ensure_future(step)
    done, _ = await asyncio.wait({waiting, running}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
    if waiting not in done:
        waiting.cancel()
        if running in done:
            await running
        raise _Problem(problem)


async def _measure(participant: Participant, report: Report) -> None:
    if participant.peer is None:
        return
    received = lost = sent = sent_lost = 0
    jitters, trips = [], []
    for stat in (await participant.peer.stats()).values():
        match stat.type:
            case "inbound-rtp" if stat.packetsReceived:
                received, lost = received + stat.packetsReceived, lost + max(0, stat.packetsLost)
                jitters.append(stat.jitter / (48 if stat.kind == "audio" else 90))
            case "outbound-rtp":
                sent += stat.packetsSent
            case "remote-inbound-rtp":
                sent_lost += max(0, stat.packetsLost)
                if stat.roundTripTime is not None:
                    trips.append(stat.roundTripTime)
    report.received_packets, report.sent_packets = received, sent
    report.received_loss_pct = round(100 * lost / (received + lost), 2) if received else None
    report.sent_loss_pct = round(100 * sent_lost / sent, 2) if sent else None
    report.jitter_ms = round(max(jitters), 2) if jitters else None
    report.rtcp_rtt_ms = _ms(max(trips)) if trips else None


def _judge(report: Report, *, watching: bool) -> None:
    report.ok = report.sent_packets > 0
    if not report.ok:
        report.problem = "no packet was sent"
    elif watching and not report.received_packets:
        report.ok, report.problem = False, "nobody's picture arrived"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


_LABELS = {
    "join_ms": "joined after (ms)",
    "media_ms": "media connected after (ms)",
    "websocket_rtt_ms": "round trip, WebSocket (ms)",
    "rtcp_rtt_ms": "round trip, RTCP (ms)",
    "others": "other participants",
    "sent_packets": "packets sent",
    "sent_loss_pct": "of these lost (%)",
    "received_packets": "packets received",
    "received_loss_pct": "lost before us (%)",
    "jitter_ms": "worst jitter (ms)",
    "frames": "frames decoded",
    "frames_per_second": "frames a second, all slots",
    "audio_level_dbov": "loudest sound (dBov)",
}


def readable(report: Report) -> str:
    """The report as lines of text."""
    lines = [f"{label:<28} {'-' if (v := getattr(report, key)) is None else v}" for key, label in _LABELS.items()]
    return "\n".join([*lines, "the room works" if report.ok else f"PROBLEM: {report.problem}"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_server_arguments(parser)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long to measure (default 10)")
    parser.add_argument("--codec", choices=("vp8", "h264"), default="vp8")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    person = Person(arguments.room, NAME, arguments.pin, arguments.codec, SLOTS)
    code = 0
    try:
        report = asyncio.run(probe(server_of(arguments), person, arguments.seconds))
        code = 0 if report.ok else 1
    except Refused as refused:
        report, code = Report(problem=str(refused)), 2
    print(json.dumps(msgspec.to_builtins(report)) if arguments.json else readable(report))
    return code


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="massalia probe", description="Joins a room, measures, reports.")
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())

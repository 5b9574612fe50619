"""From what rooms say to what the browser reads: notices, seats and faults as messages of `messages.py`."""

from __future__ import annotations

from kernel import i18n
from kernel.errors import Fault, Local
from signalling.rooms import permissions, ports
from signalling.rooms.registry import Admission
from signalling.rooms.room import Room
from signalling.webrtc import messages as m

CODES = frozenset(
    (
        "version", "malformed", "unknown_room", "bad_pin", "pin_delay", "full", "bad_name", "not_joined", "bad_offer",
        "bad_token", "too_fast", "forbidden", "too_large", "internal", "unavailable",
    )
)  # fmt: skip
"""What a browser is told (messages.Failure); other codes of ours become ``unavailable`` or ``internal``."""
_AS_UNAVAILABLE = frozenset({"timeout", "overload"})
RETRY_UNAVAILABLE = 1000
"""Milliseconds."""

PLANS: dict[m.DeviceKind, m.SlotPlan] = {
    "desktop": m.SlotPlan(),
    "tablet": m.SlotPlan(video=12),
    "phone": m.SlotPlan(video=6),
}


def message(notice: ports.Notice) -> m.ServerMessage:
    match notice:
        case ports.RosterChanged():
            put = tuple(map(participant, notice.put))
            return m.Roster(seq=notice.seq, put=put, gone=notice.gone, total=notice.total)
        case ports.SpeakersChanged():
            active = tuple(m.Speaker(id=id, level=level) for id, level in notice.active)
            return m.Speakers(dominant=notice.dominant, active=active)
        case ports.SendTrack():
            return m.Send(track=notice.track, active=notice.active, height=notice.height)
        case ports.TrackMuted():
            return m.Muted(track=notice.track, by=notice.by)
        case ports.RestartMedia():
            return m.MediaRestart(reason=notice.reason)
        case ports.SessionEnded():
            return m.Bye(reason=notice.reason)


def participant(person: ports.Person) -> m.Participant:
    return m.Participant(
        id=person.id,
        name=person.name,
        role=person.role,
        kind=person.kind,
        guest=person.guest,
        tracks=person.tracks,
        connected=person.connected,
        joined_at=person.joined_at,
    )


def joined(admission: Admission, *, resumed: bool, device: m.DeviceKind) -> m.Joined:
    room, seat = admission.room, admission.seat
    return m.Joined(
        version=m.VERSION,
        you=seat.id,
        role=seat.role,
        token=admission.token,
        room=room_info(room, permissions.may_share(room.spec, seat.role)),
        roster=tuple(map(participant, room.roster())),
        plan=PLANS[device],
        resumed=resumed,
        need_offer=room.needs_offer(seat.id),
    )


def room_info(room: Room, may_share: bool) -> m.RoomInfo:
    spec = room.spec
    return m.RoomInfo(
        slug=spec.slug,
        name=spec.name,
        number=spec.number,
        seats=spec.seats,
        mode=spec.mode,
        language=spec.language,
        may_share=may_share,
        layouts=spec.layouts,
    )


def failure(fault: Fault, language: str, *, fatal: bool = False) -> m.Failure:
    """What the person is told of a fault: a sentence in his language, never the detail."""
    code = fault.code
    if code not in CODES:
        code = "unavailable" if code in _AS_UNAVAILABLE else "internal"
    retry = None if fault.retry_after is None else max(1, round(fault.retry_after * 1000))
    if code == "unavailable" and retry is None and isinstance(fault, Local):
        retry = RETRY_UNAVAILABLE
    text = i18n.text(fault.answer.message, language, **fault.values)
    return m.Failure(code=code, message=text, fatal=fatal, retry_after=retry, field=fault.field)

"""Messages between the browser and the control plane, version 1: JSON text frames over one WebSocket
(docs/protocol.md).

Each message is its own type, told apart by ``type``. TypeScript mirrors them in ``web/protocol/messages.ts``; the
samples in ``tests/contract/websocket`` are parsed by both. Ids are opaque strings. Times are milliseconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec

VERSION = 1
SUBPROTOCOL = "massalia.v1"
MAX_MESSAGE = 256 * 1024
"""A text frame above this many bytes closes the socket with 1009. Chromium's offer for the full slot plan (30 receive
slots, all its codecs) measures 150 KB as JSON."""

TrackName = Literal["mic", "camera", "screen", "screen-audio"]
DeviceKind = Literal["desktop", "tablet", "phone"]
Role = Literal["participant", "organiser"]


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Base of values inside messages."""


class Message(Value, tag_field="type"):
    """Base of all messages."""


class Participant(Value):
    """One person or device in the roster. ``tracks`` are the tracks now published and not muted."""

    id: str
    name: str
    role: Role
    kind: Literal["browser", "sip", "h323", "phone", "synthetic"] = "browser"
    guest: bool = True
    tracks: tuple[TrackName, ...] = ()
    connected: bool = True
    """False while the connection is lost and the seat is kept."""
    joined_at: int = 0


class RoomInfo(Value):
    slug: str
    name: str
    number: str
    seats: int
    mode: Literal["meeting", "stage"]
    language: Literal["fr", "en"]
    may_share: bool
    layouts: tuple[str, ...] = ("grid", "speaker")


class SlotPlan(Value):
    """How many receive slots of each sort the client negotiates, once (docs/protocol.md §5)."""

    audio: int = 3
    video: int = 25
    content_audio: int = 1
    content_video: int = 1


class OfferTrack(Value):
    """Which m-line of the offer sends which track."""

    mid: str
    track: TrackName


class OfferSlot(Value):
    """Which m-line of the offer is which receive slot. Slots are numbered from 0 in m-line order."""

    mid: str
    slot: int
    kind: Literal["audio", "video"]
    role: Literal["speaker", "view"]
    """speaker: voices, filled by the engine; view: what the client asks for with ``view``."""


class ViewSlot(Value):
    slot: int
    participant: str | None = None
    track: TrackName = "camera"
    height: int = 0


class Speaker(Value):
    id: str
    level: int


class IceServer(Value):
    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None


# --- client to server -----------------------------------------------------------------------------------------------


class Join(Message, tag="join"):
    version: int
    room: str
    """Slug, alias or number."""
    name: str
    pin: str | None = None
    device: DeviceKind = "desktop"
    language: Literal["fr", "en"] = "fr"


class Resume(Message, tag="resume"):
    """Take one's seat again after a lost WebSocket; answered by ``joined`` with ``resumed`` true."""

    version: int
    token: str
    media_alive: bool
    """Whether the peer connection still works; if not the client sends a new ``offer`` next."""


class Offer(Message, tag="offer"):
    """A new peer connection's offer (never a renegotiation: slots are negotiated once per connection)."""

    sdp: str
    tracks: tuple[OfferTrack, ...]
    slots: tuple[OfferSlot, ...]


class Publish(Message, tag="publish"):
    """One's own track is on (sending) or off (muted). The engine gates what is off."""

    track: TrackName
    on: bool


class View(Message, tag="view"):
    """What the view slots shall show; slots not named keep what they show."""

    slots: tuple[ViewSlot, ...]


class MuteOther(Message, tag="mute"):
    """Organiser only: close another person's track; that person may open it again."""

    participant: str
    track: TrackName


class Leave(Message, tag="leave"):
    pass


class Ping(Message, tag="ping"):
    t: int


ClientMessage = Join | Resume | Offer | Publish | View | MuteOther | Leave | Ping


# --- server to client -----------------------------------------------------------------------------------------------


class Joined(Message, tag="joined"):
    version: int
    you: str
    role: Role
    token: str
    """Secret for ``resume``; renewed at each ``joined``."""
    room: RoomInfo
    roster: tuple[Participant, ...]
    plan: SlotPlan
    ice_servers: tuple[IceServer, ...] = ()
    resumed: bool = False
    need_offer: bool = True


class Answer(Message, tag="answer"):
    sdp: str


class Roster(Message, tag="roster"):
    """Changes of the roster, batched at 100 ms. ``seq`` rises by one; a gap means: ask again by ``resume``."""

    seq: int
    put: tuple[Participant, ...] = ()
    """New or changed participants."""
    gone: tuple[str, ...] = ()
    total: int = 0


class Speakers(Message, tag="speakers"):
    dominant: str | None = None
    active: tuple[Speaker, ...] = ()


class Send(Message, tag="send"):
    """Start or stop sending a video track (nobody watches it)."""

    track: TrackName
    active: bool
    height: int = 0


class Muted(Message, tag="muted"):
    """Somebody else closed one of your tracks."""

    track: TrackName
    by: str


class MediaRestart(Message, tag="media.restart"):
    """Make a new peer connection and send a new ``offer`` at once."""

    reason: Literal["engine", "transport"]


class Bye(Message, tag="bye"):
    """The server ends the session; the socket closes next."""

    reason: Literal["left", "room_closed", "replaced", "kicked", "timeout"]


class Failure(Message, tag="error"):
    """``code``: version, malformed, unknown_room, bad_pin, pin_delay, full, bad_name, not_joined, bad_offer,
    bad_token, too_fast, forbidden, too_large, internal, unavailable. ``message`` is a sentence in the person's
    language. ``fatal``: the socket closes next."""

    code: str
    message: str
    fatal: bool = False
    retry_after: int | None = None
    """Milliseconds to wait before trying again."""
    field: str | None = None


class Pong(Message, tag="pong"):
    t: int


ServerMessage = Joined | Answer | Roster | Speakers | Send | Muted | MediaRestart | Bye | Failure | Pong

encode = msgspec.json.Encoder().encode
decode_client = msgspec.json.Decoder(ClientMessage).decode
decode_server = msgspec.json.Decoder(ServerMessage).decode

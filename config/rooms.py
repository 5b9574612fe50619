"""The typed model of a room: what a YAML file of ``config/rooms`` says, and what a booking will yield.

The YAML loader (``config.load``), the JSON Schema (``config.schema``) and this model are one: field names, constraints
and descriptions are written here only. Rates are bits per second in memory and ``2.5 Mb/s`` in the file.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from config.units import RATE_PATTERN

HARD_SEATS: Final = 100
"""No room has more seats."""

Mode = Literal["meeting", "stage"]
Share = Literal["everyone", "organisers"]
Layout = Literal["grid", "speaker"]
VideoCodec = Literal["vp8", "h264"]
Language = Literal["fr", "en"]

Name = Annotated[str, Meta(min_length=1, max_length=80, description="Name shown to people.")]
Slug = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$",
        description="Name in the address (/r/<slug>): small letters, digits and hyphens.",
        extra={"expected": "slug"},
    ),
]
Number = Annotated[
    str,
    Meta(
        pattern=r"^[1-9][0-9]{2,8}$",
        description="Number dialled to reach the room: 3 to 9 digits, in quotes.",
        extra={"expected": "number"},
    ),
]
Alias = Annotated[str, Meta(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?$", extra={"expected": "slug"})]
Pin = Annotated[
    str,
    Meta(
        pattern=r"^[0-9]{6,12}$",
        description="6 to 12 digits, in quotes; 8 or 9 are recommended.",
        extra={"expected": "pin", "secret": True},
    ),
]
Rate = Annotated[
    int,
    Meta(
        ge=64_000,
        le=100_000_000,
        extra={"unit": "rate"},
        extra_json_schema={"pattern": RATE_PATTERN, "examples": ["2.5 Mb/s", "800 kb/s"]},
    ),
]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the pieces of a room."""


class Pins(Part):
    """Codes typed to enter. None: no code is asked for that role (nobody becomes organiser by code)."""

    participant: Pin | None = None
    organiser: Pin | None = None

    def __repr__(self) -> str:
        """Says only which codes exist: a room may be logged, its codes never."""
        return f"Pins(participant={'set' if self.participant else None}, organiser={'set' if self.organiser else None})"


class Bandwidth(Part):
    """Caps on one participant's streams."""

    per_sender: Annotated[Rate, Meta(description="Most that one participant may send.")] = 2_500_000
    per_receiver: Annotated[Rate, Meta(description="Most that one participant is sent.")] = 12_000_000


class RoomSpec(Part):
    """One virtual room."""

    name: Name
    slug: Slug
    number: Number
    aliases: Annotated[tuple[Alias, ...], Meta(max_length=20, description="Other names that reach the room.")] = ()
    seats: Annotated[int, Meta(ge=1, le=HARD_SEATS, description="Most people at once, 1 to 100.")] = HARD_SEATS
    pins: Annotated[Pins, Meta(description="Codes to enter as participant and as organiser.")] = Pins()
    mode: Annotated[Mode, Meta(description="meeting: all may speak; stage: only those on stage.")] = "meeting"
    lobby: Annotated[bool, Meta(description="People wait until an organiser lets them in.")] = False
    share: Annotated[Share, Meta(description="Who may share a screen.")] = "everyone"
    layouts: Annotated[
        tuple[Layout, ...], Meta(min_length=1, max_length=2, description="Layouts offered; the first is the default.")
    ] = ("grid", "speaker")
    bandwidth: Annotated[Bandwidth, Meta(description="Caps per participant.")] = Bandwidth()
    codecs: Annotated[
        tuple[VideoCodec, ...],
        Meta(min_length=1, max_length=2, description="Video codecs in order of preference; audio is always Opus."),
    ] = ("vp8", "h264")
    recording: Annotated[bool, Meta(description="The room may be recorded.")] = False
    streaming: Annotated[bool, Meta(description="The room may be streamed to the public.")] = False
    language: Annotated[Language, Meta(description="Language of the room's prompts and messages.")] = "fr"
    description: Annotated[str, Meta(max_length=500, description="A sentence for the list of rooms.")] = ""

    @property
    def pin_required(self) -> bool:
        """Whether a participant must type a code."""
        return self.pins.participant is not None

    @property
    def names(self) -> tuple[str, ...]:
        """All that reaches this room: slug, number, aliases."""
        return (self.slug, self.number, *self.aliases)

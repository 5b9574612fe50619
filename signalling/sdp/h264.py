"""Which H.264 profiles and levels fit together: profile-level-id (RFC 6184 §8.1, table 5; §8.2.2 offer/answer).

The level never hinders a match: with level-asymmetry-allowed on both sides each side states what it can receive, else
the lower level holds for both. Baseline (42001f) and constrained baseline (42e01f) are taken as one: the tools that
baseline adds (FMO, ASO, redundant slices) are sent by no browser, and Safari and Chromium name either for the same
stream.

Packetization modes are different formats (§8.2.2): mode 1 must not be sent to a mode 0 receiver, so they never match.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from signalling.sdp.attributes import Fmtp

DEFAULT = "420010"
"""What a missing profile-level-id means (RFC 6184 §8.1): baseline, level 1."""

_PATTERNS: tuple[tuple[int, str, str], ...] = (
    (0x42, "x1xx0000", "constrained-baseline"),
    (0x4D, "1xxx0000", "constrained-baseline"),
    (0x58, "11xx0000", "constrained-baseline"),
    (0x42, "x0xx0000", "baseline"),
    (0x58, "10xx0000", "baseline"),
    (0x4D, "0x0x0000", "main"),
    (0x58, "00xx0000", "extended"),
    (0x64, "00000000", "high"),
    (0x64, "00001100", "constrained-high"),
    (0x6E, "00000000", "high-10"),
    (0x7A, "00000000", "high-4:2:2"),
    (0xF4, "00000000", "high-4:4:4"),
    (0x6E, "00010000", "high-10-intra"),
    (0x7A, "00010000", "high-4:2:2-intra"),
    (0xF4, "00010000", "high-4:4:4-intra"),
    (0x2C, "00010000", "cavlc-4:4:4-intra"),
)
"""profile_idc, profile_iop bits (x: either), sub-profile: RFC 6184 table 5, and constrained high from H.264
(A.2.4.2)."""

LEVEL_1B = 10.5
"""Level 1b, between 1 (10) and 1.1 (11)."""


@dataclass(frozen=True, slots=True)
class ProfileLevel:
    """A profile-level-id taken apart. ``level`` is ten times the level's name (3.1 is 31), 1b is LEVEL_1B."""

    profile: str
    level: float
    idc: int
    iop: int
    level_idc: int

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read six hexadecimal digits; None is the default. Raises ValueError for anything else or an unknown
        profile."""
        text = DEFAULT if text is None else text
        if not re.fullmatch(r"[0-9A-Fa-f]{6}", text):
            raise ValueError("profile-level-id is not six hexadecimal digits")
        idc, iop, level_idc = bytes.fromhex(text)
        profile = next((name for value, bits, name in _PATTERNS if value == idc and _fits(iop, bits)), None)
        if profile is None:
            raise ValueError(f"profile {text[:4]} is not known")
        is_1b = level_idc == 9 or (level_idc == 11 and iop & 0x10 and idc in (0x42, 0x4D, 0x58))
        return cls(profile, LEVEL_1B if is_1b else level_idc, idc, iop, level_idc)

    @property
    def family(self) -> str:
        """Profiles of one family can be sent to each other."""
        return "constrained-baseline" if self.profile == "baseline" else self.profile

    def at_level_of(self, other: ProfileLevel) -> str:
        """This profile as the peer wrote it, with another's level."""
        iop = self.iop
        if self.idc in (0x42, 0x4D, 0x58):
            # In these profiles constraint_set3 together with level_idc 11 is how level 1b is written.
            iop = iop | 0x10 if other.level == LEVEL_1B else iop & ~0x10
            level_idc = 11 if other.level == LEVEL_1B else other.level_idc
        else:
            level_idc = 9 if other.level == LEVEL_1B else other.level_idc
        return f"{self.idc:02x}{iop:02x}{level_idc:02x}"


def _fits(iop: int, bits: str) -> bool:
    return all(bit in ("x", actual) for bit, actual in zip(bits, f"{iop:08b}", strict=True))


def answer(offered: str | None, ours: str, *, asymmetry: bool) -> str | None:
    """The profile-level-id to answer, or None when the profiles do not fit.

    ``asymmetry`` says that the offer allowed level asymmetry (we always do). The answer repeats the offer's profile
    bytes, since browsers compare them and not what they mean.
    """
    try:
        theirs, mine = ProfileLevel.parse(offered), ProfileLevel.parse(ours)
    except ValueError:
        return None
    if theirs.family != mine.family:
        return None
    lower = mine if asymmetry or mine.level <= theirs.level else theirs
    return theirs.at_level_of(lower)


def packetization_mode(fmtp: Fmtp | None) -> int:
    """0 when not written (RFC 6184 §8.1)."""
    text = fmtp.get("packetization-mode") if fmtp else None
    return int(text) if text in ("0", "1", "2") else 0


def is_preferred(offered: str | None) -> bool:
    """Whether this is constrained baseline by its own name: taken before plain baseline when both are offered."""
    try:
        return ProfileLevel.parse(offered).profile == "constrained-baseline"
    except ValueError:
        return False

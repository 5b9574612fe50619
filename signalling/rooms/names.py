"""Names that people type for themselves: cleaned, limited, told apart (Unicode UAX #15, UTS #39; field case Z05).

A name is text for every page, so nothing in it may act: control, bidirectional, zero-width and private characters go,
white space is single, combining marks are limited, and the marks that our pages set behind a name («(vous)»,
«(organisatrice)») cannot be typed, not even with look-alike letters. Escaping stays the duty of each page.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from kernel.errors import Remote

MAX_LENGTH = 60
MAX_MARKS = 3
"""Combining marks kept after one base character."""

RESERVED = frozenset({
    "vous", "toi", "moi", "you", "me", "organisateur", "organisatrice", "organiser", "organizer", "host", "hote",
    "hotesse", "animateur", "animatrice", "moderateur", "moderatrice", "moderator", "presenter", "administrateur",
    "administratrice", "administrator", "admin", "massalia", "systeme", "system", "verifie", "verifiee", "verified",
})  # fmt: skip
"""Words our pages use as marks; compared as skeletons."""

_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS = frozenset({"Mn", "Me"})
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol that are drawn as nothing: Hangul fillers, the empty Braille cell."""

_LOOK_ALIKES = str.maketrans(
    "абвгеіјкмнорсѕтухһԁԛԝαβεικνορτυχηωɑɩοѵ",
    "abbreijkmhopcstyxhdqwabeikvoptuxnwaiov",
)
"""Cyrillic and Greek small letters that are drawn like Latin ones (a selection of UTS #39's confusables)."""


def skeleton(text: str) -> str:
    """What two names must differ in to be told apart by eye: compatibility forms, case, accents and look-alikes
    removed."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(char for char in folded if unicodedata.category(char) not in _MARKS)
    return " ".join(plain.translate(_LOOK_ALIKES).split())


def clean(text: str, *, organiser: bool = False) -> str:
    """The name as it is shown. Raises Remote("bad_name") when nothing is left or it is only one of our marks.

    An organiser may be called by a role's name, a participant may not.
    """
    name = " ".join(_printable(text[: 8 * MAX_LENGTH]).split())
    name = _without_marks(name)[:MAX_LENGTH].rstrip()
    if not any(unicodedata.category(char)[0] in "LNS" for char in name):
        raise Remote("bad_name", "nothing to show in the name", field="name")
    if not organiser and skeleton(name) in RESERVED:
        raise Remote("bad_name", "the name is one of our marks", field="name")
    return name


def _without_marks(name: str) -> str:
    """Without words of ours in brackets of any script at the end."""
    while name and (unicodedata.category(name[-1]) in ("Pe", "Pf") or name[-1] in ">＞"):
        openings = [at for at, char in enumerate(name) if unicodedata.category(char) in ("Ps", "Pi") or char in "<＜"]
        if not openings or skeleton(name[openings[-1] + 1 : -1]) not in RESERVED:
            break
        name = name[: openings[-1]].rstrip()
    return name


def _printable(text: str) -> str:
    kept: list[str] = []
    marks = 0
    for char in unicodedata.normalize("NFC", text):
        category = unicodedata.category(char)
        if char.isspace() or char in _BLANK:
            kept.append(" ")
        elif category not in _DROPPED:
            marks = marks + 1 if category in _MARKS else 0
            if marks <= MAX_MARKS:
                kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept))


def distinct(name: str, others: Iterable[str]) -> str:
    """``name``, or ``name (2)``, ``name (3)``… so that no other in the room looks the same."""
    taken = {skeleton(other) for other in others}
    candidate, number = name, 1
    while skeleton(candidate) in taken:
        number += 1
        suffix = f" ({number})"
        candidate = name[: MAX_LENGTH - len(suffix)].rstrip() + suffix
    return candidate

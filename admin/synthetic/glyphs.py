"""A 5 × 7 bitmap alphabet, so that the pictures of synthetic participants can carry names and clocks without a font
library.

Each glyph is seven rows of five bits, most significant bit left. Accents are dropped (``É`` is drawn as ``E``) and
what has no glyph is drawn as a space: this is lettering for test pictures, not typography.
"""

from __future__ import annotations

import unicodedata

import numpy as np
import numpy.typing as npt

WIDTH, HEIGHT = 5, 7

_ROWS = {
    "A": "0E11111F111111", "B": "1E11111E11111E", "C": "0E11101010110E", "D": "1E11111111111E", "E": "1F10101E10101F",
    "F": "1F10101E101010", "G": "0E11101711110F", "H": "1111111F111111", "I": "0E04040404040E", "J": "0702020202120C",
    "K": "11121418141211", "L": "1010101010101F", "M": "111B1515111111", "N": "11191513111111", "O": "0E11111111110E",
    "P": "1E11111E101010", "Q": "0E11111115120D", "R": "1E11111E141211", "S": "0F10100E01011E", "T": "1F040404040404",
    "U": "1111111111110E", "V": "11111111110A04", "W": "1111111515150A", "X": "11110A040A1111", "Y": "1111110A040404",
    "Z": "1F01020408101F", "0": "0E11131519110E", "1": "040C040404040E", "2": "0E11010204081F", "3": "1F02040201110E",
    "4": "02060A121F0202", "5": "1F101E0101110E", "6": "0608101E11110E", "7": "1F010204080808", "8": "0E11110E11110E",
    "9": "0E11110F01020C", ":": "000C0C000C0C00", "-": "0000001F000000", ".": "0000000000000C", "'": "0C040800000000",
}  # fmt: skip

Mask = npt.NDArray[np.bool_]


def _glyph(rows: str) -> Mask:
    return np.array(
        [[int(rows[i : i + 2], 16) >> (WIDTH - 1 - x) & 1 for x in range(WIDTH)] for i in range(0, 14, 2)], bool
    )


_GLYPHS = {character: _glyph(rows) for character, rows in _ROWS.items()}
_BLANK: Mask = np.zeros((HEIGHT, WIDTH), bool)


def render(text: str, scale: int) -> Mask:
    """The text as a mask: True where there is ink; one blank column between characters, each dot ``scale`` pixels
    wide.
    """
    plain = unicodedata.normalize("NFD", text.upper())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    columns = [np.pad(_GLYPHS.get(c, _BLANK), ((0, 0), (0, 1))) for c in plain] or [_BLANK]
    return np.kron(np.hstack(columns), np.ones((scale, scale), bool)).astype(bool)

"""The moving picture of a synthetic participant: a coloured background, a bust, a moving shape, the name, a clock and
a counter.

Drawn straight into the planes of a YUV 4:2:0 frame with numpy: what stands still is drawn once and copied, so that a
frame of 640 × 360 costs some 100 µs beside its encoding. Everything is a function of the frame's number and of the
time given.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from admin.synthetic import glyphs

Planes = npt.NDArray[np.uint8]
Shape = Literal["disc", "square", "diamond", "ring", "bar", "cross"]
SHAPES: tuple[Shape, ...] = ("disc", "square", "diamond", "ring", "bar", "cross")
Yuv = tuple[int, int, int]

_DARK: Yuv = (28, 128, 128)
_LIGHT: Yuv = (235, 128, 128)


@dataclass(frozen=True)
class Look:
    """What tells one participant's picture from another's. ``hue`` runs from 0 to 1 around the colour circle."""

    name: str
    hue: float
    shape: Shape


def yuv(hue: float, saturation: float, value: float) -> Yuv:
    """BT.601 limited-range colour of a hue."""
    r, g, b = colorsys.hsv_to_rgb(hue, saturation, value)
    y = 16 + 65.5 * r + 128.6 * g + 25 * b
    return round(y), round(128 - 37.8 * r - 74.2 * g + 112 * b), round(128 + 112 * r - 93.8 * g - 18.2 * b)


def stamp(shape: Shape, size: int) -> glyphs.Mask:
    """The moving shape as a mask of ``size`` × ``size`` pixels."""
    y, x = np.mgrid[0:size, 0:size] - (size - 1) / 2
    r = size / 2
    match shape:
        case "disc":
            mask = x * x + y * y <= r * r
        case "square":
            mask = np.maximum(abs(x), abs(y)) <= 0.85 * r
        case "diamond":
            mask = abs(x) + abs(y) <= r
        case "ring":
            mask = (x * x + y * y <= r * r) & (x * x + y * y >= (0.55 * r) ** 2)
        case "bar":
            mask = abs(x) <= 0.35 * r
        case "cross":
            mask = (abs(x) <= 0.3 * r) | (abs(y) <= 0.3 * r)
    return np.asarray(mask, bool)


class Picture:
    """Draws the frames of one participant. Width and height must be even and at least 160 × 90."""

    def __init__(self, look: Look, width: int = 640, height: int = 360) -> None:
        if width % 2 or height % 2 or width < 160 or height < 90:
            raise ValueError(f"a picture of {width} x {height} cannot be drawn")
        self.width, self.height = width, height
        self._ink = yuv((look.hue + 0.5) % 1, 0.75, 1.0)
        self._stamp = stamp(look.shape, height // 5 // 2 * 2)
        self._text = max(2, height // 120)
        self._digits = {c: glyphs.render(c, self._text) for c in "0123456789:- "}
        self._still = self._background(look)

    def _background(self, look: Look) -> Planes:
        planes = np.empty((self.height * 3 // 2, self.width), np.uint8)
        low, high = yuv(look.hue, 0.65, 0.45), yuv(look.hue, 0.55, 0.8)
        planes[: self.height] = np.linspace(high[0], low[0], self.height).astype(np.uint8)[:, None]
        u, v = self._chroma(planes)
        u[:], v[:] = high[1], high[2]
        self._bust(planes)
        name = glyphs.render(look.name, self._text * 2)[:, : self.width - 8]
        self._fill(planes, name, (self.width - name.shape[1]) // 2, self.height * 3 // 4, _LIGHT)
        return planes

    def _bust(self, planes: Planes) -> None:
        y, x = np.mgrid[0 : self.height, 0 : self.width]
        x, y, h = x - self.width / 2, y.astype(float), self.height
        head = x * x + (y - 0.3 * h) ** 2 <= (0.15 * h) ** 2
        shoulders = (x / (0.34 * h)) ** 2 + ((y - 0.8 * h) / (0.34 * h)) ** 2 <= 1
        self._fill(planes, head | (shoulders & (y < 0.98 * h)), 0, 0, _DARK)

    def _chroma(self, planes: Planes) -> tuple[Planes, Planes]:
        """Views of the U and V planes, each a quarter of the luma's size."""
        half = self.height // 2
        chroma = planes[self.height :].reshape(2, half, self.width // 2)
        return chroma[0], chroma[1]

    def _fill(self, planes: Planes, mask: glyphs.Mask, left: int, top: int, colour: Yuv) -> None:
        """Colour the masked pixels; the mask's corner goes to (left, top), rounded to the chroma grid."""
        left, top = left // 2 * 2, top // 2 * 2
        mask = mask[: self.height - top, : self.width - left]
        mask = np.pad(mask, ((0, mask.shape[0] % 2), (0, mask.shape[1] % 2)))
        rows, columns = mask.shape
        planes[: self.height][top : top + rows, left : left + columns][mask] = colour[0]
        small = mask[::2, ::2]
        for plane, value in zip(self._chroma(planes), colour[1:], strict=True):
            plane[top // 2 : (top + rows) // 2, left // 2 : (left + columns) // 2][small] = value

    def draw(self, frame: int, clock: str) -> Planes:
        """Frame number ``frame`` with the clock text (digits, ``:`` and ``-``), as one (height × 3/2, width) array."""
        planes = self._still.copy()
        size = self._stamp.shape[0]
        left = _bounce(frame * 4, self.width - size)
        top = _bounce(frame * 3, self.height - size)
        self._fill(planes, self._stamp, left, top, self._ink)
        digits = f"{clock} - {frame % 100_000:05d}"
        self._fill(planes, np.hstack([self._digits[c] for c in digits if c in self._digits]), 8, 8, _LIGHT)
        return planes


def _bounce(step: int, room: int) -> int:
    """A position that runs from 0 to ``room`` and back."""
    place = step % (2 * room)
    return place if place <= room else 2 * room - place

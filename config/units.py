"""Quantities with their unit, as written in YAML: bit rates and byte sizes.

``2.5 Mb/s`` (a decimal comma is taken too), ``800 kb/s``, ``64 b/s``; ``64 KiB``, ``1 MB``, ``512 B``. Case matters
for the first letter pair only where it changes the meaning (b is a bit, B a byte), so ``MB/s`` is refused with a
suggestion, never read as megabits.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

RATE_PATTERN: Final = r"^[0-9]{1,9}([.,][0-9]{1,6})? ?(b|kb|Mb|Gb)/s$"

_RATE = re.compile(r"([0-9]{1,9}(?:[.,][0-9]{1,6})?) ?(b|kb|Mb|Gb)/s")
_SIZE = re.compile(r"([0-9]{1,9}) ?(B|kB|KiB|MB|MiB|GB|GiB)")
_RATE_UNITS: Final = {"b": 1, "kb": 1_000, "Mb": 1_000_000, "Gb": 1_000_000_000}
_SIZE_UNITS: Final = {
    "B": 1,
    "kB": 1000,
    "KiB": 1024,
    "MB": 1000**2,
    "MiB": 1024**2,
    "GB": 1000**3,
    "GiB": 1024**3,
}
_LOOSE = re.compile(r"\s*([0-9]{1,9}(?:[.,][0-9]{1,6})?)\s*([a-zA-Z]*)\s*(?:/\s*s|ps|bps|it/s|its/s)?\s*", re.ASCII)


class BadUnit(ValueError):
    """Not a quantity of the wanted kind. ``suggestion`` is a well-formed one, or empty."""

    def __init__(self, text: str, suggestion: str = "") -> None:
        super().__init__(text)
        self.suggestion = suggestion


def parse_rate(text: str) -> int:
    """Bits per second of ``2.5 Mb/s``. Raises BadUnit."""
    match = _RATE.fullmatch(text)
    if match is None:
        raise BadUnit(text, _suggest_rate(text))
    value = Decimal(match[1].replace(",", ".")) * _RATE_UNITS[match[2]]
    if value != value.to_integral_value():
        raise BadUnit(text, "")
    return int(value)


def format_rate(bits: int) -> str:
    """``2.5 Mb/s`` of 2500000: the largest unit that keeps it exact with at most three decimals."""
    for unit in ("Gb", "Mb", "kb"):
        value = Decimal(bits) / _RATE_UNITS[unit]
        if value >= 1 and value == value.quantize(Decimal("0.001")):
            return f"{value.normalize():f} {unit}/s"
    return f"{bits} b/s"


def parse_size(text: str) -> int:
    """Bytes of ``64 KiB``. Raises BadUnit."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise BadUnit(text, _suggest_size(text))
    return int(match[1]) * _SIZE_UNITS[match[2]]


def format_size(size: int) -> str:
    """``64 KiB`` of 65536: the largest unit that divides it."""
    for unit in ("GiB", "GB", "MiB", "MB", "KiB", "kB"):
        if size >= _SIZE_UNITS[unit] and size % _SIZE_UNITS[unit] == 0:
            return f"{size // _SIZE_UNITS[unit]} {unit}"
    return f"{size} B"


def _suggest_rate(text: str) -> str:
    match = _LOOSE.fullmatch(text)
    if match is None:
        return ""
    number, letter = match[1].replace(",", "."), match[2][:1].lower()
    if letter in ("k", "m", "g"):
        return f"{number} {letter if letter == 'k' else letter.upper()}b/s"
    return format_rate(int(number)) if not letter and number.isdigit() else ""


def _suggest_size(text: str) -> str:
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*([a-zA-Z]*)\s*", text, re.ASCII)
    if match is None:
        return ""
    unit = {"": "B", "b": "B", "k": "KiB", "kb": "kB", "kib": "KiB", "m": "MiB", "mb": "MB", "mib": "MiB"}.get(
        match[2].lower(), ""
    )
    return f"{match[1]} {unit}" if unit else ""

"""What makes a room's code weak, so that a guess or a telephone line does not defeat it.

Codes are also typed on telephones: some carriers drop a leading zero or the second of two equal digits in a row, so
such codes are refused, and with them runs, repeats and the room's own number.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

LEAST: Final = 6
_RUNS: Final = "0123456789012345", "9876543210987654"


def weakness(pin: str, number: str = "") -> str | None:
    """Why ``pin`` is weak, as a key of the catalogue's [weak_pin], or None. ``number`` is the room's."""
    if len(pin) < LEAST:
        return "short"
    if number and (pin == number or (len(number) >= LEAST - 1 and number in pin)):
        return "number"
    if len(set(pin)) == 1:
        return "repeated"
    if any(pin in run for run in _RUNS):
        return "run"
    if any(pin == (pin[:period] * len(pin))[: len(pin)] for period in (2, 3, 4) if period <= len(pin) // 2):
        return "pattern"
    if pin.startswith("0"):
        return "leading_zero"
    if any(left == right for left, right in pairwise(pin)):
        return "doubled"
    if len(set(pin)) < 4:
        return "few_digits"
    return None

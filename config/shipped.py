"""The codes of the rooms as delivered: published with the product, so good for a demonstration only.

``massalia doctor`` warns while one is in use. A test holds the list and ``config/rooms`` together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from config.load import load_room, room_files
from config.problems import Problem

SHIPPED: Final = frozenset(
    (
        "148295921",
        "235370517",
        "248642374",
        "321615974",
        "402064981",
        "525070809",
        "586378030",
        "601796436",
        "632896027",
        "693807437",
        "709843542",
        "903659123",
        "905604257",
        "925303757",
    )
)


def shipped_pins(directory: Path) -> list[Problem]:
    """A warning for each room code of ``directory`` that is still the delivered one. Raises OSError."""
    warnings: list[Problem] = []
    for file in map(load_room, room_files(directory)):
        if file.room is None:
            continue
        for role, pin in (("participant", file.room.pins.participant), ("organiser", file.room.pins.organiser)):
            if pin in SHIPPED:
                place = file.place("pins", role)
                warnings.append(Problem(place=place, code="shipped_pin", path=f"pins.{role}", severity="warning"))
    return warnings

"""The delivered codes: listed, and warned of while in use."""

from __future__ import annotations

from pathlib import Path

from config.load import load_rooms
from config.shipped import SHIPPED, shipped_pins

ROOMS = Path(__file__).parents[3] / "config" / "rooms"


def test_the_list_is_the_delivered_rooms_codes() -> None:
    rooms = load_rooms(ROOMS).rooms.values()
    assert {pin for room in rooms for pin in (room.pins.participant, room.pins.organiser)} == SHIPPED


def test_each_delivered_code_is_warned_of() -> None:
    warnings = shipped_pins(ROOMS)
    assert len(warnings) == 14
    assert {warning.severity for warning in warnings} == {"warning"}
    assert not any(pin in warning.render("fr") for pin in SHIPPED for warning in warnings)


def test_a_changed_code_is_not(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('name: a\nslug: a\nnumber: "123"\npins: {participant: "583920174"}\n')
    (tmp_path / "bad.yaml").write_text("nonsense")
    assert shipped_pins(tmp_path) == []


def test_each_delivered_file_says_so() -> None:
    assert all("La Ville doit les changer" in path.read_text("utf-8") for path in ROOMS.glob("*.yaml"))

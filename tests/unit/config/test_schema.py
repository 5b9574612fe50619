"""The JSON Schema in the repository is the model's, and agrees with the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from config import schema
from config.load import parse_room

ROOMS = Path(__file__).parents[3] / "config" / "rooms"
GOOD = {"name": "a", "slug": "a", "number": "123"}


def test_the_file_is_current() -> None:
    assert schema.FILE.read_text("utf-8") == schema.render(), "run python -m config.schema"


@pytest.mark.parametrize("path", sorted(ROOMS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_shipped_rooms_fit_it(path: Path) -> None:
    jsonschema.Draft202012Validator(schema.generate()).validate(yaml.safe_load(path.read_text("utf-8")))


@pytest.mark.parametrize(
    "change",
    [
        {"seats": 101},
        {"seats": "100"},
        {"slug": "A b"},
        {"number": "0123"},
        {"number": 123},
        {"mode": "party"},
        {"lobby": "yes"},
        {"layouts": []},
        {"layouts": ["grid", "speaker", "grid"]},
        {"bandwidth": {"per_sender": 2_500_000}},
        {"bandwidth": {"per_sender": "2.5 MB/s"}},
        {"pins": {"participant": "12"}},
        {"unknown": 1},
        {"name": ""},
        {"name": None},
    ],
    ids=json.dumps,
)
def test_schema_and_loader_refuse_the_same(change: dict[str, Any]) -> None:
    room = {**GOOD, **change}
    validator = jsonschema.Draft202012Validator(schema.generate())
    assert not validator.is_valid(room)
    assert parse_room(yaml.safe_dump(room).encode(), Path("r.yaml")).room is None


@pytest.mark.parametrize(
    "change", [{}, {"seats": 1}, {"pins": {"participant": None}}, {"bandwidth": {"per_sender": "800 kb/s"}}]
)
def test_schema_and_loader_take_the_same(change: dict[str, Any]) -> None:
    room = {**GOOD, **change}
    jsonschema.Draft202012Validator(schema.generate()).validate(room)
    assert parse_room(yaml.safe_dump(room).encode(), Path("r.yaml")).problems == ()

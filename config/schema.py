"""The JSON Schema of a room file, for editors: ``python -m config.schema`` writes ``config/schema.json``.

Generated from the model; a test compares it with the file that is in the repository.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from config.rooms import RoomSpec
from config.units import RATE_PATTERN, format_rate

FILE = Path(__file__).parent / "schema.json"


def generate() -> dict[str, Any]:
    """The schema of what people write: rates with their unit, no default for nested tables."""
    schema = msgspec.json.schema(RoomSpec)
    cleaned: dict[str, Any] = _clean(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Massalia room", **cleaned}


def render() -> str:
    """The file's text."""
    return json.dumps(generate(), ensure_ascii=False, indent=2) + "\n"


def _clean(value: Any) -> Any:
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _clean(inner) for key, inner in value.items()}
    if isinstance(kept.get("default"), dict):
        del kept["default"]
    if kept.get("pattern") == RATE_PATTERN:
        kept["type"] = "string"
        kept["default"] = format_rate(kept["default"])
        del kept["minimum"], kept["maximum"]
    return kept


if __name__ == "__main__":
    FILE.write_text(render(), "utf-8")

"""docs/protocol.md says what the code does."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import msgspec

from signalling.rooms import room
from signalling.webrtc import messages as m
from signalling.webrtc import session, translate

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "protocol.md").read_text("utf-8")


def tags(union: object) -> set[str]:
    return {str(kind.__struct_config__.tag) for kind in union.__args__}  # type: ignore[attr-defined]


def test_the_diagram_is_the_table() -> None:
    assert runpy.run_path(str(ROOT / "docs" / "diagrams.py"))["drawn"]("protocol.md") == PAGE


def test_every_message_has_a_section_with_an_example_that_is_one() -> None:
    sections = re.findall(r"^### (\S+)\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)
    told: dict[str, list[str]] = {"client": [], "server": []}
    for name, body in sections:
        (example,) = re.findall(r"```json\n(.*?)```", body, re.DOTALL)
        side = "client" if msgspec.json.decode(example)["type"] in tags(m.ClientMessage) else "server"
        message = (m.decode_client if side == "client" else m.decode_server)(example)
        assert message.__struct_config__.tag == name
        told[side].append(name)
    assert sorted(told["client"]) == sorted(tags(m.ClientMessage))
    assert sorted(told["server"]) == sorted(tags(m.ServerMessage))


def test_every_error_code_is_in_the_table() -> None:
    table = PAGE.split("## 7. Errors")[1].split("## 8.")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == translate.CODES


def test_the_figures_are_those_of_the_code() -> None:
    assert f"{m.MAX_MESSAGE // 1024} KiB" in PAGE
    assert f"A seat is kept {room.KEEP:.0f} s" in PAGE
    assert f"{session.JOIN_TIMEOUT:.0f} s, 2 min" in PAGE and session.RETRY_TIMEOUT == 120
    assert f"{session.MAX_DROPPED} dropped within {session.ABUSE_WINDOW:.0f} s" in PAGE

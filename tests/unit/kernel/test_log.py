"""Logs: one JSON object a line, context ids, and no secret whatever its road into the line."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from kernel import log

SECRET = "s3cr3t-248642374"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    out = io.StringIO()
    log.configure("debug", "json", out)
    yield out
    root.handlers[:] = before
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_level_time_logger_and_ids(stream: io.StringIO) -> None:
    with log.context(room="prado", participant="p-1"):
        structlog.get_logger("part").warning("seat_kept", seconds=30)
    structlog.get_logger("part").info("after")
    first, second = lines(stream)
    assert first["event"] == "seat_kept"
    assert (first["room"], first["participant"], first["level"], first["logger"]) == ("prado", "p-1", "warning", "part")
    assert first["timestamp"].endswith("Z")
    assert "room" not in second


@pytest.mark.parametrize(
    "values",
    [
        {"pin": SECRET},
        {"organiser_pin": SECRET},
        {"pins": {"participant": SECRET}},
        {"token": SECRET, "resume_token": SECRET},
        {"deep": {"list": [{"password": SECRET}]}},
        {"headers": {"Authorization": f"Bearer {SECRET}", "Set-Cookie": SECRET}},
        {"remote": {"pwd": SECRET}},
        {"sdp": f"v=0\r\na=ice-ufrag:abc\r\na=ice-pwd:{SECRET}\r\n"},
        {"line": f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{SECRET}"},
        {"url": f"postgresql://massalia:{SECRET}@db/massalia"},
        {"body": f'{{"type":"join","pin":"{SECRET}"}}'},
        {"query": f"?token={SECRET}&x=1"},
        {"dsn": SECRET},
        {"object": type("Leaky", (), {"__repr__": lambda self: f"Leaky(password='{SECRET}')"})()},
    ],
    ids=lambda values: next(iter(values)),
)
def test_no_secret_gets_through(stream: io.StringIO, values: dict[str, Any]) -> None:
    structlog.get_logger("part").info("event", **values)
    assert SECRET not in stream.getvalue()
    assert log.HIDDEN in stream.getvalue()


def test_tracebacks_and_other_loggers_are_scrubbed_too(stream: io.StringIO) -> None:
    try:
        raise ValueError(f"cannot open postgresql://u:{SECRET}@db/x")
    except ValueError:
        structlog.get_logger("part").exception("failed")
    logging.getLogger("aiohttp.access").warning("GET /ws?token=%s", SECRET)
    assert SECRET not in stream.getvalue()
    assert [line["event"] for line in lines(stream)] == ["failed", f"GET /ws?token={log.HIDDEN}"]


def test_harmless_values_stay(stream: io.StringIO) -> None:
    values = {"pin_required": True, "pin_tries": 3, "spinning": "yes", "tokens_count": 4, "n": 1.5, "none": None}
    structlog.get_logger("part").info("event", **values)
    (line,) = lines(stream)
    assert {key: line[key] for key in values} == values


def test_endless_nesting_ends(stream: io.StringIO) -> None:
    nested: dict[str, Any] = {}
    nested["again"] = nested
    structlog.get_logger("part").info("event", nested=nested)
    assert "…" in stream.getvalue()


def test_the_level_is_kept(stream: io.StringIO) -> None:
    log.configure("warning", "json", stream)
    structlog.get_logger("part").info("quiet")
    structlog.get_logger("part").error("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_a_terminal_gets_readable_lines(stream: io.StringIO) -> None:
    log.configure("info", "console", stream)
    structlog.get_logger("part").info("room_opened", room="prado")
    assert "room_opened" in stream.getvalue()
    assert not stream.getvalue().startswith("{")

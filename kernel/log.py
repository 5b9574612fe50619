"""Logs: one JSON object a line in production, readable on a terminal, never a secret.

``configure`` once per process; then ``structlog.get_logger("part.name")`` anywhere. ``context`` binds room, participant
and call ids to every line logged inside it (contextvars: it follows the task). ``redact`` is the last processor before
rendering: values under a secret's name are replaced whatever their depth, and SDP and URLs lose their passwords.
Lines of the standard library's loggers (aiohttp, asyncio) pass the same processors.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, Literal, TextIO

import structlog

Format = Literal["auto", "json", "console"]

HIDDEN = "[redacted]"
_MAX_DEPTH = 6
_SECRET_NAME = re.compile(
    r"(^|[_\-.])(pins?|tokens?|passwords?|passwd|secrets?|authorization|cookies?|pwd|credentials?|dsn|private_key)($|[_\-.])",
    re.IGNORECASE,
)
_SAFE_NAME = re.compile(r"(^|[_\-.])(required|tries|count|length|delay)$", re.IGNORECASE)
_SECRET_TEXT = (
    (re.compile(r"(a=ice-pwd:)[^\s\\]+"), r"\1" + HIDDEN),
    (re.compile(r"(a=crypto:\d+ \S+ inline:)[^\s\\]+"), r"\1" + HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic|digest) [A-Za-z0-9+/=_.~-]{8,}"), r"\1 " + HIDDEN),
    (re.compile(r"(\w+://[^/\s:@]+:)[^@\s/]+(@)"), r"\1" + HIDDEN + r"\2"),
    (
        re.compile(r"(?i)\b((?:pin|token|password|passwd|pwd|secret)[\"']?\s*[=:]\s*[\"']?)[^\s\"',;&}]+"),
        r"\1" + HIDDEN,
    ),
)


def configure(level: str = "info", format: Format = "auto", stream: TextIO | None = None) -> None:
    """Set up logging for this process. ``auto`` is readable on a terminal and JSON elsewhere."""
    out = stream if stream is not None else sys.stderr
    console = format == "console" or (format == "auto" and out.isatty())
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty())
        if console
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=repr)
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    for old in tuple(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())


@contextmanager
def context(**ids: str) -> Iterator[None]:
    """Add ids (``room``, ``participant``, ``call``, ``leg``) to every line logged inside."""
    with structlog.contextvars.bound_contextvars(**ids):
        yield


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Structlog processor: hide secrets by name and inside text."""
    for key, value in event.items():
        event[key] = _hide(key, value, 0)
    return event


def _hide(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool) or name.startswith("_"):
        return value
    if _SECRET_NAME.search(name) and not _SAFE_NAME.search(name):
        return HIDDEN
    if depth >= _MAX_DEPTH:
        return "…"
    if isinstance(value, str):
        return scrub(value)
    if isinstance(value, dict):
        return {key: _hide(str(key), inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_hide("", inner, depth + 1) for inner in value]
    if isinstance(value, int | float):
        return value
    return scrub(repr(value))


def scrub(text: str) -> str:
    """``text`` without the passwords that SDP, headers, URLs and ``name=value`` pairs carry."""
    for pattern, replacement in _SECRET_TEXT:
        text = pattern.sub(replacement, text)
    return text

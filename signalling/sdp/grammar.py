"""Lines and sections of a session description (RFC 8866), kept losslessly.

A description is its session-level lines and its media sections, each a tuple of lines in the order received; typed
views read attributes out of them without changing them, so that what we do not understand survives a round trip.

Tolerated, because real devices do it: LF or CR alone as line end, a missing last line end, empty lines, lines out of
the order of RFC 8866 §5, unknown line types, bytes that are not ASCII. Not tolerated: a first line other than ``v=0``,
a line without ``type=``, an m= line that cannot be read, and anything over the limits.

Left out: the meaning of o=, t=, b=, k= (kept as text; nobody here needs them yet).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TypeVar

MAX_SIZE = 256 * 1024
"""Characters of a whole description. Chromium's offer for 30 receive slots measures 143,431."""
MAX_LINE = 4096
MAX_LINES = 16_384
MAX_MEDIA = 256

T = TypeVar("T")

_LINE_END = re.compile(r"\r\n|\n|\r")
_TOKEN = re.compile(r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+")


class SdpError(ValueError):
    """A description that cannot be read. ``line`` counts from 1; 0 means the description as a whole."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Line:
    """One ``type=value`` line. ``number`` is where it stood in the text, 0 for a line we made."""

    type: str
    value: str
    number: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.type}={self.value}"


def attribute(name: str, value: object = None) -> Line:
    """Make an ``a=`` line; a value of None makes a property attribute (RFC 8866 §5.13)."""
    return Line("a", name if value is None else f"{name}:{value}")


@dataclass(frozen=True)
class Section:
    """Lines that belong together: the session level or one media description."""

    lines: tuple[Line, ...]

    @cached_property
    def _attributes(self) -> dict[str, list[tuple[Line, str]]]:
        found: dict[str, list[tuple[Line, str]]] = {}
        for line in self.lines:
            if line.type == "a":
                name, _, value = line.value.partition(":")
                found.setdefault(name, []).append((line, value))
        return found

    def attribute_lines(self, name: str) -> Iterable[tuple[Line, str]]:
        """All ``a=name`` lines with their values ('' for property attributes)."""
        return self._attributes.get(name, ())

    def has(self, name: str) -> bool:
        return name in self._attributes

    def text(self, name: str) -> str | None:
        """The first value of an attribute, or None."""
        return next((value.strip() for _, value in self.attribute_lines(name)), None)

    def view(self, name: str, parse: Callable[[str], T]) -> tuple[T, ...]:
        """Every value of an attribute, read by ``parse``; a value that cannot be read is an SdpError with its line."""
        values = []
        for line, value in self.attribute_lines(name):
            try:
                values.append(_parsed(parse, value))
            except ValueError as error:
                raise SdpError(line.number, f"a={name}: {error}") from error
        return tuple(values)


@lru_cache(4096)
def _parsed(parse: Callable[[str], T], value: str) -> T:
    """The thirty m-lines of an offer say the same of their codecs, and so do all browsers of a kind: read once."""
    return parse(value)


@dataclass(frozen=True)
class Media(Section):
    """A media description. Its first line is the m= line, also read into the fields."""

    kind: str
    port: int
    port_count: int
    proto: str
    formats: tuple[str, ...]

    @property
    def direction(self) -> str:
        """sendrecv, sendonly, recvonly or inactive (RFC 8866 §6.7; sendrecv when nothing is said)."""
        return next((name for name in _DIRECTIONS if name in self._attributes), "sendrecv")

    @property
    def number(self) -> int:
        return self.lines[0].number


_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


@dataclass(frozen=True)
class Session(Section):
    """A whole description."""

    media: tuple[Media, ...]

    def __str__(self) -> str:
        lines = [*self.lines, *(line for media in self.media for line in media.lines)]
        return "".join(f"{line}\r\n" for line in lines)


def media(
    kind: str, port: int, proto: str, formats: Iterable[str], lines: Iterable[Line], port_count: int = 1
) -> Media:
    """Make a media description; ``lines`` come after the m= line."""
    formats = tuple(formats)
    ports = f"{port}/{port_count}" if port_count != 1 else str(port)
    head = Line("m", " ".join((kind, ports, proto, *formats)))
    return Media((head, *lines), kind, port, port_count, proto, formats)


def parse(text: str) -> Session:
    """Read a description; raises SdpError."""
    if len(text) > MAX_SIZE:
        raise SdpError(0, f"longer than {MAX_SIZE} characters")
    lines = list(_lines(text))
    if not lines:
        raise SdpError(0, "empty")
    if lines[0] != Line("v", "0"):
        raise SdpError(lines[0].number, "does not begin with v=0")
    starts = [index for index, line in enumerate(lines) if line.type == "m"]
    if len(starts) > MAX_MEDIA:
        raise SdpError(lines[starts[MAX_MEDIA]].number, f"more than {MAX_MEDIA} media descriptions")
    bounds = [*starts, len(lines)]
    sections = tuple(_media(lines[start:end]) for start, end in pairwise(bounds))
    return Session(tuple(lines[: bounds[0]]), sections)


def _lines(text: str) -> Iterator[Line]:
    for number, raw in enumerate(_LINE_END.split(text), 1):
        if number > MAX_LINES:
            raise SdpError(number, f"more than {MAX_LINES} lines")
        if not raw.strip():
            continue
        if len(raw) > MAX_LINE:
            raise SdpError(number, f"longer than {MAX_LINE} characters")
        if len(raw) < 2 or raw[1] != "=" or not (raw[0].isascii() and raw[0].isalpha()):
            raise SdpError(number, "not a type=value line")
        if "\0" in raw:
            raise SdpError(number, "contains a null character")
        yield Line(raw[0], raw[2:], number)


def _media(lines: list[Line]) -> Media:
    head = lines[0]
    words = head.value.split()
    if len(words) < 4:
        raise SdpError(head.number, "m= needs a kind, a port, a protocol and a format")
    kind, ports, proto, *formats = words
    port, _, count = ports.partition("/")
    if not _TOKEN.fullmatch(kind):
        raise SdpError(head.number, "m= kind is not a token")
    try:
        port_number, port_count = decimal(port, 65_535), decimal(count, 65_535) if count else 1
    except ValueError as error:
        raise SdpError(head.number, f"m= port: {error}") from error
    return Media(tuple(lines), kind, port_number, port_count, proto, tuple(formats))


def decimal(text: str, maximum: int) -> int:
    """An unsigned decimal number as the RFCs write them: ASCII digits only, at most ``maximum``."""
    if not (text.isascii() and text.isdigit()) or len(text) > 20:
        raise ValueError(f"{text[:20]!r} is not a number")
    value = int(text)
    if value > maximum:
        raise ValueError(f"{value} is over {maximum}")
    return value

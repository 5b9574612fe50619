"""Typed views of single attributes: each reads one value with ``parse`` and writes it back with ``str``.

rtpmap, fmtp (RFC 8866 §6.6, §6.15) · rtcp-fb (RFC 4585 §4.2) · extmap (RFC 8285 §8) · ssrc, ssrc-group (RFC 5576 §4) ·
fingerprint (RFC 8122 §5) · msid (RFC 8830 §2) · group (RFC 5888 §5) · candidate (RFC 8839 §5.1) · rid (RFC 8851 §10) ·
simulcast (RFC 8853 §5.1).

``parse`` raises ValueError with a reason; `grammar.Section.view` adds the line. mid, ice-ufrag, ice-pwd, ice-options
and setup are plain words: `grammar.Section.text` reads them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from signalling.sdp.grammar import decimal

MAX_PT = 127
MAX_SSRC = 0xFFFF_FFFF


def _words(value: str, count: int) -> list[str]:
    """Split at white space into exactly ``count`` words, the last one keeping the rest."""
    words = value.split(None, count - 1)
    if len(words) < count:
        raise ValueError(f"{count} words expected")
    return [*words[:-1], words[-1].rstrip()]


@dataclass(frozen=True, slots=True)
class RtpMap:
    """Payload type to encoding. ``channels`` is 1 when not written."""

    pt: int
    name: str
    clock_rate: int
    channels: int = 1

    @classmethod
    def parse(cls, value: str) -> Self:
        pt, encoding = _words(value, 2)
        name, *rest = encoding.split("/")
        if not name or not 1 <= len(rest) <= 2:
            raise ValueError("name/clock or name/clock/channels expected")
        channels = decimal(rest[1], 255) if len(rest) == 2 else 1
        return cls(decimal(pt, MAX_PT), name, decimal(rest[0], 10_000_000), channels)

    def __str__(self) -> str:
        channels = f"/{self.channels}" if self.channels != 1 else ""
        return f"{self.pt} {self.name}/{self.clock_rate}{channels}"


@dataclass(frozen=True, slots=True)
class Fmtp:
    """Parameters of one format, in order. A parameter without ``=`` (``0-15``, ``111/111``) has the value None."""

    pt: int
    parameters: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, value: str) -> Self:
        pt, text = _words(value, 2)
        parameters = []
        for part in text.split(";"):
            key, equals, content = part.strip().partition("=")
            if key.strip():
                parameters.append((key.strip(), content.strip() if equals else None))
        return cls(decimal(pt, MAX_PT), tuple(parameters))

    def get(self, name: str) -> str | None:
        """A parameter's value by its name, upper or lower case alike."""
        return next((value for key, value in self.parameters if key.lower() == name), None)

    def __str__(self) -> str:
        text = ";".join(key if value is None else f"{key}={value}" for key, value in self.parameters)
        return f"{self.pt} {text}"


@dataclass(frozen=True, slots=True)
class RtcpFb:
    """A feedback capability; ``pt`` None is the wildcard ``*``."""

    pt: int | None
    feedback: str
    """Type and parameter, single spaces between: ``nack pli``."""

    @classmethod
    def parse(cls, value: str) -> Self:
        pt, feedback = _words(value, 2)
        return cls(None if pt == "*" else decimal(pt, MAX_PT), " ".join(feedback.split()))

    def __str__(self) -> str:
        return f"{'*' if self.pt is None else self.pt} {self.feedback}"


@dataclass(frozen=True, slots=True)
class ExtMap:
    id: int
    uri: str
    direction: str | None = None
    attributes: str = ""

    @classmethod
    def parse(cls, value: str) -> Self:
        words = value.split(None, 2)
        if len(words) < 2:
            raise ValueError("id and URI expected")
        number, slash, direction = words[0].partition("/")
        if slash and direction not in ("sendrecv", "sendonly", "recvonly", "inactive"):
            raise ValueError("unknown direction")
        return cls(decimal(number, 4351), words[1], direction or None, words[2].rstrip() if len(words) == 3 else "")

    def __str__(self) -> str:
        direction = f"/{self.direction}" if self.direction else ""
        attributes = f" {self.attributes}" if self.attributes else ""
        return f"{self.id}{direction} {self.uri}{attributes}"


@dataclass(frozen=True, slots=True)
class Ssrc:
    ssrc: int
    name: str = ""
    value: str | None = None

    @classmethod
    def parse(cls, value: str) -> Self:
        words = value.split(None, 1)
        if not words:
            raise ValueError("SSRC expected")
        if len(words) == 1:
            return cls(decimal(words[0], MAX_SSRC))
        name, colon, content = words[1].partition(":")
        return cls(decimal(words[0], MAX_SSRC), name.strip(), content.strip() if colon else None)

    def __str__(self) -> str:
        content = "" if self.value is None else f":{self.value}"
        return f"{self.ssrc} {self.name}{content}".rstrip()


@dataclass(frozen=True, slots=True)
class SsrcGroup:
    semantics: str
    ssrcs: tuple[int, ...]

    @classmethod
    def parse(cls, value: str) -> Self:
        semantics, *ssrcs = value.split() or [""]
        if not semantics:
            raise ValueError("semantics expected")
        return cls(semantics, tuple(decimal(ssrc, MAX_SSRC) for ssrc in ssrcs))

    def __str__(self) -> str:
        return " ".join((self.semantics, *map(str, self.ssrcs)))


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A certificate's hash; ``algorithm`` in lower case, ``value`` as upper-case pairs between colons."""

    algorithm: str
    value: str

    @classmethod
    def parse(cls, value: str) -> Self:
        algorithm, digest = _words(value, 2)
        if not re.fullmatch(r"[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){15,63}", digest):
            raise ValueError("hash is not pairs of hexadecimal digits")
        return cls(algorithm.lower(), digest.upper())

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"


@dataclass(frozen=True, slots=True)
class Msid:
    """Stream and track; ``track`` is '' when not written, ``stream`` ``-`` when the track is in no stream."""

    stream: str
    track: str = ""

    @classmethod
    def parse(cls, value: str) -> Self:
        words = value.split()
        if not 1 <= len(words) <= 2:
            raise ValueError("stream and track expected")
        return cls(*words)

    def __str__(self) -> str:
        return f"{self.stream} {self.track}".rstrip()


@dataclass(frozen=True, slots=True)
class Group:
    semantics: str
    mids: tuple[str, ...]

    @classmethod
    def parse(cls, value: str) -> Self:
        semantics, *mids = value.split() or [""]
        if not semantics:
            raise ValueError("semantics expected")
        return cls(semantics, tuple(mids))

    def __str__(self) -> str:
        return " ".join((self.semantics, *self.mids))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An ICE candidate; ``extensions`` keeps related address and everything after the type, as words."""

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    type: str
    extensions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, value: str) -> Self:
        words = value.split()
        if len(words) < 8 or words[6] != "typ":
            raise ValueError("foundation component transport priority address port typ TYPE expected")
        foundation, component, transport, priority, address, port, _, kind, *extensions = words
        return cls(
            foundation,
            decimal(component, 256),
            transport.lower(),
            decimal(priority, 0x7FFF_FFFF),
            address,
            decimal(port, 65_535),
            kind,
            tuple(extensions),
        )

    def __str__(self) -> str:
        head = f"{self.foundation} {self.component} {self.transport} {self.priority} {self.address} {self.port}"
        return " ".join((head, "typ", self.type, *self.extensions))


@dataclass(frozen=True, slots=True)
class Rid:
    id: str
    direction: str
    restrictions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, value: str) -> Self:
        words = value.split(None, 2)
        if len(words) < 2 or words[1] not in ("send", "recv"):
            raise ValueError("id and send or recv expected")
        if not re.fullmatch(r"[0-9A-Za-z_-]{1,255}", words[0]):
            raise ValueError("id is not alphanumeric")
        pairs = [part.partition("=") for part in words[2].split(";")] if len(words) == 3 else []
        return cls(
            words[0], words[1], tuple((key.strip(), content.strip()) for key, _, content in pairs if key.strip())
        )

    def __str__(self) -> str:
        text = ";".join(f"{key}={value}" if value else key for key, value in self.restrictions)
        return f"{self.id} {self.direction} {text}".rstrip()


@dataclass(frozen=True, slots=True)
class Simulcast:
    """Streams in each direction; each stream lists its alternatives, ``~`` before an id means paused."""

    send: tuple[tuple[str, ...], ...] = ()
    recv: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def parse(cls, value: str) -> Self:
        words = value.split()
        if len(words) not in (2, 4) or len(set(words[::2])) != len(words[::2]):
            raise ValueError("send LIST, recv LIST or both expected")
        lists: dict[str, tuple[tuple[str, ...], ...]] = {}
        for direction, text in zip(words[::2], words[1::2], strict=True):
            if direction not in ("send", "recv"):
                raise ValueError("unknown direction")
            lists[direction] = tuple(tuple(stream.split(",")) for stream in text.split(";"))
        return cls(**lists)

    def __str__(self) -> str:
        sides = (("send", self.send), ("recv", self.recv))
        return " ".join(f"{name} {';'.join(','.join(ids) for ids in streams)}" for name, streams in sides if streams)

"""Ports, and the UDP path: a real ICE connectivity check (RFC 8445 §7.2) to each address that the engine announces,
small and as large as a full video packet with fragmentation forbidden, as browsers will send them.

The engine answers nobody it does not know, so the doctor opens a leg of its own for the moment of the check
(``admin.doctor.engine``) and signs its binding requests with that leg's password (STUN, RFC 8489 §14.5 and §14.7).
"""

from __future__ import annotations

import contextlib
import errno
import hmac
import os
import socket
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from admin import preflight
from admin.doctor.model import Finding, error, ok
from config.settings import Settings
from mcu.messages import Candidate

STUN_BINDING = 0x0001
STUN_COOKIE = 0x2112A442
USERNAME, MESSAGE_INTEGRITY, PRIORITY, USE_CANDIDATE, SOFTWARE, FINGERPRINT, ICE_CONTROLLING = (
    0x0006, 0x0008, 0x0024, 0x0025, 0x8022, 0x8028, 0x802A,
)  # fmt: skip
SOFTWARE_LIMIT = 760
FINGERPRINT_XOR = 0x5354554E
FULL_PACKET = 1200
IP_MTU_DISCOVER, IP_PMTUDISC_DO = 10, 2
IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO = 23, 2
TIMEOUT = 1.0
TRIES = 2


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of a leg's ICE: ``username`` is ``local:remote`` as the engine expects it, ``password`` the engine's."""

    username: str
    password: str


def ports(settings: Settings, running: bool) -> Iterator[Finding]:
    """Whether the ports are free (stopped) or answer (running)."""
    port = settings.http.port
    if running:
        if answers_tcp(settings.http.host, port):
            yield ok("ports", "tcp_answers", port=port)
        else:
            yield error("ports", "tcp_silent", port=port)
        return
    reason = preflight.tcp_in_use(settings.http.host, port)
    yield (
        ok("ports", "tcp_free", port=port) if reason is None else error("ports", "tcp_taken", port=port, reason=reason)
    )
    media = settings.media
    for udp in range(media.port, media.port + (media.shards or preflight.default_shards())) if media.port else ():
        reason = preflight.udp_in_use(media.listen, udp)
        yield (
            ok("ports", "udp_free", port=udp)
            if reason is None
            else error("ports", "udp_taken", port=udp, reason=reason)
        )


def answers_tcp(host: str, port: int) -> bool:
    """Whether something accepts a connection."""
    target = "localhost" if host in ("", "::", "0.0.0.0") else host  # noqa: S104 - compared, not bound
    try:
        socket.create_connection((target, port), timeout=2).close()
    except OSError:
        return False
    return True


def udp_path(candidates: Iterable[Candidate], credentials: Credentials) -> Iterator[Finding]:
    """Each announced address, with a small and a full packet."""
    for address, port in sorted({(one.address, one.port) for one in candidates if one.transport == "udp"}):
        for size in (0, FULL_PACKET):
            yield _one(address, port, binding_request(os.urandom(12), credentials, size))


def _one(address: str, port: int, request: bytes) -> Finding:
    where, size = f"[{address}]:{port}" if ":" in address else f"{address}:{port}", len(request)
    try:
        answered = ask(address, port, request)
    except OSError as problem:
        if problem.errno == errno.EMSGSIZE:
            return error("udp", "udp_too_big", where=where, size=size)
        return error("udp", "udp_refused", where=where, reason=problem.strerror or str(problem))
    if answered:
        return ok("udp", "udp_answers", where=where, size=size)
    return error("udp", "udp_silent", where=where, size=size)


def ask(address: str, port: int, request: bytes, timeout: float = TIMEOUT) -> bool:
    """Send a binding request with DF set; True when its answer comes. Raises OSError."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.closing(socket.socket(family, socket.SOCK_DGRAM)) as line:
        if family == socket.AF_INET6:
            line.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO)
        else:
            line.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        line.settimeout(timeout)
        line.connect((address, port))
        for _ in range(TRIES):
            line.send(request)
            with contextlib.suppress(TimeoutError):
                if is_answer(line.recv(2048), request[8:20]):
                    return True
    return False


def binding_request(transaction: bytes, credentials: Credentials, size: int = 0) -> bytes:
    """A signed binding request of a controlling agent, filled up to at least ``size`` bytes with SOFTWARE."""
    attributes = _attribute(USERNAME, credentials.username.encode())
    attributes += _attribute(PRIORITY, struct.pack("!I", 0x6E0000FF)) + _attribute(USE_CANDIDATE, b"")
    attributes += _attribute(ICE_CONTROLLING, bytes(8))
    signed = 24 + 8  # MESSAGE-INTEGRITY and FINGERPRINT, with their heads
    while (missing := size - 20 - len(attributes) - signed) > 0:
        attributes += _attribute(SOFTWARE, b"massalia".ljust(max(8, min(missing - 4, SOFTWARE_LIMIT))))
    head = struct.pack("!HHI", STUN_BINDING, len(attributes) + 24, STUN_COOKIE) + transaction
    digest = hmac.new(credentials.password.encode(), head + attributes, "sha1").digest()
    attributes += _attribute(MESSAGE_INTEGRITY, digest)
    head = struct.pack("!HHI", STUN_BINDING, len(attributes) + 8, STUN_COOKIE) + transaction
    check = zlib.crc32(head + attributes) ^ FINGERPRINT_XOR
    return head + attributes + _attribute(FINGERPRINT, struct.pack("!I", check))


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def is_answer(packet: bytes, transaction: bytes) -> bool:
    """A success or error response to our request."""
    if len(packet) < 20:
        return False
    kind, _, cookie = struct.unpack_from("!HHI", packet)
    return kind in (0x0101, 0x0111) and cookie == STUN_COOKIE and packet[8:20] == transaction

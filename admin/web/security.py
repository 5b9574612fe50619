"""Headers that every answer carries, and the real address of who asks.

Content-Security-Policy (CSP level 3) allows our own files only: no inline script or style, no frames, no plugins.
HSTS (RFC 6797) is left out for ``localhost`` and addresses: there it would only lock a person out of other programs
on the same machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from aiohttp import web

CSP: Final = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "worker-src 'self' blob:",
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
))  # fmt: skip
PERMISSIONS: Final = (
    "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), fullscreen=(self),"
    " screen-wake-lock=(self), geolocation=(), payment=(), usb=(), midi=(), serial=()"
)
HEADERS: Final = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": PERMISSIONS,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
HSTS: Final = "max-age=31536000"

ADDRESS: Final[web.RequestKey[str]] = web.RequestKey("address", str)
"""Who asks: the peer, or what a trusted proxy says of it."""


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Signal handler for ``on_response_prepare``."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    host = request.host.rsplit(":", 1)[0].strip("[]")
    if host != "localhost" and not _is_address(host):
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    response.headers["Server"] = "Massalia"


def is_loopback(address: str) -> bool:
    return _is_address(address) and ipaddress.ip_address(address).is_loopback


def within(address: str, networks: Sequence[str]) -> bool:
    """Whether an address lies in one of the networks."""
    return _within(address, [ipaddress.ip_network(network, strict=False) for network in networks])


def _within(address: str, networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    if not _is_address(address):
        return False
    ip = ipaddress.ip_address(address)
    return any(ip.version == network.version and ip in network for network in networks)


def plain(address: str) -> str:
    """Without a zone, and an IPv4-mapped IPv6 address as IPv4: ``::ffff:192.0.2.1%eth0`` → ``192.0.2.1``."""
    bare = address.split("%", 1)[0]
    try:
        ip = ipaddress.ip_address(bare)
    except ValueError:
        return bare
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

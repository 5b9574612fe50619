"""Who is asking: the network address behind trusted proxies, and whether a page of ours opened the socket."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

from aiohttp import web


def client_address(request: web.BaseRequest, trusted_proxies: Sequence[str]) -> str:
    """The nearest address in X-Forwarded-For that is not a trusted proxy's; the peer's own when it is no proxy."""
    address = request.remote or ""
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    while hops and _within(address, trusted_proxies):
        address = hops.pop()
    return address


def _within(address: str, networks: Sequence[str]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    return any(parsed in ipaddress.ip_network(network, strict=False) for network in networks)


def same_origin(request: web.BaseRequest, public_url: str | None) -> bool:
    """Whether the Origin header (RFC 6454) names this host or the configured one. Programs send none and may come
    in."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    host = urlsplit(origin).netloc.lower()
    return bool(host) and host in (request.host.lower(), urlsplit(public_url or "").netloc.lower())

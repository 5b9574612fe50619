"""Checks of single texts that a pattern cannot say, and suggestions for those that a pattern refuses."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable
from typing import Final


def is_address(text: str) -> bool:
    """Whether ``text`` is an IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_network(text: str) -> bool:
    """Whether ``text`` is an address, or a network in CIDR form."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def is_mapping(text: str) -> bool:
    """Whether ``text`` is ``BIND_IP=PUBLIC_IP`` or ``BIND_IP=PUBLIC_IP:PORT`` of one address family; an IPv6 address
    before a port stands in brackets.
    """
    bind, equal, public = text.partition("=")
    if with_port := re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+)):(?P<port>[0-9]{1,5})", public):
        if not 1 <= int(with_port["port"]) <= 65535:
            return False
        public = with_port["four"] or with_port["six"]
        if is_address(public) and (ipaddress.ip_address(public).version == 6) != bool(with_port["six"]):
            return False
    if not equal or not is_address(bind) or not is_address(public):
        return False
    return ipaddress.ip_address(bind).version == ipaddress.ip_address(public).version


CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "address": is_address,
    "mapping_of_addresses": is_mapping,
    "network": is_network,
}


def suggest(expected: str, text: str) -> str:
    """A well-formed text near to ``text`` for slugs and numbers, or empty."""
    if expected == "slug":
        return slug_of(text)
    if expected == "number":
        digits = re.sub(r"[^0-9]", "", text).lstrip("0")
        return f'"{digits}"' if 3 <= len(digits) <= 9 else ""
    if expected == "url" and re.fullmatch(r"(http://)?[^\s/:]+(:[0-9]+)?/?", text):
        return "https://" + text.removeprefix("http://").rstrip("/")
    return ""


def slug_of(name: str) -> str:
    """``salle-vieux-port`` of « Salle Vieux-Port »; empty when nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]+", "-", plain)[:48].strip("-")

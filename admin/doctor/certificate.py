"""The web server's certificate: readable, key apart and private, dates, names, chain."""

from __future__ import annotations

import datetime as dt
import ssl
import stat
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from admin.certs import covered
from admin.doctor.model import Finding, error, ok, warning
from admin.paths import certificate_files
from config.settings import Settings

RENEW_SOON_DAYS = 14


def check(settings: Settings, now: dt.datetime) -> Iterator[Finding]:
    certificate, key = certificate_files(settings)
    if not certificate.exists() and not settings.tls.cert:
        yield warning("certificate", "certificate_none")
        return
    host = settings.public_url.removeprefix("https://").rsplit(":", 1)[0].strip("[]")
    yield from examine(certificate, key, host, now)


def examine(certificate: Path, key: Path, host: str, now: dt.datetime) -> Iterator[Finding]:
    """All findings about one pair of files. ``host``: the name people type."""
    from cryptography import x509

    try:
        chain = x509.load_pem_x509_certificates(certificate.read_bytes())
    except (OSError, ValueError) as problem:
        yield error("certificate", "certificate_unreadable", file=certificate, reason=_reason(problem))
        return
    yield pair(certificate, key)
    yield permissions(key)
    leaf = chain[0]
    yield dates(leaf.not_valid_before_utc, leaf.not_valid_after_utc, now)
    names = covered(leaf)
    if any(_matches(name, host) for name in names):
        yield ok("certificate", "names_ok", host=host)
    else:
        yield error("certificate", "names_wrong", host=host, names=", ".join(sorted(names)) or "–")
    yield _chain(chain)


def pair(certificate: Path, key: Path) -> Finding:
    """Whether TLS takes the two together."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as problem:
        return error("certificate", "pair_wrong", key=key, reason=_reason(problem))
    return ok("certificate", "pair_ok")


def permissions(key: Path) -> Finding:
    """The private key is for its owner (and a group such as ssl-cert) only."""
    try:
        mode = stat.S_IMODE(key.stat().st_mode)
    except OSError as problem:
        return error("certificate", "key_unreadable", key=key, reason=_reason(problem))
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        return error("certificate", "key_open", key=key, mode=f"{mode:04o}")
    return ok("certificate", "key_ok")


def dates(start: dt.datetime, end: dt.datetime, now: dt.datetime) -> Finding:
    days = (end - now).total_seconds() / 86_400
    if now < start:
        return error("certificate", "not_yet", date=start.date())
    if days <= 0:
        return error("certificate", "ended", date=end.date())
    if days < RENEW_SOON_DAYS:
        return warning("certificate", "ends_soon", days=int(days))
    return ok("certificate", "dates_ok", days=int(days))


def _chain(chain: list) -> Finding:  # type: ignore[type-arg]
    from cryptography.exceptions import InvalidSignature

    for lower, upper in pairwise(chain):
        try:
            lower.verify_directly_issued_by(upper)
        except (ValueError, TypeError, InvalidSignature):
            return error("certificate", "chain_broken", name=lower.subject.rfc4514_string())
    return ok("certificate", "chain_ok", count=len(chain))


def _matches(name: str, host: str) -> bool:
    """RFC 6125 §6.4.3: a wildcard stands for one whole leftmost label."""
    name, host = name.lower(), host.lower()
    if name.startswith("*."):
        return "." in host and host.split(".", 1)[1] == name[2:]
    return name == host


def _reason(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or getattr(problem, "reason", None) or str(problem)

"""Opaque random ids and secrets.

Ids name rooms' participants, legs and calls in logs and messages: 96 random bits, not secret, never reused. Tokens are
bearer secrets of 256 random bits; only their hash is stored, and they are compared in constant time. A fast hash is
right for them (unlike passwords): nobody can enumerate 256 random bits.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

ID_BYTES = 12
TOKEN_BYTES = 32

_ID = re.compile(r"[A-Za-z0-9_-]{16}")


def new_id() -> str:
    """A new id: 16 url-safe characters."""
    return secrets.token_urlsafe(ID_BYTES)


def is_id(text: str) -> bool:
    """Whether ``text`` has the shape of an id."""
    return _ID.fullmatch(text) is not None


def new_token() -> str:
    """A new bearer secret: 43 url-safe characters."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    """What is stored in place of a token (SHA-256, 32 bytes)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def same(left: str | bytes, right: str | bytes) -> bool:
    """Compare two secrets in a time that does not depend on where they differ."""
    return hmac.compare_digest(_bytes(left), _bytes(right))


def token_matches(token: str, stored: bytes) -> bool:
    """Whether ``token`` is the one whose hash is ``stored``."""
    return hmac.compare_digest(token_hash(token), stored)


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value

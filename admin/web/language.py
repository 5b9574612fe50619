"""Which language a person gets: what he chose (``?lang=``, remembered in a cookie), else Accept-Language (RFC 9110
§12.5.4), else the house's own.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from kernel.i18n import LANGUAGES

COOKIE: Final = "lang"
YEAR: Final = 365 * 24 * 3600
LANGUAGE: Final[web.RequestKey[str]] = web.RequestKey("language", str)


def choose(query: str | None, cookie: str | None, accept: str, default: str) -> str:
    """``fr`` or ``en``."""
    for explicit in (query, cookie):
        if explicit in LANGUAGES:
            return explicit
    return from_accept(accept) or default


def from_accept(header: str) -> str | None:
    """The best of our languages in an Accept-Language header, or None. At most 20 entries are read."""
    best: tuple[float, str] | None = None
    for entry in header.split(",")[:20]:
        tag, _, parameter = entry.strip().partition(";")
        quality = _quality(parameter)
        language = tag.strip().lower().split("-")[0]
        if language in LANGUAGES and quality > 0 and (best is None or quality > best[0]):
            best = (quality, language)
    return None if best is None else best[1]


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return max(0.0, min(1.0, float(value)))
    except ValueError:
        return 0.0


def remember(request: web.Request, response: web.StreamResponse) -> None:
    """Keep an explicit choice for a year."""
    if request.query.get("lang") in LANGUAGES:
        response.set_cookie(COOKIE, request[LANGUAGE], max_age=YEAR, secure=True, samesite="Lax", httponly=True)

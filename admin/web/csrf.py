"""Forms that another site cannot send: a random token in a ``__Host-`` cookie and in the form must agree (double
submit), and the browser's Origin and Sec-Fetch-Site, when sent, must say that the form is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from kernel import ids

COOKIE: Final = "__Host-csrf"
TOKEN: Final[web.RequestKey[str]] = web.RequestKey("csrf", str)


def token(request: web.Request) -> str:
    """The token for this browser's forms: the cookie's, or a new one."""
    if TOKEN not in request:
        kept = request.cookies.get(COOKIE, "")
        request[TOKEN] = kept if 40 <= len(kept) <= 64 else ids.new_token()
    return request[TOKEN]


def keep(request: web.Request, response: web.StreamResponse) -> None:
    """Give the browser its token."""
    if TOKEN in request and request.cookies.get(COOKIE) != request[TOKEN]:
        response.set_cookie(COOKIE, request[TOKEN], path="/", secure=True, httponly=True, samesite="Strict")


def check(request: web.Request, form: Mapping[str, Any]) -> None:
    """Raises HTTPForbidden when the form is not ours."""
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
        raise web.HTTPForbidden
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise web.HTTPForbidden
    sent, kept = form.get("csrf"), request.cookies.get(COOKIE, "")
    if not isinstance(sent, str) or not kept or not ids.same(sent, kept):
        raise web.HTTPForbidden

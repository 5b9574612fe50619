"""The front page (the rooms), the room page built by ``web/`` and its files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Protocol

from aiohttp import web

from admin.web.rendering import page, static
from config.rooms import RoomSpec

IMMUTABLE: Final = "public, max-age=31536000, immutable"
SHORT: Final = "public, max-age=300"
_HASHED = re.compile(r"[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+$")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,47}")


class Directory(Protocol):
    """What the pages ask of the rooms."""

    def specs(self) -> list[RoomSpec]:
        """The rooms now open to people."""

    def find(self, name: str) -> RoomSpec | None:
        """By slug, number or alias."""

    def present(self, slug: str) -> int:
        """How many people are in the room."""


DIRECTORY: Final[web.AppKey[Directory]] = web.AppKey("directory")
DIST: Final[web.AppKey[Path]] = web.AppKey("dist", Path)


async def home(request: web.Request) -> web.Response:
    """All rooms with their number and how many people are inside."""
    return _home(request)


def _home(request: web.Request, unknown: str = "") -> web.Response:
    directory = request.app[DIRECTORY]
    rooms = sorted(directory.specs(), key=lambda room: room.number)
    shown = [(room, directory.present(room.slug)) for room in rooms]
    return page(request, "home.html", 404 if unknown else 200, rooms=shown, unknown=unknown)


async def enter(request: web.Request) -> web.StreamResponse:
    """The form "enter with a number": leads to the room's address."""
    wanted = request.query.get("room", "").strip().lower().replace(" ", "")[:48]
    room = request.app[DIRECTORY].find(wanted) if _SLUG.fullmatch(wanted) else None
    if room is None:
        return _home(request, unknown=wanted or "…")
    raise web.HTTPSeeOther(f"/r/{room.slug}")


async def room_page(request: web.Request) -> web.StreamResponse:
    """The client. Aliases and numbers are redirected to the slug, so that one room has one address."""
    name = request.match_info["room"].lower()
    room = request.app[DIRECTORY].find(name) if _SLUG.fullmatch(name) else None
    if room is None:
        raise web.HTTPNotFound
    if name != room.slug:
        query = f"?{request.query_string}" if request.query_string else ""
        raise web.HTTPFound(f"/r/{room.slug}{query}")
    return web.FileResponse(request.app[DIST] / "room.html", headers={"Cache-Control": "no-cache"})


async def asset(request: web.Request) -> web.StreamResponse:
    """A file of the web build. Names with a hash never change: kept for a year."""
    base = (request.app[DIST] / "assets").resolve()
    path = (base / request.match_info["name"]).resolve()
    if not path.is_relative_to(base) or not path.is_file():
        raise web.HTTPNotFound
    return web.FileResponse(path, headers={"Cache-Control": IMMUTABLE if _HASHED.search(path.name) else SHORT})


async def portal_file(request: web.Request) -> web.Response:
    """The portal's own style sheet."""
    data, digest = static("portal.css")
    if request.match_info["digest"] != digest:
        raise web.HTTPNotFound
    return web.Response(body=data, content_type="text/css", charset="utf-8", headers={"Cache-Control": IMMUTABLE})


async def robots(_request: web.Request) -> web.Response:
    return web.Response(text="User-agent: *\nDisallow: /\n")


def setup(app: web.Application, directory: Directory, dist: Path) -> None:
    app[DIRECTORY] = directory
    app[DIST] = dist
    app.router.add_get("/", home)
    app.router.add_get("/entrer", enter)
    app.router.add_get("/r/{room}", room_page)
    app.router.add_get("/assets/{name:[A-Za-z0-9_./-]{1,200}}", asset)
    app.router.add_get("/portal/portal.{digest:[0-9a-f]{12}}.css", portal_file)
    app.router.add_get("/robots.txt", robots)

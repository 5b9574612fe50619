"""``/admin``: rooms with the people in them, and the state of the parts. For administrators."""

from __future__ import annotations

from typing import Final, Protocol

from aiohttp import web

from admin.accounts.views import administrator
from admin.version import version
from admin.web.health import WATCHED
from admin.web.language import LANGUAGE
from admin.web.rendering import page
from config.rooms import RoomSpec
from kernel.errors import Fault
from kernel.i18n import text
from mcu import messages as m


class People(Protocol):
    def specs(self) -> list[RoomSpec]: ...

    def names(self, slug: str) -> list[str]:
        """Who is in the room."""


PEOPLE: Final[web.AppKey[People]] = web.AppKey("people")
Fact = tuple[str, str, bool]


async def dashboard(request: web.Request) -> web.Response:
    administrator(request)
    people = request.app[PEOPLE]
    rooms = [(room, people.names(room.slug)) for room in sorted(people.specs(), key=lambda room: room.number)]
    return page(request, "admin.html", rooms=rooms, facts=await _facts(request), changed="changed" in request.query)


async def _facts(request: web.Request) -> list[Fact]:
    watched, language = request.app[WATCHED], request[LANGUAGE]

    def t(key: str, **values: object) -> str:
        return text(f"portal.{key}", language, **values)

    facts: list[Fact] = [(t("version"), version(), True)]
    try:
        stats = await watched.engine.request(m.Stats(), timeout=2.0)
        minutes = stats.uptime_ms // 60_000
        facts.append((t("engine"), t("engine_up", rooms=stats.rooms, legs=stats.legs, minutes=minutes), True))
    except Fault:
        facts.append((t("engine"), t("away"), False))
    problem = await watched.database()
    facts.append((t("database"), t("works") if problem is None else t("away"), problem is None))
    days = watched.certificate_days()
    if days is not None:
        facts.append((t("certificate"), t("days_left", days=int(days)), days > 14))
    return facts


def setup(app: web.Application, people: People) -> None:
    app[PEOPLE] = people
    app.router.add_get("/admin", dashboard)

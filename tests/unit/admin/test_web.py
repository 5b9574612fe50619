"""The pages over HTTP: headers, languages, forms, rooms, assets, watch points and errors."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

import admin.app
from admin.accounts.attempts import PAIR_LIMIT
from admin.accounts.service import AccountService
from admin.accounts.store import AccountStore
from admin.app import application
from admin.db.pool import Database
from admin.rooms import Conferences
from admin.web import health, pages
from config.load import load_rooms
from config.settings import Http, Metrics, Settings
from kernel.clock import ManualClock
from kernel.events import Bus
from mcu.engine import EngineClient
from signalling.media import MediaPlane
from signalling.rooms.registry import JoinRequest, Rooms
from tests.unit.admin.test_accounts import Plain

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "a-token-of-the-monitoring"
BASE = {"Host": "visio.example.com"}

Client = TestClient[web.Request, web.Application]


class Deaf:
    """A listener and an outbox that nobody reads."""

    async def engine_up(self, welcome: object, same_instance: bool) -> None: ...
    async def engine_event(self, event: object) -> None: ...
    async def engine_down(self) -> None: ...
    def notify(self, notice: object) -> None: ...


@dataclass
class Site:
    client: Client
    rooms: Rooms
    accounts: AccountService
    database: Database
    cookies: dict[str, str]

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        response = await self.client.get(path, headers=self._headers(headers), allow_redirects=False)
        self._keep(response)
        self.last = response
        return response.status, await response.text()

    async def post(self, path: str, form: dict[str, str], **headers: str) -> tuple[int, str]:
        response = await self.client.post(path, data=form, headers=self._headers(headers), allow_redirects=False)
        self._keep(response)
        self.last = response
        return response.status, await response.text()

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        """Cookies by hand: the test speaks plain HTTP, so a real jar would hold the Secure ones back."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return BASE | ({"Cookie": cookie} if cookie else {}) | named

    def _keep(self, response: object) -> None:
        for name, morsel in response.cookies.items():  # type: ignore[attr-defined]
            if morsel.value:
                self.cookies[name] = morsel.value
            else:
                self.cookies.pop(name, None)

    async def csrf(self, path: str = "/connexion") -> str:
        _, body = await self.get(path)
        found = re.search(r'name="csrf" value="([^"]+)"', body)
        assert found
        return found[1]

    async def sign_in(self) -> str:
        email, password = await self.accounts.ensure_administrator()
        assert password is not None
        status, _ = await self.post("/connexion", {"csrf": await self.csrf(), "email": email, "password": password})
        assert status == 303
        return password


async def make(database: Database, dist: Path, settings: Settings) -> AsyncIterator[Site]:
    clock = ManualClock()
    rooms = Rooms(clock, Bus())
    rooms.apply(load_rooms(ROOT / "config" / "rooms").rooms.values())
    media = MediaPlane(rooms, clock, dist / "no-engine.sock")
    engine = EngineClient(dist / "no-engine.sock", "test", Deaf(), subscribe=False)
    conferences = Conferences(rooms, media, clock, engine)
    accounts = AccountService(AccountStore(database), clock, Plain())
    watched = health.Watched(
        engine, conferences, database.check, lambda: 30.0, settings.metrics.allow, settings.metrics.token
    )
    app = application(settings, conferences, accounts, watched)
    app[pages.DIST] = dist

    async def broken(_request: web.Request) -> web.Response:
        raise RuntimeError("a secret detail")

    app.router.add_get("/broken", broken)
    async with TestClient(TestServer(app)) as client:
        yield Site(client, rooms, accounts, database, {})


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    made = tmp_path / "dist"
    (made / "assets" / "ui").mkdir(parents=True)
    (made / "room.html").write_text("<!doctype html><title>room</title>")
    (made / "assets" / "room-Ab3dEf9h.js").write_text("1")
    (made / "assets" / "ui" / "tokens.css").write_text(":root{}")
    (tmp_path / "secret.txt").write_text("secret")
    return made


@pytest.fixture
async def site(database: Database, dist: Path) -> AsyncIterator[Site]:
    settings = Settings(http=Http(trusted_proxies=("127.0.0.0/8",)), metrics=Metrics(token=TOKEN))
    async for made in make(database, dist, settings):
        yield made


@pytest.fixture
async def dark(dist: Path) -> AsyncIterator[Site]:
    """The same without a database."""
    async for made in make(Database("postgresql://x@/x?host=%2Fnonexistent"), dist, Settings()):
        yield made


@pytest.mark.parametrize("path", ["/", "/connexion", "/r/vieux-port", "/nothing", "/healthz", "/broken"])
async def test_every_answer_has_the_security_headers(site: Site, path: str) -> None:
    await site.get(path)
    headers = site.last.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=(self)" in headers["Permissions-Policy"]
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert "aiohttp" not in headers["Server"]


@pytest.mark.parametrize("host", ["localhost:8443", "192.0.2.1:8443", "[2001:db8::1]:8443"])
async def test_no_hsts_where_it_would_harm(site: Site, host: str) -> None:
    await site.get("/", Host=host)
    assert "Strict-Transport-Security" not in site.last.headers


@pytest.mark.parametrize("path", ["/", "/connexion"])
async def test_pages_hold_under_the_policy(site: Site, path: str) -> None:
    _, body = await site.get(path)
    assert "<script" not in body and " style=" not in body and "<style" not in body
    assert not re.search(r"\son\w+=", body)


async def test_home_lists_the_rooms_and_who_is_there(site: Site) -> None:
    room = next(iter(site.rooms)).spec
    site.rooms.join(JoinRequest(room=room.slug, name="Zoé", pin=room.pins.participant, address="192.0.2.1"), Deaf())
    status, body = await site.get("/", Accept_Language="fr")
    assert status == 200
    for spec in (each.spec for each in site.rooms):
        assert spec.name.replace("'", "&#39;") in body
        assert f"/r/{spec.slug}" in body
    assert f"1 / {room.seats} personnes" in body
    assert "Zoé" not in body  # names are not for the public page


@pytest.mark.parametrize(
    ("path", "accept", "expected"),
    [
        ("/", "fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("/", "de, en;q=0.7, fr;q=0.2", "en"),
        ("/", "de", "fr"),
        ("/", "", "fr"),
        ("/?lang=en", "fr", "en"),
        ("/?lang=xx", "en", "en"),
        ("/", "en;q=abc, fr;q=0", "fr"),
    ],
)
async def test_language(site: Site, path: str, accept: str, expected: str) -> None:
    _, body = await site.get(path, Accept_Language=accept)
    assert f'<html lang="{expected}">' in body


async def test_chosen_language_is_remembered(site: Site) -> None:
    await site.get("/?lang=en")
    _, body = await site.get("/", Accept_Language="fr")
    assert '<html lang="en">' in body


async def test_entering_by_number(site: Site) -> None:
    spec = next(iter(site.rooms)).spec
    status, _ = await site.get(f"/entrer?room={spec.number}")
    assert (status, site.last.headers["Location"]) == (303, f"/r/{spec.slug}")
    status, body = await site.get('/entrer?room="><b>x')
    assert status == 404
    assert "<b>x" not in body and "aria-invalid" in body


async def test_room_page(site: Site) -> None:
    spec = next(iter(site.rooms)).spec
    status, body = await site.get(f"/r/{spec.slug}")
    assert status == 200 and "<title>room</title>" in body
    assert site.last.headers["Cache-Control"] == "no-cache"
    status, _ = await site.get(f"/r/{spec.number}?x=1")
    assert (status, site.last.headers["Location"]) == (302, f"/r/{spec.slug}?x=1")
    assert (await site.get("/r/no-such-room"))[0] == 404


async def test_assets(site: Site) -> None:
    assert (await site.get("/assets/room-Ab3dEf9h.js"))[0] == 200
    assert "immutable" in site.last.headers["Cache-Control"]
    assert (await site.get("/assets/ui/tokens.css"))[0] == 200
    assert "immutable" not in site.last.headers["Cache-Control"]
    _, body = await site.get("/")
    style = re.search(r"/portal/portal\.[0-9a-f]{12}\.css", body)
    assert style and (await site.get(style[0]))[0] == 200
    assert (await site.get("/portal/portal.000000000000.css"))[0] == 404


@pytest.mark.parametrize("name", ["../secret.txt", "..%2f..%2fsecret.txt", "%2e%2e/secret.txt", "ui", "absent.js"])
async def test_assets_never_leave_their_directory(site: Site, name: str) -> None:
    status, body = await site.get(f"/assets/{name}")
    assert status == 404 and "secret" not in body


async def test_sign_in_and_out(site: Site) -> None:
    assert (await site.get("/admin"))[0] == 303
    await site.sign_in()
    cookie = next(value for value in site.last.headers.getall("Set-Cookie") if value.startswith("__Host-session="))
    for flag in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=43200"):
        assert flag in cookie
    status, body = await site.get("/admin")
    assert status == 200 and "Vieux" in body
    status, _ = await site.post("/deconnexion", {"csrf": await site.csrf("/admin")})
    assert status == 303
    assert "__Host-session" not in site.cookies
    assert (await site.get("/admin"))[0] == 303


async def test_stolen_cookie_is_worthless_after_sign_out(site: Site) -> None:
    await site.sign_in()
    stolen = site.cookies["__Host-session"]
    await site.post("/deconnexion", {"csrf": await site.csrf("/admin")})
    site.cookies["__Host-session"] = stolen
    assert (await site.get("/admin"))[0] == 303


async def test_forms_need_their_token_and_our_origin(site: Site) -> None:
    form = {"email": "admin@localhost", "password": "whatever-it-is"}
    assert (await site.post("/connexion", form))[0] == 403
    token = await site.csrf()
    assert (await site.post("/connexion", form | {"csrf": "x" * 43}))[0] == 403
    assert (await site.post("/connexion", form | {"csrf": token}, Origin="https://evil.example"))[0] == 403
    assert (await site.post("/connexion", form | {"csrf": token}, Sec_Fetch_Site="cross-site"))[0] == 403
    good = await site.post("/connexion", form | {"csrf": token}, Origin="https://visio.example.com")
    assert good[0] == 401


async def test_wrong_password_counts_down_then_waits(site: Site) -> None:
    await site.accounts.ensure_administrator()
    form = {"email": "admin@localhost", "password": "wrong-password", "csrf": await site.csrf()}
    for left in range(PAIR_LIMIT - 1, 0, -1):
        status, body = await site.post("/connexion", form, Accept_Language="fr")
        assert status == 401 and f"reste {left} essais" in body
        assert 'value="admin@localhost"' in body and "wrong-password" not in body
    assert (await site.post("/connexion", form))[0] == 429
    status, body = await site.post("/connexion", form, Accept_Language="fr")
    assert status == 429 and "15 minutes" in body
    assert int(site.last.headers["Retry-After"]) > 800


async def test_limit_counts_the_real_address_behind_a_trusted_proxy(site: Site) -> None:
    _, password = await site.accounts.ensure_administrator()
    form = {"email": "admin@localhost", "password": "wrong-password", "csrf": await site.csrf()}
    for _ in range(PAIR_LIMIT + 1):
        status, _ = await site.post("/connexion", form, X_Forwarded_For="203.0.113.5")
    assert status == 429
    good = form | {"password": password or ""}
    assert (await site.post("/connexion", good, X_Forwarded_For="203.0.113.6"))[0] == 303


async def test_change_password(site: Site) -> None:
    old = await site.sign_in()
    form = {"csrf": await site.csrf("/admin/mot-de-passe"), "old": "wrong", "new": "quite another one"}
    assert (await site.post("/admin/mot-de-passe", form))[0] == 401
    status, body = await site.post("/admin/mot-de-passe", form | {"old": old, "new": "short"})
    assert status == 400 and "12" in body
    assert (await site.post("/admin/mot-de-passe", form | {"old": old}))[0] == 303
    assert (await site.get("/admin?changed=1"))[0] == 200
    assert await site.accounts.sign_in("admin@localhost", "quite another one", "192.0.2.1")


async def test_admin_is_for_administrators(site: Site) -> None:
    async with site.database.connection() as connection:
        await connection.execute(
            "INSERT INTO accounts (email, name, role, password_hash) VALUES ('u@example.com', 'U', 'user', $1)",
            "plain:the user's password",
        )
    form = {"csrf": await site.csrf(), "email": "u@example.com", "password": "the user's password"}
    assert (await site.post("/connexion", form))[0] == 303
    assert (await site.get("/admin"))[0] == 403


async def test_admin_shows_people_and_survives_a_silent_engine(site: Site) -> None:
    await site.sign_in()
    spec = next(iter(site.rooms)).spec
    site.rooms.join(
        JoinRequest(room=spec.slug, name="<i>Zoé</i>", pin=spec.pins.participant, address="192.0.2.1"), Deaf()
    )
    status, body = await site.get("/admin", Accept_Language="fr")
    assert status == 200
    assert "&lt;i&gt;Zoé" in body and "<i>Zoé" not in body
    assert "Ne répond pas" in body


async def test_health_and_readiness(site: Site) -> None:
    assert (await site.get("/healthz"))[0] == 200
    status, body = await site.get("/readyz")
    assert status == 503 and '"engine": "away"' in body and '"database": "ok"' in body


async def test_metrics_are_for_the_machine_and_the_token(site: Site) -> None:
    status, body = await site.get("/metrics")
    assert status == 200
    for name in ("massalia_participants", "massalia_engine_up 0.0", "massalia_database_up 1.0", "massalia_room_seats"):
        assert name in body
    assert (await site.get("/metrics", X_Forwarded_For="203.0.113.5"))[0] == 403
    wrong = await site.get("/metrics", X_Forwarded_For="203.0.113.5", Authorization="Bearer wrong")
    assert wrong[0] == 403 and TOKEN not in wrong[1]
    right = await site.get("/metrics", X_Forwarded_For="203.0.113.5", Authorization=f"Bearer {TOKEN}")
    assert right[0] == 200


async def test_metrics_are_not_for_strangers_behind_an_unnamed_proxy(dark: Site) -> None:
    assert (await dark.get("/metrics"))[0] == 200
    assert (await dark.get("/metrics", X_Forwarded_For="203.0.113.5"))[0] == 403


async def test_a_form_that_does_not_arrive_is_not_waited_for(dark: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin.app, "FORM_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", dark.client.port)
    kind = "application/x-www-form-urlencoded"
    head = f"POST /connexion HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: 9\r\n"
    writer.write(f"{head}\r\nemail".encode())
    async with asyncio.timeout(5):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()
    await writer.wait_closed()


async def test_errors_are_plain_words(site: Site) -> None:
    status, body = await site.get("/nothing", Accept_Language="fr")
    assert status == 404 and "Page introuvable" in body
    status, body = await site.get("/broken", Accept_Language="fr")
    assert status == 500 and "Code pour l’assistance" in body and "secret" not in body
    status, _ = await site.post("/", {})
    assert status == 405 and site.last.headers["Allow"] == "GET,HEAD"
    status, body = await site.get("/api/rooms/no-such-room")
    assert status == 404 and body.startswith("{")


async def test_too_large_a_form(site: Site) -> None:
    status, _ = await site.post("/connexion", {"email": "x" * 100_000})
    assert status == 413


async def test_without_database_rooms_work_and_the_rest_says_so(dark: Site) -> None:
    dark.cookies["__Host-session"] = "x" * 43
    assert (await dark.get("/"))[0] == 200
    assert (await dark.get("/r/vieux-port"))[0] == 200
    status, body = await dark.get("/admin", Accept_Language="fr")
    assert status == 503 and "réunions continuent" in body
    form = {"csrf": await dark.csrf(), "email": "a@example.com", "password": "whatever"}
    assert (await dark.post("/connexion", form))[0] == 503
    status, body = await dark.get("/readyz")
    assert '"database": "away"' in body

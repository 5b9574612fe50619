"""Pages of the accounts: sign in, sign out, change one's password. Everything works without JavaScript."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from admin.accounts.model import SESSION_LIFE, Session
from admin.accounts.service import AccountService, BadPassword, BadSignIn, TooManyTries
from admin.web import csrf
from admin.web.language import LANGUAGE
from admin.web.rendering import SESSION, page
from admin.web.security import ADDRESS
from kernel.errors import Local
from kernel.i18n import text

COOKIE: Final = "__Host-session"
SERVICE: Final[web.AppKey[AccountService]] = web.AppKey("accounts", AccountService)
WITH_SESSION: Final = ("/", "/entrer", "/connexion", "/deconnexion")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def know_session(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find the session of the portal's pages. Without a database the public pages still work; the protected ones say
    so.
    """
    cookie = request.cookies.get(COOKIE)
    protected = request.path == "/admin" or request.path.startswith("/admin/")
    if cookie and (protected or request.path in WITH_SESSION):
        try:
            session = await request.app[SERVICE].session(cookie)
        except Local:
            if protected:
                raise
            session = None
        if session is not None:
            request[SESSION] = session
    if protected and SESSION not in request:
        raise web.HTTPSeeOther("/connexion")
    return await handler(request)


def administrator(request: web.Request) -> Session:
    """The session of an administrator. Raises HTTPForbidden."""
    session = request[SESSION]
    if session.account.role != "administrator":
        raise web.HTTPForbidden
    return session


async def sign_in_page(request: web.Request) -> web.StreamResponse:
    if SESSION in request:
        raise web.HTTPSeeOther("/admin")
    return page(request, "login.html", email="", failed="")


async def sign_in(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    csrf.check(request, form)
    email, password = str(form.get("email", "")), str(form.get("password", ""))
    try:
        session = await request.app[SERVICE].sign_in(email, password, request[ADDRESS])
    except (BadSignIn, TooManyTries) as refused:
        status, sentence = _refusal(refused, request[LANGUAGE])
        response = page(request, "login.html", status, email=email[:254], failed=sentence)
        _retry_after(response, refused)
        return response
    answer = web.HTTPSeeOther("/admin" if session.account.role == "administrator" else "/")
    answer.set_cookie(
        COOKIE, session.token, max_age=int(SESSION_LIFE.total_seconds()), secure=True, httponly=True, samesite="Lax"
    )
    answer.del_cookie(csrf.COOKIE, secure=True)  # a new token for the signed-in person
    raise answer


async def sign_out(request: web.Request) -> web.StreamResponse:
    csrf.check(request, await request.post())
    if SESSION in request:
        await request.app[SERVICE].sign_out(request[SESSION].token)
    answer = web.HTTPSeeOther("/")
    answer.del_cookie(COOKIE, secure=True)
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    raise answer


async def password_page(request: web.Request) -> web.StreamResponse:
    return page(request, "password.html", field="", failed="")


async def change_password(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    csrf.check(request, form)
    old, new = str(form.get("old", "")), str(form.get("new", ""))
    try:
        await request.app[SERVICE].change_password(request[SESSION], old, new, request[ADDRESS])
    except (BadSignIn, TooManyTries) as refused:
        status, sentence = _refusal(refused, request[LANGUAGE], "portal.old_wrong")
        response = page(request, "password.html", status, field="old", failed=sentence)
        _retry_after(response, refused)
        return response
    except BadPassword as refused:
        return page(
            request, "password.html", 400, field="new", failed=text(f"portal.{refused.reason}", request[LANGUAGE])
        )
    raise web.HTTPSeeOther("/admin?changed=1")


def _refusal(refused: Exception, language: str, wrong: str = "portal.wrong") -> tuple[int, str]:
    if isinstance(refused, TooManyTries):
        return 429, text("portal.too_many", language, minutes=math.ceil(refused.wait / 60))
    left = refused.left if isinstance(refused, BadSignIn) else 0
    if left == 0:
        return 429, text("portal.too_many", language, minutes=15)
    return 401, text(wrong, language, left=left)


def _retry_after(response: web.Response, refused: Exception) -> None:
    if isinstance(refused, TooManyTries):
        response.headers["Retry-After"] = str(math.ceil(refused.wait))


def setup(app: web.Application, service: AccountService) -> None:
    app[SERVICE] = service
    app.router.add_get("/connexion", sign_in_page)
    app.router.add_post("/connexion", sign_in)
    app.router.add_post("/deconnexion", sign_out)
    app.router.add_get("/admin/mot-de-passe", password_page)
    app.router.add_post("/admin/mot-de-passe", change_password)

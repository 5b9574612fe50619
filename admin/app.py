"""Composition root of ``massalia control``: the one place that knows every part and wires them together.

Order matters at the start: the web server listens as soon as rooms are read; the engine and the database are met in
the background, so that a control plane that died is back in a second whatever else is missing. Nothing here decides
anything.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

import structlog
from aiohttp import web

from admin.accounts import views as account_views
from admin.accounts.service import AccountService
from admin.paths import WEB_DIST, certificate_files
from admin.roles import database_dsn
from admin.rooms import Conferences, open_conferences
from admin.tls import Certificate
from admin.web import dashboard, errors, health, pages
from admin.web.language import COOKIE, LANGUAGE, choose
from admin.web.security import ADDRESS, add_headers, plain
from config.settings import Settings
from kernel.clock import SystemClock
from kernel.tasks import Tasks
from signalling.webrtc import endpoint
from signalling.webrtc.address import client_address

log = structlog.get_logger("admin.app")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_FORM: Final = 64 * 1024
"""Bytes of a request's body; WebSocket messages have their own limit (signalling.webrtc)."""
KEEPALIVE_SECONDS: Final = 75.0
STOP_SECONDS: Final = 5.0
BACKLOG: Final = 512
FORM_SECONDS: Final = 30.0
"""For a form to arrive; aiohttp itself ends a connection whose headers take longer than ``KEEPALIVE_SECONDS``."""


@web.middleware
async def read_form(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Wait for a form, but not for ever; handlers then have it at once."""
    if request.method == "POST":
        try:
            async with asyncio.timeout(FORM_SECONDS):
                await request.post()
        except TimeoutError:
            log.warning("form too slow", path=request.path, address=request[ADDRESS])
            raise web.HTTPRequestTimeout from None
    return await handler(request)


def application(
    settings: Settings, conferences: Conferences, accounts: AccountService, watched: health.Watched
) -> web.Application:
    """The aiohttp application."""

    @web.middleware
    async def know_asker(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[ADDRESS] = plain(client_address(request, settings.http.trusted_proxies))
        accept = request.headers.get("Accept-Language", "")[:500]
        request[LANGUAGE] = choose(request.query.get("lang"), request.cookies.get(COOKIE), accept, settings.language)
        return await handler(request)

    middlewares = [know_asker, errors.answer_errors, read_form, account_views.know_session]
    app = web.Application(middlewares=middlewares, client_max_size=MAX_FORM)
    app.on_response_prepare.append(add_headers)
    pages.setup(app, conferences, WEB_DIST)
    account_views.setup(app, accounts)
    dashboard.setup(app, conferences)
    signalling = endpoint.setup(
        app, rooms=conferences.rooms, media=conferences.media, settings=settings, clock=conferences.clock
    )
    health.setup(app, watched, signalling.metrics)
    return app


async def serve(settings: Settings) -> None:
    """Run the control plane until SIGTERM or SIGINT. Raises OSError when it cannot listen or read its certificate."""
    from admin.accounts.store import AccountStore
    from admin.db.pool import Database

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    clock = SystemClock()
    async with AsyncExitStack() as closing:
        tasks = await closing.enter_async_context(Tasks("control"))
        database = Database(database_dsn(settings))
        closing.push_async_callback(database.close)
        certificate = Certificate(*certificate_files(settings))
        conferences = await closing.enter_async_context(open_conferences(settings, clock))
        watched = health.Watched(
            engine=conferences.engine,
            rooms=conferences,
            database=database.check,
            certificate_days=certificate.days_left,
            networks=settings.metrics.allow,
            token=settings.metrics.token,
        )
        app = application(settings, conferences, AccountService(AccountStore(database), clock), watched)
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=KEEPALIVE_SECONDS,
            shutdown_timeout=STOP_SECONDS,
        )
        await runner.setup()
        closing.push_async_callback(runner.cleanup)
        port = await _listen(runner, settings, certificate)
        tasks.spawn(certificate.watch(), "certificate")
        tasks.spawn(database.run(), "database")
        log.info("control ready", port=port, rooms=len(conferences.specs()))
        print(json.dumps({"ready": True, "port": port}), flush=True)
        await stop.wait()
        log.info("control stopping")


async def _listen(runner: web.AppRunner, settings: Settings, certificate: Certificate) -> int:
    """Open the TLS port; ``::`` and empty mean IPv6 and IPv4. Returns the port."""
    host, port = settings.http.host, settings.http.port
    family = socket.AF_INET6 if ":" in host or host == "" else socket.AF_INET
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        family, host = socket.AF_INET, "0.0.0.0" if host in ("", "::") else host  # noqa: S104 - as set: everywhere
        listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind((host or "::", port))
    site = web.SockSite(runner, listener, ssl_context=certificate.context, backlog=BACKLOG)
    await site.start()
    return int(listener.getsockname()[1])

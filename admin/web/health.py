"""Watch points: ``/healthz`` (this process answers), ``/readyz`` (it can open meetings), ``/metrics`` (Prometheus).

The engine's counters are asked for at each scrape and shown as ``massalia_engine_<name>_total``. Metrics tell who
uses what and how much: they are shown to the machine itself, to the networks and with the token of the settings, to
nobody else.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from aiohttp import web

from admin.version import version
from admin.web.security import ADDRESS, is_loopback, plain, within
from config.rooms import RoomSpec
from kernel import ids
from kernel.errors import Fault
from mcu import messages as m

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_NAME = re.compile(r"[^a-z0-9_]")
MAX_COUNTERS = 500
PROXIED = ("X-Forwarded-For", "Forwarded", "Via")


class Engine(Protocol):
    @property
    def connected(self) -> bool: ...

    async def request(self, message: m.Stats, timeout: float = ...) -> m.Counters: ...


class RoomFacts(Protocol):
    def specs(self) -> list[RoomSpec]: ...


@dataclass(frozen=True, slots=True)
class Watched:
    """What the watch points look at."""

    engine: Engine
    rooms: RoomFacts
    database: Callable[[], Awaitable[str | None]]
    certificate_days: Callable[[], float | None]
    networks: Sequence[str] = ()
    token: str | None = None


class Collector(Protocol):
    """Of prometheus_client, which is loaded at the first scrape only."""

    def collect(self) -> Iterable[Metric]: ...


SIGNALLING: Final[web.AppKey[Collector]] = web.AppKey("signalling")
WATCHED: Final[web.AppKey[Watched]] = web.AppKey("watched", Watched)
_STARTED = time.time()


async def healthz(_request: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "version": version()})


async def readyz(request: web.Request) -> web.Response:
    """200 when meetings can be held: the engine answers and there are rooms. The database is told, but rooms do
    without it.
    """
    watched = request.app[WATCHED]
    problem = await watched.database()
    parts = {
        "engine": watched.engine.connected,
        "rooms": bool(watched.rooms.specs()),
        "database": problem is None,
    }
    ready = parts["engine"] and parts["rooms"]
    body = {"status": "ready" if ready else "not ready"} | {
        name: "ok" if well else "away" for name, well in parts.items()
    }
    return web.json_response(body, status=200 if ready else 503)


async def metrics(request: web.Request) -> web.Response:
    watched = request.app[WATCHED]
    if not _may_see(request, watched):
        raise web.HTTPForbidden
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    registry = CollectorRegistry()
    ProcessCollector(registry=registry, namespace="massalia_control")
    registry.register(request.app[SIGNALLING])
    registry.register(_Snapshot(await _facts(watched)))
    body = generate_latest(registry)
    return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


def _may_see(request: web.Request, watched: Watched) -> bool:
    given = request.headers.get("Authorization", "")
    if watched.token and given.startswith("Bearer ") and ids.same(given.removeprefix("Bearer "), watched.token):
        return True
    address = request[ADDRESS]
    if is_loopback(address):
        # A proxy on this machine that is not named in trusted_proxies speaks for strangers.
        return not any(name in request.headers for name in PROXIED) or address != plain(request.remote or "")
    return within(address, watched.networks)


async def _facts(watched: Watched) -> list[Metric]:
    from prometheus_client.core import GaugeMetricFamily

    found: list[Metric] = []

    def gauge(name: str, text: str, value: float) -> None:
        found.append(GaugeMetricFamily(f"massalia_{name}", text, value=value))

    seats = GaugeMetricFamily("massalia_room_seats", "Seats of the room.", labels=["room"])
    for spec in watched.rooms.specs():
        seats.add_metric([spec.slug], spec.seats)
    found.append(seats)
    gauge("start_time_seconds", "Start of the control plane, seconds since 1970.", _STARTED)
    gauge("database_up", "Whether the database answers.", float(await watched.database() is None))
    if (days := watched.certificate_days()) is not None:
        gauge("certificate_days_left", "Days until the web server's certificate ends.", days)
    counters = await _engine(watched.engine)
    gauge("engine_up", "Whether the engine answers.", float(counters is not None))
    if counters is not None:
        found += _engine_metrics(counters)
    return found


async def _engine(engine: Engine) -> m.Counters | None:
    try:
        return await engine.request(m.Stats(), timeout=2.0)
    except Fault:
        return None


def _engine_metrics(stats: m.Counters) -> list[Metric]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    found: list[Metric] = [
        GaugeMetricFamily("massalia_engine_uptime_seconds", "Age of the engine.", value=stats.uptime_ms / 1000),
        GaugeMetricFamily("massalia_engine_rooms", "Rooms open in the engine.", value=stats.rooms),
        GaugeMetricFamily("massalia_engine_legs", "Legs open in the engine.", value=stats.legs),
    ]
    for name, value in sorted(stats.counters.items())[:MAX_COUNTERS]:
        clean = _NAME.sub("_", name.lower())
        found.append(CounterMetricFamily(f"massalia_engine_{clean}", f"Engine counter {clean}.", value=value))
    return found


class _Snapshot:
    """A ``Collector`` over values read just now."""

    def __init__(self, found: list[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterator[Metric]:
        return iter(self._found)


def setup(app: web.Application, watched: Watched, signalling: Collector) -> None:
    app[WATCHED] = watched
    app[SIGNALLING] = signalling
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)

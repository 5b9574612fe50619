"""Figures of signalling for Prometheus, collected when asked: nothing is counted twice.

Register it with a ``prometheus_client.CollectorRegistry``; `endpoint.Endpoint.metrics` is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from signalling.rooms.registry import Rooms


class MediaFigures(Protocol):
    """What is asked of the media plane."""

    @property
    def connected(self) -> bool: ...

    def figures(self) -> dict[str, int]:
        """Totals by name: legs_opened, legs_lost, engine_lost, orders_failed."""


class Metrics(Collector):
    def __init__(self, rooms: Rooms, media: MediaFigures) -> None:
        self._rooms, self._media = rooms, media
        self.sockets = 0
        """WebSockets open now."""
        self.messages: Counter[str] = Counter()
        """Received messages by type; ``invalid`` counts the malformed."""
        self.failures: Counter[str] = Counter()
        """Errors told, by code."""
        self.closed: Counter[str] = Counter()
        """Sockets ended by us: too_large, too_slow, too_fast, join_timeout, not_text, origin, per_address."""

    def collect(self) -> Iterator[Metric]:
        rooms = GaugeMetricFamily("massalia_participants", "Seats taken, kept ones too.", labels=["room"])
        for room in self._rooms:
            rooms.add_metric([room.slug], len(room.seats))
        yield rooms
        yield GaugeMetricFamily("massalia_websockets", "WebSockets open.", value=self.sockets)
        yield GaugeMetricFamily("massalia_engine_connected", "1 while the engine answers.", value=self._media.connected)
        counts = self._rooms.counts
        for name, text, value in (
            ("joins", "People who entered.", counts.joined),
            ("resumes", "Seats taken again.", counts.resumed),
            ("adoptions", "Seats taken over from the engine.", counts.adopted),
            ("expiries", "Seats whose owner did not come back.", counts.expired),
        ):
            yield CounterMetricFamily(f"massalia_{name}", text, value=value)
        for name, value in self._media.figures().items():
            yield CounterMetricFamily(f"massalia_media_{name}", "See signalling.media.", value=value)
        for name, label, counter in (
            ("ws_messages", "type", self.messages),
            ("ws_failures", "code", self.failures),
            ("ws_closed", "cause", self.closed),
        ):
            family = CounterMetricFamily(f"massalia_{name}", "See signalling.webrtc.metrics.", labels=[label])
            for key, value in counter.items():
                family.add_metric([key], value)
            yield family

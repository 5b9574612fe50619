"""Slow readers, late joiners, proxies, figures, and the words told when control stops."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from prometheus_client import CollectorRegistry, generate_latest

from kernel.clock import ManualClock
from signalling.rooms import ports
from signalling.webrtc import line as lines
from signalling.webrtc import messages as m
from signalling.webrtc.address import client_address, same_origin
from signalling.webrtc.line import Encoder, Line
from tests.unit.signalling.conftest import PIN, House, house


async def test_a_reader_too_slow_loses_the_line_and_keeps_the_seat(
    place: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MAX_WAITING", 20)
    browser, witness = await place.browser(), await place.browser()
    joined = await browser.join()
    await witness.join("Témoin")
    outbox = place.rooms._outboxes[joined.you]
    for number in range(30):  # nothing is sent in between: the loop does not turn
        outbox.notify(ports.SpeakersChanged(None, ((joined.you, number),)))
    assert await browser.end() == 1013
    await place.until(lambda: place.endpoint.metrics.closed["too_slow"] == 1)
    await witness.hear(m.Roster, lambda roster: any(not person.connected for person in roster.put))
    again = await place.browser()
    await again.say(m.Resume(version=m.VERSION, token=joined.token, media_alive=False))
    assert (await again.hear(m.Joined)).you == joined.you


async def test_who_does_not_join_in_ten_seconds_is_sent_away(tmp_path: Path) -> None:
    clock = ManualClock()
    async with house(tmp_path, clock=clock) as place:
        browser = await place.browser()
        await place.until(lambda: place.endpoint.metrics.sockets == 1)
        await browser.say(m.Ping(t=1))
        await browser.hear(m.Pong)
        clock.advance(10.1)
        assert (await browser.hear(m.Bye)).reason == "timeout"
        assert await browser.end() == 1008
        assert place.endpoint.metrics.closed["join_timeout"] == 1


async def test_a_refused_join_leaves_time_for_another(tmp_path: Path) -> None:
    clock = ManualClock()
    async with house(tmp_path, clock=clock) as place:
        browser = await place.browser()
        await browser.say(m.Join(version=m.VERSION, room="701", name="Jean", pin="000000"))
        await browser.hear(m.Failure)
        clock.advance(60)
        await browser.join()
        clock.advance(600)
        await browser.say(m.Ping(t=1))
        await browser.hear(m.Pong)


async def test_when_control_stops_the_lines_are_closed_with_going_away(place: House) -> None:
    browser = await place.browser()
    await browser.join()
    await browser.offer()
    await place.endpoint.close(web.Application())
    assert await browser.end() == 1001
    assert place.engine.legs


async def test_the_figures(place: House) -> None:
    browser = await place.browser()
    await browser.say(m.Join(version=m.VERSION, room="701", name="Jean", pin="000000"))
    await browser.hear(m.Failure)
    await browser.join()
    await browser.offer()
    registry = CollectorRegistry()
    registry.register(place.endpoint.metrics)
    text = generate_latest(registry).decode()
    for figure in (
        'massalia_participants{room="calanques"} 1.0',
        "massalia_websockets 1.0",
        "massalia_engine_connected 1.0",
        "massalia_joins_total 1.0",
        "massalia_media_legs_opened_total 1.0",
        'massalia_ws_messages_total{type="join"} 2.0',
        'massalia_ws_failures_total{code="bad_pin"} 1.0',
    ):
        assert figure in text, text
    assert PIN not in text


class _Closed:
    """A WebSocket on which nothing can be sent any more."""

    async def send_str(self, _text: str) -> None:
        raise ConnectionResetError("gone")


async def test_a_line_whose_socket_is_gone_ends_quietly() -> None:
    line = Line(_Closed(), Encoder())  # type: ignore[arg-type]
    line.say(m.Pong(t=1))
    await line.run()
    line.say(m.Pong(t=2))
    assert line.ended and not line.too_slow


def test_what_is_told_to_all_is_encoded_once() -> None:
    encode = Encoder()
    notice = ports.SpeakersChanged("a", (("a", 1),))
    assert encode(notice) is encode(notice)
    assert m.decode_server(encode(notice)) == m.Speakers(dominant="a", active=(m.Speaker(id="a", level=1),))


@pytest.mark.parametrize(
    ("remote", "forwarded", "trusted", "address"),
    [
        ("198.51.100.7", "", (), "198.51.100.7"),
        ("198.51.100.7", "203.0.113.5", (), "198.51.100.7"),
        ("127.0.0.1", "203.0.113.5", ("127.0.0.0/8",), "203.0.113.5"),
        ("::ffff:127.0.0.1", "203.0.113.5", ("127.0.0.0/8",), "203.0.113.5"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.5", ("127.0.0.1",), "203.0.113.5"),
        ("127.0.0.1", "6.6.6.6, 203.0.113.5, 10.0.0.3", ("127.0.0.1", "10.0.0.0/8"), "203.0.113.5"),
        ("127.0.0.1", "", ("127.0.0.1",), "127.0.0.1"),
        ("127.0.0.1", "rubbish", ("127.0.0.1",), "rubbish"),
    ],
)
def test_the_address_behind_trusted_proxies(
    remote: str, forwarded: str, trusted: tuple[str, ...], address: str
) -> None:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = make_mocked_request("GET", "/ws", headers=headers).clone(remote=remote)
    assert client_address(request, trusted) == address


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("https://visio.example.com", True),
        ("https://VISIO.example.com", True),
        ("https://public.example.com:8443", True),
        ("https://public.example.com", False),
        ("https://evil.example.com", False),
        ("https://visio.example.com.evil.example.com", False),
        ("null", False),
        ("", False),
    ],
)
def test_whose_pages_may_open_the_socket(origin: str | None, allowed: bool) -> None:
    headers = {"Host": "visio.example.com"} | ({} if origin is None else {"Origin": origin})
    assert same_origin(make_mocked_request("GET", "/ws", headers=headers), "https://public.example.com:8443") is allowed

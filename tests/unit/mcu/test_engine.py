"""The engine's client against a real Unix socket: replies, refusals, losses, limits, broken peers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from kernel.errors import Fault, Local, Remote
from mcu import engine as client_module
from mcu import messages as m
from mcu.engine import EngineClient, Refused, pack
from tests.fakes.engine import FakeEngine


class Recorder:
    """A listener that keeps what it heard and lets tests wait for it."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.on_up: Callable[[], Any] | None = None
        self._changed = asyncio.Condition()

    async def _add(self, item: Any) -> None:
        async with self._changed:
            self.heard.append(item)
            self._changed.notify_all()

    async def engine_up(self, welcome: m.Welcome, same_instance: bool) -> None:
        if self.on_up is not None:
            await self.on_up()
        await self._add(("up", same_instance))

    async def engine_event(self, event: m.AnyEvent) -> None:
        await self._add(event)

    async def engine_down(self) -> None:
        await self._add("down")

    async def wait_for(self, item: Any) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: item in self.heard)

    async def wait(self, count: int) -> list[Any]:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.heard) >= count)
        return self.heard


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(tmp_path / "media.sock") as fake:
        yield fake


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def client(engine: FakeEngine, recorder: Recorder) -> AsyncIterator[EngineClient]:
    client = await EngineClient(engine.path, "test", recorder).start()
    await client.ready()
    yield client
    await client.close()


def leg_open(leg: str = "leg-1", room: str = "prado", blob: bytes = b"") -> m.LegOpen:
    vp8 = m.Codec(name="vp8", pt=96, clock_rate=90000, rtx_pt=97)
    opus = m.Codec(name="opus", pt=111, clock_rate=48000)
    return m.LegOpen(
        room=room,
        leg=leg,
        remote=m.Remote(ufrag="abcd", pwd="x" * 22, fingerprint="sha-256 AA"),
        tracks=(m.Track(track="mic", kind="audio", mid="0", codecs=(opus,)),),
        slots=(
            m.Slot(slot=0, kind="audio", mid="1", role="speaker", codecs=(opus,)),
            m.Slot(slot=1, kind="video", mid="2", role="view", codecs=(vp8,)),
        ),
        extensions=m.Extensions(mid=1),
        blob=blob,
        blob_version=1,
    )


async def test_a_leg_from_open_to_close(engine: FakeEngine, client: EngineClient) -> None:
    opened = await client.request(m.RoomOpen(room="prado"))
    assert opened.shard == 0
    answer = await client.request(leg_open(blob=b"state"))
    assert [stream.slot for stream in answer.streams] == [0, 1]
    assert answer.streams[1].rtx_ssrc is not None
    await client.request(m.LegGate(leg="leg-1", track="mic", gated=True))
    shown = m.Assignment(slot=1, source=m.Source(leg="leg-2", track="camera"), height=360)
    await client.request(m.LegView(leg="leg-1", assign=(shown,)))
    (room,) = (await client.request(m.Snapshot())).rooms
    (leg,) = room.legs
    assert (leg.gated, leg.view, leg.blob, leg.streams) == (("mic",), (shown,), b"state", answer.streams)
    await client.request(m.LegClose(leg="leg-1"))
    assert (await client.request(m.Stats())).legs == 0


async def test_events_keep_their_order_after_up(engine: FakeEngine, client: EngineClient, recorder: Recorder) -> None:
    sent = [m.TrackWanted(leg="a", track="camera", wanted=bool(i % 2), height=i) for i in range(50)]
    for event in sent:
        engine.send(event)
    assert await recorder.wait(51) == [("up", False), *sent]


async def test_requests_work_inside_engine_up(engine: FakeEngine, recorder: Recorder) -> None:
    client = EngineClient(engine.path, "test", recorder)
    recorder.on_up = lambda: client.request(m.Snapshot())
    await client.start()
    await recorder.wait(1)
    assert engine.received(m.Snapshot)
    await client.close()


async def test_a_refusal_is_typed(engine: FakeEngine, client: EngineClient) -> None:
    with pytest.raises(Refused) as refused:
        await client.request(leg_open(room="nowhere"))
    assert refused.value.engine_code == "unknown_room"
    engine.refuse(m.LegOpen, "bad_remote", "no fingerprint")
    with pytest.raises(Remote) as remote:
        await client.request(leg_open())
    assert remote.value.code == "bad_offer"
    engine.refuse(m.RoomOpen, "limit")
    with pytest.raises(Refused) as limit:
        await client.request(m.RoomOpen(room="prado"))
    assert limit.value.code == "unavailable"


async def test_silence_times_out_and_a_late_reply_harms_nothing(engine: FakeEngine, client: EngineClient) -> None:
    engine.ignore(m.RoomOpen)
    with pytest.raises(Local) as timeout:
        await client.request(m.RoomOpen(room="prado"), timeout=0.05)
    assert timeout.value.code == "timeout"
    with capture_logs() as logs:
        engine.send_raw(pack(m.Frame(id=2, res=m.RoomOpened(room="prado", shard=0))))
        assert (await client.request(m.Stats())).engine == engine.instance
    assert [line["event"] for line in logs] == ["engine_reply_unexpected"]


async def test_a_cut_fails_what_waits_and_comes_back_as_the_same_engine(
    engine: FakeEngine, client: EngineClient, recorder: Recorder
) -> None:
    engine.ignore(m.Stats)
    waiting = asyncio.create_task(client.request(m.Stats()))
    await engine.wait_for(lambda: engine.received(m.Stats))
    engine.cut()
    with pytest.raises(Local) as lost:
        await waiting
    assert lost.value.code == "unavailable"
    assert await recorder.wait(3) == [("up", False), "down", ("up", True)]
    assert (await client.request(m.Stats())).rooms == 0


async def test_another_instance_is_told(engine: FakeEngine, client: EngineClient, recorder: Recorder) -> None:
    await engine.crash()
    await recorder.wait(2)
    with pytest.raises(Local) as away:
        await client.request(m.Stats())
    assert away.value.code == "unavailable"
    assert not client.connected
    await engine.start()
    assert await recorder.wait(3) == [("up", False), "down", ("up", False)]


async def test_waits_for_an_engine_that_comes_later(tmp_path: Path, recorder: Recorder) -> None:
    client = await EngineClient(tmp_path / "late.sock", "test", recorder).start()
    with pytest.raises(Local):
        await client.ready(timeout=0.05)
    async with FakeEngine(tmp_path / "late.sock"):
        await client.ready()
        await client.close()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("over-long", (m.MAX_FRAME + 1).to_bytes(4, "big")),
        ("not msgpack", b"\0\0\0\3\xc1\xc1\xc1"),
        ("another shape", b"\0\0\0\1\x80"),
        ("unknown type", pack(m.Frame(seq=1, evt=m.LegConnected(leg="a"))).replace(b"connected", b"wobbling!")),
        (
            "gap in seq",
            pack(m.Frame(seq=10, evt=m.LegConnected(leg="a"))) + pack(m.Frame(seq=12, evt=m.Speakers(room="r"))),
        ),
        ("a request", pack(m.Frame(id=1, req=m.Stats()))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_broken_frame_ends_the_connection_with_a_log_line(
    engine: FakeEngine, client: EngineClient, recorder: Recorder, name: str, data: bytes
) -> None:
    with capture_logs() as logs:
        engine.send_raw(data)
        await recorder.wait_for("down")
    assert "engine_bad_frame" in [line["event"] for line in logs], name
    await client.ready()


async def test_a_reply_of_the_wrong_type_ends_the_connection(engine: FakeEngine, client: EngineClient) -> None:
    engine.ignore(m.Stats)
    waiting = asyncio.create_task(client.request(m.Stats()))
    await engine.wait_for(lambda: engine.received(m.Stats))
    engine.send_raw(pack(m.Frame(id=2, res=m.Ok())))
    with pytest.raises(Local) as lost:
        await waiting
    assert lost.value.code == "unavailable"


async def test_refuses_an_engine_of_another_version(engine: FakeEngine, recorder: Recorder) -> None:
    engine.refuse(m.Hello, "version", "version 1")
    with capture_logs() as logs:
        client = await EngineClient(engine.path, "test", recorder).start()
        await client.ready()
    assert [line["event"] for line in logs] == ["engine_hello_failed", "engine_up"]
    await client.close()


async def test_outstanding_requests_are_bounded(
    engine: FakeEngine, client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "OUTSTANDING_LIMIT", 4)
    engine.ignore(m.Stats, times=4)
    waiting = [asyncio.create_task(client.request(m.Stats())) for _ in range(4)]
    await engine.wait_for(lambda: len(engine.received(m.Stats)) == 4)
    with pytest.raises(Local) as full:
        await client.request(m.Stats())
    assert full.value.code == "overload"
    engine.cut()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(result, Fault) for result in results)


async def test_a_slow_listener_loses_the_connection_not_the_memory(
    engine: FakeEngine, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "EVENT_LIMIT", 8)
    hold = asyncio.Event()
    recorder.on_up = hold.wait
    with capture_logs() as logs:
        client = await EngineClient(engine.path, "test", recorder).start()
        await engine.wait_for(lambda: engine.connections == 1)
        for _ in range(20):
            engine.send(m.LegConnected(leg="a"))
        await engine.wait_for(lambda: len(engine.hellos) == 2)
        hold.set()
        await client.ready()
    assert "engine_events_overflow" in [line["event"] for line in logs]
    await client.close()


async def test_a_listener_that_raises_is_logged_and_goes_on(
    engine: FakeEngine, client: EngineClient, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = recorder.engine_event

    async def fail_once(event: m.AnyEvent) -> None:
        monkeypatch.setattr(recorder, "engine_event", heard)
        raise ZeroDivisionError

    monkeypatch.setattr(recorder, "engine_event", fail_once)
    with capture_logs() as logs:
        engine.send(m.LegConnected(leg="a"))
        engine.send(m.LegConnected(leg="b"))
        await recorder.wait(2)
    assert recorder.heard[1] == m.LegConnected(leg="b")
    assert [line["event"] for line in logs] == ["engine_listener_failed"]


async def test_a_request_too_large_for_a_frame_is_refused_here(client: EngineClient) -> None:
    with pytest.raises(Local) as large:
        await client.request(m.LegBlob(leg="a", blob=b"x" * m.MAX_FRAME, blob_version=1))
    assert large.value.code == "too_large"
    assert client.connected


async def test_close_tells_down_once_and_leaves_the_engine_as_it_is(engine: FakeEngine, recorder: Recorder) -> None:
    client = await EngineClient(engine.path, "test", recorder).start()
    await client.ready()
    await client.request(m.RoomOpen(room="prado"))
    await client.close()
    await client.close()
    assert recorder.heard == [("up", False), "down"]
    assert not client.connected
    await engine.wait_for(lambda: engine.connections == 0)
    assert list(engine.rooms) == ["prado"]

"""A changed file is applied, a bad one refused while the last good one stays, a half-written one is not read."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from config.watch import INTERVAL, Changes, RoomWatcher
from kernel.clock import ManualClock


def room(number: str, slug: str = "prado", seats: int = 100) -> str:
    return f'name: Salle\nslug: {slug}\nnumber: "{number}"\nseats: {seats}\n'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "prado.yaml").write_text(room("453"))
    (tmp_path / "joliette.yaml").write_text(room("455", "joliette"))
    return tmp_path


@pytest.fixture
async def watcher(directory: Path) -> RoomWatcher:
    watcher = RoomWatcher(directory)
    await watcher.load()
    return watcher


async def settle(watcher: RoomWatcher) -> Changes:
    """The two looks that a change takes."""
    first = await watcher.poll()
    assert not first, "a file is read only once it has been the same twice"
    return await watcher.poll()


async def test_the_first_load_gives_every_good_room(directory: Path) -> None:
    (directory / "bad.yaml").write_text("nonsense")
    watcher = RoomWatcher(directory)
    with capture_logs() as logs:
        changes = await watcher.load()
    assert {each.slug for each in changes.added} == set(watcher.rooms) == {"prado", "joliette"}
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["room_file_refused"]
    assert [problem.code for problem in watcher.problems] == ["not_a_mapping"]


async def test_a_change_is_told_with_old_and_new(directory: Path, watcher: RoomWatcher) -> None:
    (directory / "prado.yaml").write_text(room("453", seats=50))
    changes = await settle(watcher)
    ((old, new),) = changes.changed
    assert (old.seats, new.seats, watcher.rooms["prado"].seats) == (100, 50, 50)
    assert not await watcher.poll()


async def test_a_bad_file_is_refused_and_the_last_good_one_stays(directory: Path, watcher: RoomWatcher) -> None:
    (directory / "prado.yaml").write_text(room("453", seats=5000))
    with capture_logs() as logs:
        assert not await settle(watcher)
        assert not await watcher.poll()
    (line,) = logs
    assert (line["event"], line["kept"]) == ("room_file_refused", "prado")
    assert "prado.yaml:4:8" in line["problem"]
    assert watcher.rooms["prado"].seats == 100
    (directory / "prado.yaml").write_text(room("453", seats=60))
    assert (await settle(watcher)).changed[0][1].seats == 60
    assert watcher.problems == ()


async def test_rooms_come_and_go(directory: Path, watcher: RoomWatcher) -> None:
    (directory / "frioul.yaml").write_text(room("457", "frioul"))
    assert [each.slug for each in (await settle(watcher)).added] == ["frioul"]
    (directory / "frioul.yaml").unlink()
    assert [each.slug for each in (await settle(watcher)).removed] == ["frioul"]


async def test_a_new_slug_is_a_room_gone_and_a_room_come(directory: Path, watcher: RoomWatcher) -> None:
    (directory / "prado.yaml").write_text(room("453", "corniche"))
    changes = await settle(watcher)
    assert ([each.slug for each in changes.added], [each.slug for each in changes.removed]) == (["corniche"], ["prado"])


async def test_an_editor_that_replaces_the_file_removes_no_room(directory: Path, watcher: RoomWatcher) -> None:
    (directory / "prado.yaml").unlink()
    assert not await watcher.poll()
    (directory / "new").write_text(room("453", seats=70))
    (directory / "new").rename(directory / "prado.yaml")
    changes = await settle(watcher)
    assert changes.removed == ()
    assert changes.changed[0][1].seats == 70


async def test_a_file_being_written_is_not_read_half(directory: Path, watcher: RoomWatcher) -> None:
    with (directory / "prado.yaml").open("w") as file:
        file.write("name: Sal")
        file.flush()
        assert not await watcher.poll()
        file.write(room("453", seats=80)[9:])
        file.flush()
        assert not await watcher.poll()
    assert (await watcher.poll()).changed[0][1].seats == 80


async def test_a_change_within_the_same_size_is_seen(directory: Path, watcher: RoomWatcher) -> None:
    before = (directory / "prado.yaml").stat()
    (directory / "prado.yaml").write_text(room("459"))
    os.utime(directory / "prado.yaml", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert (await settle(watcher)).changed[0][1].number == "459"


async def test_two_files_may_exchange_their_numbers(directory: Path, watcher: RoomWatcher) -> None:
    (directory / "prado.yaml").write_text(room("455"))
    (directory / "joliette.yaml").write_text(room("453", "joliette"))
    assert len((await settle(watcher)).changed) == 2
    assert (watcher.rooms["prado"].number, watcher.rooms["joliette"].number) == ("455", "453")


async def test_a_newcomer_takes_no_number_in_use(directory: Path, watcher: RoomWatcher) -> None:
    (directory / "aaa.yaml").write_text(room("453", "aaa"))
    with capture_logs() as logs:
        assert not await settle(watcher)
    assert [line["event"] for line in logs] == ["room_file_refused"]
    assert "aaa" not in watcher.rooms
    assert [problem.code for problem in watcher.problems] == ["clash"]


async def test_a_refusal_that_frees_nothing_refuses_who_counted_on_it(directory: Path, watcher: RoomWatcher) -> None:
    """prado wants joliette's number while joliette wants one in use: both stay as they were."""
    (directory / "frioul.yaml").write_text(room("457", "frioul"))
    await settle(watcher)
    (directory / "prado.yaml").write_text(room("455"))
    (directory / "joliette.yaml").write_text(room("457", "joliette"))
    assert not await settle(watcher)
    assert {each.slug: each.number for each in watcher.rooms.values()} == {
        "prado": "453",
        "joliette": "455",
        "frioul": "457",
    }


async def test_a_directory_that_vanishes_keeps_the_rooms(directory: Path, watcher: RoomWatcher) -> None:
    away = directory.parent / "away"
    directory.rename(away)
    with capture_logs() as logs:
        assert not await watcher.poll()
        assert not await watcher.poll()
    assert [line["event"] for line in logs] == ["rooms_directory_unreadable"]
    assert len(watcher.rooms) == 2
    away.rename(directory)
    assert not await watcher.poll()


async def test_changes_come_within_two_seconds_of_the_clock(directory: Path) -> None:
    clock = ManualClock()
    watcher = RoomWatcher(directory, clock)
    await watcher.load()
    looks: asyncio.Queue[Changes] = asyncio.Queue()
    poll = watcher.poll

    async def watched() -> Changes:
        changes = await poll()
        looks.put_nowait(changes)
        return changes

    watcher.poll = watched  # type: ignore[method-assign]
    (directory / "prado.yaml").write_text(room("453", seats=50))
    coming = asyncio.ensure_future(anext(watcher.changes()))
    looked = 0
    while not coming.done():
        await asyncio.sleep(0)
        clock.advance(INTERVAL)
        looked += 1
        await looks.get()
        await asyncio.sleep(0)
    assert (await coming).changed[0][1].seats == 50
    assert looked * INTERVAL <= 2.0

"""Keeps the rooms of a directory up to date while the product runs.

Looks at names, times and sizes every ``INTERVAL`` seconds (works on every file system, network ones too) and reads a
file once its look has been the same twice, so that a file being written is not read half. A change is applied within 2
s. A bad file is refused and logged, and the last good version of its room stays; a file that is gone removes its room.
Reading and parsing are done in a thread: the loop never waits for a disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import structlog

from config.load import RoomFile, clashes, load_room, room_files
from config.problems import Problem, errors
from config.rooms import RoomSpec
from kernel.clock import Clock, SystemClock

INTERVAL: Final = 0.5

_log = structlog.get_logger("config.watch")
_Look = tuple[int, int, int]


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What became different, by slug. ``changed`` are pairs of the old and the new."""

    added: tuple[RoomSpec, ...] = ()
    changed: tuple[tuple[RoomSpec, RoomSpec], ...] = ()
    removed: tuple[RoomSpec, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class RoomWatcher:
    """The rooms in force and their changes. ``load`` first, then iterate over ``changes``."""

    def __init__(self, directory: Path, clock: Clock | None = None) -> None:
        self._directory = directory
        self._clock: Clock = clock or SystemClock()
        self._seen: dict[Path, _Look] = {}
        """The last look of each file."""
        self._read: dict[Path, _Look] = {}
        """The look at which each file was last read."""
        self._good: dict[Path, RoomFile] = {}
        self._problems: dict[Path, tuple[Problem, ...]] = {}
        self._reachable = True

    @property
    def rooms(self) -> Mapping[str, RoomSpec]:
        """Rooms in force by slug."""
        return {file.room.slug: file.room for file in self._good.values() if file.room is not None}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Of the files as they are on disk now, refused ones included."""
        return tuple(problem for path in sorted(self._problems) for problem in self._problems[path])

    async def load(self) -> Changes:
        """Read everything at once; bad files are logged and left out."""
        await self.poll()
        return await self.poll()

    async def changes(self) -> AsyncIterator[Changes]:
        """Each change from now on, for ever."""
        while True:
            await self._clock.sleep(INTERVAL)
            changes = await self.poll()
            if changes:
                yield changes

    async def poll(self) -> Changes:
        """Look once; apply what has been stable since the last look."""
        looks = await asyncio.to_thread(_looks, self._directory)
        if looks is None:
            if self._reachable:
                _log.error("rooms_directory_unreadable", directory=str(self._directory))
            self._reachable = False
            return Changes()
        self._reachable = True
        ripe = [path for path, look in looks.items() if self._seen.get(path) == look and self._read.get(path) != look]
        gone = [path for path in self._read if path not in looks and path not in self._seen]
        self._seen = looks
        if not ripe and not gone:
            return Changes()
        read = await asyncio.to_thread(lambda: [load_room(path) for path in ripe])
        self._read = {path: look for path, look in self._read.items() if path not in gone}
        self._read.update((path, looks[path]) for path in ripe)
        return self._apply(read, gone)

    def _apply(self, read: list[RoomFile], gone: list[Path]) -> Changes:
        before = dict(self.rooms)
        for path in gone:
            self._good.pop(path, None)
            self._problems.pop(path, None)
        candidates: dict[Path, RoomFile] = {}
        for file in read:
            self._problems[file.path] = file.problems
            if file.room is not None:
                candidates[file.path] = file
            else:
                self._refuse(file.path, file.problems)
        for path, problems in self._settle(candidates).items():
            self._problems[path] = (*self._problems[path], *problems)
            self._refuse(path, tuple(problems))
        changes = _difference(before, self.rooms)
        for room in changes.added:
            _log.info("room_added", room=room.slug)
        for _, room in changes.changed:
            _log.info("room_changed", room=room.slug)
        for room in changes.removed:
            _log.info("room_removed", room=room.slug)
        return changes

    def _settle(self, candidates: dict[Path, RoomFile]) -> dict[Path, list[Problem]]:
        """Put in force the candidates that clash with nobody; returns why the others are refused.

        Candidates are judged together, so that two files may exchange their numbers; the versions already in force come
        first, so that a newcomer never takes a name from a room in use.
        """
        refused: dict[Path, list[Problem]] = {}
        while True:
            kept = {path: file for path, file in self._good.items() if path not in candidates}
            ordered = [*kept.values(), *(candidates[path] for path in sorted(candidates))]
            clashing = [problem for problem in clashes(ordered) if Path(problem.place.file) in candidates]
            if not clashing:
                self._good = {**kept, **candidates}
                return refused
            for problem in clashing:
                path = Path(problem.place.file)
                refused.setdefault(path, []).append(problem)
                candidates.pop(path, None)

    def _refuse(self, path: Path, problems: tuple[Problem, ...]) -> None:
        kept = self._good[path].room if path in self._good else None
        for problem in errors(problems):
            _log.error("room_file_refused", problem=str(problem), kept=kept.slug if kept is not None else None)


def _looks(directory: Path) -> dict[Path, _Look] | None:
    """Each room file's inode, time and size; None when the directory cannot be read."""
    try:
        paths = room_files(directory)
    except OSError:
        return None
    looks: dict[Path, _Look] = {}
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            continue
        looks[path] = (status.st_ino, status.st_mtime_ns, status.st_size)
    return looks


def _difference(before: Mapping[str, RoomSpec], after: Mapping[str, RoomSpec]) -> Changes:
    return Changes(
        added=tuple(room for slug, room in after.items() if slug not in before),
        changed=tuple((before[slug], room) for slug, room in after.items() if slug in before and before[slug] != room),
        removed=tuple(room for slug, room in before.items() if slug not in after),
    )

"""Rooms from YAML files: one file, a directory, or the paths of ``massalia config check``.

Reads files (bounded) and nothing else. A file with any error yields no room; across files the same slug, number or
alias is an error in each file but the first, by the order of their paths.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from config import document
from config.document import MAX_BYTES
from config.pins import weakness
from config.problems import Place, Problem, errors
from config.rooms import Bandwidth, RoomSpec
from config.validate import Validated, dotted, validate

MAX_FILES = 2000
"""Rooms in one directory."""


class RoomFile(msgspec.Struct, frozen=True):
    """One file read: its room, or None; its problems; where each key stands."""

    path: Path
    room: RoomSpec | None
    problems: tuple[Problem, ...]
    places: dict[tuple[str | int, ...], Place]

    def place(self, *path: str | int) -> Place:
        """Where a key was written (the top of the file for one left out)."""
        return self.places.get(path, Place(str(self.path), 1, 1))


class Loaded(msgspec.Struct, frozen=True):
    """A directory's good rooms by slug, and all problems."""

    rooms: dict[str, RoomSpec]
    problems: tuple[Problem, ...]


def parse_room(data: bytes, path: Path) -> RoomFile:
    """A room from the bytes of its file. Never raises."""
    top, problems = document.parse(data, str(path))
    if top is None:
        return RoomFile(path, None, tuple(problems), {})
    outcome = validate(top, RoomSpec)
    problems = [*problems, *outcome.problems]
    problems += _rules(outcome)
    room = outcome.value if not errors(problems) else None
    return RoomFile(path, room, tuple(problems), outcome.places)


def load_room(path: Path) -> RoomFile:
    """A room from its file. Never raises: a file that cannot be read is a problem."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        problem = Problem(
            place=Place(str(path)), code="unreadable", values={"detail": error.strerror or type(error).__name__}
        )
        return RoomFile(path, None, (problem,), {})
    return parse_room(data, path)


def load_rooms(directory: Path) -> Loaded:
    """All rooms of a directory."""
    try:
        files = [load_room(path) for path in room_files(directory)]
    except OSError as error:
        problem = Problem(place=Place(str(directory)), code="unreadable", values={"detail": error.strerror or ""})
        return Loaded({}, (problem,))
    clashing = clashes(files)
    refused = {problem.place.file for problem in clashing}
    rooms = {file.room.slug: file.room for file in files if file.room is not None and str(file.path) not in refused}
    return Loaded(rooms, tuple(problem for file in files for problem in file.problems) + tuple(clashing))


def room_files(directory: Path) -> list[Path]:
    """The directory's room files in order; hidden ones and editors' copies are no rooms. Raises OSError."""
    found = (
        path
        for path in directory.iterdir()
        if path.suffix in (".yaml", ".yml") and not path.name.startswith((".", "#"))
    )
    return sorted(found)[:MAX_FILES]


def check(paths: Iterable[Path]) -> list[Problem]:
    """Every problem of the files and directories named, taken together as one set of rooms."""
    problems: list[Problem] = []
    files: list[RoomFile] = []
    for path in paths:
        try:
            found = room_files(path) if path.is_dir() else [path]
        except OSError as error:
            problems.append(Problem(place=Place(str(path)), code="unreadable", values={"detail": error.strerror or ""}))
            continue
        if not found:
            problems.append(Problem(place=Place(str(path)), code="no_rooms", severity="warning"))
        files += (load_room(each) for each in found)
    return [*problems, *(problem for file in files for problem in file.problems), *clashes(files)]


def clashes(files: Iterable[RoomFile]) -> list[Problem]:
    """The same slug, number or alias in two files: an error in the later one."""
    first: dict[str, RoomFile] = {}
    problems: list[Problem] = []
    for file in files:
        if file.room is None:
            continue
        for path, name in _names(file.room):
            owner = first.setdefault(name, file)
            if owner is not file:
                values = {"name": name, "other": str(owner.path)}
                problems.append(Problem(place=file.place(*path), code="clash", path=dotted(path), values=values))
    return problems


def _names(room: RoomSpec) -> Iterable[tuple[tuple[str | int, ...], str]]:
    yield ("slug",), room.slug
    yield ("number",), room.number
    for index, alias in enumerate(room.aliases):
        yield ("aliases", index), alias


def _rules(outcome: Validated) -> list[Problem]:
    """What spans several fields of one room, for the fields that are good by themselves."""
    problems: list[Problem] = []
    values = outcome.values

    def add(path: tuple[str | int, ...], code: str, **more: str) -> None:
        problems.append(Problem(place=outcome.places[path], code=code, path=dotted(path), values=more))

    number = values.get(("number",), "")
    pins: tuple[tuple[str | int, ...], ...] = (("pins", "participant"), ("pins", "organiser"))
    for path in pins:
        weak = weakness(values[path], number) if path in values else None
        if weak is not None:
            add(path, f"weak_pin_{weak}")
    organiser = values.get(("pins", "organiser"))
    if organiser is not None and organiser == values.get(("pins", "participant")):
        add(("pins", "organiser"), "same_pins")
    for path, name in values.items():
        if path[0] == "aliases" and name in (values.get(("slug",)), number):
            add(path, "useless_alias", name=name)
    default = Bandwidth()
    sender = values.get(("bandwidth", "per_sender"), default.per_sender)
    receiver = ("bandwidth", "per_receiver")
    if values.get(receiver, sender) < sender:
        add(receiver, "receiver_below_sender")
    return problems

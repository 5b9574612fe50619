"""YAML text to a small tree that remembers where each node stands, within limits, never raising.

Parsed with PyYAML's event parser and composed here, because a plain load loses positions, keeps the last of duplicate
keys, recurses without a limit and resolves YAML 1.1's surprises (``no`` is false, ``0123`` is octal, ``1:30`` is
ninety) before anybody can see what was written. Scalars keep their text and whether they were quoted;
``config.validate`` decides by the type that the model wants.

Left out on purpose, each with its own clear problem: several documents, tags (``!…``), merge keys (``<<``), keys that
are not plain words. Aliases are taken but count as often as they are used, so that nested aliases cannot explode.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import yaml

from config.problems import Place, Problem, shown

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 16
MAX_NODES: Final = 10_000
MAX_PROBLEMS: Final = 100


class Scalar(msgspec.Struct, frozen=True):
    text: str
    plain: bool
    """Written without quotes."""
    place: Place
    size: int = 1


class Sequence(msgspec.Struct, frozen=True):
    items: tuple[Node, ...]
    place: Place
    size: int = 1


class Mapping(msgspec.Struct, frozen=True):
    items: tuple[tuple[Scalar, Node], ...]
    place: Place
    size: int = 1


Node = Scalar | Sequence | Mapping


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


def parse(data: bytes, file: str) -> tuple[Mapping | None, list[Problem]]:
    """The tree of a file whose top is a mapping, or None and why."""
    if len(data) > MAX_BYTES:
        limit = {"limit": f"{MAX_BYTES // 1024} KiB"}
        return None, [Problem(place=Place(file, 1, 1), code="file_too_large", values=limit)]
    try:
        source = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        return None, [Problem(place=Place(file, line, column), code="not_utf8")]
    composer = _Composer(source, file)
    try:
        top = composer.document()
    except _Refused as refused:
        return None, [*composer.problems, refused.problem]
    except yaml.YAMLError as error:
        return None, [*composer.problems, _syntax(error, source, file)]
    except (ValueError, IndexError, OverflowError) as error:
        # PyYAML lets a few through for odd escapes (\U00110000) and truncated directives.
        mark = composer.mark()
        return None, [Problem(place=mark, code="syntax", values={"detail": shown(str(error))})]
    if not isinstance(top, Mapping):
        place = top.place if top is not None else Place(file, 1, 1)
        return None, [*composer.problems, Problem(place=place, code="not_a_mapping")]
    return top, composer.problems


class _Composer:
    """Events to nodes, with an explicit depth limit."""

    def __init__(self, source: str, file: str) -> None:
        self._file = file
        self._source = source
        self._loader: Any = None  # PyYAML's event parser has no usable types
        self._anchors: dict[str, Node] = {}
        self._last = Place(file, 1, 1)
        self.problems: list[Problem] = []

    def mark(self) -> Place:
        """Where the last event began."""
        return self._last

    def document(self) -> Node | None:
        """The only document, or None when the file is empty."""
        self._loader = yaml.SafeLoader(self._source)
        try:
            self._next()
            if isinstance(self._peek(), yaml.StreamEndEvent):
                return None
            self._next()
            top = self._node(0)
            self._next()
            if not isinstance(self._peek(), yaml.StreamEndEvent):
                raise _Refused(Problem(place=self._place(self._peek()), code="several_documents"))
            return top
        finally:
            self._loader.dispose()

    def _peek(self) -> Any:
        return self._loader.peek_event()

    def _next(self) -> Any:
        event = self._loader.get_event()
        self._last = self._place(event)
        return event

    def _place(self, event: Any) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, depth: int) -> Node:
        event = self._next()
        place = self._place(event)
        if depth > MAX_DEPTH:
            raise _Refused(Problem(place=place, code="too_deep", values={"limit": str(MAX_DEPTH)}))
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _Refused(Problem(place=place, code="unknown_alias", values={"alias": shown(str(event.anchor))}))
            return self._anchors[event.anchor]
        if event.tag is not None and event.tag != "!":
            raise _Refused(Problem(place=place, code="tag", found=shown(str(event.tag))))
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(event.value, event.style is None, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(place, depth)
        else:
            node = self._mapping(place, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _sequence(self, place: Place, depth: int) -> Sequence:
        items: list[Node] = []
        size = 1
        while not isinstance(self._peek(), yaml.SequenceEndEvent):
            items.append(self._node(depth + 1))
            size = self._grow(size, items[-1], place)
        self._next()
        return Sequence(tuple(items), place, size)

    def _mapping(self, place: Place, depth: int) -> Mapping:
        items: list[tuple[Scalar, Node]] = []
        seen: dict[str, int] = {}
        size = 1
        while not isinstance(self._peek(), yaml.MappingEndEvent):
            key = self._node(depth + 1)
            value = self._node(depth + 1)
            size = self._grow(size, value, place)
            if not isinstance(key, Scalar):
                self._add(Problem(place=key.place, code="key_not_word"))
            elif key.plain and key.text == "<<":
                self._add(Problem(place=key.place, code="merge_key"))
            elif key.text in seen:
                first = {"line": str(seen[key.text]), "key": shown(key.text)}
                self._add(Problem(place=key.place, code="duplicate_key", values=first))
            else:
                seen[key.text] = key.place.line
                items.append((key, value))
        self._next()
        return Mapping(tuple(items), place, size)

    def _grow(self, size: int, child: Node, place: Place) -> int:
        size += child.size
        if size > MAX_NODES:
            raise _Refused(Problem(place=place, code="too_many_nodes", values={"limit": str(MAX_NODES)}))
        return size

    def _add(self, problem: Problem) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)


def _syntax(error: yaml.YAMLError, source: str, file: str) -> Problem:
    """PyYAML's complaint as a problem; tabs have their own sentence because they cannot be seen."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = Place(file, mark.line + 1, mark.column + 1) if mark is not None else Place(file, 1, 1)
        detail = error.problem or error.context or "YAML"
    else:
        position = getattr(error, "position", 0)
        before = source[: position if isinstance(position, int) else 0]
        place = Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
        detail = str(getattr(error, "reason", "YAML"))
    lines = source.splitlines()
    line = lines[place.line - 1] if place.line <= len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in detail:
        column = line.index("\t") + 1 if "\t" in line else place.column
        return Problem(place=Place(file, place.line, column), code="tab")
    return Problem(place=place, code="syntax", values={"detail": shown(detail)})

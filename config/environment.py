"""Settings from ``massalia.yaml`` and ``MASSALIA_*`` variables, with every mistake placed.

A variable becomes a node of the document's tree, placed at its own name, so that one validator judges both. A variable
that names no setting is a warning: other programs may share the prefix, but a misspelt one must not pass in silence.
"""

from __future__ import annotations

from collections.abc import Mapping as Environment
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import inspect

from config import document
from config.document import MAX_BYTES, Mapping, Node, Scalar, Sequence
from config.problems import Place, Problem, closest, errors, render
from config.settings import Settings
from config.validate import validate
from kernel.errors import Local

PREFIX: Final = "MASSALIA_"
DEFAULT_FILE: Final = "massalia.yaml"
NOT_SETTINGS: Final = frozenset(("MASSALIA_CONFIG",))
"""Variables of the prefix that are read elsewhere: MASSALIA_CONFIG is the settings file's path."""


class LoadedSettings(msgspec.Struct, frozen=True):
    """Settings, or None when any problem is an error."""

    settings: Settings | None
    problems: tuple[Problem, ...]


class BadSettings(Local):
    """The settings cannot be used; ``problems`` say why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("configuration", render(problems, "en"))
        self.problems = problems


def load_settings(path: Path | None, environment: Environment[str, str]) -> LoadedSettings:
    """Settings of a file (None or a missing default file: defaults) and an environment. Never raises."""
    file = str(path or DEFAULT_FILE)
    top = Mapping((), Place(file, 1, 1))
    problems: list[Problem] = []
    if path is not None:
        parsed, problems = _read(path)
        if parsed is None:
            return LoadedSettings(None, tuple(problems))
        top = parsed
    top, unknown = overlay(top, environment)
    outcome = validate(top, Settings)
    problems = [*problems, *outcome.problems, *unknown]
    if outcome.value is not None:
        problems += _rules(outcome.value, outcome.places, Place(file))
    return LoadedSettings(outcome.value if not errors(problems) else None, tuple(problems))


def settings(environment: Environment[str, str], directory: Path = Path()) -> Settings:
    """The settings a process starts with: ``$MASSALIA_CONFIG``, else ``massalia.yaml`` of ``directory`` if it exists.

    Relative paths in them are made absolute from the file's directory. Raises BadSettings.
    """
    named = environment.get("MASSALIA_CONFIG")
    path = Path(named) if named else directory / DEFAULT_FILE
    loaded = load_settings(path if named or path.exists() else None, environment)
    if loaded.settings is None:
        raise BadSettings(loaded.problems)
    return anchored(loaded.settings, path.parent.resolve())


def anchored(settings: Settings, base: Path) -> Settings:
    """``settings`` with relative paths resolved from ``base``."""

    def fix(value: str | None) -> str | None:
        return None if value is None else str(base / value)

    return msgspec.structs.replace(
        settings,
        data_dir=str(base / settings.data_dir),
        rooms_dir=str(base / settings.rooms_dir),
        tls=msgspec.structs.replace(settings.tls, cert=fix(settings.tls.cert), key=fix(settings.tls.key)),
        media=msgspec.structs.replace(
            settings.media, control=fix(settings.media.control), binary=fix(settings.media.binary)
        ),
    )


def overlay(top: Mapping, environment: Environment[str, str]) -> tuple[Mapping, list[Problem]]:
    """The tree with the environment's values in place of the file's, and warnings for variables that name no
    setting."""
    variables = _variables()
    unknown: list[Problem] = []
    values: dict[tuple[str, ...], Node] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in NOT_SETTINGS:
            continue
        if name not in variables:
            likely = closest(name, tuple(variables))
            problem = Problem(place=Place(name), code="unknown_variable", suggestion=likely, severity="warning")
            unknown.append(problem)
            continue
        path, kind = variables[name]
        values[path] = _node(environment[name], kind, Place(name))
    return _merged(top, values), unknown


def _read(path: Path) -> tuple[Mapping | None, list[Problem]]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return None, [Problem(place=Place(str(path)), code="unreadable", values={"detail": error.strerror or ""})]
    if not data.strip():
        return Mapping((), Place(str(path), 1, 1)), []
    return document.parse(data, str(path))


def _variables() -> dict[str, tuple[tuple[str, ...], inspect.Type]]:
    """Every setting's variable: its path and type."""
    found: dict[str, tuple[tuple[str, ...], inspect.Type]] = {}

    def walk(kind: inspect.Type, path: tuple[str, ...]) -> None:
        kind = _bare(kind)
        if isinstance(kind, inspect.StructType):
            for field in kind.fields:
                walk(field.type, (*path, field.encode_name))
        else:
            found[PREFIX + "_".join(path).upper()] = (path, kind)

    walk(inspect.type_info(Settings), ())
    return found


def _bare(kind: inspect.Type) -> inspect.Type:
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        else:
            (kind,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
    return kind


def _node(text: str, kind: inspect.Type, place: Place) -> Node:
    if isinstance(kind, inspect.VarTupleType):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return Sequence(tuple(Scalar(part, False, place) for part in parts), place)
    # Text needs no quotes in a variable; numbers and booleans are judged as unquoted.
    return Scalar(text, not isinstance(kind, inspect.StrType), place)


def _merged(top: Mapping, values: Environment[tuple[str, ...], Node]) -> Mapping:
    """``top`` with ``values`` put at their paths."""
    items = list(top.items)
    inner: dict[str, dict[tuple[str, ...], Node]] = {}
    here: MutableMapping[str, Any] = {}
    for path, node in values.items():
        if len(path) == 1:
            here[path[0]] = node
        else:
            inner.setdefault(path[0], {})[path[1:]] = node
    for name, nodes in inner.items():
        below = next((value for key, value in items if key.text == name), None)
        place = next(iter(nodes.values())).place
        if below is None or (isinstance(below, Scalar) and below.plain and not below.text):
            below = Mapping((), place)
        here[name] = _merged(below, nodes) if isinstance(below, Mapping) else below
    kept = [(key, value) for key, value in items if key.text not in here]
    added = [(Scalar(name, False, node.place), node) for name, node in here.items()]
    return Mapping((*kept, *added), top.place)


def _rules(settings: Settings, places: dict[tuple[str | int, ...], Place], file: Place) -> list[Problem]:
    """What spans several settings."""
    problems: list[Problem] = []
    if (settings.tls.cert is None) != (settings.tls.key is None):
        problems.append(Problem(place=places.get(("tls",), file), code="half_certificate", path="tls"))
    last_port = settings.media.port + (settings.media.shards or 1) - 1
    if settings.media.port and last_port > 65535:
        place, values = places.get(("media", "port"), file), {"last": str(last_port)}
        problems.append(Problem(place=place, code="ports_overflow", path="media.port", values=values))
    return problems

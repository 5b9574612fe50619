"""From the tree of a document to a typed value, collecting every mistake with its place.

The model's msgspec types say what is wanted; nothing is listed twice. A field's ``Meta(extra=…)`` may add: ``unit``
(``rate`` or ``size``: a quantity written with its unit), ``expected`` (a key of the catalogue's [expected], and of
``CHECKS`` when a pattern cannot say it), ``secret`` (what was found is never repeated).

Scalars are judged by what was written, not by YAML 1.1's guess: text that YAML would read as a number, a date or a
boolean must be quoted where text is wanted; ``yes`` is no boolean; ``0100`` is no number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
import yaml
from msgspec import inspect

from config import checks
from config.document import MAX_PROBLEMS, Mapping, Node, Scalar, Sequence
from config.problems import Expected, Place, Problem, closest, shown
from config.units import BadUnit, format_rate, format_size, parse_rate, parse_size

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_LOOSE_INTEGER = re.compile(r"([-+]?[0-9][0-9_ ]{0,17})(\.0*)?")
_TRUE: Final = frozenset(("yes", "y", "on", "oui", "vrai", "1"))
_FALSE: Final = frozenset(("no", "n", "off", "non", "faux", "0"))
_NULL: Final = frozenset(("", "~", "null", "Null", "NULL"))
_KINDS: Final = {"int": "number", "float": "number", "bool": "boolean", "null": "null", "timestamp": "date"}

_resolver: Any = yaml.resolver.Resolver()

Path = tuple[str | int, ...]
_MISSING: Final = object()


class Validated(msgspec.Struct):
    """Outcome: ``value`` is None when there is any error; ``values`` holds each good scalar by its path all the same,
    so that rules over several fields can speak in the same run. ``places`` tells where each path was written."""

    value: Any
    values: dict[Path, Any]
    problems: list[Problem]
    places: dict[Path, Place]


def validate(top: Mapping, model: type[msgspec.Struct]) -> Validated:
    """The model's value of a document."""
    work = _Validator()
    kind = inspect.type_info(model)
    value = work.check(top, kind, (), {})
    if value is _MISSING or work.problems:
        value = None
    return Validated(value, work.values, work.problems, work.places)


def dotted(path: Path) -> str:
    """``aliases[2]``, ``pins.organiser``."""
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else (f".{step}" if out else step)
    return out


class _Validator:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.values: dict[Path, Any] = {}
        self.places: dict[Path, Place] = {}

    def add(self, path: Path, place: Place, code: str, **more: Any) -> Any:
        """Note a problem; returns the mark of a missing value."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(place=place, code=code, path=dotted(path), **more))
        return _MISSING

    def check(self, node: Node, kind: inspect.Type, path: Path, extra: dict[str, Any]) -> Any:
        """The value of ``node`` as ``kind``, or the mark of a missing one."""
        self.places[path] = node.place
        while isinstance(kind, inspect.Metadata):
            extra = {**(kind.extra or {}), **extra}
            kind = kind.type
        if isinstance(kind, inspect.UnionType):
            return self._optional(node, kind, path, extra)
        if isinstance(kind, inspect.StructType):
            return self._struct(node, kind, path)
        if isinstance(kind, inspect.VarTupleType):
            return self._tuple(node, kind, path, extra)
        if not isinstance(node, Scalar):
            return self.add(path, node.place, "wrong_kind", expected=expected(kind, extra), found=_outline(node))
        value = self._scalar(node, kind, path, extra)
        if value is not _MISSING:
            self.values[path] = value
        return value

    def _scalar(self, node: Scalar, kind: inspect.Type, path: Path, extra: dict[str, Any]) -> Any:
        if node.plain and node.text in _NULL:
            return self.add(path, node.place, "no_value", expected=expected(kind, extra))
        if isinstance(kind, inspect.BoolType):
            return self._bool(node, kind, path)
        if isinstance(kind, inspect.IntType):
            return self._int(node, kind, path, extra)
        if isinstance(kind, inspect.LiteralType):
            return self._choice(node, kind, path)
        if isinstance(kind, inspect.StrType):
            return self._str(node, kind, path, extra)
        raise TypeError(f"the model uses {kind}, which no document can hold")

    def _optional(self, node: Node, kind: inspect.UnionType, path: Path, extra: dict[str, Any]) -> Any:
        if isinstance(node, Scalar) and node.plain and node.text in _NULL:
            return None
        (inner,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
        return self.check(node, inner, path, extra)

    def _struct(self, node: Node, kind: inspect.StructType, path: Path) -> Any:
        if not isinstance(node, Mapping):
            return self.add(path, node.place, "wrong_kind", expected=Expected("mapping"), found=_outline(node))
        fields = {field.encode_name: field for field in kind.fields}
        values: dict[str, Any] = {}
        for key, value in node.items:
            if key.text not in fields:
                known = Expected("one_of", {"choices": ", ".join(fields)})
                likely = closest(key.text, tuple(fields))
                self.add((*path, shown(key.text)), key.place, "unknown_key", expected=known, suggestion=likely)
                continue
            values[fields[key.text].name] = self.check(value, fields[key.text].type, (*path, key.text), {})
        present = {key.text for key, _ in node.items}
        for name, field in fields.items():
            if field.required and name not in present:
                wanted = expected(field.type, {})
                self.add((*path, name), node.place, "missing_key", expected=wanted)
                values[name] = _MISSING
        if any(value is _MISSING for value in values.values()):
            return _MISSING
        return kind.cls(**values)

    def _tuple(self, node: Node, kind: inspect.VarTupleType, path: Path, extra: dict[str, Any]) -> Any:
        if not isinstance(node, Sequence):
            likely = f"[{shown(node.text)}]" if isinstance(node, Scalar) and node.text else ""
            wanted = expected(kind, extra)
            return self.add(path, node.place, "wrong_kind", expected=wanted, found=_outline(node), suggestion=likely)
        count = len(node.items)
        if not (kind.min_length or 0) <= count <= (kind.max_length or count):
            self.add(path, node.place, "wrong_count", expected=expected(kind, extra), found=str(count))
            return _MISSING
        values = [self.check(item, kind.item_type, (*path, index), {}) for index, item in enumerate(node.items)]
        for index, value in enumerate(values):
            if value is not _MISSING and value in values[:index]:
                self.add((*path, index), node.items[index].place, "duplicate_item", found=shown(str(value)))
                values[index] = _MISSING
        return _MISSING if any(value is _MISSING for value in values) else tuple(values)

    def _bool(self, node: Scalar, kind: inspect.BoolType, path: Path) -> Any:
        if node.plain and node.text in ("true", "false"):
            return node.text == "true"
        word = node.text.strip().lower()
        likely = "true" if word == "true" or word in _TRUE else "false" if word == "false" or word in _FALSE else ""
        return self.add(
            path, node.place, "wrong_value", expected=expected(kind, {}), found=_quoted(node), suggestion=likely
        )

    def _int(self, node: Scalar, kind: inspect.IntType, path: Path, extra: dict[str, Any]) -> Any:
        unit = extra.get("unit")
        if unit is not None:
            return self._quantity(node, kind, path, extra)
        wanted = expected(kind, extra)
        if not (node.plain and _INTEGER.fullmatch(node.text)):
            loose = _LOOSE_INTEGER.fullmatch(node.text)
            likely = str(int(loose[1].replace("_", "").replace(" ", ""))) if loose else ""
            code = "octal" if re.fullmatch(r"0[0-9_]+", node.text) else "wrong_value"
            return self.add(path, node.place, code, expected=wanted, found=_quoted(node), suggestion=likely)
        value = int(node.text)
        if not _within(kind, value):
            return self.add(
                path,
                node.place,
                "out_of_range",
                expected=wanted,
                found=node.text,
                suggestion=str(_nearest(kind, value)),
            )
        return value

    def _quantity(self, node: Scalar, kind: inspect.IntType, path: Path, extra: dict[str, Any]) -> Any:
        rate = extra["unit"] == "rate"
        wanted = expected(kind, extra)
        try:
            value = (parse_rate if rate else parse_size)(node.text)
        except BadUnit as error:
            return self.add(
                path, node.place, "wrong_unit", expected=wanted, found=_quoted(node), suggestion=error.suggestion
            )
        if not _within(kind, value):
            nearest = (format_rate if rate else format_size)(_nearest(kind, value))
            return self.add(
                path, node.place, "out_of_range", expected=wanted, found=shown(node.text), suggestion=nearest
            )
        return value

    def _choice(self, node: Scalar, kind: inspect.LiteralType, path: Path) -> Any:
        choices = tuple(str(value) for value in kind.values)
        if node.text in choices:
            return node.text
        return self.add(
            path,
            node.place,
            "wrong_value",
            expected=expected(kind, {}),
            found=_quoted(node),
            suggestion=closest(node.text, choices),
        )

    def _str(self, node: Scalar, kind: inspect.StrType, path: Path, extra: dict[str, Any]) -> Any:
        wanted = expected(kind, extra)
        secret = bool(extra.get("secret"))
        if node.plain and (read_as := _read_as(node.text)) is not None:
            likely = "" if secret else checks.suggest(extra.get("expected", ""), node.text) or f'"{node.text}"'
            return self.add(path, node.place, f"needs_quotes_{read_as}", expected=wanted, suggestion=likely)
        value = node.text
        good = (kind.min_length or 0) <= len(value) <= (kind.max_length or len(value))
        good = good and (kind.pattern is None or re.fullmatch(kind.pattern, value) is not None)
        good = good and all(character.isprintable() or character == "\n" for character in value)
        good = good and (not kind.min_length or bool(value.strip()))
        check: Callable[[str], bool] | None = checks.CHECKS.get(extra.get("expected", ""))
        if good and (check is None or check(value)):
            return value
        likely = "" if secret else checks.suggest(extra.get("expected", ""), value)
        found = "" if secret else shown(value)
        return self.add(path, node.place, "wrong_value", expected=wanted, found=found, suggestion=likely)


def expected(kind: inspect.Type, extra: dict[str, Any]) -> Expected:
    """What to tell people that a field of this type takes."""
    while isinstance(kind, inspect.Metadata):
        extra = {**(kind.extra or {}), **extra}
        kind = kind.type
    if "expected" in extra:
        return Expected(extra["expected"])
    match kind:
        case inspect.UnionType():
            (inner,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
            return expected(inner, extra)
        case inspect.StructType():
            return Expected("mapping")
        case inspect.VarTupleType():
            low, high = str(kind.min_length or 0), str(kind.max_length or MAX_PROBLEMS)
            if isinstance(kind.item_type, inspect.LiteralType):
                return Expected("list_of", {"low": low, "high": high, "choices": _choices(kind.item_type)})
            return Expected("list", {"low": low, "high": high})
        case inspect.BoolType():
            return Expected("boolean")
        case inspect.IntType() if extra.get("unit") == "rate":
            return Expected("rate", {"low": format_rate(kind.ge or 0), "high": format_rate(kind.le or 0)})
        case inspect.IntType() if extra.get("unit") == "size":
            return Expected("size", {"low": format_size(kind.ge or 0), "high": format_size(kind.le or 0)})
        case inspect.IntType():
            return Expected("integer", {"low": str(kind.ge), "high": str(kind.le)})
        case inspect.LiteralType():
            return Expected("one_of", {"choices": _choices(kind)})
    if isinstance(kind, inspect.StrType) and kind.max_length:
        return Expected("text", {"low": str(kind.min_length or 0), "high": str(kind.max_length)})
    return Expected("any_text")


def _choices(kind: inspect.LiteralType) -> str:
    return ", ".join(str(value) for value in kind.values)


def _within(kind: inspect.IntType, value: int) -> bool:
    return (kind.ge is None or value >= kind.ge) and (kind.le is None or value <= kind.le)


def _nearest(kind: inspect.IntType, value: int) -> int:
    if kind.ge is not None and value < kind.ge:
        return kind.ge
    return kind.le if kind.le is not None and value > kind.le else value


def _read_as(text: str) -> str | None:
    """What YAML 1.1 makes of unquoted ``text``, or None for text."""
    tag: str = _resolver.resolve(yaml.ScalarNode, text, (True, False))
    return _KINDS.get(tag.rpartition(":")[2])


def _quoted(node: Scalar) -> str:
    return shown(node.text) if node.plain else f'"{shown(node.text)}"'


def _outline(node: Node) -> str:
    """What a node is, without repeating it whole."""
    if isinstance(node, Scalar):
        return _quoted(node)
    return "[…]" if isinstance(node, Sequence) else "{…}"

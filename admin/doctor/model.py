"""A finding: what was looked at, how it is, and how to mend it. Sentences are keys of the catalogue's ``[doctor]``."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from kernel.i18n import text


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """``key`` names the sentence ``doctor.<key>``; unless all is well ``doctor.<key>_mend`` says what to do."""

    part: str
    level: Level
    key: str
    values: dict[str, object] = field(default_factory=dict)

    def sentence(self, language: str) -> str:
        return text(f"doctor.{self.key}", language, **self.values)

    def mend(self, language: str) -> str:
        return "" if self.level is Level.OK else text(f"doctor.{self.key}_mend", language, **self.values)


def ok(part: str, name: str, /, **values: object) -> Finding:
    return Finding(part, Level.OK, name, values)


def warning(part: str, name: str, /, **values: object) -> Finding:
    return Finding(part, Level.WARNING, name, values)


def error(part: str, name: str, /, **values: object) -> Finding:
    return Finding(part, Level.ERROR, name, values)

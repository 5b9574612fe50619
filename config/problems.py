"""One mistake in a configuration file: where it is, what was expected, what was found, what to write instead.

A problem keeps codes and values; sentences come from the catalogue when it is rendered, in the reader's language.
Values of secret fields are never kept, so that a problem can be logged.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from kernel.i18n import DEFAULT, text

_FOUND_LENGTH = 60


class Place(msgspec.Struct, frozen=True):
    """A position: 1-based line and column of a file, or the name of an environment variable (then line 0)."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class Expected(msgspec.Struct, frozen=True):
    """What a field wants: a key of the catalogue's [expected] and its values."""

    key: str
    values: dict[str, str] = {}

    def render(self, language: str) -> str:
        return text(f"expected.{self.key}", language, **self.values)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake. ``code`` is a key of the catalogue's [problem]."""

    place: Place
    code: str
    path: str = ""
    """Dotted path of the key, such as ``pins.organiser`` or ``aliases[2]``."""
    expected: Expected | None = None
    found: str = ""
    suggestion: str = ""
    values: dict[str, str] = {}
    severity: Literal["error", "warning"] = "error"

    def render(self, language: str = DEFAULT) -> str:
        """One line: place, severity, sentence, then expected, found and suggestion where there are any."""
        values = {"path": self.path, **self.values}
        parts = [text(f"problem.{self.code}", language, **values)]
        if self.expected is not None:
            parts.append(text("problem.part_expected", language, expected=self.expected.render(language)))
        if self.found:
            parts.append(text("problem.part_found", language, found=self.found))
        if self.suggestion:
            parts.append(text("problem.part_suggestion", language, suggestion=self.suggestion))
        severity = text(f"problem.severity_{self.severity}", language)
        return f"{self.place}: {severity} {' '.join(parts)}"

    def __str__(self) -> str:
        return self.render("en")


def render(problems: Iterable[Problem], language: str = DEFAULT) -> str:
    """All problems, one a line, in the order of files and lines."""
    ordered = sorted(problems, key=lambda problem: (problem.place.file, problem.place.line, problem.place.column))
    return "\n".join(problem.render(language) for problem in ordered)


def errors(problems: Iterable[Problem]) -> list[Problem]:
    """Those that make a file refused."""
    return [problem for problem in problems if problem.severity == "error"]


def closest(word: str, choices: Sequence[str]) -> str:
    """The choice most like ``word``, or empty."""
    lowered = {choice.lower(): choice for choice in choices}
    matches = difflib.get_close_matches(word.lower()[:64], lowered, n=1, cutoff=0.6)
    return lowered[matches[0]] if matches else ""


def shown(value: str) -> str:
    """``value`` short and on one line, for ``found``."""
    line = " ".join(value.split())
    line = "".join(character if character.isprintable() else "�" for character in line)
    return line if len(line) <= _FOUND_LENGTH else line[: _FOUND_LENGTH - 1] + "…"

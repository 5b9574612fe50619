"""The product's words, in French first and in English: ``catalogue/fr.toml`` and ``catalogue/en.toml``.

Loaded once, at the first use. A key is dotted (``error.full``); a sentence may hold ``{name}`` places. Both catalogues
have the same keys and places (tests/architecture holds them together), so a missing key is a mistake in the code: it
raises ``MissingText``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

Language = Literal["fr", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("fr", "en")
DEFAULT: Final[Language] = "fr"


class MissingText(KeyError):
    """The catalogue has no such key, or a place of the sentence was not filled."""


@cache
def catalogue(language: Language) -> dict[str, str]:
    """All sentences of a language, by dotted key."""
    source = files("kernel").joinpath("catalogue", f"{language}.toml").read_text("utf-8")
    flat: dict[str, str] = {}
    _flatten(tomllib.loads(source), "", flat)
    return flat


def text(key: str, language: str = DEFAULT, /, **values: object) -> str:
    """The sentence ``key`` in ``language`` (French if it is not one of ours), its places filled with ``values``."""
    chosen: Language = "en" if language == "en" else "fr"
    try:
        return catalogue(chosen)[key].format_map(values)
    except KeyError as missing:
        raise MissingText(f"{key} ({chosen}): {missing}") from None


def _flatten(table: dict[str, Any], prefix: str, flat: dict[str, str]) -> None:
    for key, value in table.items():
        if isinstance(value, dict):
            _flatten(value, f"{prefix}{key}.", flat)
        else:
            flat[prefix + key] = value

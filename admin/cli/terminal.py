"""What the commands share: the terminal's language, and the settings or a clear refusal."""

from __future__ import annotations

import os
import sys

from config.settings import Settings


def language(settings: Settings | None = None) -> str:
    """French or English: the locale's, else the settings', else French."""
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if (code := os.environ.get(variable, "")[:2].lower()) in ("fr", "en"):
            return code
    return "fr" if settings is None else settings.language


def load_settings() -> Settings:
    """The settings; with a mistake in them: its place on stderr, and the program ends with 1."""
    from config.environment import BadSettings, settings
    from config.problems import render

    try:
        return settings(os.environ)
    except BadSettings as bad:
        print(render(bad.problems, language()), file=sys.stderr)
        raise SystemExit(1) from None


def fail(sentence: str) -> int:
    """One sentence on stderr; returns exit code 1."""
    print(sentence, file=sys.stderr)
    return 1

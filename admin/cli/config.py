"""``massalia config check`` and ``massalia config schema``."""

from __future__ import annotations

import argparse

from admin.cli.terminal import language, load_settings
from config import load
from config.problems import errors, render
from kernel.i18n import text


def run(arguments: argparse.Namespace) -> int:
    if arguments.what == "schema":
        return _schema()
    settings = load_settings()
    paths = arguments.paths or [settings.rooms_path]
    problems = load.check(paths)
    words = language(settings)
    if problems:
        print(render(problems, words))
    wrong = len(errors(problems))
    print(text("config.wrong" if wrong else "config.well", words, count=wrong))
    return 1 if wrong else 0


def _schema() -> int:
    from config.schema import render as schema

    print(schema(), end="")
    return 0

"""``massalia media``: become the media engine with what the settings say."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import NoReturn

from admin import roles
from admin.cli.terminal import fail, language, load_settings
from admin.paths import engine_binary
from kernel.i18n import text


def run(_arguments: argparse.Namespace) -> int:
    settings = load_settings()
    binary = engine_binary(settings)
    if binary is None:
        return fail(text("run.no_engine", language(settings)))
    settings.control_socket.parent.mkdir(parents=True, exist_ok=True)
    return _become(binary, list(roles.engine(settings, binary).argv))


def _become(program: Path, argv: list[str]) -> NoReturn:
    os.execv(program, argv)  # noqa: S606 - our own program

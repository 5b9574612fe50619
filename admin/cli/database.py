"""``massalia db``: become the embedded PostgreSQL server."""

from __future__ import annotations

import argparse

from admin.cli.terminal import fail, load_settings
from admin.db.embedded import main
from admin.roles import embedded


def run(_arguments: argparse.Namespace) -> int:
    settings = load_settings()
    if not settings.database.embedded:
        return fail("massalia db: database.dsn is set, so the embedded server is not used")
    return main(embedded(settings))

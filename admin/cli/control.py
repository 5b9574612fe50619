"""``massalia control``: the role that holds signalling, rooms and web pages."""

from __future__ import annotations

import argparse
import ssl

from admin.cli.terminal import fail, load_settings
from kernel.log import configure


def run(_arguments: argparse.Namespace) -> int:
    settings = load_settings()
    configure(settings.log.level, settings.log.format)
    import uvloop

    from admin.app import serve

    try:
        uvloop.run(serve(settings))
    except (OSError, ssl.SSLError) as error:
        return fail(f"massalia control: {error}")
    return 0

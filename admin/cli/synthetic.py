"""``massalia demo`` and ``massalia probe``: hands over to ``admin.synthetic``.

The room's code may come from the environment (``DEMO_ROOM_PIN``), so that it need not stand in a command line.
"""

from __future__ import annotations

import argparse
import os
from importlib import import_module

PIN_VARIABLE = "DEMO_ROOM_PIN"


def run(arguments: argparse.Namespace) -> int:
    words = list(arguments.rest)
    pin = os.environ.pop(PIN_VARIABLE, None)
    if pin and not any(word.split("=")[0] == "--pin" for word in words):
        words += ["--pin", pin]
    code: int = import_module(f"admin.synthetic.{arguments.command}").main(words)
    return code

"""``massalia doctor``: prints what it finds; exit code 1 when there is an error, 0 with warnings only."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence

from admin.cli.terminal import language, load_settings
from admin.doctor.examine import examine
from admin.doctor.model import Finding, Level
from kernel.i18n import text
from kernel.log import configure

MARKS = {Level.OK: "✓", Level.WARNING: "!", Level.ERROR: "✗"}
COLOURS = {Level.OK: "\033[32m", Level.WARNING: "\033[33m", Level.ERROR: "\033[31m"}


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings()
    configure("error")
    words = arguments.language or language(settings)
    found = asyncio.run(examine(settings))
    print(as_json(found, words) if arguments.json else as_text(found, words, sys.stdout.isatty()))
    return 1 if any(finding.level is Level.ERROR for finding in found) else 0


def as_json(found: Sequence[Finding], words: str) -> str:
    rows = [
        {"part": f.part, "level": f.level, "check": f.key, "text": f.sentence(words), "mend": f.mend(words)}
        for f in found
    ]
    return json.dumps(
        {"ok": all(f.level is not Level.ERROR for f in found), "findings": rows}, ensure_ascii=False, indent=2
    )


def as_text(found: Sequence[Finding], words: str, colour: bool) -> str:
    lines: list[str] = []
    part = ""
    for finding in found:
        if finding.part != part:
            part = finding.part
            lines.append(text(f"doctor.part_{part}", words))
        mark = MARKS[finding.level]
        if colour:
            mark = f"{COLOURS[finding.level]}{mark}\033[0m"
        lines.append(f"  {mark} {finding.sentence(words)}")
        if mend := finding.mend(words):
            lines.append(f"    → {mend}")
    wrong = sum(f.level is Level.ERROR for f in found)
    doubtful = sum(f.level is Level.WARNING for f in found)
    lines.append(text("doctor.total", words, errors=wrong, warnings=doubtful))
    return "\n".join(lines)

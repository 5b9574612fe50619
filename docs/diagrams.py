"""Draws the state diagrams of the documentation from the tables in the code; run it from the root:

python docs/diagrams.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))

from signalling.rooms import connection  # noqa: E402 - the root must be on the path first

DIAGRAMS = {"protocol.md": {"connection": connection.mermaid}}


def drawn(page: str) -> str:
    """The page with its diagrams as the tables say."""
    text = (DOCS / page).read_text("utf-8")
    for name, mermaid in DIAGRAMS[page].items():
        pattern = re.compile(rf"(<!-- diagram: {name} -->\n```mermaid\n).*?(```\n)", re.DOTALL)
        text, found = pattern.subn(lambda match, made=mermaid: match[1] + made() + match[2], text)
        if found != 1:
            raise SystemExit(f"{page}: diagram {name} found {found} times")
    return text


if __name__ == "__main__":
    for page in DIAGRAMS:
        (DOCS / page).write_text(drawn(page), "utf-8")

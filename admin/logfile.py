"""A log file with a bounded size: one child's output, ``name.log`` and one older ``name.log.1``."""

from __future__ import annotations

from collections import deque
from pathlib import Path

MAX_BYTES = 10 * 1024 * 1024
TAIL_LINES = 30


class LogFile:
    """Appends lines; keeps the last ``TAIL_LINES`` in memory for the message shown when the process dies."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._max = max_bytes
        self._file = path.open("ab", buffering=0)
        self._size = self._file.tell()
        path.chmod(0o600)

    def write(self, line: bytes) -> None:
        """Append one line. A full disk loses the line, not the process."""
        self.tail.append(line.decode("utf-8", "replace"))
        if self._size + len(line) > self._max:
            self._turn()
        try:
            self._size += self._file.write(line + b"\n") or 0
        except OSError:
            return

    def _turn(self) -> None:
        self._file.close()
        self.path.replace(self.path.with_name(self.path.name + ".1"))
        self._file = self.path.open("ab", buffering=0)
        self.path.chmod(0o600)
        self._size = 0

    def close(self) -> None:
        self._file.close()

"""The roster's changes, gathered for 100 ms and then told to all at once: a join costs the others one message.

``seq`` rises by one with each batch of a room. What a newcomer gets on joining is the roster itself; a batch that is
told just after may repeat what he knows already, which does no harm: ``put`` replaces.
"""

from __future__ import annotations

from collections.abc import Callable

from signalling.rooms.ports import Person, RosterChanged

BATCH = 0.1
"""Seconds."""


class RosterChanges:
    """Who changed since the last batch."""

    def __init__(self) -> None:
        self.seq = 0
        self.due: float | None = None
        """When the next batch is to be told; None when nothing changed."""
        self._put: dict[str, None] = {}
        self._gone: dict[str, None] = {}

    def put(self, participant: str, now: float) -> None:
        self._gone.pop(participant, None)
        self._put[participant] = None
        self._mark(now)

    def gone(self, participant: str, now: float) -> None:
        self._put.pop(participant, None)
        self._gone[participant] = None
        self._mark(now)

    def _mark(self, now: float) -> None:
        if self.due is None:
            self.due = now + BATCH

    def take(self, now: float, person: Callable[[str], Person], total: int) -> RosterChanged | None:
        """The batch, if it is due."""
        if self.due is None or now < self.due:
            return None
        self.seq += 1
        batch = RosterChanged(self.seq, tuple(map(person, self._put)), tuple(self._gone), total)
        self.due = None
        self._put.clear()
        self._gone.clear()
        return batch

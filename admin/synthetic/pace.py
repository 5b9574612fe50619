"""When to send the next frame, and how many a second: slower when the machine cannot keep up, faster again when it
can.
"""

from __future__ import annotations

SLOWER_AFTER = 5
"""Late frames in a row before the rate goes down a step."""
FASTER_AFTER_S = 15.0
"""Seconds without a late frame before it goes up again."""


class Pace:
    """Gives each frame its time. ``rates`` are frames per second, the wanted one first, then ever slower ones."""

    def __init__(self, rates: tuple[float, ...], now: float) -> None:
        self._rates = rates
        self._step = 0
        self._due = now
        self._late = 0
        self._good_since = now

    @property
    def rate(self) -> float:
        return self._rates[self._step]

    def wait(self, now: float) -> float:
        """Seconds to wait before the next frame; called when the one before has been handed on."""
        interval = 1 / self.rate
        late = now - self._due
        if late > interval / 2:
            self._late += 1
            self._good_since = now
        else:
            self._late = 0
        self._adapt(now)
        self._due = now if late > interval else self._due
        wait = max(0.0, self._due - now)
        self._due += 1 / self.rate
        return wait

    def resume(self, now: float) -> None:
        """The sender was stopped on purpose: what was missed is not late."""
        self._due, self._late, self._good_since = now, 0, now

    def _adapt(self, now: float) -> None:
        if self._late >= SLOWER_AFTER and self._step < len(self._rates) - 1:
            self._step, self._late, self._good_since = self._step + 1, 0, now
        elif now - self._good_since >= FASTER_AFTER_S and self._step > 0:
            self._step, self._good_since = self._step - 1, now

"""The wall clock as a date, for what is stored."""

from __future__ import annotations

import datetime as dt

from kernel.clock import Clock


def utc(clock: Clock) -> dt.datetime:
    """The wall clock in UTC."""
    return dt.datetime.fromtimestamp(clock.wall(), dt.UTC)

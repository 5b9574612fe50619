"""The life of one supervised process as a table: pure, no I/O, no clock (``now`` in seconds is an argument).

A process that dies is started again at once the first time; when it dies again within ``WINDOW`` it waits longer
each time (``BACKOFF``), so that a crash loop neither eats the machine nor leaves the house dark for long. A process
that has never been ready and has died ``GIVE_UP`` times is given up: something is wrong that waiting does not mend.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

WINDOW = 60.0
"""Seconds without a death after which the count of deaths starts afresh."""
BACKOFF = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds to wait before start number n + 1 within the window; the last one holds from there on."""
GIVE_UP = 3
"""Deaths of a process that was never ready, after which the supervisor stops everything."""


class State(StrEnum):
    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Event(StrEnum):
    START = "start"
    READY = "ready"
    EXITED = "exited"
    TIMER = "timer"
    STOP = "stop"


class Action(StrEnum):
    NONE = "none"
    SPAWN = "spawn"
    TERMINATE = "terminate"
    KILL = "kill"
    GIVE_UP = "give up"


TABLE: dict[tuple[State, Event], tuple[State, Action]] = {
    (State.IDLE, Event.START): (State.STARTING, Action.SPAWN),
    (State.IDLE, Event.STOP): (State.STOPPED, Action.NONE),
    (State.STARTING, Event.READY): (State.RUNNING, Action.NONE),
    (State.STARTING, Event.EXITED): (State.BACKOFF, Action.NONE),
    (State.STARTING, Event.TIMER): (State.STARTING, Action.KILL),  # not ready in time: its exit brings BACKOFF
    (State.STARTING, Event.STOP): (State.STOPPING, Action.TERMINATE),
    (State.RUNNING, Event.EXITED): (State.BACKOFF, Action.NONE),
    (State.RUNNING, Event.STOP): (State.STOPPING, Action.TERMINATE),
    (State.BACKOFF, Event.TIMER): (State.STARTING, Action.SPAWN),
    (State.BACKOFF, Event.STOP): (State.STOPPED, Action.NONE),
    (State.STOPPING, Event.EXITED): (State.STOPPED, Action.NONE),
    (State.STOPPING, Event.TIMER): (State.STOPPING, Action.KILL),
}
"""Pairs that are not named change nothing."""


@dataclass(frozen=True, slots=True)
class Life:
    """Where one process stands. ``deadline``: when TIMER is due (the same clock as ``now``), None for never."""

    ready_timeout: float
    stop_timeout: float
    state: State = State.IDLE
    deadline: float | None = None
    deaths: int = 0
    last_death: float = float("-inf")
    ever_ready: bool = False


def step(life: Life, event: Event, now: float) -> tuple[Life, Action]:
    """The next state and what the supervisor has to do now."""
    if event is Event.TIMER and (life.deadline is None or now < life.deadline):
        return life, Action.NONE
    if (life.state, event) not in TABLE:
        return life, Action.NONE
    state, action = TABLE[life.state, event]
    if event is Event.EXITED and state is State.BACKOFF:
        return _died(life, now)
    deadline = {
        State.STARTING: now + life.ready_timeout,
        State.STOPPING: now + life.stop_timeout,
    }.get(state)
    ready = life.ever_ready or state is State.RUNNING
    return replace(life, state=state, deadline=deadline, ever_ready=ready), action


def _died(life: Life, now: float) -> tuple[Life, Action]:
    deaths = 1 if now - life.last_death > WINDOW else life.deaths + 1
    if not life.ever_ready and deaths >= GIVE_UP:
        return replace(life, state=State.FAILED, deadline=None, deaths=deaths, last_death=now), Action.GIVE_UP
    wait = BACKOFF[min(deaths, len(BACKOFF)) - 1]
    return replace(life, state=State.BACKOFF, deadline=now + wait, deaths=deaths, last_death=now), Action.NONE

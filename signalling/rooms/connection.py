"""The life of a participant's connection, as a table. docs/protocol.md shows the diagram drawn from it.

A seat is *new* while its owner has not yet joined, *joined* without media, *connected* with media, *suspended* while
the line to control is lost and the seat is kept, and *gone* for ever.
"""

from __future__ import annotations

from enum import Enum

from kernel.errors import Local


class State(Enum):
    NEW = "new"
    JOINED = "joined"
    CONNECTED = "connected"
    SUSPENDED = "suspended"
    GONE = "gone"


class Event(Enum):
    JOIN = "join"
    """The room admits the person."""
    ADOPT = "adopt"
    """A new control plane finds the seat in the engine's snapshot."""
    MEDIA_UP = "media up"
    MEDIA_LOST = "media lost"
    SIGNAL_LOST = "signalling lost"
    RESUME = "resume"
    """The owner comes back with his token (perhaps before we noticed that he was gone)."""
    EXPIRE = "30 s passed"
    LEAVE = "leave"
    END = "ended by us"
    """The room closes, the person is removed, or the line is refused."""


TABLE: dict[State, dict[Event, State]] = {
    State.NEW: {
        Event.JOIN: State.JOINED,
        Event.ADOPT: State.SUSPENDED,
        Event.SIGNAL_LOST: State.GONE,
        Event.LEAVE: State.GONE,
        Event.END: State.GONE,
    },
    State.JOINED: {
        Event.MEDIA_UP: State.CONNECTED,
        Event.MEDIA_LOST: State.JOINED,
        Event.SIGNAL_LOST: State.SUSPENDED,
        Event.RESUME: State.JOINED,
        Event.LEAVE: State.GONE,
        Event.END: State.GONE,
    },
    State.CONNECTED: {
        Event.MEDIA_UP: State.CONNECTED,
        Event.MEDIA_LOST: State.JOINED,
        Event.SIGNAL_LOST: State.SUSPENDED,
        Event.RESUME: State.CONNECTED,
        Event.LEAVE: State.GONE,
        Event.END: State.GONE,
    },
    State.SUSPENDED: {
        Event.MEDIA_UP: State.SUSPENDED,
        Event.MEDIA_LOST: State.SUSPENDED,
        Event.RESUME: State.JOINED,
        Event.EXPIRE: State.GONE,
        Event.LEAVE: State.GONE,
        Event.END: State.GONE,
    },
    State.GONE: {
        Event.MEDIA_UP: State.GONE,
        Event.MEDIA_LOST: State.GONE,
        Event.SIGNAL_LOST: State.GONE,
        Event.EXPIRE: State.GONE,
        Event.LEAVE: State.GONE,
        Event.END: State.GONE,
    },
}
"""What is absent is a mistake of ours. A gone seat still hears late events and ignores them."""


def step(state: State, event: Event) -> State:
    """The next state. Raises Local("internal") for what cannot happen."""
    try:
        return TABLE[state][event]
    except KeyError:
        raise Local("internal", f"{event.name} cannot happen in {state.name}") from None


def mermaid() -> str:
    """The table as a Mermaid state diagram; loops and the gone state's deafness are left out."""
    lines = ["stateDiagram-v2", "    [*] --> new"]
    for state, row in TABLE.items():
        arrows: dict[State, list[str]] = {}
        for event, target in row.items():
            if target is not state:
                arrows.setdefault(target, []).append(event.value)
        lines += [f"    {state.value} --> {target.value}: {', '.join(events)}" for target, events in arrows.items()]
    lines.append("    gone --> [*]")
    return "\n".join(lines) + "\n"

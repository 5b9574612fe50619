"""The supervisor's table: every (state, event), the back-off, and giving up."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.restart import BACKOFF, GIVE_UP, TABLE, WINDOW, Action, Event, Life, State, step

FRESH = Life(ready_timeout=20, stop_timeout=10)


def walk(life: Life, *events: tuple[Event, float]) -> tuple[Life, list[Action]]:
    actions = []
    for event, now in events:
        life, action = step(life, event, now)
        actions.append(action)
    return life, actions


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_pair_is_defined_or_changes_nothing(state: State, event: Event) -> None:
    life = replace(FRESH, state=state, deadline=5.0)
    after, action = step(life, event, 5.0)
    if (state, event) in TABLE:
        assert (after.state, action) == TABLE[state, event]
    else:
        assert (after, action) == (life, Action.NONE)


def test_first_death_restarts_at_once_then_slower() -> None:
    life, _ = walk(FRESH, (Event.START, 0), (Event.READY, 1))
    now, waits = 10.0, []
    for _ in range(len(BACKOFF) + 2):
        life, action = step(life, Event.EXITED, now)
        assert action is Action.NONE
        assert life.deadline is not None
        waits.append(life.deadline - now)
        if life.deadline > now:
            assert step(life, Event.TIMER, life.deadline - 0.01) == (life, Action.NONE)
        now = life.deadline
        life, action = step(life, Event.TIMER, now)
        assert action is Action.SPAWN
    assert waits == [*BACKOFF, BACKOFF[-1], BACKOFF[-1]]


def test_a_quiet_window_forgives() -> None:
    life, _ = walk(FRESH, (Event.START, 0), (Event.READY, 1), (Event.EXITED, 2), (Event.TIMER, 2), (Event.EXITED, 3))
    assert life.deadline == 3 + BACKOFF[1]
    life, _ = walk(life, (Event.TIMER, 4), (Event.READY, 5), (Event.EXITED, 3 + WINDOW + 1))
    assert life.deadline == 3 + WINDOW + 1


def test_never_ready_gives_up() -> None:
    life, now = step(FRESH, Event.START, 0.0)[0], 0.0
    for _ in range(GIVE_UP - 1):
        life, action = step(life, Event.EXITED, now)
        assert action is Action.NONE
        now = life.deadline or now
        life, action = step(life, Event.TIMER, now)
        assert action is Action.SPAWN
    life, action = step(life, Event.EXITED, now)
    assert (life.state, action) == (State.FAILED, Action.GIVE_UP)


def test_not_ready_in_time_is_killed_and_counts_as_death() -> None:
    life, _ = step(FRESH, Event.START, 0.0)
    assert step(life, Event.TIMER, 19.9)[1] is Action.NONE
    life, action = step(life, Event.TIMER, 20.0)
    assert action is Action.KILL
    life, _ = step(life, Event.EXITED, 20.1)
    assert life.state is State.BACKOFF


def test_stop_terminates_then_kills() -> None:
    life, actions = walk(FRESH, (Event.START, 0), (Event.READY, 1), (Event.STOP, 5))
    assert actions[-1] is Action.TERMINATE
    life, action = step(life, Event.TIMER, 15.0)
    assert action is Action.KILL
    assert step(life, Event.EXITED, 15.1)[0].state is State.STOPPED


@given(st.lists(st.tuples(st.sampled_from(Event), st.floats(0, 40)), max_size=60))
def test_stop_always_ends_the_story(events: list[tuple[Event, float]]) -> None:
    """Whatever happened: after STOP nothing is spawned any more, and an exit brings it to an end."""
    life, now = FRESH, 0.0
    for event, pause in events:
        now += pause
        life, _ = step(life, event, now)
    life, _ = step(life, Event.STOP, now)
    for event in Event:
        assert step(life, event, now + 1000)[1] is not Action.SPAWN
    life, _ = step(life, Event.EXITED, now)
    assert life.state in (State.STOPPED, State.FAILED)

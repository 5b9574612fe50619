"""The synthetic participants' parts that need no network: pace, pictures, speech."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin.synthetic import demo, glyphs, speech
from admin.synthetic.pace import FASTER_AFTER_S, SLOWER_AFTER, Pace
from admin.synthetic.picture import SHAPES, Look, Picture


def test_pace_is_even_when_the_machine_keeps_up() -> None:
    pace, now, times = Pace((20.0, 10.0), 0.0), 0.0, []
    for _ in range(40):
        now += pace.wait(now)
        times.append(now)
        now += 0.01  # encoding
    assert np.diff(times) == pytest.approx(0.05)
    assert pace.rate == 20


def test_pace_slows_down_under_load_and_recovers() -> None:
    pace, now = Pace((20.0, 10.0), 0.0), 0.0
    for _ in range(SLOWER_AFTER * 3):
        now += pace.wait(now) + 0.085
    assert pace.rate == 10
    until = now + FASTER_AFTER_S + 1
    while now < until:
        now += pace.wait(now) + 0.01
    assert pace.rate == 20


def test_pace_does_not_hurry_after_a_wanted_stop() -> None:
    pace = Pace((20.0, 10.0), 0.0)
    pace.wait(0.0)
    pace.resume(100.0)
    assert [pace.wait(100.0), pace.wait(100.0), pace.wait(100.05)] == pytest.approx([0.0, 0.05, 0.05])


@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_move_and_differ(shape: str) -> None:
    picture = Picture(Look("Étienne Fabre", 0.3, shape), 320, 180)  # type: ignore[arg-type]
    first, second = picture.draw(0, "12:00:00"), picture.draw(1, "12:00:00")
    assert first.shape == (270, 320)
    assert 50 < np.count_nonzero(first != second) < first.size // 4
    other = Picture(Look("Zoé", 0.8, shape), 320, 180).draw(0, "12:00:00")  # type: ignore[arg-type]
    assert np.count_nonzero(first != other) > first.size // 3


@given(st.integers(0, 10**7), st.text(max_size=12))
def test_no_frame_number_and_no_clock_text_breaks_drawing(frame: int, clock: str) -> None:
    Picture(Look("A", 0.1, "bar"), 160, 90).draw(frame, clock)


@given(st.text(max_size=20))
def test_any_name_can_be_lettered(text: str) -> None:
    assert glyphs.render(text, 2).shape[0] == 14


def test_accents_are_dropped() -> None:
    assert np.array_equal(glyphs.render("Éte", 1), glyphs.render("ETE", 1))


@given(st.integers(0, 10**9), st.integers(1, 4000))
def test_a_conversation_repeats_and_is_seamless(position: int, count: int) -> None:
    line = np.arange(1, 5001, dtype=np.int16)
    talk = speech.Conversation([(0, line), (1, line)], pause=0.05)
    one = talk.samples(0, position, count)
    assert np.array_equal(one, talk.samples(0, position + talk.length, count))
    assert all(talk.samples(0, position + i, 1)[0] == one[i] for i in range(0, count, 97))
    both = (one != 0) & (talk.samples(1, position, count) != 0)
    assert not both.any(), "two people speak at once"


def test_the_six_voices_differ_and_are_loud_enough() -> None:
    talk = demo.conversation()
    assert len(talk.turns) == 12
    for turn in talk.turns:
        assert 1 < len(turn.pcm) / speech.RATE < 12
        assert np.sqrt(np.mean(turn.pcm.astype(float) ** 2)) > 300
    assert len({turn.pcm.tobytes() for turn in talk.turns}) == 12

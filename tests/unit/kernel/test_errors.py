"""Every error carries an answer for every dialect."""

from __future__ import annotations

import pytest

from kernel.errors import ANSWERS, Fault, Local, Remote


@pytest.mark.parametrize("code", ANSWERS)
def test_answers_are_in_range(code: str) -> None:
    answer = ANSWERS[code]
    assert 400 <= answer.http_status < 600
    assert 400 <= answer.sip_status < 700
    assert 1 <= answer.q931_cause <= 127
    assert answer.message == f"error.{code}"


def test_a_full_room_is_busy_to_a_telephone() -> None:
    fault = Remote("full", "100 of 100 seats", retry_after=5, field="room", seats=100)
    assert (fault.answer.sip_status, fault.answer.q931_cause, fault.answer.http_status) == (486, 17, 409)
    assert str(fault) == "full: 100 of 100 seats"
    assert (fault.retry_after, fault.field, fault.values) == (5, "room", {"seats": 100})


def test_local_and_remote_are_told_apart() -> None:
    assert Local().code == "internal"
    assert not isinstance(Local(), Remote)
    assert isinstance(Local(), Fault)


def test_no_local_answer_makes_a_proxy_try_another_route() -> None:
    assert all(answer.sip_status != 503 for answer in ANSWERS.values())


def test_an_unknown_code_is_a_mistake_in_the_code() -> None:
    with pytest.raises(KeyError):
        Remote("no_such_code")

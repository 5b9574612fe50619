"""Weak codes, each for its reason."""

from __future__ import annotations

import pytest

from config.pins import weakness


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        ("12345", "short"),
        ("123456", "run"),
        ("987654", "run"),
        ("890123", "run"),
        ("210987", "run"),
        ("111111", "repeated"),
        ("121212", "pattern"),
        ("583583", "pattern"),
        ("48134813", "pattern"),
        ("1212121", "pattern"),
        ("052813", "leading_zero"),
        ("551372", "doubled"),
        ("137255", "doubled"),
        ("151315", "few_digits"),
        ("451372", None),
        ("583920174", None),
    ],
)
def test_weakness(pin: str, why: str | None) -> None:
    assert weakness(pin) == why


def test_the_rooms_number_is_no_code() -> None:
    assert weakness("451372", "451372") == "number"
    assert weakness("84513729", "451372") == "number"
    assert weakness("945172", "451") is None, "three digits occur by chance"

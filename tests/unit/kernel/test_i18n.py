"""Sentences by key and language."""

from __future__ import annotations

import pytest

from kernel.i18n import MissingText, text


def test_french_is_the_default_and_the_refuge() -> None:
    assert text("error.room_closed") == "Cette réunion est terminée."
    assert text("error.room_closed", "en") == "This meeting has ended."
    assert text("error.room_closed", "de") == text("error.room_closed", "fr")


def test_places_are_filled() -> None:
    assert text("problem.part_found", "en", found="x") == "Found: x."


@pytest.mark.parametrize(("key", "values"), [("no.such.key", {}), ("problem.part_found", {})])
def test_a_missing_key_or_place_raises(key: str, values: dict[str, str]) -> None:
    with pytest.raises(MissingText):
        text(key, "fr", **values)


def test_values_are_not_formats() -> None:
    assert "{found.__class__}" in text("problem.part_found", "en", found="{found.__class__}")

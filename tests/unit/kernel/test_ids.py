"""Ids and tokens: shape, uniqueness, comparison."""

from __future__ import annotations

import pytest

from kernel import ids


def test_ids_are_unique_and_url_safe() -> None:
    made = {ids.new_id() for _ in range(1000)}
    assert len(made) == 1000
    assert all(ids.is_id(each) for each in made)


@pytest.mark.parametrize("text", ["", "short", "a" * 17, "a" * 15 + "/", "a" * 15 + "\n", "é" * 16])
def test_other_text_is_no_id(text: str) -> None:
    assert not ids.is_id(text)


def test_only_the_token_itself_matches_its_hash() -> None:
    token, other = ids.new_token(), ids.new_token()
    stored = ids.token_hash(token)
    assert len(stored) == 32
    assert token.encode() not in stored
    assert ids.token_matches(token, stored)
    assert not ids.token_matches(other, stored)
    assert not ids.token_matches(token, b"")


def test_secrets_of_any_text_compare_without_raising() -> None:
    assert ids.same("é\ud800", "é\ud800")
    assert not ids.same("123456", "1234567")
    assert ids.same("12", b"12")

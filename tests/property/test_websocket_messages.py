"""Any bytes from a browser are a typed message or a refusal that the session knows (signalling/webrtc/session.py)."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from signalling.webrtc import messages as w
from tests.contract import samples
from tests.property.mutate import mutations

REFUSALS = (msgspec.MsgspecError, RecursionError, UnicodeError)
CLIENT = tuple(w.encode(message) for name, message in samples.samples().items() if name.startswith("client."))
TOKENS = (
    *tuple(
        token.encode()
        for token in (
            *('"type":', '"join"', '"offer"', '"view"', '"slots":[', "null", "true", "1e999", "-0", "9" * 400),
            *("{" * 50, "[" * 5000, "]", "}", ",", '"', "\\ud800", "\\u0000", "\x00", "\ufeff", "👋"),
        )
    ),
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def judge(data: bytes) -> Any:
    """Decode; what is accepted is one of the client's types and survives a trip."""
    try:
        message = w.decode_client(data)
    except REFUSALS:
        return None
    assert type(message) in get_args(w.ClientMessage)
    assert w.decode_client(w.encode(message)) == message
    return message


@given(st.binary(max_size=2000))
def test_any_bytes(data: bytes) -> None:
    judge(data)


@given(json_values)
def test_any_json(value: Any) -> None:
    judge(msgspec.json.encode(value))


@given(st.sampled_from(CLIENT), st.text(max_size=12), json_values)
def test_a_good_message_with_any_key_set_to_anything(data: bytes, key: str, value: Any) -> None:
    fields = msgspec.json.decode(data)
    for name in (key, *fields):
        judge(msgspec.json.encode({**fields, name: value}))


@given(st.builds(w.Join, version=st.integers(), room=st.text(), name=st.text(), pin=st.none() | st.text()))
def test_whatever_text_a_join_carries_arrives(join: w.Join) -> None:
    assert judge(w.encode(join)) == join


def test_mutated_messages(fuzz_seconds: float) -> None:
    accepted = sum(judge(data) is not None for data in mutations(CLIENT, TOKENS, fuzz_seconds, seed=3))
    assert accepted > 0, "mutations that never pass explore nothing behind the parser"


def test_deep_nesting_is_refused() -> None:
    assert judge(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b',"type":"leave"}') is None

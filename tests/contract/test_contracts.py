"""Both message contracts: every sample decodes and encodes again to the same, none is stale, no type or field is left
out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, get_args

import msgspec
import pytest

from mcu import contract
from mcu import messages as m
from signalling.webrtc import messages as w
from tests.contract import samples as websocket


@pytest.mark.parametrize("name", sorted(contract.samples()))
def test_control_sample(name: str) -> None:
    frame = contract.samples()[name]
    packed = (contract.DIRECTORY / f"{name}.msgpack").read_bytes()
    assert m.decode(packed) == frame
    assert m.encode(m.decode(packed)) == packed
    written = (contract.DIRECTORY / f"{name}.json").read_bytes()
    assert msgspec.json.decode(written, type=m.Frame) == frame


@pytest.mark.parametrize("name", sorted(websocket.samples()))
def test_websocket_sample(name: str) -> None:
    message = websocket.samples()[name]
    written = (websocket.DIRECTORY / f"{name}.json").read_bytes()
    decode = w.decode_client if name.startswith("client.") else w.decode_server
    assert decode(written) == message
    assert msgspec.json.format(w.encode(decode(written)), indent=2) + b"\n" == written


@pytest.mark.parametrize(
    ("directory", "wanted", "command"),
    [
        (contract.DIRECTORY, contract.files(), "python -m mcu.contract"),
        (websocket.DIRECTORY, websocket.files(), "python -m tests.contract.samples"),
    ],
)
def test_no_sample_is_stale(directory: Any, wanted: dict[str, bytes], command: str) -> None:
    found = {path.name: path.read_bytes() for path in directory.iterdir()}
    different = sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))
    assert not different, f"run {command}: {different}"


@pytest.mark.parametrize(
    ("union", "given"),
    [
        (m.AnyRequest, contract.REQUESTS),
        (m.AnyResponse, contract.RESPONSES),
        (m.AnyEvent, contract.EVENTS),
        (w.ClientMessage, websocket.CLIENT),
        (w.ServerMessage, websocket.SERVER),
    ],
)
def test_every_type_has_a_sample(union: Any, given: Iterable[Any]) -> None:
    assert {type(message) for message in given} == set(get_args(union))


@pytest.mark.parametrize("given", [contract.samples().values(), websocket.samples().values()])
def test_every_optional_field_is_seen_set_and_unset(given: Iterable[Any]) -> None:
    with_value: set[tuple[str, str]] = set()
    without: set[tuple[str, str]] = set()
    for struct in _structs(tuple(given)):
        if isinstance(struct, m.Frame):
            continue
        for field in msgspec.structs.fields(type(struct)):
            if not field.required:
                default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
                where = without if getattr(struct, field.name) == default else with_value
                where.add((type(struct).__name__, field.name))
    assert with_value == without


def _structs(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for item in value:
            yield from _structs(item)
    elif isinstance(value, msgspec.Struct):
        yield value
        for name in value.__struct_fields__:
            yield from _structs(getattr(value, name))


def test_error_codes_are_those_of_the_contract() -> None:
    doc = " ".join((m.Error.__doc__ or "").split())
    listed = doc.partition("one of: ")[2].partition(".")[0].split(", ")
    assert tuple(listed) == contract.ERROR_CODES


def test_failure_codes_have_an_answer() -> None:
    from kernel.errors import ANSWERS

    doc = " ".join((w.Failure.__doc__ or "").split())
    listed = doc.partition("``code``: ")[2].partition(".")[0].split(", ")
    assert set(listed) <= ANSWERS.keys()


@pytest.mark.parametrize("name", sorted(contract.samples()))
def test_truncated_control_samples_are_refused(name: str) -> None:
    packed = (contract.DIRECTORY / f"{name}.msgpack").read_bytes()
    for length in range(len(packed)):
        with pytest.raises(msgspec.MsgspecError):
            m.decode(packed[:length])

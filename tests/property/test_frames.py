"""Any bytes on the control socket are a frame or BadFrame; frames survive the wire however it cuts them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcu import contract
from mcu import messages as m
from mcu.engine import BadFrame, decode_frame, pack, read_frame
from tests.property.mutate import mutations

FRAMES = tuple(contract.samples().values())
PACKED = tuple(m.encode(frame) for frame in FRAMES)
TOKENS = (
    b"\xc1",
    b"\xdf\xff\xff\xff\xff",
    b"\xdd\x7f\xff\xff\xff",
    b"\x91" * 5000,
    b"\xa4type",
    b"\xc0",
    b"\xcb" + b"\xff" * 8,
)


def judge(data: bytes) -> m.Frame | None:
    try:
        frame = decode_frame(data)
    except BadFrame:
        return None
    assert decode_frame(m.encode(frame)) == frame
    return frame


@given(st.binary(max_size=2000))
def test_any_bytes(data: bytes) -> None:
    judge(data)


def test_mutated_frames(fuzz_seconds: float) -> None:
    accepted = sum(judge(data) is not None for data in mutations(PACKED, TOKENS, fuzz_seconds, seed=5))
    assert accepted > 0


@pytest.mark.parametrize("nested", [b"\x91" * 100_000, b"\x82\xa3xxx" + b"\x91" * 100_000 + b"\xa2id\x01"])
def test_deep_nesting_is_refused(nested: bytes) -> None:
    assert judge(nested) is None


@given(st.lists(st.sampled_from(FRAMES), max_size=8), st.data())
def test_frames_arrive_whole_and_in_order_however_the_stream_is_cut(frames: list[m.Frame], data: st.DataObject) -> None:
    stream = b"".join(pack(frame) for frame in frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    async def read() -> list[m.Frame]:
        reader = asyncio.StreamReader()
        for piece in pieces:
            reader.feed_data(piece)
        reader.feed_eof()
        got = [await read_frame(reader) for _ in frames]
        with pytest.raises(asyncio.IncompleteReadError):
            await read_frame(reader)
        return got

    with asyncio.Runner() as runner:
        assert runner.run(read()) == frames

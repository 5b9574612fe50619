"""Seeded mutation of known-good bytes: cheap fuzzing that finds the same faults again from its seed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence


def mutations(corpus: Sequence[bytes], tokens: Sequence[bytes], seconds: float, seed: int) -> Iterator[bytes]:
    """Mutated members of ``corpus`` until ``seconds`` have passed (at least 500)."""
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    made = 0
    while made < 500 or time.monotonic() < end:
        yield _mutated(bytearray(chance.choice(corpus)), corpus, tokens, chance)
        made += 1


def _mutated(data: bytearray, corpus: Sequence[bytes], tokens: Sequence[bytes], chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(data) + 1)
        length = chance.choice((0, 1, 1, 2, 4, 32))
        match chance.randrange(6):
            case 0:
                data[at : at + length] = b""
            case 1:
                data[at:at] = chance.choice(tokens)
            case 2:
                data[at : at + length] = chance.randbytes(length)
            case 3:
                data[at:at] = data[at : at + length] * chance.choice((1, 2, 100))
            case 4:
                other = chance.choice(corpus)
                start = chance.randrange(len(other) + 1)
                data[at:] = other[start:]
            case _:
                data[at:] = b""
    return bytes(data)

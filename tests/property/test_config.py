"""The loader never raises whatever a file holds, says something in both languages, and reads back what a room says."""

from __future__ import annotations

from pathlib import Path

import yaml
from hypothesis import given
from hypothesis import strategies as st

from config.environment import load_settings
from config.load import parse_room
from config.pins import weakness
from config.problems import errors
from config.rooms import Bandwidth, Pins, RoomSpec
from config.units import BadUnit, format_rate, format_size, parse_rate, parse_size
from tests.property.mutate import mutations

SHIPPED = tuple(path.read_bytes() for path in sorted((Path(__file__).parents[2] / "config" / "rooms").glob("*.yaml")))
TOKENS = (
    *tuple(
        token.encode()
        for token in (
            *(
                "\t",
                "  ",
                "\n",
                ": ",
                "- ",
                "? ",
                "&a ",
                "*a",
                "<<: ",
                "!!binary ",
                "!<x> ",
                "%YAML 1.1\n",
                "---\n",
                "...\n",
            ),
            *(
                "|\n",
                ">-\n",
                '"',
                "'",
                "{",
                "}",
                "[",
                "]",
                "#",
                "~",
                "yes",
                "0x1F",
                "1_000",
                "12:30:45",
                ".inf",
                "2026-11-25",
            ),
            *(
                "\\U00110000",
                "\\x",
                "\u2028",
                "\ufeff",
                "\x85",
                "@",
                "`",
                "[" * 40,
                "seats: 4\n",
                "pins: {participant: ",
            ),
        )
    ),
    b"\xff",
    b"\x00",
)

printable = st.characters(exclude_categories=("C", "Z"))
names = st.text(printable, min_size=1, max_size=80)
slugs = st.from_regex(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?", fullmatch=True)
pins = st.from_regex(r"[1-9][0-9]{7,8}", fullmatch=True).filter(lambda pin: weakness(pin) is None)
rates = st.integers(64_000, 100_000_000)


@st.composite
def rooms(draw: st.DrawFn) -> RoomSpec:
    number = draw(st.from_regex(r"[1-9][0-9]{2,3}", fullmatch=True))
    slug, *aliases = draw(st.lists(slugs.filter(lambda name: name != number), min_size=1, max_size=5, unique=True))
    participant, organiser = draw(
        st.lists(st.none() | pins, min_size=2, max_size=2, unique_by=lambda pin: pin or object())
    )
    slower, faster = sorted((draw(rates), draw(rates)))
    return RoomSpec(
        name=draw(names),
        slug=slug,
        number=number,
        aliases=tuple(aliases),
        seats=draw(st.integers(1, 100)),
        pins=Pins(participant=participant, organiser=organiser),
        mode=draw(st.sampled_from(("meeting", "stage"))),
        lobby=draw(st.booleans()),
        share=draw(st.sampled_from(("everyone", "organisers"))),
        layouts=tuple(draw(st.permutations(("grid", "speaker")))),
        bandwidth=Bandwidth(per_sender=slower, per_receiver=faster),
        codecs=tuple(draw(st.permutations(("vp8", "h264")))),
        recording=draw(st.booleans()),
        streaming=draw(st.booleans()),
        language=draw(st.sampled_from(("fr", "en"))),
        description=draw(st.text(printable, max_size=500)),
    )


def written(room: RoomSpec) -> bytes:
    """A room as YAML, as a person with a tool would write it."""
    document = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in ((field, getattr(room, field)) for field in room.__struct_fields__)
    }
    document["pins"] = {"participant": room.pins.participant, "organiser": room.pins.organiser}
    document["bandwidth"] = {
        "per_sender": format_rate(room.bandwidth.per_sender),
        "per_receiver": format_rate(room.bandwidth.per_receiver),
    }
    return yaml.safe_dump(document, allow_unicode=True).encode()


def judge(data: bytes) -> bool:
    """Parse; a room or errors, each of them placed and said in both languages on one line."""
    file = parse_room(data, Path("room.yaml"))
    assert (file.room is None) == bool(errors(file.problems))
    for problem in file.problems:
        assert problem.place.line >= 1
        assert problem.place.column >= 1
        for language in ("fr", "en"):
            assert len(problem.render(language).splitlines()) == 1
    return file.room is not None


@given(rooms())
def test_a_written_room_is_read_back(room: RoomSpec) -> None:
    file = parse_room(written(room), Path("room.yaml"))
    assert file.problems == ()
    assert file.room == room


@given(st.text(max_size=500))
def test_any_text(text: str) -> None:
    judge(text.encode("utf-8", "surrogatepass"))


@given(st.lists(st.sampled_from([token.decode("latin-1") for token in TOKENS]), max_size=40))
def test_any_heap_of_yaml(tokens: list[str]) -> None:
    judge("".join(tokens).encode("latin-1"))


def test_mutated_rooms(fuzz_seconds: float) -> None:
    good = sum(judge(data) for data in mutations(SHIPPED, TOKENS, fuzz_seconds, seed=7))
    assert good > 0


@given(st.dictionaries(st.sampled_from(("HTTP_PORT", "MEDIA_LISTEN", "LOG", "HTTP", "DATABASE_DSN", "X")), st.text()))
def test_any_environment(variables: dict[str, str]) -> None:
    loaded = load_settings(None, {f"MASSALIA_{name}": value for name, value in variables.items()})
    assert (loaded.settings is None) == bool(errors(loaded.problems))
    for problem in loaded.problems:
        problem.render("fr")


@given(st.integers(0, 10**12))
def test_units_are_read_back(value: int) -> None:
    size = value % 10**9
    assert parse_size(format_size(size)) == size
    bits = value % 10**9
    assert parse_rate(format_rate(bits)) == bits


@given(st.text())
def test_any_unit_is_a_number_or_bad_unit(text: str) -> None:
    for parse in (parse_rate, parse_size):
        try:
            assert parse(text) >= 0
        except BadUnit as bad:
            if bad.suggestion:
                assert parse(bad.suggestion) >= 0

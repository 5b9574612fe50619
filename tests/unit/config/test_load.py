"""The loader says for each mistake where it is, what was expected, what was found and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.document import MAX_BYTES
from config.load import check, load_room, load_rooms, parse_room
from config.problems import Problem, render
from config.rooms import Bandwidth, Pins, RoomSpec

GOOD = """name: Salle Prado
slug: prado
number: "453"
"""
ROOMS = Path(__file__).parents[3] / "config" / "rooms"


def problems(text: str | bytes) -> list[Problem]:
    data = text.encode() if isinstance(text, str) else text
    file = parse_room(data, Path("room.yaml"))
    assert (file.room is None) == bool(file.problems)
    return list(file.problems)


def one(text: str | bytes) -> tuple[int, int, str, str, str]:
    (problem,) = problems(text)
    return problem.place.line, problem.place.column, problem.code, problem.found, problem.suggestion


def test_the_shortest_room_has_the_defaults() -> None:
    room = parse_room(GOOD.encode(), Path("room.yaml")).room
    assert room == RoomSpec(name="Salle Prado", slug="prado", number="453")
    assert (room.seats, room.mode, room.layouts, room.pin_required) == (100, "meeting", ("grid", "speaker"), False)


def test_every_key_arrives() -> None:
    text = """
name: "Conseil : séance n° 4"
slug: conseil
number: "457"
aliases: [frioul, stage]
seats: 40
pins: {participant: "583920174", organiser: "291748365"}
mode: stage
lobby: true
share: organisers
layouts: [speaker]
bandwidth: {per_sender: 800 kb/s, per_receiver: "2,5 Mb/s"}
codecs: [h264, vp8]
recording: true
streaming: true
language: en
description: >
  Une phrase
  sur deux lignes.
"""
    assert parse_room(text.encode(), Path("r.yaml")).room == RoomSpec(
        name="Conseil : séance n° 4",
        slug="conseil",
        number="457",
        aliases=("frioul", "stage"),
        seats=40,
        pins=Pins(participant="583920174", organiser="291748365"),
        mode="stage",
        lobby=True,
        share="organisers",
        layouts=("speaker",),
        bandwidth=Bandwidth(per_sender=800_000, per_receiver=2_500_000),
        codecs=("h264", "vp8"),
        recording=True,
        streaming=True,
        language="en",
        description="Une phrase sur deux lignes.\n",
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "code", "found", "suggestion"),
    [
        ("seets: 4", 4, 1, "unknown_key", "", "seats"),
        ("zzz: 4", 4, 1, "unknown_key", "", ""),
        ("slug: other", 4, 1, "duplicate_key", "", ""),
        ("seats: 101", 4, 8, "out_of_range", "101", "100"),
        ("seats: 0", 4, 8, "out_of_range", "0", "1"),
        ("seats: 0100", 4, 8, "octal", "0100", "100"),
        ("seats: 1_00", 4, 8, "wrong_value", "1_00", "100"),
        ("seats: 100.0", 4, 8, "wrong_value", "100.0", "100"),
        ('seats: "100"', 4, 8, "wrong_value", '"100"', "100"),
        ("seats: 1:30", 4, 8, "wrong_value", "1:30", ""),
        ("seats: 0x64", 4, 8, "wrong_value", "0x64", ""),
        ("seats:", 4, 7, "no_value", "", ""),
        ("seats: [1]", 4, 8, "wrong_kind", "[…]", ""),
        ("lobby: yes", 4, 8, "wrong_value", "yes", "true"),
        ("lobby: Off", 4, 8, "wrong_value", "Off", "false"),
        ("lobby: oui", 4, 8, "wrong_value", "oui", "true"),
        ('lobby: "true"', 4, 8, "wrong_value", '"true"', "true"),
        ("mode: metting", 4, 7, "wrong_value", "metting", "meeting"),
        ("mode: Stage", 4, 7, "wrong_value", "Stage", "stage"),
        ("layouts: grid", 4, 10, "wrong_kind", "grid", "[grid]"),
        ("layouts: []", 4, 10, "wrong_count", "0", ""),
        ("layouts: [grid, grid]", 4, 17, "duplicate_item", "grid", ""),
        ("codecs: [vp9]", 4, 10, "wrong_value", "vp9", "vp8"),
        ("bandwidth: {per_sender: 2.5 MB/s}", 4, 25, "wrong_unit", "2.5 MB/s", "2.5 Mb/s"),
        ("bandwidth: {per_sender: 2500000}", 4, 25, "wrong_unit", "2500000", "2.5 Mb/s"),
        ("bandwidth: {per_sender: 1 kb/s}", 4, 25, "out_of_range", "1 kb/s", "64 kb/s"),
        ("bandwidth: {per_receiver: 1 Mb/s}", 4, 27, "receiver_below_sender", "", ""),
        ("bandwidth: 3 Mb/s", 4, 12, "wrong_kind", "3 Mb/s", ""),
        ("aliases: [prado]", 4, 11, "useless_alias", "", ""),
        ("aliases: [Écran Noir]", 4, 11, "wrong_value", "Écran Noir", "ecran-noir"),
        ("language: fr_FR", 4, 11, "wrong_value", "fr_FR", ""),
        ("description: [a]", 4, 14, "wrong_kind", "[…]", ""),
        ("? [a, b]\n: c", 4, 3, "key_not_word", "", ""),
        ("<<: {seats: 4}", 4, 1, "merge_key", "", ""),
        ("seats: !!int 4", 4, 8, "tag", "tag:yaml.org,2002:int", ""),
        (
            "seats: !!python/object/apply:os.system [id]",
            4,
            8,
            "tag",
            "tag:yaml.org,2002:python/object/apply:os.system",
            "",
        ),
        ("seats: *nowhere", 4, 8, "unknown_alias", "", ""),
        ("\tseats: 4", 4, 1, "tab", "", ""),
        ("seats: [4", 5, 1, "syntax", "", ""),
        ("---\nname: again", 4, 1, "several_documents", "", ""),
    ],
)
def test_each_mistake_is_placed(text: str, line: int, column: int, code: str, found: str, suggestion: str) -> None:
    assert one(GOOD + text + "\n") == (line, column, code, found, suggestion)


@pytest.mark.parametrize(
    ("value", "code", "suggestion"),
    [
        ("453", "needs_quotes_number", '"453"'),
        ("0453", "needs_quotes_number", '"453"'),
        ('"0453"', "wrong_value", '"453"'),
        ('"04 91 55"', "wrong_value", '"49155"'),
        ('"12"', "wrong_value", ""),
        ("1:30", "needs_quotes_number", '"130"'),
        ("2026-11-25", "needs_quotes_date", '"20261125"'),
        ("~", "no_value", ""),
    ],
)
def test_a_number_is_text(value: str, code: str, suggestion: str) -> None:
    text = f"name: a\nslug: b\nnumber: {value}\n"
    assert one(text)[2:] == (code, one(text)[3], suggestion)


def test_a_name_that_yaml_takes_for_a_boolean_wants_quotes() -> None:
    assert one('name: no\nslug: b\nnumber: "453"\n') == (1, 7, "needs_quotes_boolean", "", '"no"')


@pytest.mark.parametrize(
    ("pins", "code", "column"),
    [
        ('{participant: "123456"}', "weak_pin_run", 21),
        ('{participant: "111111"}', "weak_pin_repeated", 21),
        ('{participant: "051372"}', "weak_pin_leading_zero", 21),
        ('{organiser: "551372"}', "weak_pin_doubled", 19),
        ('{participant: "12345"}', "wrong_value", 21),
        ("{participant: 583920}", "needs_quotes_number", 21),
        ('{participant: "583920", organiser: "583920"}', "same_pins", 42),
        ('{participant: "583 920"}', "wrong_value", 21),
    ],
)
def test_weak_codes_are_refused_and_never_repeated(pins: str, code: str, column: int) -> None:
    (problem,) = problems(GOOD + f"pins: {pins}\n")
    assert (problem.place.line, problem.place.column, problem.code) == (4, column, code)
    digits = pins.partition('"')[2].partition('"')[0] or "583920"
    for language in ("fr", "en"):
        assert digits not in problem.render(language)
    assert digits not in repr(problem)


def test_a_code_that_is_the_number_is_refused() -> None:
    text = 'name: a\nslug: b\nnumber: "583920"\npins: {participant: "583920"}\n'
    assert one(text)[2] == "weak_pin_number"


def test_many_mistakes_are_told_at_once_even_about_codes() -> None:
    text = 'nam: a\nslug: B\nseats: 1000\npins: {participant: "123456"}\nmode: x\n'
    assert [problem.code for problem in problems(text)] == [
        "unknown_key",
        "wrong_value",
        "out_of_range",
        "wrong_value",
        "missing_key",
        "missing_key",
        "weak_pin_run",
    ]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "not_a_mapping"),
        (b"# only a comment\n", "not_a_mapping"),
        (b"- a\n- b\n", "not_a_mapping"),
        (b"just text", "not_a_mapping"),
        (b"name: \xff\xfe\n", "not_utf8"),
        (b"name: a\x00b\n", "syntax"),
        (b"[" * 1000, "too_deep"),
        (b"a: " + b"{b: " * 20 + b"1" + b"}" * 20, "too_deep"),
        (b"x" * (MAX_BYTES + 1), "file_too_large"),
        (b"a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n" * 1, None),
    ],
)
def test_hostile_files(data: bytes, code: str | None) -> None:
    codes = [problem.code for problem in problems(data)]
    assert codes[:1] == [code] if code else "unknown_key" in codes


def test_nested_aliases_cannot_explode() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * 10) + "]" for i in range(1, 9)]
    assert "too_many_nodes" in [problem.code for problem in problems("\n".join(levels))]


def test_the_place_of_a_wrong_byte_is_told() -> None:
    assert one(b"name: ok\nslug: caf\xe9\n")[:3] == (2, 10, "not_utf8")


def test_a_byte_order_mark_is_no_matter() -> None:
    assert parse_room(b"\xef\xbb\xbf" + GOOD.encode(), Path("r.yaml")).room is not None


def test_the_same_names_in_two_files_are_an_error_in_the_second(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD + "aliases: [corniche]\n")
    (tmp_path / "b.yaml").write_text('name: B\nslug: corniche\nnumber: "453"\n')
    loaded = load_rooms(tmp_path)
    assert set(loaded.rooms) == {"prado"}
    found = [(Path(each.place.file).name, each.place.line, each.code, each.path) for each in loaded.problems]
    assert found == [("b.yaml", 2, "clash", "slug"), ("b.yaml", 3, "clash", "number")]
    assert check([tmp_path / "a.yaml", tmp_path / "b.yaml"]) == list(loaded.problems)


def test_only_rooms_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    for name in (".a.yaml.swp", ".hidden.yaml", "a.yaml~", "notes.txt", "#a.yaml#"):
        (tmp_path / name).write_text("nonsense: [")
    assert check([tmp_path]) == []


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    assert [problem.code for problem in load_room(tmp_path / "none.yaml").problems] == ["unreadable"]
    assert [problem.code for problem in load_rooms(tmp_path / "nowhere").problems] == ["unreadable"]
    (problem,) = check([tmp_path])
    assert (problem.code, problem.severity) == ("no_rooms", "warning")


def test_the_sentence_holds_place_expectation_and_suggestion_in_both_languages() -> None:
    wrong = problems(GOOD + "bandwidth: {per_sender: 2.5 MB/s}\n")
    assert render(wrong, "en") == (
        "room.yaml:4:25: error: “bandwidth.per_sender” has the wrong unit. Expected: a rate with its unit (b/s, kb/s, "
        "Mb/s), from 64 kb/s to 100 Mb/s, such as 2.5 Mb/s. Found: 2.5 MB/s. Suggestion: 2.5 Mb/s"
    )
    french = render(wrong, "fr")
    assert french.startswith("room.yaml:4:25: erreur")
    assert "n’a pas la bonne unité" in french
    assert french.endswith("2.5 Mb/s")


def test_the_shipped_rooms_are_seven_of_a_hundred_seats_one_of_them_a_stage() -> None:
    loaded = load_rooms(ROOMS)
    assert loaded.problems == ()
    assert len(loaded.rooms) == 7
    assert {room.seats for room in loaded.rooms.values()} == {100}
    assert [room.slug for room in loaded.rooms.values() if room.mode == "stage"] == ["frioul"]
    pins = [pin for room in loaded.rooms.values() for pin in (room.pins.participant, room.pins.organiser)]
    assert None not in pins
    assert len(set(pins)) == 14


def test_a_room_says_its_names_and_hides_its_codes() -> None:
    room = load_room(ROOMS / "vieux-port.yaml").room
    assert room is not None
    assert room.names == ("vieux-port", "451", "vieuxport")
    assert room.pin_required
    assert str(room.pins.participant) not in repr(room)

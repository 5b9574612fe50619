"""Whatever comes in is a description or an SdpError; what was written is read back as it was."""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import Remote
from signalling.sdp import attributes as a
from signalling.sdp import h264
from signalling.sdp.grammar import Line, SdpError, Session, attribute, media, parse
from signalling.webrtc import offer
from tests.unit.signalling.offers import browser_offer, text

token = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.!%", min_size=1, max_size=12)
word = st.text(
    st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_characters="\x7f\x85\xa0;=:,/"),
    min_size=1,
    max_size=12,
)
word = word.filter(lambda text: not any(char.isspace() for char in text))
pt = st.integers(0, 127)
ssrc = st.integers(0, 0xFFFF_FFFF)
value = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=40)

line = st.builds(Line, st.sampled_from("abcikopqrstuzABZ"), value)
section = st.builds(
    media, token, st.integers(0, 65535), token, st.lists(token, min_size=1, max_size=5), st.lists(line, max_size=5),
    st.integers(0, 9),
)  # fmt: skip
session = st.builds(
    lambda lines, sections: Session((Line("v", "0"), *lines), tuple(sections)),
    st.lists(line, max_size=6),
    st.lists(section, max_size=4),
)


@given(session)
def test_a_description_is_read_back_as_it_was_written(session: Session) -> None:
    again = parse(str(session))
    assert again == session
    assert str(again) == str(session)


@given(st.text(max_size=300))
def test_any_text_is_a_description_or_an_sdp_error(text: str) -> None:
    for prefix in ("", "v=0\n", "v=0\nm="):
        with contextlib.suppress(SdpError):
            assert parse(str(parse(prefix + text))) == parse(prefix + text)


VIEWS = {
    a.RtpMap: st.builds(a.RtpMap, pt, token, st.integers(1, 10_000_000), st.integers(1, 8)),
    a.Fmtp: st.builds(
        a.Fmtp, pt, st.lists(st.tuples(word, st.none() | word), min_size=1, max_size=4).map(tuple)
    ),
    a.RtcpFb: st.builds(a.RtcpFb, st.none() | pt, st.lists(word, min_size=1, max_size=3).map(" ".join)),
    a.ExtMap: st.builds(
        a.ExtMap, st.integers(0, 4351), word, st.sampled_from([None, "sendonly", "recvonly", "sendrecv", "inactive"]),
        word
    ),
    a.Ssrc: st.builds(a.Ssrc, ssrc, token, st.none() | word),
    a.SsrcGroup: st.builds(a.SsrcGroup, token, st.lists(ssrc, max_size=4).map(tuple)),
    a.Fingerprint: st.builds(
        lambda name, digest: a.Fingerprint(name.lower(), ":".join(f"{byte:02X}" for byte in digest)),
        token, st.binary(min_size=16, max_size=64),
    ),
    a.Msid: st.builds(a.Msid, word, word),
    a.Group: st.builds(a.Group, token, st.lists(token, max_size=5).map(tuple)),
    a.Candidate: st.builds(
        a.Candidate, token, st.integers(1, 256), st.sampled_from(["udp", "tcp"]), st.integers(0, 2**31 - 1), word,
        st.integers(0, 65535), st.sampled_from(["host", "srflx", "relay"]), st.lists(word, max_size=4).map(tuple),
    ),
    a.Rid: st.builds(
        a.Rid, st.text("abcXYZ019-_", min_size=1, max_size=8), st.sampled_from(["send", "recv"]),
        st.lists(st.tuples(token, token), max_size=3).map(tuple),
    ),
    a.Simulcast: st.builds(
        a.Simulcast,
        st.lists(st.lists(token, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(tuple),
        st.lists(st.lists(token, min_size=1, max_size=3).map(tuple), max_size=3).map(tuple),
    ),
}  # fmt: skip


@given(st.one_of(*VIEWS.values()))
def test_an_attribute_is_read_back_as_it_was_written(parsed: Any) -> None:
    assert type(parsed).parse(str(parsed)) == parsed


@given(st.sampled_from(sorted(VIEWS, key=lambda view: view.__name__)), st.text(max_size=60))
def test_an_attribute_is_read_or_is_a_value_error(view: Any, text: str) -> None:
    with contextlib.suppress(ValueError):
        parsed = view.parse(text)
        assert view.parse(str(parsed)) == parsed


@given(st.text("0123456789abcdefABCDEF", min_size=6, max_size=6), st.booleans())
def test_an_answered_profile_is_of_the_offered_family_and_never_above_both_levels(
    offered: str, asymmetry: bool
) -> None:
    answered = h264.answer(offered, "42e01f", asymmetry=asymmetry)
    if answered is not None:
        theirs, ours = h264.ProfileLevel.parse(offered), h264.ProfileLevel.parse(answered)
        assert ours.family == theirs.family == "constrained-baseline"
        assert ours.level == (31 if asymmetry else min(31, theirs.level))


LINES = text("firefox").split("\r\n")[:-1]


@given(
    st.lists(
        st.tuples(st.integers(0, len(LINES) - 1), st.sampled_from(["drop", "double", "spoil", "swap"])), max_size=6
    ),
    st.randoms(use_true_random=False),
)
def test_a_spoilt_offer_is_understood_or_bad(changes: list[tuple[int, str]], random: Random) -> None:
    lines = list(LINES)
    for index, change in changes:
        index = min(index, len(lines) - 1)
        match change:
            case "drop":
                del lines[index]
            case "double":
                lines.insert(index, lines[index])
            case "spoil":
                at = random.randrange(len(lines[index]) + 1)
                lines[index] = lines[index][:at] + random.choice("0 :;=/é\t") + lines[index][at + 1 :]
            case "swap":
                other = random.randrange(len(lines))
                lines[index], lines[other] = lines[other], lines[index]
    message = browser_offer("firefox")
    try:
        plan = offer.read("\r\n".join(lines), message.tracks, message.slots).plan
    except Remote as fault:
        assert fault.code == "bad_offer"
    else:
        mids = [track.mid for track in plan.tracks] + [slot.mid for slot in plan.slots]
        assert len(mids) == len(set(mids))


def test_a_made_attribute_without_value_has_no_colon() -> None:
    assert str(attribute("ice-lite")) == "a=ice-lite"

"""Rates and sizes with their units."""

from __future__ import annotations

import pytest

from config.units import BadUnit, format_rate, format_size, parse_rate, parse_size


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("2.5 Mb/s", 2_500_000),
        ("2,5 Mb/s", 2_500_000),
        ("800 kb/s", 800_000),
        ("800kb/s", 800_000),
        ("64000 b/s", 64_000),
        ("1 Gb/s", 1_000_000_000),
        ("0.000001 Mb/s", 1),
    ],
)
def test_rates(text: str, bits: int) -> None:
    assert parse_rate(text) == bits


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("2.5 MB/s", "2.5 Mb/s"),
        ("2.5 Mbps", "2.5 Mb/s"),
        ("2.5 Mbit/s", "2.5 Mb/s"),
        ("800 KB/s", "800 kb/s"),
        ("2500k", "2500 kb/s"),
        ("2500000", "2.5 Mb/s"),
        ("2.5M", "2.5 Mb/s"),
        ("0.5 b/s", ""),
        ("fast", ""),
        ("", ""),
        ("-1 Mb/s", ""),
        ("1e6 b/s", ""),
        ("٣ Mb/s", ""),
        ("2.5  Mb/s", "2.5 Mb/s"),
    ],
)
def test_wrong_rates_and_what_to_write(text: str, suggestion: str) -> None:
    with pytest.raises(BadUnit) as bad:
        parse_rate(text)
    assert bad.value.suggestion == suggestion
    if suggestion:
        parse_rate(suggestion)


@pytest.mark.parametrize(("text", "size"), [("64 KiB", 65536), ("1 MB", 1_000_000), ("512B", 512), ("2 GiB", 1 << 31)])
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "suggestion"), [("65536", "65536 B"), ("64 k", "64 KiB"), ("64 kb", "64 kB"), ("1.5 MiB", ""), ("x", "")]
)
def test_wrong_sizes_and_what_to_write(text: str, suggestion: str) -> None:
    with pytest.raises(BadUnit) as bad:
        parse_size(text)
    assert bad.value.suggestion == suggestion


def test_formats_use_the_largest_exact_unit() -> None:
    assert [format_rate(bits) for bits in (2_500_000, 64_000, 1, 1_000_001)] == [
        "2.5 Mb/s",
        "64 kb/s",
        "1 b/s",
        "1000.001 kb/s",
    ]
    assert [format_size(size) for size in (65536, 1_000_000, 1 << 30, 999)] == ["64 KiB", "1 MB", "1 GiB", "999 B"]

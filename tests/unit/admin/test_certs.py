"""The local authority: what it makes, when it makes it anew, and that clients accept it."""

from __future__ import annotations

import datetime as dt
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from admin.certs import RENEW_BEFORE_DAYS, SERVER_DAYS, Files, covered, ensure, fingerprint, how_to_trust, machine_names
from admin.tls import Certificate

NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
NAMES = ("localhost", "127.0.0.1", "::1", "visio.example.com")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path / "tls")
    assert ensure(made, NAMES, NOW)
    return made


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_what_is_made(files: Files) -> None:
    leaf, authority = load(files.certificate), load(files.authority)
    assert covered(leaf) == set(NAMES)
    leaf.verify_directly_issued_by(authority)
    assert leaf.public_key().curve.name == "secp256r1"  # type: ignore[union-attr]
    assert leaf.not_valid_after_utc - NOW <= dt.timedelta(days=SERVER_DAYS)
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)
    for key in (files.key, files.authority_key):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(fingerprint(files.authority)) == 95


def test_nothing_is_made_again_without_a_reason(files: Files) -> None:
    before = files.certificate.read_bytes()
    assert not ensure(files, NAMES[:2], NOW + dt.timedelta(days=30))
    assert files.certificate.read_bytes() == before


def test_new_name_new_certificate_same_authority(files: Files) -> None:
    authority = files.authority.read_bytes()
    assert ensure(files, (*NAMES, "192.0.2.9"), NOW)
    assert "192.0.2.9" in covered(load(files.certificate))
    assert files.authority.read_bytes() == authority


@pytest.mark.parametrize("days", [SERVER_DAYS - RENEW_BEFORE_DAYS + 1, SERVER_DAYS + 100])
def test_near_its_end_it_is_renewed(files: Files, days: int) -> None:
    later = NOW + dt.timedelta(days=days)
    assert ensure(files, NAMES, later)
    assert load(files.certificate).not_valid_after_utc > later + dt.timedelta(days=RENEW_BEFORE_DAYS)


@pytest.mark.parametrize("which", ["certificate", "key", "authority", "authority_key"])
def test_damaged_or_missing_files_are_mended(files: Files, which: str) -> None:
    path: Path = getattr(files, which)
    path.write_bytes(path.read_bytes()[:100])
    assert ensure(files, NAMES, NOW)
    load(files.certificate).verify_directly_issued_by(load(files.authority))
    path.unlink()
    assert ensure(files, NAMES, NOW)
    load(files.certificate).verify_directly_issued_by(load(files.authority))


def handshake(server: ssl.SSLContext, authority: Path, name: str) -> bytes:
    """A TLS handshake in memory; returns the certificate that the client saw. Raises SSLError when it refuses."""
    client = ssl.create_default_context(cafile=str(authority))
    a_in, a_out, b_in, b_out = (ssl.MemoryBIO() for _ in range(4))
    one, two = client.wrap_bio(a_in, a_out, server_hostname=name), server.wrap_bio(b_in, b_out, server_side=True)
    for _ in range(10):
        done = True
        for end in (one, two):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                done = False
            b_in.write(a_out.read())
            a_in.write(b_out.read())
        if done:
            break
    return one.getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "visio.example.com"])
def test_clients_accept_it(tmp_path: Path, name: str) -> None:
    files = Files(tmp_path)
    ensure(files, NAMES, dt.datetime.now(dt.UTC))
    assert handshake(Certificate(files.certificate, files.key).context, files.authority, name)


def test_live_reload_takes_a_good_pair_and_refuses_a_bad_one(tmp_path: Path) -> None:
    files = Files(tmp_path)
    now = dt.datetime.now(dt.UTC)
    ensure(files, NAMES, now)
    served = Certificate(files.certificate, files.key)
    first = handshake(served.context, files.authority, "localhost")
    assert not served.reload()

    ensure(files, (*NAMES, "192.0.2.9"), now)
    assert [served.reload() for _ in range(2)] == [False, True]  # taken when it has rested for one look
    second = handshake(served.context, files.authority, "localhost")
    assert second != first

    files.certificate.write_text("not a certificate")
    assert not any(served.reload() for _ in range(3))
    assert handshake(served.context, files.authority, "localhost") == second

    ensure(files, NAMES, now)
    assert any(served.reload() for _ in range(3))
    days = served.days_left()
    assert days is not None and 390 < days < 398


def test_names_of_this_machine() -> None:
    names = machine_names(("visio.example.com",))
    assert {"localhost", "127.0.0.1", "::1", "visio.example.com"} <= set(names)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_instructions_name_the_file(language: str) -> None:
    lines = how_to_trust(Path("/srv/massalia/var/tls/massalia-authority.crt"), language)
    assert len(lines) == 5
    assert sum("massalia-authority.crt" in line for _, line in lines) == 4

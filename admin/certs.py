"""A local certificate authority and the server's certificate, for machines without a certificate of their own.

ECDSA P-256, SHA-256 (RFC 5480, RFC 5280). The authority lives ten years and signs nothing but this server (path
length 0, and name constraints are left out on purpose: addresses change). The server's certificate lives 397 days,
the longest that browsers take, and is made anew when it nears its end or when the machine's names or addresses
change. Keys are written with mode 0600 before the certificate, each file by rename, so that a reader never sees
half of one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

AUTHORITY_DAYS = 3650
SERVER_DAYS = 397
RENEW_BEFORE_DAYS = 30
BACKDATE = dt.timedelta(hours=1)
"""Clients whose clock is a little late must accept a fresh certificate."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where the local authority and the server's certificate are."""

    directory: Path

    @property
    def authority(self) -> Path:
        return self.directory / "massalia-authority.crt"

    @property
    def authority_key(self) -> Path:
        return self.directory / "massalia-authority.key"

    @property
    def certificate(self) -> Path:
        return self.directory / "server.crt"

    @property
    def key(self) -> Path:
        return self.directory / "server.key"


def machine_names(extra: Iterable[str] = ()) -> tuple[str, ...]:
    """What this machine is called: localhost, its host name, its loopback and interface addresses, and ``extra``."""
    host = socket.gethostname()
    names = {"localhost", host, "127.0.0.1", "::1", *extra, *_interface_addresses()}
    with contextlib.suppress(OSError):
        names.add(socket.getfqdn())
    return tuple(sorted(name for name in names if name and name != "localhost.localdomain"))


def _interface_addresses() -> set[str]:
    """The addresses from which this machine would speak to the outside (no packet is sent)."""
    found = set()
    for family, target in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((target, 9))
            found.add(probe.getsockname()[0])
    return found


def ensure(files: Files, names: Iterable[str], now: dt.datetime) -> bool:
    """Make what is missing, near its end, or does not cover ``names``. True when the server's certificate is new."""
    files.directory.mkdir(parents=True, exist_ok=True)
    authority = _load_pair(files.authority, files.authority_key)
    if authority is None or _ends_within(authority[0], now, RENEW_BEFORE_DAYS):
        authority = _make_authority(now)
        _store(files.authority, files.authority_key, *authority)
    server = _load_pair(files.certificate, files.key)
    if (
        server is not None
        and not _ends_within(server[0], now, RENEW_BEFORE_DAYS)
        and server[0].issuer == authority[0].subject
        and _signed_by(server[0], authority[0])
        and covered(server[0]) >= set(names)
    ):
        return False
    certificate, key = _make_server(tuple(names), authority, now)
    _store(files.certificate, files.key, certificate, key)
    return True


def covered(certificate: x509.Certificate) -> set[str]:
    """The names and addresses in the certificate's subjectAltName."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    return set(names.get_values_for_type(x509.DNSName)) | addresses


def fingerprint(path: Path) -> str:
    """SHA-256 of the certificate as browsers show it: ``AA:BB:…``."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    digest = x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def how_to_trust(authority: Path, language: str) -> tuple[tuple[str, str], ...]:
    """For each system its name and the one line that makes it trust the authority."""
    file = str(authority)
    debian = f"sudo cp {file} /usr/local/share/ca-certificates/massalia.crt && sudo update-ca-certificates"
    chromium = f'certutil -d sql:$HOME/.pki/nssdb -A -t "C,," -n Massalia -i {file}'
    macos = f"sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain {authority.name}"
    windows = f"certutil -addstore -f ROOT {authority.name}"
    if language == "fr":
        firefox = (
            "Paramètres › Vie privée et sécurité › Certificats › Afficher › Autorités › Importer, cocher « sites web »"
        )
        admin = "invite de commandes, en administrateur"
    else:
        firefox = "Settings › Privacy & Security › Certificates › View › Authorities › Import, tick “websites”"
        admin = "command prompt, as administrator"
    return (
        ("Debian, Ubuntu", debian),
        ("Chromium, Chrome (Linux)", chromium),
        ("Firefox", firefox),
        (f"Windows ({admin})", windows),
        ("macOS", macos),
    )


def _make_authority(now: dt.datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Massalia local authority ({socket.gethostname()[:24]})")
    certificate = (
        _start(name, name, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _make_server(
    names: tuple[str, ...], authority: tuple[x509.Certificate, ec.EllipticCurvePrivateKey], now: dt.datetime
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer, issuer_key = authority
    key = ec.generate_private_key(ec.SECP256R1())
    end = min(now + dt.timedelta(days=SERVER_DAYS), issuer.not_valid_after_utc)
    certificate = (
        _start(_name("Massalia"), issuer.subject, key.public_key(), now, (end - now).days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(_authority_key_id(issuer), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate, key


def _start(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime, days: int
) -> x509.CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _authority_key_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    from cryptography import x509

    key_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)


def _name(common: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load_pair(certificate: Path, key: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None:
    """The pair, or None when a file is missing, damaged, or the two do not belong together: it is then made anew."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != loaded.public_key():
        return None
    return loaded, private


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _ends_within(certificate: x509.Certificate, now: dt.datetime, days: int) -> bool:
    return certificate.not_valid_after_utc - now < dt.timedelta(days=days) or now < certificate.not_valid_before_utc


def _store(
    certificate_path: Path, key_path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    from cryptography.hazmat.primitives import serialization

    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(key_path, pem, 0o600)
    _write(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(path: Path, data: bytes, mode: int) -> None:
    fresh = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)

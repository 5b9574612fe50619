"""The web server's TLS: context (TLS 1.2 and 1.3, ECDHE with AEAD only) and a live reload when the certificate's files
change.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from pathlib import Path

import structlog

log = structlog.get_logger("admin.tls")

POLL_SECONDS = 1.0
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
Stamp = tuple[int, int, int, int]


class Certificate:
    """A certificate and its key on disk, and the context that serves them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Raises OSError or ssl.SSLError when the pair cannot be used."""
        self._certificate, self._key = certificate, key
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_ciphers(CIPHERS)
        self.context.set_alpn_protocols(["http/1.1"])
        self._stamp = self._now_on_disk()
        self._seen = self._stamp
        self.context.load_cert_chain(certificate, key)
        self._end: dt.datetime | None = None

    def days_left(self) -> float | None:
        """Days until the served certificate ends; None when it cannot be read."""
        if self._end is None:
            from cryptography import x509

            try:
                self._end = x509.load_pem_x509_certificate(self._certificate.read_bytes()).not_valid_after_utc
            except (OSError, ValueError):
                return None
        return (self._end - dt.datetime.now(dt.UTC)).total_seconds() / 86_400

    def reload(self) -> bool:
        """Serve the new pair to new connections if the files changed and fit together; else keep the old one and say
        why.
        """
        stamp = self._now_on_disk()
        if stamp == self._stamp or stamp is None:
            return False
        if stamp != self._seen:
            self._seen = stamp  # still being written, perhaps: take it when it has rested for one round
            return False
        self._stamp = stamp
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(self._certificate, self._key)
            self.context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            log.error("new certificate refused, the old one stays", file=str(self._certificate), reason=str(error))
            return False
        self._end = None
        log.info("certificate reloaded", file=str(self._certificate))
        return True

    async def watch(self) -> None:
        """Reload for ever."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.reload()

    def _now_on_disk(self) -> Stamp | None:
        try:
            certificate, key = self._certificate.stat(), self._key.stat()
        except OSError:
            return None
        return certificate.st_mtime_ns, certificate.st_ino, key.st_mtime_ns, key.st_ino

//! The engine's certificate and SDP fingerprints (RFC 8122 §5, SHA-256 only as RFC 8827 §6.5 makes it mandatory).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{digest, SHA256};
use dimpl::certificate::generate_self_signed_certificate;

/// A self-signed ECDSA P-256 certificate, one for each engine process.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub(super) inner: dimpl::DtlsCertificate,
    fingerprint: Fingerprint,
}

impl Certificate {
    /// A new certificate, valid for a year.
    ///
    /// # Errors
    /// When the cryptographic library cannot make one (no random bytes).
    pub fn generate() -> Result<Certificate, dimpl::certificate::CertificateError> {
        let inner = generate_self_signed_certificate()?;
        let fingerprint = Fingerprint::of(&inner.certificate);
        Ok(Certificate { inner, fingerprint })
    }

    /// Its fingerprint, for the SDP.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

/// SHA-256 of a certificate in DER. Its text form is SDP's: `sha-256 AA:BB:…`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a DER certificate.
    #[must_use]
    pub fn of(der: &[u8]) -> Fingerprint {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, der).as_ref());
        Fingerprint(hash)
    }
}

/// The text is no SHA-256 fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadFingerprint;

impl fmt::Display for BadFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a sha-256 fingerprint of 32 hexadecimal bytes")
    }
}

impl std::error::Error for BadFingerprint {}

impl FromStr for Fingerprint {
    type Err = BadFingerprint;

    fn from_str(text: &str) -> Result<Fingerprint, BadFingerprint> {
        let (hash, digits) = text.trim().split_once(' ').ok_or(BadFingerprint)?;
        if !hash.eq_ignore_ascii_case("sha-256") {
            return Err(BadFingerprint);
        }
        let mut bytes = [0; 32];
        let mut parts = digits.trim().split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()));
            *byte = u8::from_str_radix(part.ok_or(BadFingerprint)?, 16).map_err(|_| BadFingerprint)?;
        }
        match parts.next() {
            None => Ok(Fingerprint(bytes)),
            Some(_) => Err(BadFingerprint),
        }
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha-256 ")?;
        for (n, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if n == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip_and_refusals() {
        let fingerprint = Certificate::generate().unwrap().fingerprint();
        let text = fingerprint.to_string();
        assert_eq!(text.parse::<Fingerprint>(), Ok(fingerprint));
        assert_eq!(text.to_lowercase().parse::<Fingerprint>(), Ok(fingerprint));
        assert!(text[..text.len() - 3].parse::<Fingerprint>().is_err());
        assert!(format!("{text}:00").parse::<Fingerprint>().is_err());
        assert!(text.replace("sha-256", "sha-1").parse::<Fingerprint>().is_err());
        assert!(text.replacen(':', ":+", 1).parse::<Fingerprint>().is_err());
        assert!("".parse::<Fingerprint>().is_err());
    }
}

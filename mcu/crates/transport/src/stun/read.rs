//! Reading a message without copying.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;

use super::{address_pad, attr, fingerprint, integrity, Class, StunError, TransactionId, HEADER_LEN, MAGIC_COOKIE};

/// Unknown comprehension-required attributes that are remembered for a 420 answer.
const MAX_UNKNOWN: usize = 8;
/// Longest USERNAME (RFC 8489 §14.3).
const MAX_USERNAME: usize = 508;

/// A parsed message. Of an attribute that comes twice, the first counts (§14).
#[derive(Debug, Clone)]
pub struct Message<'a> {
    raw: &'a [u8],
    /// Class.
    pub class: Class,
    /// Method; [`super::BINDING`] for ICE.
    pub method: u16,
    /// Transaction id.
    pub transaction_id: TransactionId,
    /// USERNAME.
    pub username: Option<&'a str>,
    /// PRIORITY.
    pub priority: Option<u32>,
    /// USE-CANDIDATE is present.
    pub use_candidate: bool,
    /// ICE-CONTROLLING: the tie-breaker.
    pub ice_controlling: Option<u64>,
    /// ICE-CONTROLLED: the tie-breaker.
    pub ice_controlled: Option<u64>,
    /// XOR-MAPPED-ADDRESS.
    pub xor_mapped_address: Option<SocketAddr>,
    /// ERROR-CODE, 300–699.
    pub error_code: Option<u16>,
    /// FINGERPRINT was present (it was checked).
    pub has_fingerprint: bool,
    integrity_at: Option<usize>,
    unknown: [u16; MAX_UNKNOWN],
    unknown_len: usize,
}

impl<'a> Message<'a> {
    /// Parses `raw`, which must be one whole message, and checks its FINGERPRINT when there is one.
    ///
    /// # Errors
    /// [`StunError`] when anything in the framing or in a known attribute is wrong.
    pub fn parse(raw: &'a [u8]) -> Result<Message<'a>, StunError> {
        let header = raw.get(..HEADER_LEN).ok_or(StunError::TooShort)?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        if kind >> 14 != 0 || header[4..8] != MAGIC_COOKIE.to_be_bytes() {
            return Err(StunError::NotStun);
        }
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if len % 4 != 0 || HEADER_LEN + len != raw.len() {
            return Err(StunError::Length);
        }
        let mut transaction_id = [0; 12];
        transaction_id.copy_from_slice(&header[8..]);
        let mut message = Message {
            raw,
            class: match (kind >> 4 & 1) | (kind >> 7 & 2) {
                0 => Class::Request,
                1 => Class::Indication,
                2 => Class::Success,
                _ => Class::Error,
            },
            method: (kind & 0xF) | (kind >> 1 & 0x70) | (kind >> 2 & 0xF80),
            transaction_id,
            username: None,
            priority: None,
            use_candidate: false,
            ice_controlling: None,
            ice_controlled: None,
            xor_mapped_address: None,
            error_code: None,
            has_fingerprint: false,
            integrity_at: None,
            unknown: [0; MAX_UNKNOWN],
            unknown_len: 0,
        };
        message.parse_attributes()?;
        Ok(message)
    }

    fn parse_attributes(&mut self) -> Result<(), StunError> {
        let mut at = HEADER_LEN;
        while at < self.raw.len() {
            if self.has_fingerprint {
                return Err(StunError::Fingerprint);
            }
            // The length is a multiple of four, so four bytes are there.
            let kind = u16::from_be_bytes([self.raw[at], self.raw[at + 1]]);
            let len = usize::from(u16::from_be_bytes([self.raw[at + 2], self.raw[at + 3]]));
            let value = self.raw.get(at + 4..at + 4 + len).ok_or(StunError::Attribute(kind))?;
            // What stands behind MESSAGE-INTEGRITY is not covered by it, so it is ignored (§14.5), but FINGERPRINT.
            if self.integrity_at.is_none() || kind == attr::FINGERPRINT {
                self.parse_attribute(kind, value, at).ok_or(StunError::Attribute(kind))??;
            }
            at = (at + 4 + len).next_multiple_of(4);
        }
        Ok(())
    }

    /// `None`: malformed.
    fn parse_attribute(&mut self, kind: u16, value: &'a [u8], at: usize) -> Option<Result<(), StunError>> {
        match kind {
            attr::USERNAME => {
                let username = std::str::from_utf8(value).ok().filter(|name| name.len() <= MAX_USERNAME)?;
                self.username.get_or_insert(username);
            }
            attr::PRIORITY => {
                self.priority.get_or_insert(u32::from_be_bytes(value.try_into().ok()?));
            }
            attr::USE_CANDIDATE => {
                value.is_empty().then_some(())?;
                self.use_candidate = true;
            }
            attr::ICE_CONTROLLING => {
                self.ice_controlling.get_or_insert(u64::from_be_bytes(value.try_into().ok()?));
            }
            attr::ICE_CONTROLLED => {
                self.ice_controlled.get_or_insert(u64::from_be_bytes(value.try_into().ok()?));
            }
            attr::XOR_MAPPED_ADDRESS => {
                let address = xor_address(value, &self.transaction_id)?;
                self.xor_mapped_address.get_or_insert(address);
            }
            attr::ERROR_CODE => {
                let [_, _, class, number, ..] = *value else { return None };
                let code = u16::from(class & 7) * 100 + u16::from(number);
                (300..700).contains(&code).then_some(())?;
                (number < 100).then_some(())?;
                self.error_code.get_or_insert(code);
            }
            attr::UNKNOWN_ATTRIBUTES => (value.len() % 2 == 0).then_some(())?,
            attr::MESSAGE_INTEGRITY => {
                (value.len() == 20).then_some(())?;
                self.integrity_at = Some(at);
            }
            attr::MESSAGE_INTEGRITY_SHA256 => {}
            attr::FINGERPRINT => {
                let found = u32::from_be_bytes(value.try_into().ok()?);
                if found != fingerprint(&self.raw[..at]) {
                    return Some(Err(StunError::Fingerprint));
                }
                self.has_fingerprint = true;
            }
            // Types from 0x8000 may be ignored.
            0..=0x7FFF => {
                if let Some(slot) = self.unknown.get_mut(self.unknown_len) {
                    *slot = kind;
                    self.unknown_len += 1;
                }
            }
            _ => {}
        }
        Some(Ok(()))
    }

    /// MESSAGE-INTEGRITY is present.
    #[must_use]
    pub fn has_integrity(&self) -> bool {
        self.integrity_at.is_some()
    }

    /// True when MESSAGE-INTEGRITY is present and made with `key` (compared in constant time).
    #[must_use]
    pub fn verify_integrity(&self, key: &hmac::Key) -> bool {
        let Some(at) = self.integrity_at else { return false };
        let Some(found) = self.raw.get(at + 4..at + 24) else { return false };
        integrity(key, self.raw, at).is_some_and(|tag| verify_slices_are_equal(tag.as_ref(), found).is_ok())
    }

    /// The first attributes that must be understood and are not.
    #[must_use]
    pub fn unknown_attributes(&self) -> &[u16] {
        &self.unknown[..self.unknown_len]
    }

    /// The part of USERNAME before the colon: the receiver's ufrag in a request (RFC 8445 §7.2.2). For routing only:
    /// nothing is verified yet.
    #[must_use]
    pub fn username_local_ufrag(&self) -> Option<&'a str> {
        self.username?.split_once(':').map(|(local, _)| local)
    }
}

fn xor_address(value: &[u8], transaction_id: &TransactionId) -> Option<SocketAddr> {
    let pad = address_pad(transaction_id);
    let [_, family, high, low, rest @ ..] = value else { return None };
    let port = u16::from_be_bytes([high ^ pad[0], low ^ pad[1]]);
    let mut bytes = [0; 16];
    bytes.get_mut(..rest.len())?.copy_from_slice(rest);
    bytes.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
    let ip: IpAddr = match (family, rest.len()) {
        (1, 4) => [bytes[0], bytes[1], bytes[2], bytes[3]].into(),
        (2, 16) => Ipv6Addr::from(bytes).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

//! Writing a message into a caller's slice.

use std::net::{IpAddr, SocketAddr};

use aws_lc_rs::hmac;

use super::{
    address_pad, attr, fingerprint, integrity, Class, ErrorCode, TransactionId, BINDING, HEADER_LEN, MAGIC_COOKIE,
};

/// Builds one Binding message: attributes in the order of the calls, then [`Writer::finish`].
///
/// Each method answers `None` when the slice is full.
pub struct Writer<'a> {
    buf: &'a mut [u8],
    len: usize,
    transaction_id: TransactionId,
}

impl<'a> Writer<'a> {
    /// Starts a Binding message of `class` at the front of `buf`.
    pub fn new(buf: &'a mut [u8], class: Class, transaction_id: TransactionId) -> Option<Writer<'a>> {
        let header = buf.get_mut(..HEADER_LEN)?;
        let class = class as u16;
        let kind = BINDING | (class & 1) << 4 | (class & 2) << 7;
        header[..2].copy_from_slice(&kind.to_be_bytes());
        header[2..4].copy_from_slice(&[0, 0]);
        header[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        header[8..].copy_from_slice(&transaction_id);
        Some(Writer { buf, len: HEADER_LEN, transaction_id })
    }

    /// Any attribute, padded with zeros to the word.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> Option<()> {
        let end = self.len.checked_add(4 + value.len())?;
        let padded = end.checked_next_multiple_of(4)?;
        let space = self.buf.get_mut(self.len..padded)?;
        space[..2].copy_from_slice(&kind.to_be_bytes());
        space[2..4].copy_from_slice(&u16::try_from(value.len()).ok()?.to_be_bytes());
        space[4..4 + value.len()].copy_from_slice(value);
        space[4 + value.len()..].fill(0);
        self.len = padded;
        // The length field is kept true, since integrity and fingerprint cover it.
        let len = u16::try_from(padded - HEADER_LEN).ok()?;
        self.buf[2..4].copy_from_slice(&len.to_be_bytes());
        Some(())
    }

    /// XOR-MAPPED-ADDRESS.
    pub fn xor_mapped_address(&mut self, address: SocketAddr) -> Option<()> {
        let pad = address_pad(&self.transaction_id);
        let mut value = [0; 20];
        let len = match address.ip() {
            IpAddr::V4(ip) => {
                value[1] = 1;
                value[4..8].copy_from_slice(&ip.octets());
                8
            }
            IpAddr::V6(ip) => {
                value[1] = 2;
                value[4..20].copy_from_slice(&ip.octets());
                20
            }
        };
        value[2..4].copy_from_slice(&address.port().to_be_bytes());
        value[2] ^= pad[0];
        value[3] ^= pad[1];
        value[4..].iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
        self.attribute(attr::XOR_MAPPED_ADDRESS, &value[..len])
    }

    /// ERROR-CODE with its reason phrase.
    pub fn error_code(&mut self, code: ErrorCode) -> Option<()> {
        let (number, reason) = (code as u16, code.reason().as_bytes());
        let mut value = [0; 64];
        value[2] = (number / 100) as u8;
        value[3] = (number % 100) as u8;
        value.get_mut(4..4 + reason.len())?.copy_from_slice(reason);
        self.attribute(attr::ERROR_CODE, &value[..4 + reason.len()])
    }

    /// UNKNOWN-ATTRIBUTES, at most eight.
    pub fn unknown_attributes(&mut self, kinds: &[u16]) -> Option<()> {
        let mut value = [0; 16];
        for (slot, kind) in value.chunks_exact_mut(2).zip(kinds) {
            slot.copy_from_slice(&kind.to_be_bytes());
        }
        self.attribute(attr::UNKNOWN_ATTRIBUTES, value.get(..kinds.len() * 2)?)
    }

    /// Adds MESSAGE-INTEGRITY (with a key) and FINGERPRINT, and answers the message's length.
    pub fn finish(mut self, key: Option<&hmac::Key>) -> Option<usize> {
        if let Some(key) = key {
            let tag = integrity(key, self.buf, self.len)?;
            self.attribute(attr::MESSAGE_INTEGRITY, tag.as_ref())?;
        }
        // The fingerprint covers a length field that already counts it.
        let at = self.len;
        self.attribute(attr::FINGERPRINT, &[0; 4])?;
        let crc = fingerprint(&self.buf[..at]);
        self.buf[at + 4..at + 8].copy_from_slice(&crc.to_be_bytes());
        Some(self.len)
    }
}

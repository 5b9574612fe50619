//! STUN messages (RFC 8489 §5, §14) with the attributes of ICE (RFC 8445 §7.1).
//!
//! Short-term credentials with MESSAGE-INTEGRITY (HMAC-SHA1) and FINGERPRINT. Left out: long-term credentials and
//! MESSAGE-INTEGRITY-SHA256 (ICE uses the former, RFC 8445 §7.1), TURN, and RFC 3489's messages without cookie.

mod read;
mod write;

use std::fmt;

use aws_lc_rs::hmac;

pub use read::Message;
pub use write::Writer;

/// Length of the fixed header in bytes.
pub const HEADER_LEN: usize = 20;
/// Fixed word of every message (RFC 8489 §5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;
/// The Binding method, the only one that ICE needs.
pub const BINDING: u16 = 1;

/// Names a transaction, 96 random bits.
pub type TransactionId = [u8; 12];

/// Attribute types.
pub mod attr {
    /// USERNAME.
    pub const USERNAME: u16 = 0x0006;
    /// MESSAGE-INTEGRITY.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// ERROR-CODE.
    pub const ERROR_CODE: u16 = 0x0009;
    /// UNKNOWN-ATTRIBUTES.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    /// MESSAGE-INTEGRITY-SHA256.
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    /// XOR-MAPPED-ADDRESS.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// PRIORITY.
    pub const PRIORITY: u16 = 0x0024;
    /// USE-CANDIDATE.
    pub const USE_CANDIDATE: u16 = 0x0025;
    /// FINGERPRINT.
    pub const FINGERPRINT: u16 = 0x8028;
    /// ICE-CONTROLLED.
    pub const ICE_CONTROLLED: u16 = 0x8029;
    /// ICE-CONTROLLING.
    pub const ICE_CONTROLLING: u16 = 0x802A;
}

/// Message class (RFC 8489 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Asks for a response.
    Request = 0,
    /// Asks for none.
    Indication = 1,
    /// Success response.
    Success = 2,
    /// Error response.
    Error = 3,
}

/// Error codes that this engine sends (RFC 8489 §14.8, RFC 8445 §7.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// 400: an attribute that must be there is missing.
    BadRequest = 400,
    /// 401: wrong user or wrong key.
    Unauthenticated = 401,
    /// 420: an attribute that must be understood is not.
    UnknownAttribute = 420,
    /// 487: both agents claim the same role.
    RoleConflict = 487,
}

impl ErrorCode {
    /// The reason phrase.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            ErrorCode::BadRequest => "Bad Request",
            ErrorCode::Unauthenticated => "Unauthenticated",
            ErrorCode::UnknownAttribute => "Unknown Attribute",
            ErrorCode::RoleConflict => "Role Conflict",
        }
    }
}

/// Why bytes are not a STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StunError {
    /// Shorter than the fixed header.
    TooShort,
    /// The first two bits or the magic cookie are wrong.
    NotStun,
    /// The length field is not that of the datagram, or no multiple of four.
    Length,
    /// An attribute passes the end, or has an impossible length or content.
    Attribute(u16),
    /// FINGERPRINT does not match, or is not last.
    Fingerprint,
}

impl fmt::Display for StunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StunError::TooShort => f.write_str("STUN message too short"),
            StunError::NotStun => f.write_str("not a STUN message"),
            StunError::Length => f.write_str("STUN length field is wrong"),
            StunError::Attribute(kind) => write!(f, "STUN attribute {kind:#06x} is malformed"),
            StunError::Fingerprint => f.write_str("STUN fingerprint is wrong"),
        }
    }
}

impl std::error::Error for StunError {}

/// The key of MESSAGE-INTEGRITY for a short-term password (ASCII, as ICE demands).
#[must_use]
pub fn integrity_key(password: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
}

/// HMAC over a message up to its MESSAGE-INTEGRITY attribute, with the length field that ends behind it (§14.5).
fn integrity(key: &hmac::Key, message: &[u8], attribute_at: usize) -> Option<hmac::Tag> {
    let covered = message.get(..attribute_at).filter(|covered| covered.len() >= HEADER_LEN)?;
    let len = u16::try_from(attribute_at + 24 - HEADER_LEN).ok()?;
    let mut context = hmac::Context::with_key(key);
    context.update(&covered[..2]);
    context.update(&len.to_be_bytes());
    context.update(&covered[4..]);
    Some(context.sign())
}

/// CRC-32 (ITU-T V.42) XOR "STUN" over a message up to its FINGERPRINT attribute (§14.7).
fn fingerprint(covered: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table();
    let crc = covered.iter().fold(u32::MAX, |crc, byte| (crc >> 8) ^ TABLE[usize::from(crc as u8 ^ byte)]);
    !crc ^ 0x5354_554E
}

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut value = n as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[n] = value;
        n += 1;
    }
    table
}

/// XOR pad of an address: cookie and transaction id (§14.2).
fn address_pad(transaction_id: &TransactionId) -> [u8; 16] {
    let mut pad = [0; 16];
    pad[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    pad[4..].copy_from_slice(transaction_id);
    pad
}

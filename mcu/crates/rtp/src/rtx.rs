//! Retransmission payload format, SSRC-multiplexed (RFC 4588 §4, §8.6).
//!
//! Left out: session multiplexing (BUNDLE makes one session) and RTX of RTX.

use crate::bytes::be16;
use crate::header::{Header, FIXED_LEN};

/// Length of the original sequence number in bytes.
pub const OSN_LEN: usize = 2;

/// Splits a decrypted RTX payload into original sequence number and original payload.
///
/// `None` for a payload without OSN, as in padding sent on an RTX stream.
#[must_use]
pub fn split(payload: &[u8]) -> Option<(u16, &[u8])> {
    Some((be16(payload, 0)?, payload.get(OSN_LEN..)?))
}

/// Turns a decrypted RTX packet into the original in place, and answers its new length.
///
/// The header keeps its extensions and takes the original's payload type, SSRC and sequence number;
/// the OSN goes. `None` when there is no OSN (padding only); then `packet` is unchanged.
pub fn unwrap(packet: &mut [u8], header: &Header, pt: u8, ssrc: u32) -> Option<usize> {
    if header.header_len < FIXED_LEN {
        return None;
    }
    let padding = header.padding_len(packet).ok()?;
    if packet.len().checked_sub(header.header_len + padding)? < OSN_LEN {
        return None;
    }
    let (osn, _) = split(packet.get(header.header_len..)?)?;
    packet.copy_within(header.header_len + OSN_LEN.., header.header_len);
    packet[1] = (packet[1] & 0x80) | (pt & 0x7F);
    packet[2..4].copy_from_slice(&osn.to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    Some(packet.len() - OSN_LEN)
}

/// Writes the RTX packet for `original` (decrypted, with `header` parsed from it) into `out`, and answers its length.
///
/// `pt`, `ssrc` and `seq` are those of the RTX stream. `None` when `out` is too small.
pub fn build(original: &[u8], header: &Header, pt: u8, ssrc: u32, seq: u16, out: &mut [u8]) -> Option<usize> {
    let split_at = header.header_len;
    let len = original.len() + OSN_LEN;
    if split_at < FIXED_LEN || split_at > original.len() || out.len() < len {
        return None;
    }
    out[..split_at].copy_from_slice(&original[..split_at]);
    out[split_at..split_at + OSN_LEN].copy_from_slice(&header.seq.to_be_bytes());
    out[split_at + OSN_LEN..len].copy_from_slice(&original[split_at..]);
    out[1] = (out[1] & 0x80) | (pt & 0x7F);
    out[2..4].copy_from_slice(&seq.to_be_bytes());
    out[8..12].copy_from_slice(&ssrc.to_be_bytes());
    Some(len)
}

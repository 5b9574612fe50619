//! H.264 in RTP (RFC 6184): single NAL unit (§5.6), STAP-A (§5.7.1) and FU-A (§5.8), and where a keyframe starts.
//!
//! A keyframe **starts at its SPS**, not at the IDR slice: a switch or a join at the IDR of a stream whose SPS
//! came one packet earlier shows a broken picture. Streams that send IDR without SPS start at the IDR
//! ([`Start::Idr`]); the caller knows whether the packet before it carried the parameter sets.
//!
//! Left out: STAP-B, MTAP and FU-B (packetization-mode 2 is never negotiated).

use crate::bytes::be16;

/// NAL unit types (ITU-T H.264 table 7-1, RFC 6184 table 1).
pub mod nal {
    /// Slice of a non-IDR picture.
    pub const SLICE: u8 = 1;
    /// Slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// Single-time aggregation packet.
    pub const STAP_A: u8 = 24;
    /// Fragmentation unit.
    pub const FU_A: u8 = 28;
}

/// What a packet that a decoder may start at begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Sequence parameter set: the right place.
    Sps,
    /// First fragment or whole of an IDR slice, without an SPS in the same packet.
    Idr,
}

/// The NAL unit types in one packet, in order; a fragment counts only with its first piece.
///
/// A truncated STAP-A ends the iteration where it is cut.
#[must_use]
pub fn nal_types(payload: &[u8]) -> NalTypes<'_> {
    match payload {
        [first, ..] if first & 0x1F == nal::STAP_A => NalTypes { single: None, aggregate: &payload[1..] },
        [first, fu, _, ..] if first & 0x1F == nal::FU_A => {
            NalTypes { single: (fu & 0x80 != 0).then_some(fu & 0x1F), aggregate: &[] }
        }
        [first, ..] if (1..=23).contains(&(first & 0x1F)) => NalTypes { single: Some(first & 0x1F), aggregate: &[] },
        _ => NalTypes { single: None, aggregate: &[] },
    }
}

/// Iterator of [`nal_types`].
#[derive(Debug, Clone)]
pub struct NalTypes<'a> {
    single: Option<u8>,
    aggregate: &'a [u8],
}

impl Iterator for NalTypes<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if let Some(single) = self.single.take() {
            return Some(single);
        }
        let size = usize::from(be16(self.aggregate, 0)?);
        let Some(unit) = self.aggregate.get(2..2 + size).filter(|unit| !unit.is_empty()) else {
            self.aggregate = &[];
            return None;
        };
        self.aggregate = &self.aggregate[2 + size..];
        Some(unit[0] & 0x1F)
    }
}

/// Whether, and with what, the packet starts a keyframe.
#[must_use]
pub fn keyframe_start(payload: &[u8]) -> Option<Start> {
    let mut start = None;
    for nal in nal_types(payload) {
        match nal {
            nal::SPS => return Some(Start::Sps),
            nal::IDR => start = Some(Start::Idr),
            _ => {}
        }
    }
    start
}

/// True when the packet carries an SPS or the beginning of an IDR slice.
#[must_use]
pub fn starts_keyframe(payload: &[u8]) -> bool {
    keyframe_start(payload).is_some()
}

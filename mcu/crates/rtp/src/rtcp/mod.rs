//! RTCP: compound (RFC 3550 §6.1) and reduced-size (RFC 5506) packets.
//!
//! Read: SR, RR, SDES (CNAME), BYE (RFC 3550 §6.4–6.6), generic NACK and PLI (RFC 4585 §6.2.1, §6.3.1),
//! FIR (RFC 5104 §4.3.1), transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01, see
//! [`transport_cc`]), REMB (draft-alvestrand-rmcat-remb-03). Written: all but REMB.
//! Left out: APP and XR (stepped over as [`Packet::Unknown`]), SDES items other than CNAME (they identify people),
//! and the rule that a compound packet begins with SR or RR, since reduced-size RTCP is negotiated.

mod read;
pub mod transport_cc;
mod write;

pub use read::{packets, Cname, FirEntries, Nack, NackSeqs, Packet, Packets, ReportBlocks, Ssrcs};
pub use transport_cc::TransportFeedback;
pub use write::RtcpWriter;

/// Packet types (RFC 3550 §12.1, RFC 4585 §6.1).
pub mod pt {
    /// Sender report.
    pub const SR: u8 = 200;
    /// Receiver report.
    pub const RR: u8 = 201;
    /// Source description.
    pub const SDES: u8 = 202;
    /// Goodbye.
    pub const BYE: u8 = 203;
    /// Transport layer feedback.
    pub const RTPFB: u8 = 205;
    /// Payload-specific feedback.
    pub const PSFB: u8 = 206;
}

/// Feedback message types.
pub(crate) mod fmt {
    pub(crate) const NACK: u8 = 1;
    pub(crate) const PLI: u8 = 1;
    pub(crate) const FIR: u8 = 4;
    pub(crate) const TRANSPORT_CC: u8 = 15;
    pub(crate) const AFB: u8 = 15;
}

/// Sender's part of an SR (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// Who reports.
    pub ssrc: u32,
    /// NTP time, 32.32 fixed point seconds since 1900.
    pub ntp: u64,
    /// The same instant in the stream's timestamp units.
    pub rtp_timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Payload bytes sent.
    pub octets: u32,
}

impl SenderInfo {
    /// Middle 32 bits of the NTP time, as returned in [`ReportBlock::last_sr`].
    #[must_use]
    pub fn ntp_middle(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// Report block (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportBlock {
    /// Source reported on.
    pub ssrc: u32,
    /// Lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Lost in all; negative with duplicates (24-bit signed on the wire, clamped).
    pub total_lost: i32,
    /// Highest sequence number received, with cycles in the upper half.
    pub highest_seq: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// [`SenderInfo::ntp_middle`] of the last SR, 0 for none.
    pub last_sr: u32,
    /// Delay since that SR in 1/65,536 s.
    pub delay_since_last_sr: u32,
}

/// Full intra request entry (RFC 5104 §4.3.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirEntry {
    /// The media source asked.
    pub ssrc: u32,
    /// Command number: a repetition keeps it.
    pub seq: u8,
}

//! Reading RTCP without copying.

use super::{fmt, pt, FirEntry, ReportBlock, SenderInfo, TransportFeedback};
use crate::bytes::{be16, be32};

/// One RTCP packet of a compound.
#[derive(Debug, Clone)]
pub enum Packet<'a> {
    /// SR.
    SenderReport {
        /// The sender's part.
        info: SenderInfo,
        /// Its report blocks.
        blocks: ReportBlocks<'a>,
    },
    /// RR.
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// Its report blocks.
        blocks: ReportBlocks<'a>,
    },
    /// SDES: the first CNAME of each chunk.
    Sdes(Cname<'a>),
    /// BYE (the reason text is not read).
    Bye(Ssrcs<'a>),
    /// Generic NACK.
    Nack(Nack<'a>),
    /// Transport-wide congestion control feedback.
    TransportFeedback(TransportFeedback<'a>),
    /// Picture loss indication.
    Pli {
        /// Who asks.
        sender: u32,
        /// The media source asked.
        media: u32,
    },
    /// Full intra request.
    Fir {
        /// Who asks.
        sender: u32,
        /// The sources asked.
        entries: FirEntries<'a>,
    },
    /// Receiver estimated maximum bitrate.
    Remb {
        /// Who estimates.
        sender: u32,
        /// Bits per second, saturated.
        bitrate: u64,
        /// The sources that it covers.
        ssrcs: Ssrcs<'a>,
    },
    /// Well framed, of a type that is not read.
    Unknown {
        /// Packet type.
        pt: u8,
        /// Count or feedback message type.
        fmt: u8,
    },
    /// Well framed, and impossible inside.
    Malformed {
        /// Packet type.
        pt: u8,
    },
}

/// Iterates over the packets in `data` (decrypted). A broken frame ends the iteration.
#[must_use]
pub fn packets(data: &[u8]) -> Packets<'_> {
    Packets { rest: data, broken: false }
}

/// Iterator of [`packets`].
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
    broken: bool,
}

impl Packets<'_> {
    /// True when the iteration ended at bytes that are not RTCP (version, length or padding impossible).
    #[must_use]
    pub fn broken(&self) -> bool {
        self.broken
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Packet<'a>;

    fn next(&mut self) -> Option<Packet<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        match split(self.rest) {
            Some((first, packet_type, body, rest)) => {
                self.rest = rest;
                let count = first & 0x1F;
                Some(parse(count, packet_type, body).unwrap_or(Packet::Malformed { pt: packet_type }))
            }
            None => {
                self.rest = &[];
                self.broken = true;
                None
            }
        }
    }
}

/// First byte, packet type, body without padding, and what follows.
fn split(data: &[u8]) -> Option<(u8, u8, &[u8], &[u8])> {
    let (first, packet_type) = (*data.first()?, *data.get(1)?);
    let len = (usize::from(be16(data, 2)?) + 1) * 4;
    if first >> 6 != 2 || len > data.len() {
        return None;
    }
    let mut body = &data[4..len];
    if first & 0x20 != 0 {
        let padding = usize::from(*body.last()?);
        if padding == 0 || padding > body.len() {
            return None;
        }
        body = &body[..body.len() - padding];
    }
    Some((first, packet_type, body, &data[len..]))
}

fn parse(count: u8, packet_type: u8, body: &[u8]) -> Option<Packet<'_>> {
    Some(match (packet_type, count) {
        (pt::SR, _) => {
            let info = SenderInfo {
                ssrc: be32(body, 0)?,
                ntp: u64::from(be32(body, 4)?) << 32 | u64::from(be32(body, 8)?),
                rtp_timestamp: be32(body, 12)?,
                packets: be32(body, 16)?,
                octets: be32(body, 20)?,
            };
            Packet::SenderReport { info, blocks: ReportBlocks::new(body, 24, count)? }
        }
        (pt::RR, _) => Packet::ReceiverReport { ssrc: be32(body, 0)?, blocks: ReportBlocks::new(body, 4, count)? },
        (pt::SDES, _) => Packet::Sdes(Cname { rest: body, chunks: count }),
        (pt::BYE, _) => Packet::Bye(Ssrcs { rest: body.get(..usize::from(count) * 4)? }),
        (pt::RTPFB, fmt::NACK) => {
            let pairs = body.get(8..).filter(|pairs| !pairs.is_empty() && pairs.len() % 4 == 0)?;
            Packet::Nack(Nack { sender: be32(body, 0)?, media: be32(body, 4)?, pairs })
        }
        (pt::RTPFB, fmt::TRANSPORT_CC) => Packet::TransportFeedback(TransportFeedback::parse(body)?),
        (pt::PSFB, fmt::PLI) => Packet::Pli { sender: be32(body, 0)?, media: be32(body, 4)? },
        (pt::PSFB, fmt::FIR) => {
            let rest = body.get(8..).filter(|rest| !rest.is_empty() && rest.len() % 8 == 0)?;
            Packet::Fir { sender: be32(body, 0)?, entries: FirEntries { rest } }
        }
        (pt::PSFB, fmt::AFB) if body.get(8..12) == Some(b"REMB") => {
            let (number, exp_mantissa) = (*body.get(12)?, be32(body, 12)? & 0x00FF_FFFF);
            let (exponent, mantissa) = (exp_mantissa >> 18, u64::from(exp_mantissa & 0x3_FFFF));
            let bitrate = if exponent > mantissa.leading_zeros() { u64::MAX } else { mantissa << exponent };
            let rest = body.get(16..16 + usize::from(number) * 4)?;
            Packet::Remb { sender: be32(body, 0)?, bitrate, ssrcs: Ssrcs { rest } }
        }
        _ => Packet::Unknown { pt: packet_type, fmt: count },
    })
}

/// Iterator over report blocks.
#[derive(Debug, Clone)]
pub struct ReportBlocks<'a> {
    rest: &'a [u8],
}

impl<'a> ReportBlocks<'a> {
    fn new(body: &'a [u8], at: usize, count: u8) -> Option<Self> {
        Some(ReportBlocks { rest: body.get(at..at + usize::from(count) * 24)? })
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (data, lost) = (self.rest, be32(self.rest, 4)?);
        let block = ReportBlock {
            ssrc: be32(data, 0)?,
            fraction_lost: (lost >> 24) as u8,
            // Sign-extends 24 bits.
            total_lost: ((lost << 8) as i32) >> 8,
            highest_seq: be32(data, 8)?,
            jitter: be32(data, 12)?,
            last_sr: be32(data, 16)?,
            delay_since_last_sr: be32(data, 20)?,
        };
        self.rest = data.get(24..)?;
        Some(block)
    }
}

/// Iterator over a list of SSRCs.
#[derive(Debug, Clone)]
pub struct Ssrcs<'a> {
    rest: &'a [u8],
}

impl Iterator for Ssrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let ssrc = be32(self.rest, 0)?;
        self.rest = &self.rest[4..];
        Some(ssrc)
    }
}

/// Iterator over the CNAMEs in an SDES packet: (SSRC, CNAME bytes), one for each chunk that has one.
#[derive(Debug, Clone)]
pub struct Cname<'a> {
    rest: &'a [u8],
    chunks: u8,
}

impl<'a> Iterator for Cname<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<(u32, &'a [u8])> {
        while self.chunks > 0 {
            self.chunks -= 1;
            let ssrc = be32(self.rest, 0)?;
            let (found, used) = chunk_cname(self.rest.get(4..)?)?;
            self.rest = self.rest.get(4 + used..)?;
            if let Some(cname) = found {
                return Some((ssrc, cname));
            }
        }
        None
    }
}

/// The CNAME in one chunk's items, and the bytes that the items take with their padding. `None` when cut.
fn chunk_cname(items: &[u8]) -> Option<(Option<&[u8]>, usize)> {
    const CNAME: u8 = 1;
    let (mut at, mut found) = (0, None);
    loop {
        match *items.get(at)? {
            0 => return Some((found, (at + 1).next_multiple_of(4))),
            kind => {
                let len = usize::from(*items.get(at + 1)?);
                let value = items.get(at + 2..at + 2 + len)?;
                if kind == CNAME && found.is_none() {
                    found = Some(value);
                }
                at += 2 + len;
            }
        }
    }
}

/// Generic NACK (RFC 4585 §6.2.1).
#[derive(Debug, Clone, Copy)]
pub struct Nack<'a> {
    /// Who asks.
    pub sender: u32,
    /// The media source asked.
    pub media: u32,
    pairs: &'a [u8],
}

impl<'a> Nack<'a> {
    /// The sequence numbers asked for, in the order of the packet.
    #[must_use]
    pub fn seqs(&self) -> NackSeqs<'a> {
        NackSeqs { pairs: self.pairs, pid: 0, mask: 0 }
    }
}

/// Iterator of [`Nack::seqs`].
#[derive(Debug, Clone)]
pub struct NackSeqs<'a> {
    pairs: &'a [u8],
    pid: u16,
    mask: u16,
}

impl Iterator for NackSeqs<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.mask != 0 {
            let bit = self.mask.trailing_zeros() as u16;
            self.mask &= self.mask - 1;
            return Some(self.pid.wrapping_add(bit + 1));
        }
        self.pid = be16(self.pairs, 0)?;
        self.mask = be16(self.pairs, 2)?;
        self.pairs = &self.pairs[4..];
        Some(self.pid)
    }
}

/// Iterator over FIR entries.
#[derive(Debug, Clone)]
pub struct FirEntries<'a> {
    rest: &'a [u8],
}

impl Iterator for FirEntries<'_> {
    type Item = FirEntry;

    fn next(&mut self) -> Option<FirEntry> {
        let entry = FirEntry { ssrc: be32(self.rest, 0)?, seq: *self.rest.get(4)? };
        self.rest = self.rest.get(8..)?;
        Some(entry)
    }
}

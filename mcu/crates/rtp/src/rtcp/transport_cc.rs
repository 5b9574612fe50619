//! Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): which packets
//! of a transport arrived, and when, counted by the sequence number of a header extension and not by stream.
//!
//! Read and written: run-length and both status vector chunks, small and large deltas. A packet status of 3 (reserved)
//! makes the message malformed. Times are in ticks of 250 µs on the receiver's clock, of which the reference time
//! transmits the lower 32 bits.

use crate::bytes::{be16, be32, Writer};

/// Microseconds in one tick of the message's times.
pub const TICK_US: u64 = 250;
/// Ticks in one unit of the reference time.
const REFERENCE: u64 = 256;
/// Bits of a run's length in its chunk.
const RUN: u16 = 0x1FFF;
/// Most packets that one written message covers, so that it stays under 1,200 bytes.
pub const MAX_PACKETS: usize = 400;

/// Packet statuses (§3.1.1).
const LOST: u8 = 0;
const SMALL: u8 = 1;
const LARGE: u8 = 2;

/// One feedback message. Its parts were checked when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportFeedback<'a> {
    /// Who reports.
    pub sender: u32,
    /// A media source of the transport.
    pub media: u32,
    /// The first transport sequence number that it tells of.
    pub base: u16,
    /// How many consecutive numbers it tells of.
    pub count: u16,
    /// Where the deltas begin: a multiple of 256 ticks, signed 24 bits before that multiplication.
    pub reference: i64,
    /// Counts the messages of this sender, so that a lost one is noticed.
    pub number: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    /// Reads the packet's body. `None` when chunks or deltas do not cover the announced packets. The work is bounded by
    /// the body's length, not by the announced count.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        let (count, time) = (be16(body, 10)?, be32(body, 12)?);
        let rest = body.get(16..)?;
        let (mut left, mut at, mut deltas) = (usize::from(count), 0, 0);
        while left > 0 {
            let chunk = Chunk::read(be16(rest, at)?);
            at += 2;
            let covered = chunk.len().min(left);
            deltas += chunk.delta_bytes(covered)?;
            left -= covered;
        }
        Some(TransportFeedback {
            sender: be32(body, 0)?,
            media: be32(body, 4)?,
            base: be16(body, 8)?,
            count,
            // Sign-extends the upper 24 bits.
            reference: i64::from(time as i32 >> 8) * REFERENCE as i64,
            number: time as u8,
            chunks: &rest[..at],
            deltas: rest.get(at..at + deltas)?,
        })
    }

    /// Each packet's transport sequence number and arrival in ticks, `None` for one that had not arrived.
    #[must_use]
    pub fn packets(&self) -> Arrivals<'a> {
        let now = self.reference;
        Arrivals {
            seq: self.base,
            left: self.count,
            now,
            chunk: Chunk::Run(0, 0),
            at: 0,
            chunks: self.chunks,
            deltas: self.deltas,
        }
    }
}

/// Iterator of [`TransportFeedback::packets`].
#[derive(Debug, Clone)]
pub struct Arrivals<'a> {
    seq: u16,
    left: u16,
    now: i64,
    chunk: Chunk,
    at: usize,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl Iterator for Arrivals<'_> {
    type Item = (u16, Option<i64>);

    fn next(&mut self) -> Option<(u16, Option<i64>)> {
        self.left = self.left.checked_sub(1)?;
        while self.at == self.chunk.len() {
            self.chunk = Chunk::read(be16(self.chunks, 0)?);
            (self.chunks, self.at) = (&self.chunks[2..], 0);
        }
        let status = self.chunk.status(self.at);
        self.at += 1;
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        let (delta, used) = match status {
            LOST => return Some((seq, None)),
            SMALL => (i64::from(*self.deltas.first()?), 1),
            _ => (i64::from(be16(self.deltas, 0)? as i16), 2),
        };
        self.deltas = &self.deltas[used..];
        self.now += delta;
        Some((seq, Some(self.now)))
    }
}

/// A packet chunk (§3.1.2–3.1.4).
#[derive(Debug, Clone, Copy)]
enum Chunk {
    Run(u8, usize),
    Bits(u16),
    Pairs(u16),
}

impl Chunk {
    fn read(word: u16) -> Chunk {
        match word >> 14 {
            0 | 1 => Chunk::Run((word >> 13) as u8 & 3, usize::from(word & RUN)),
            2 => Chunk::Bits(word),
            _ => Chunk::Pairs(word),
        }
    }

    fn len(self) -> usize {
        match self {
            Chunk::Run(_, len) => len,
            Chunk::Bits(_) => 14,
            Chunk::Pairs(_) => 7,
        }
    }

    fn status(self, at: usize) -> u8 {
        match self {
            Chunk::Run(status, _) => status,
            Chunk::Bits(word) => (word >> (13 - at)) as u8 & 1,
            Chunk::Pairs(word) => (word >> (12 - 2 * at)) as u8 & 3,
        }
    }

    /// Bytes of deltas for the first `covered` packets; `None` when one has the reserved status.
    fn delta_bytes(self, covered: usize) -> Option<usize> {
        match self {
            Chunk::Run(status @ LOST..=LARGE, _) => Some(usize::from(status) * covered),
            Chunk::Run(..) => None,
            _ => (0..covered).try_fold(0, |sum, at| match self.status(at) {
                status @ LOST..=LARGE => Some(sum + usize::from(status)),
                _ => None,
            }),
        }
    }
}

/// Writes the body that [`super::RtcpWriter::transport_feedback`] describes, and answers how many packets it covers.
pub(super) fn write(
    out: &mut Writer<'_>,
    (sender, media): (u32, u32),
    (base, number): (u16, u8),
    arrivals: &[Option<u64>],
) -> Option<usize> {
    let reference = arrivals.iter().flatten().next()? / REFERENCE;
    let mut statuses = [LOST; MAX_PACKETS];
    let covered = classify(arrivals, reference * REFERENCE, &mut statuses);
    out.u32(sender)?;
    out.u32(media)?;
    out.u16(base)?;
    out.u16(covered as u16)?;
    out.u32((reference as u32) << 8 | u32::from(number))?;
    let mut left = &statuses[..covered];
    while !left.is_empty() {
        let used = put_chunk(out, left)?;
        left = &left[used..];
    }
    for delta in deltas(&arrivals[..covered], reference * REFERENCE).flatten() {
        match u8::try_from(delta) {
            Ok(small) => out.u8(small)?,
            Err(_) => out.u16(delta as i16 as u16)?,
        }
    }
    out.put(&[0; 3][..out.len().next_multiple_of(4) - out.len()])?;
    Some(covered)
}

/// Differences between one arrival and the one before it in the message.
fn deltas(arrivals: &[Option<u64>], mut last: u64) -> impl Iterator<Item = Option<i64>> + '_ {
    arrivals.iter().map(move |arrival| arrival.map(|at| at.wrapping_sub(std::mem::replace(&mut last, at)) as i64))
}

/// The packets' statuses; answers how many fit one message, since a delta has 16 bits with its sign.
fn classify(arrivals: &[Option<u64>], reference: u64, statuses: &mut [u8; MAX_PACKETS]) -> usize {
    let mut covered = 0;
    for (status, delta) in statuses.iter_mut().zip(deltas(arrivals, reference)) {
        *status = match delta {
            None => LOST,
            Some(0..=0xFF) => SMALL,
            Some(delta) if i16::try_from(delta).is_ok() => LARGE,
            Some(_) => break,
        };
        covered += 1;
    }
    covered
}

/// Writes the chunk that covers most of `statuses`, and answers how many that is.
fn put_chunk(out: &mut Writer<'_>, statuses: &[u8]) -> Option<usize> {
    let first = statuses[0];
    let run = statuses.iter().take_while(|status| **status == first).count();
    let single = statuses.iter().take(14).take_while(|status| **status != LARGE).count();
    // A vector that ends early would tell of packets that are not there, except at the end.
    let bits = if single == 14 || single == statuses.len() { single } else { 0 };
    if run >= bits.max(7) || run == statuses.len() {
        out.u16(u16::from(first) << 13 | run as u16)?;
        return Some(run);
    }
    let (len, width, mark) = if bits > 0 { (bits, 1, 0x8000) } else { (statuses.len().min(7), 2, 0xC000) };
    let pack = |word: u16, (at, status): (usize, &u8)| word | u16::from(*status) << (14 - width * (at + 1));
    out.u16(statuses[..len].iter().enumerate().fold(mark, pack))?;
    Some(len)
}

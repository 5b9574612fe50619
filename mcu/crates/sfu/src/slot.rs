//! One receive slot of one subscriber: the rewriting ("munging") that turns ever-changing sources into one continuous
//! RTP stream (RFC 7667 §3.7).
//!
//! A slot has its own SSRC. Its sequence numbers and timestamps go on when the source changes: a gap in the output is a gap
//! of the source, never one made here; the timestamp advances by the wall clock. A video slot begins each source at a
//! keyframe. Which source packet went out under which number is kept as a list of segments, so that a NACK finds its packet
//! after a switch too. What leaves under one number is always the same bytes: the SRTP nonce depends on it (RFC 7714 §8.1).

use crate::clock::{ticks, Micros};
use crate::ring::{Meta, Picture};
use std::collections::VecDeque;

/// Payload formats a track may have.
pub const CODECS: usize = 8;

/// In a payload type table: the receiver does not take this format.
pub const NO_PT: u8 = 0xff;

/// Segments remembered for late NACKs.
const SEGMENTS: usize = 16;

/// The receiver's payload types for each of a track's codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadTypes {
    pub media: [u8; CODECS],
    pub rtx: [u8; CODECS],
}

impl PayloadTypes {
    /// A table in which nothing matches.
    pub const NONE: Self = PayloadTypes { media: [NO_PT; CODECS], rtx: [NO_PT; CODECS] };
}

/// A published stream within its room.
pub type SourceId = u16;

/// Random starting points of a slot, drawn by the caller.
#[derive(Debug, Clone, Copy)]
pub struct Seeds {
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    pub seq: u16,
    pub rtx_seq: u16,
    pub ts: u32,
}

/// A stretch of output numbers that came from one source with one set of offsets.
#[derive(Debug, Clone, Copy)]
struct Segment {
    out_start: u64,
    source: SourceId,
    /// Output number minus source number (wrapping).
    shift: u64,
    ts_shift: u32,
    picture_shift: u16,
    tl0_shift: u8,
    pts: PayloadTypes,
}

/// How one packet leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Extended sequence number; also the SRTP index of the stream.
    pub index: u64,
    pub ts: u32,
    pub pt: u8,
    pub marker: bool,
    pub picture: Picture,
}

/// The source packet behind an output number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    pub source: SourceId,
    pub seq: u64,
    pub index: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No source.
    Empty,
    /// Waiting for a packet at which a receiver can begin.
    Waiting,
    /// The last segment is the running one.
    Flowing,
}

/// One receive slot.
#[derive(Debug)]
pub struct Slot {
    state: State,
    video: bool,
    source: SourceId,
    rate: u32,
    current: Segment,
    last_index: u64,
    last_ts: u32,
    last_at: Micros,
    last_picture: u16,
    last_tl0: u8,
    sent_any: bool,
    packets: u64,
    octets: u64,
    pts: PayloadTypes,
    seeds: Seeds,
    next_rtx: u64,
    segments: VecDeque<Segment>,
}

impl Slot {
    /// An empty slot. The first sequence numbers stay below 32,768 so that a lost first packet cannot hide a wrap
    /// from the receiver's rollover counter (RFC 3711 §3.3.1).
    pub fn new(video: bool, rate: u32, seeds: Seeds) -> Self {
        let first = u64::from(seeds.seq & 0x7fff).max(1);
        let none = Segment {
            out_start: 0,
            source: 0,
            shift: 0,
            ts_shift: 0,
            picture_shift: 0,
            tl0_shift: 0,
            pts: PayloadTypes::NONE,
        };
        Slot {
            state: State::Empty,
            video,
            source: 0,
            rate,
            current: none,
            last_index: first - 1,
            last_ts: seeds.ts,
            last_at: 0,
            last_picture: 0,
            last_tl0: 0,
            sent_any: false,
            packets: 0,
            octets: 0,
            pts: PayloadTypes::NONE,
            seeds,
            next_rtx: u64::from(seeds.rtx_seq & 0x7fff),
            segments: VecDeque::new(),
        }
    }

    pub fn ssrc(&self) -> u32 {
        self.seeds.ssrc
    }

    pub fn rtx_ssrc(&self) -> Option<u32> {
        self.seeds.rtx_ssrc
    }

    /// RTP clock rate in hertz.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// The source shown, if any.
    pub fn source(&self) -> Option<SourceId> {
        (self.state != State::Empty).then_some(self.source)
    }

    /// Whether the slot needs a keyframe of its source to go on.
    pub fn waits_for_keyframe(&self) -> bool {
        self.video && self.state == State::Waiting
    }

    /// Packets and payload octets sent, for sender reports.
    pub fn sent(&self) -> (u64, u64) {
        (self.packets, self.octets)
    }

    /// Shows another source from its next starting point on.
    pub fn bind(&mut self, source: SourceId, pts: PayloadTypes) {
        self.source = source;
        self.pts = pts;
        self.state = State::Waiting;
    }

    /// The source's numbering changed: begin it anew.
    pub fn restart(&mut self) {
        if self.state == State::Flowing {
            self.state = State::Waiting;
        }
    }

    /// Shows nothing.
    pub fn clear(&mut self) {
        self.state = State::Empty;
    }

    /// Forgets all segments of a source that is gone, so that its number can be given to another.
    pub fn forget(&mut self, source: SourceId) {
        self.segments.retain(|segment| segment.source != source);
        if self.source == source {
            self.state = State::Empty;
        }
    }

    /// Decides how a packet of the bound source leaves; `None` if it does not. The second value is true at the first
    /// packet after a switch.
    #[inline]
    pub fn push(&mut self, meta: &Meta, now: Micros) -> Option<(Stamp, bool)> {
        let mut began = false;
        if self.state != State::Flowing {
            if self.state == State::Empty || !meta.start || self.pts.media[usize::from(meta.codec)] == NO_PT {
                return None;
            }
            self.begin(meta, now);
            began = true;
        }
        let index = meta.seq.wrapping_add(self.current.shift);
        if index < self.current.out_start || index > 1 << 47 {
            return None; // older than the switch, or no possible number
        }
        let Some(stamp) = stamp(&self.current, meta, index) else {
            // The sender changed to a format this receiver lacks: what follows has to start anew.
            self.state = State::Waiting;
            return None;
        };
        if index > self.last_index {
            self.last_index = index;
            self.last_ts = stamp.ts;
            self.last_at = now;
            self.last_picture = stamp.picture.id;
            self.last_tl0 = stamp.picture.tl0;
        }
        self.packets += 1;
        self.octets += u64::from(meta.payload_len);
        Some((stamp, began))
    }

    fn begin(&mut self, meta: &Meta, now: Micros) {
        let ts = if self.sent_any {
            let passed = ticks(now.saturating_sub(self.last_at) as i64, self.rate).clamp(1, i64::from(i32::MAX) / 2);
            self.last_ts.wrapping_add(passed as u32)
        } else {
            self.last_ts
        };
        self.sent_any = true;
        self.current = Segment {
            out_start: self.last_index + 1,
            source: self.source,
            shift: (self.last_index + 1).wrapping_sub(meta.seq),
            ts_shift: ts.wrapping_sub(meta.ts),
            picture_shift: self.last_picture.wrapping_add(1).wrapping_sub(meta.picture.id),
            tl0_shift: self.last_tl0.wrapping_add(1).wrapping_sub(meta.picture.tl0),
            pts: self.pts,
        };
        if self.segments.len() == SEGMENTS {
            self.segments.pop_front();
        }
        self.segments.push_back(self.current);
        self.state = State::Flowing;
    }

    /// Finds what left under the 16-bit number of a NACK.
    pub fn resolve(&self, seq: u16) -> Option<Origin> {
        let back = (self.last_index as u16).wrapping_sub(seq);
        if back > 0x7fff {
            return None; // not sent yet
        }
        let index = self.last_index.checked_sub(u64::from(back))?;
        let segment = self.segments.iter().rev().find(|segment| segment.out_start <= index)?;
        Some(Origin { source: segment.source, seq: index.wrapping_sub(segment.shift), index })
    }

    /// The stamp under which a packet found by `resolve` left.
    pub fn restamp(&self, origin: &Origin, meta: &Meta) -> Option<Stamp> {
        let segment = self.segments.iter().rev().find(|segment| segment.out_start <= origin.index)?;
        stamp(segment, meta, origin.index)
    }

    /// Payload type and next number of the RTX stream for a packet found by `resolve`; `None` without RTX.
    pub fn take_rtx(&mut self, origin: &Origin, meta: &Meta) -> Option<(u32, u8, u64)> {
        let ssrc = self.seeds.rtx_ssrc?;
        let segment = self.segments.iter().rev().find(|segment| segment.out_start <= origin.index)?;
        let pt = segment.pts.rtx[usize::from(meta.codec)];
        if pt == NO_PT {
            return None;
        }
        let index = self.next_rtx;
        self.next_rtx += 1;
        Some((ssrc, pt, index))
    }

    /// The offset from source to output timestamps while a source flows.
    pub fn ts_shift(&self) -> Option<u32> {
        (self.state == State::Flowing).then_some(self.current.ts_shift)
    }
}

#[inline]
fn stamp(segment: &Segment, meta: &Meta, index: u64) -> Option<Stamp> {
    let pt = segment.pts.media[usize::from(meta.codec)];
    if pt == NO_PT {
        return None;
    }
    let mut picture = meta.picture;
    let mask = if picture.long { 0x7fff } else { 0x7f };
    picture.id = picture.id.wrapping_add(segment.picture_shift) & mask;
    picture.tl0 = picture.tl0.wrapping_add(segment.tl0_shift);
    Some(Stamp { index, ts: meta.ts.wrapping_add(segment.ts_shift), pt, marker: meta.marker, picture })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pts() -> PayloadTypes {
        let mut pts = PayloadTypes::NONE;
        pts.media[0] = 96;
        pts.rtx[0] = 97;
        pts
    }

    fn slot(video: bool) -> Slot {
        let seeds = Seeds { ssrc: 7, rtx_ssrc: Some(8), seq: 0xffff, rtx_seq: 5, ts: 1_000 };
        Slot::new(video, if video { 90_000 } else { 48_000 }, seeds)
    }

    fn meta(seq: u64, ts: u32, start: bool) -> Meta {
        Meta { start, ..Meta::at(seq, ts) }
    }

    #[test]
    fn a_video_slot_begins_at_a_keyframe_and_counts_on_over_a_switch() {
        let mut s = slot(true);
        s.bind(1, pts());
        assert!(s.push(&meta(100, 5, false), 0).is_none());
        let (a, began) = s.push(&meta(101, 5, true), 0).unwrap();
        assert!(began && a.index < 32_768 && a.pt == 96);
        let (b, began) = s.push(&meta(102, 3_005, false), 33_000).unwrap();
        assert!(!began && b.index == a.index + 1 && b.ts == a.ts + 3_000);
        s.bind(2, pts());
        assert!(s.push(&meta(60_000, 77, false), 40_000).is_none());
        let (c, _) = s.push(&meta(60_001, 77, true), 133_000).unwrap();
        assert_eq!((c.index, c.ts), (b.index + 1, b.ts + 9_000));
        assert!(s.push(&meta(60_000, 77, false), 134_000).is_none(), "older than the switch");
        assert_eq!(s.resolve(b.index as u16), Some(Origin { source: 1, seq: 102, index: b.index }));
        assert_eq!(s.resolve(c.index as u16), Some(Origin { source: 2, seq: 60_001, index: c.index }));
        assert_eq!(s.resolve(c.index as u16 + 1), None);
    }

    #[test]
    fn a_format_the_receiver_lacks_is_not_sent_and_leaves_no_gap() {
        let mut s = slot(true);
        s.bind(1, pts());
        let (a, _) = s.push(&meta(1, 0, true), 0).unwrap();
        let other = Meta { codec: 1, ..meta(2, 0, true) };
        assert!(s.push(&other, 0).is_none());
        assert!(s.waits_for_keyframe());
        let (b, _) = s.push(&meta(9, 0, true), 0).unwrap();
        assert_eq!(b.index, a.index + 1);
    }

    #[test]
    fn picture_ids_go_on_over_a_switch() {
        let mut s = slot(true);
        let vp8 = |seq, id, start| {
            let picture = Picture { id, id_at: 2, long: true, tl0: id as u8, tl0_at: 4 };
            Meta { picture, ..meta(seq, 0, start) }
        };
        s.bind(1, pts());
        s.push(&vp8(1, 0x7fff, true), 0);
        let (a, _) = s.push(&vp8(2, 0, false), 0).unwrap();
        s.bind(2, pts());
        let (b, _) = s.push(&vp8(70, 3_000, true), 0).unwrap();
        assert_eq!(b.picture.id, a.picture.id + 1);
        assert_eq!(b.picture.tl0, a.picture.tl0.wrapping_add(1));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Packet { lost: bool, start: bool, swap: bool },
        Switch(u16),
        Restart,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            20 => (prop::bool::weighted(0.1), prop::bool::weighted(0.2), prop::bool::weighted(0.15))
                .prop_map(|(lost, start, swap)| Step::Packet { lost, start, swap }),
            2 => (0u16..4).prop_map(Step::Switch),
            1 => Just(Step::Restart),
        ]
    }

    proptest! {
        #[test]
        fn any_interleaving_keeps_the_output_continuous(
            video in any::<bool>(),
            steps in prop::collection::vec(step(), 1..400),
            starts in prop::array::uniform4((0u64..200_000, any::<u32>())),
        ) {
            let mut s = slot(video);
            // Per source: next number and timestamp; sources run on while not shown.
            let mut sources = starts;
            let mut shown = 0u16;
            let mut now = 0;
            let mut sent: Vec<(Stamp, u16, Meta)> = Vec::new();
            let mut held: Option<Meta> = None;
            let mut skipped = std::collections::HashSet::new();
            s.bind(0, pts());
            for step in steps {
                now += 20_000;
                for source in &mut sources {
                    source.0 += 1;
                    source.1 = source.1.wrapping_add(1_800);
                }
                match step {
                    Step::Switch(to) => { shown = to; held = None; s.bind(to, pts()); }
                    Step::Restart => {
                        let source = &mut sources[usize::from(shown)];
                        source.0 += 0x2_0000;
                        source.1 = source.1.wrapping_mul(77);
                        held = None;
                        s.restart();
                    }
                    Step::Packet { lost, start, swap } => {
                        let (seq, ts) = sources[usize::from(shown)];
                        let m = meta(seq, ts, start || !video);
                        if lost { skipped.insert((shown, seq)); continue; }
                        if swap && held.is_none() { held = Some(m); continue; }
                        for m in [Some(m), held.take()].into_iter().flatten() {
                            if let Some((stamp, _)) = s.push(&m, now) { sent.push((stamp, shown, m)); }
                            else { skipped.insert((shown, m.seq)); }
                        }
                    }
                }
            }
            let mut by_index = sent.clone();
            by_index.sort_by_key(|(stamp, ..)| stamp.index);
            for pair in by_index.windows(2) {
                let ((a, from_a, ma), (b, from_b, mb)) = (&pair[0], &pair[1]);
                prop_assert!(a.index < b.index, "a number was used twice");
                prop_assert!((b.ts.wrapping_sub(a.ts) as i32) >= 0, "time went back");
                if b.index != a.index + 1 {
                    // A gap is one of the source: same source, same distance, or the tail of the one before.
                    prop_assert_eq!(from_a, from_b);
                    prop_assert_eq!(b.index - a.index, mb.seq - ma.seq);
                }
            }
            if let Some((first, ..)) = by_index.first() { prop_assert!(first.index < 32_768); }
            let recent = s.segments.front().map_or(u64::MAX, |segment| segment.out_start);
            for (stamp, source, m) in sent.iter().filter(|(stamp, ..)| stamp.index >= recent) {
                let origin = s.resolve(stamp.index as u16).unwrap();
                prop_assert_eq!((origin.source, origin.seq), (*source, m.seq));
                prop_assert_eq!(s.restamp(&origin, m), Some(*stamp), "a retransmission differs from the original");
            }
        }
    }
}

//! The receiving side of one published stream: sequence numbers, statistics and loss repair.
//!
//! `Reception` extends sequence numbers and keeps the figures of receiver reports (RFC 3550 §A.1, §A.3, §A.8).
//! `Missing` is the list of gaps: a number is asked for after a short tolerance for reordering, again after a round trip
//! and a quarter, and given up after `TRIES` or `MAX_AGE`; then only a keyframe helps (RFC 4585 §6.2.1).

use crate::clock::Micros;

/// A gap this new may be mere reordering.
pub const REORDER: Micros = 8_000;

/// Requests for one packet before it is given up.
pub const TRIES: u8 = 12;

/// Between the first two requests at least, and between any two at most.
const SHORTEST_PAUSE: Micros = 20_000;
const LONGEST_PAUSE: Micros = 300_000;

/// Longest list of missing packets; more are not asked for, a keyframe is.
pub const MAX_MISSING: usize = 256;

/// A packet missing longer than this is of no use to anybody.
const MAX_AGE: Micros = 1_000_000;

/// Sequence numbers and statistics of one received stream.
#[derive(Debug, Default, Clone)]
pub struct Reception {
    highest: Option<u64>,
    first: u64,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    transit: i64,
    jitter: u32,
}

/// The figures of one report block (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    pub fraction_lost: u8,
    pub cumulative_lost: i32,
    pub highest: u32,
    pub jitter: u32,
}

impl Reception {
    /// The extended number of `seq`, the nearest to the highest so far.
    #[inline]
    pub fn extend(&self, seq: u16) -> u64 {
        match self.highest {
            None => 0x1_0000 + u64::from(seq),
            Some(highest) => {
                let step = i64::from(seq.wrapping_sub(highest as u16) as i16);
                highest.saturating_add_signed(step)
            }
        }
    }

    /// Highest extended number so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Packets received.
    pub fn received_total(&self) -> u64 {
        self.received
    }

    /// Packets that should have come and did not.
    pub fn lost_total(&self) -> i64 {
        self.highest.map_or(0, |h| (h - self.first + 1) as i64 - self.received as i64)
    }

    /// Counts a packet that arrived on its own stream.
    pub fn arrived(&mut self, seq: u64, ts: u32, rate: u32, now: Micros) {
        let clock = (now as i64).wrapping_mul(i64::from(rate)) / 1_000_000;
        let transit = clock.wrapping_sub(i64::from(ts));
        match self.highest {
            None => {
                self.first = seq;
                self.highest = Some(seq);
            }
            Some(highest) => {
                let d = i64::from((transit.wrapping_sub(self.transit)) as i32).unsigned_abs() as u32;
                if d < rate * 5 {
                    self.jitter = self.jitter.saturating_add(d).saturating_sub((self.jitter + 8) >> 4);
                }
                self.highest = Some(highest.max(seq));
                self.first = self.first.min(seq);
            }
        }
        self.transit = transit;
        self.received += 1;
    }

    /// Counts a packet that came back by retransmission: the gap is closed, the jitter untouched.
    pub fn repaired(&mut self) {
        self.received += 1;
    }

    /// The SSRC changed: numbers go on far above the old ones, statistics start anew.
    pub fn restart(&mut self, seq: u16) -> u64 {
        let next = self.highest.map_or(0x1_0000, |h| (h | 0xffff) + 0x1_0001) + u64::from(seq);
        *self = Reception::default();
        self.first = next;
        self.highest = Some(next.saturating_sub(1));
        next
    }

    /// Figures since the last call.
    pub fn report(&mut self) -> Option<Figures> {
        let highest = self.highest?;
        let expected = highest - self.first + 1;
        let lost = expected as i64 - self.received as i64;
        let span = expected - self.expected_prior.min(expected);
        let span_lost = span as i64 - (self.received - self.received_prior.min(self.received)) as i64;
        self.expected_prior = expected;
        self.received_prior = self.received;
        let fraction = if span == 0 || span_lost <= 0 { 0 } else { ((span_lost as u64) << 8) / span };
        Some(Figures {
            fraction_lost: fraction.min(255) as u8,
            cumulative_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: (highest - (self.first & !0xffff)) as u32,
            jitter: self.jitter >> 4,
        })
    }
}

#[derive(Debug, Clone, Copy)]
struct Gap {
    seq: u64,
    since: Micros,
    next: Micros,
    tries: u8,
}

/// The missing packets of one stream, oldest first.
#[derive(Debug, Default)]
pub struct Missing {
    gaps: Vec<Gap>,
}

impl Missing {
    /// Notes that `seq` arrived while `highest` was the newest before. Returns false when so much is missing that only
    /// a keyframe helps; the list is empty then.
    pub fn arrived(&mut self, seq: u64, highest: Option<u64>, now: Micros) -> bool {
        let Some(highest) = highest else { return true };
        if seq <= highest {
            if !self.gaps.is_empty() {
                self.gaps.retain(|gap| gap.seq != seq);
            }
            return true;
        }
        let gap = seq - highest - 1;
        if gap == 0 {
            return true;
        }
        if gap as usize + self.gaps.len() > MAX_MISSING {
            self.gaps.clear();
            return false;
        }
        self.gaps.extend((highest + 1..seq).map(|seq| Gap { seq, since: now, next: now + REORDER, tries: 0 }));
        true
    }

    /// Drops all gaps: a keyframe made them needless.
    pub fn clear(&mut self) {
        self.gaps.clear();
    }

    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Appends the numbers to ask for now. Returns true if a packet was given up.
    pub fn due(&mut self, now: Micros, rtt: Micros, ask: &mut Vec<u16>) -> bool {
        let before = self.gaps.len();
        self.gaps.retain(|gap| gap.tries < TRIES && now.saturating_sub(gap.since) < MAX_AGE);
        let given_up = self.gaps.len() < before;
        for gap in self.gaps.iter_mut().filter(|gap| gap.next <= now) {
            gap.tries += 1;
            // On a short way the pauses grow, to outlast a burst; a long way leaves no time for that within `MAX_AGE`.
            let pause = (rtt + rtt / 4).max(SHORTEST_PAUSE * u64::from(gap.tries.min(4)));
            gap.next = now + pause.min(LONGEST_PAUSE);
            ask.push(gap.seq as u16);
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(reception: &mut Reception, missing: &mut Missing, seq: u16, now: Micros) -> bool {
        let ext = reception.extend(seq);
        let calm = missing.arrived(ext, reception.highest(), now);
        reception.arrived(ext, 0, 90_000, now);
        calm
    }

    #[test]
    fn reordering_within_the_tolerance_is_not_asked_for() {
        let (mut r, mut m, mut ask) = (Reception::default(), Missing::default(), Vec::new());
        run(&mut r, &mut m, 1, 0);
        run(&mut r, &mut m, 3, 1_000);
        run(&mut r, &mut m, 2, 5_000);
        assert!(!m.due(20_000, 50_000, &mut ask));
        assert!(ask.is_empty() && m.is_empty());
    }

    #[test]
    fn a_gap_is_asked_for_again_after_a_round_trip_and_given_up_in_the_end() {
        let (mut r, mut m) = (Reception::default(), Missing::default());
        run(&mut r, &mut m, 65_534, 0);
        run(&mut r, &mut m, 1, 0);
        let mut times = Vec::new();
        let mut gave_up = 0;
        for ms in 0..2_000u64 {
            let mut ask = Vec::new();
            gave_up += u32::from(m.due(ms * 1000, 40_000, &mut ask));
            if !ask.is_empty() {
                assert_eq!(ask, [65_535, 0]);
                times.push(ms);
            }
        }
        assert_eq!(times[0], 8);
        assert_eq!(times[1] - times[0], 50);
        assert_eq!(times.len(), usize::from(TRIES), "{times:?}");
        assert_eq!(gave_up, 1);
        assert!(m.is_empty());
    }

    #[test]
    fn a_huge_gap_clears_the_list_and_asks_for_a_keyframe() {
        let (mut r, mut m) = (Reception::default(), Missing::default());
        run(&mut r, &mut m, 1, 0);
        assert!(run(&mut r, &mut m, 100, 0));
        assert!(!run(&mut r, &mut m, 1_000, 0));
        assert!(m.is_empty());
    }

    #[test]
    fn a_report_counts_loss_since_the_last_one() {
        let (mut r, mut m) = (Reception::default(), Missing::default());
        for seq in (0..100u16).filter(|s| s % 4 != 1) {
            run(&mut r, &mut m, seq, u64::from(seq) * 1000);
        }
        let figures = r.report().unwrap();
        assert_eq!((figures.cumulative_lost, figures.fraction_lost, figures.highest), (25, 64, 99));
        for seq in 100..200u16 {
            run(&mut r, &mut m, seq, u64::from(seq) * 1000);
        }
        let figures = r.report().unwrap();
        assert_eq!((figures.cumulative_lost, figures.fraction_lost), (25, 0));
    }

    #[test]
    fn a_new_ssrc_continues_above_all_old_numbers() {
        let mut r = Reception::default();
        r.arrived(r.extend(65_000), 0, 90_000, 0);
        let next = r.restart(3);
        assert!(next > 0x1_0000 + 65_535 && next as u16 == 3);
        assert_eq!(r.extend(3), next);
        r.arrived(next, 0, 90_000, 0);
        assert_eq!(r.lost_total(), 0);
    }

    proptest! {
        #[test]
        fn the_list_is_exactly_what_has_not_come(drops in prop::collection::vec(any::<bool>(), 2..200)) {
            let (mut r, mut m) = (Reception::default(), Missing::default());
            let mut expected = Vec::new();
            let mut pending = Vec::new();
            run(&mut r, &mut m, 65_500, 0);
            for (n, dropped) in drops.iter().enumerate() {
                let seq = 65_501u16.wrapping_add(n as u16);
                if *dropped { pending.push(seq); } else {
                    run(&mut r, &mut m, seq, 0);
                    expected.append(&mut pending);
                }
            }
            let mut ask = Vec::new();
            m.due(REORDER, 1, &mut ask);
            prop_assert_eq!(ask, expected);
        }
    }
}

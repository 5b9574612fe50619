//! One received stream: what came, what is missing, what to ask for again, and the numbers of a receiver report
//! (RFC 3550 §6.4.1 and appendices A.3, A.8; generic NACK of RFC 4585 §6.2.1).
//!
//! Times are microseconds of the generator's clock.

use rtp::rtcp::ReportBlock;

/// A gap wider than this is a new start, not a loss.
const MAX_GAP: u64 = 1000;
/// Packets remembered behind the newest one.
const WINDOW: u64 = 4096;
/// Sequence numbers are extended from here, so that a packet that was overtaken by the first one is not below zero.
const START: u64 = 1 << 16;
const RETRY_AFTER: u64 = 100_000;
const MAX_TRIES: u32 = 10;

/// A sequence number that has not come yet.
#[derive(Debug, Clone, Copy)]
struct Missing {
    seq: u64,
    tries: u32,
    ask_at: u64,
}

/// State of one received SSRC.
pub struct Inbound {
    clock_rate: u64,
    base: Option<u64>,
    highest: u64,
    seen: Vec<u64>,
    missing: Vec<Missing>,
    /// Distinct packets received, by whatever road.
    pub received: u64,
    pub duplicates: u64,
    /// Gaps given up after the last retry.
    pub given_up: u64,
    pub nacked: u64,
    jitter: u64,
    transit: Option<i64>,
    reported: (u64, u64),
    sender_report: Option<(u32, u64)>,
}

impl Inbound {
    /// `clock_rate` is that of the payload format, in hertz.
    pub fn new(clock_rate: u32) -> Inbound {
        Inbound {
            clock_rate: clock_rate.into(),
            base: None,
            highest: 0,
            seen: vec![0; WINDOW as usize / 64],
            missing: Vec::new(),
            received: 0,
            duplicates: 0,
            given_up: 0,
            nacked: 0,
            jitter: 0,
            transit: None,
            reported: (0, 0),
            sender_report: None,
        }
    }

    /// Count a packet of the stream. Answers whether it is the first copy.
    pub fn packet(&mut self, seq: u16, timestamp: u32, now: u64) -> bool {
        let fresh = self.arrived(seq, now, true);
        if fresh {
            self.measure_jitter(timestamp, now);
        }
        fresh
    }

    /// Count a packet that came back as RTX with this original sequence number. Answers whether it is the first copy.
    pub fn retransmitted(&mut self, osn: u16, now: u64) -> bool {
        self.base.is_some() && self.arrived(osn, now, false)
    }

    fn arrived(&mut self, seq: u16, now: u64, may_advance: bool) -> bool {
        let Some(base) = self.base else {
            let first = u64::from(seq) + START;
            (self.base, self.highest) = (Some(first), first);
            self.mark(first);
            self.received = 1;
            return true;
        };
        let seq = rtp::seq::nearest(self.highest, seq);
        if seq > self.highest {
            if !may_advance {
                return false;
            }
            self.advance(seq, now);
        } else if seq < base || self.highest - seq >= WINDOW || self.is_marked(seq) {
            self.duplicates += 1;
            return false;
        } else {
            self.missing.retain(|m| m.seq != seq);
        }
        self.mark(seq);
        self.received += 1;
        true
    }

    fn advance(&mut self, seq: u64, now: u64) {
        let gap = seq - self.highest - 1;
        let from = if gap > MAX_GAP { seq } else { self.highest + 1 };
        for unmarked in (self.highest + 1..=seq).rev().take(WINDOW as usize) {
            self.seen[(unmarked % WINDOW / 64) as usize] &= !(1 << (unmarked % 64));
        }
        self.missing.extend((from..seq).map(|seq| Missing { seq, tries: 0, ask_at: now }));
        self.highest = seq;
    }

    fn mark(&mut self, seq: u64) {
        self.seen[(seq % WINDOW / 64) as usize] |= 1 << (seq % 64);
    }

    fn is_marked(&self, seq: u64) -> bool {
        self.seen[(seq % WINDOW / 64) as usize] & (1 << (seq % 64)) != 0
    }

    fn measure_jitter(&mut self, timestamp: u32, now: u64) {
        let transit = (now * self.clock_rate / 1_000_000) as i64 - i64::from(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = u64::from(((transit - before) as i32).unsigned_abs());
            self.jitter = (self.jitter + difference).saturating_sub((self.jitter + 8) >> 4);
        }
    }

    /// The sequence numbers to put in a NACK now, oldest first.
    pub fn nacks(&mut self, now: u64, out: &mut Vec<u16>) {
        out.clear();
        if self.missing.is_empty() {
            return;
        }
        let before = self.missing.len();
        self.missing.retain(|m| m.tries < MAX_TRIES || m.ask_at > now);
        self.given_up += (before - self.missing.len()) as u64;
        for m in self.missing.iter_mut().filter(|m| m.ask_at <= now) {
            m.tries += 1;
            m.ask_at = now + RETRY_AFTER;
            out.push(m.seq as u16);
        }
        self.nacked += out.len() as u64;
    }

    /// Remember a sender report: `middle` is the middle 32 bits of its NTP timestamp.
    pub fn sender_report(&mut self, middle: u32, now: u64) {
        self.sender_report = Some((middle, now));
    }

    /// The report block for this stream, named `ssrc`, since the last call; None before the first packet.
    pub fn report(&mut self, ssrc: u32, now: u64) -> Option<ReportBlock> {
        let expected = self.highest - self.base? + 1;
        let (expected_before, received_before) = std::mem::replace(&mut self.reported, (expected, self.received));
        let interval = expected - expected_before;
        let lost = interval.saturating_sub(self.received - received_before);
        let (last_sr, delay) =
            self.sender_report.map_or((0, 0), |(middle, at)| (middle, ((now - at) << 16) / 1_000_000));
        Some(ReportBlock {
            ssrc,
            fraction_lost: (lost * 256).checked_div(interval).unwrap_or(0).min(255) as u8,
            total_lost: expected.saturating_sub(self.received) as i32,
            highest_seq: (self.highest - START) as u32,
            jitter: (self.jitter >> 4) as u32,
            last_sr,
            delay_since_last_sr: delay as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(seqs: impl IntoIterator<Item = u16>) -> Inbound {
        let mut inbound = Inbound::new(90_000);
        for (n, seq) in seqs.into_iter().enumerate() {
            inbound.packet(seq, n as u32 * 3000, n as u64 * 33_333);
        }
        inbound
    }

    #[test]
    fn a_wrap_is_no_loss() {
        let mut inbound = stream((0..100).map(|n| 65_500u16.wrapping_add(n)));
        let report = inbound.report(9, 0).unwrap();
        assert_eq!((report.highest_seq, report.total_lost, report.fraction_lost), (65_599, 0, 0));
        assert_eq!(inbound.received, 100);
    }

    #[test]
    fn gaps_are_asked_for_again_and_then_given_up() {
        let mut inbound = stream([10, 11, 14]);
        let mut nacks = Vec::new();
        inbound.nacks(1_000_000, &mut nacks);
        assert_eq!(nacks, [12, 13]);
        inbound.nacks(1_050_000, &mut nacks);
        assert!(nacks.is_empty(), "not before the retry time");
        assert!(inbound.retransmitted(12, 1_060_000));
        assert!(!inbound.retransmitted(12, 1_061_000), "the second copy counts as a duplicate");
        let mut asked = 0;
        for step in 2..40 {
            inbound.nacks(1_000_000 + step * RETRY_AFTER, &mut nacks);
            asked += nacks.len();
        }
        assert_eq!((asked, inbound.given_up, inbound.duplicates), (9, 1, 1));
    }

    #[test]
    fn a_report_counts_the_interval_only() {
        let mut inbound = stream((0..100).filter(|n| n % 4 != 0 || *n == 0));
        assert_eq!(inbound.report(9, 0).unwrap().fraction_lost, (24 * 256 / 100) as u8);
        inbound.packet(100, 0, 0);
        let second = inbound.report(9, 0).unwrap();
        assert_eq!((second.fraction_lost, second.total_lost), (0, 24));
    }

    #[test]
    fn a_jump_is_a_new_start_and_duplicates_do_not_count() {
        let mut inbound = stream([5, 6, 6, 30_000, 30_001]);
        let mut nacks = Vec::new();
        inbound.nacks(1, &mut nacks);
        assert!(nacks.is_empty());
        assert_eq!((inbound.received, inbound.duplicates), (4, 1));
    }

    #[test]
    fn delay_since_the_sender_report_is_in_units_of_65536_a_second() {
        let mut inbound = stream([1]);
        inbound.sender_report(0xaabb_ccdd, 1_000_000);
        let report = inbound.report(9, 1_500_000).unwrap();
        assert_eq!((report.last_sr, report.delay_since_last_sr), (0xaabb_ccdd, 32_768));
    }

    #[test]
    fn steady_arrival_has_no_jitter() {
        let mut inbound = stream(0..50);
        assert!(inbound.report(9, 0).unwrap().jitter <= 1);
    }
}

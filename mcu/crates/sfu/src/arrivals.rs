//! What arrived from a leg by transport sequence number, and the feedback on it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2, §3).
//!
//! Memory is fixed: the arrivals of the last `WINDOW` numbers. A packet that comes late, after it was reported lost, is
//! reported again together with all that followed it, which senders expect. Feedback goes out as often as it may while
//! taking 5 % of what arrives, between 50 and 250 ms apart.

use crate::clock::Micros;
use rtp::rtcp::transport_cc::{MAX_PACKETS, TICK_US};
use rtp::rtcp::RtcpWriter;
use rtp::seq::nearest;

/// Numbers remembered: over 2 s of 5 Mb/s.
const WINDOW: u64 = 1024;
/// Numbers of 16 bits.
const CYCLE: u64 = 1 << 16;
/// Bounds of the time between two messages.
const SHORTEST: Micros = 50_000;
const LONGEST: Micros = 250_000;
/// Feedback takes at most one byte for this many received.
const SHARE: u64 = 20;
/// IPv4, UDP, SRTCP index and tag.
const OVERHEAD: u64 = 46;
/// Losses told before the first arrival of a message.
const LEADING: u64 = 128;

/// Arrivals of one leg.
pub struct Arrivals {
    /// In ticks, 0 for a packet that has not arrived.
    at: Box<[u64]>,
    /// The highest number, counted on beyond 16 bits from one cycle up, so that older ones have a place.
    highest: Option<u64>,
    /// The first number not yet reported.
    next: u64,
    /// Stream of the newest packet: senders look whether it is theirs.
    media: u32,
    number: u8,
    bytes: u64,
    since: Micros,
    due: Micros,
}

impl Default for Arrivals {
    fn default() -> Self {
        Arrivals {
            at: vec![0; WINDOW as usize].into(),
            highest: None,
            next: 0,
            media: 0,
            number: 0,
            bytes: 0,
            since: 0,
            due: 0,
        }
    }
}

impl Arrivals {
    /// Notes an authentic packet of `len` bytes of the stream `media`.
    pub fn note(&mut self, seq: u16, media: u32, len: usize, now: Micros) {
        self.bytes += len as u64;
        let seq = self.highest.map_or(CYCLE + u64::from(seq), |highest| nearest(highest, seq));
        match self.highest {
            None => self.next = seq,
            Some(highest) if seq + WINDOW <= highest => return,
            Some(highest) => {
                for lost in (highest + 1).max((seq + 1).saturating_sub(WINDOW))..seq {
                    self.at[place(lost)] = 0;
                }
                if seq <= highest && self.at[place(seq)] != 0 {
                    return;
                }
            }
        }
        self.highest = self.highest.max(Some(seq));
        self.at[place(seq)] = (now / TICK_US).max(1);
        self.next = self.next.min(seq);
        self.media = media;
    }

    /// Writes a feedback message that `sender` says into `out`, if one is due. Ask again until there is none.
    pub fn report(&mut self, now: Micros, sender: u32, out: &mut RtcpWriter<'_>) -> Option<()> {
        let highest = self.highest.filter(|highest| *highest >= self.next && now >= self.due)?;
        let oldest = self.next.max((highest + 1).saturating_sub(WINDOW));
        let arrived = (oldest..=highest).find(|seq| self.at[place(*seq)] != 0)?;
        let first = oldest.max(arrived.saturating_sub(LEADING));
        let count = MAX_PACKETS.min((highest + 1 - first) as usize);
        let mut arrivals = [None; MAX_PACKETS];
        for (arrival, seq) in arrivals.iter_mut().zip(first..first + count as u64) {
            *arrival = Some(self.at[place(seq)]).filter(|at| *at != 0);
        }
        let before = out.len();
        let told = out.transport_feedback((sender, self.media), (first as u16, self.number), &arrivals[..count])?;
        self.number = self.number.wrapping_add(1);
        self.next = first + told as u64;
        if self.next > highest {
            let cost = (out.len() - before) as u64 + OVERHEAD;
            let took = now.saturating_sub(self.since).min(1_000_000);
            let pause = (cost * SHARE * took).checked_div(self.bytes).unwrap_or(LONGEST);
            self.due = now + pause.clamp(SHORTEST, LONGEST);
            (self.since, self.bytes) = (now, 0);
        }
        Some(())
    }
}

fn place(seq: u64) -> usize {
    (seq % WINDOW) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtp::rtcp::{packets, Packet};

    /// Everything due at `now`: the messages' packets, arrival times in microseconds.
    fn reports(arrivals: &mut Arrivals, now: Micros) -> Vec<Vec<(u16, Option<u64>)>> {
        let mut all = Vec::new();
        loop {
            let mut buf = [0; 1400];
            let mut out = RtcpWriter::new(&mut buf);
            if arrivals.report(now, 7, &mut out).is_none() {
                return all;
            }
            let len = out.len();
            assert!(len <= 1_200);
            let Some(Packet::TransportFeedback(feedback)) = packets(&buf[..len]).next() else { panic!() };
            all.push(feedback.packets().map(|(seq, at)| (seq, at.map(|at| at as u64 * TICK_US))).collect());
        }
    }

    #[test]
    fn arrivals_and_losses_are_told_once_and_in_order() {
        let mut arrivals = Arrivals::default();
        assert!(reports(&mut arrivals, 1_000_000).is_empty());
        for (seq, at) in [(65_534, 1_000_000), (65_535, 1_010_000), (1, 1_020_000)] {
            arrivals.note(seq, 9, 1_000, at);
        }
        let expected = vec![(65_534, Some(1_000_000)), (65_535, Some(1_010_000)), (0, None), (1, Some(1_020_000))];
        assert_eq!(reports(&mut arrivals, 1_050_000), [expected]);
        assert!(reports(&mut arrivals, 9_000_000).is_empty());
    }

    #[test]
    fn a_late_packet_is_told_with_all_that_followed() {
        let mut arrivals = Arrivals::default();
        arrivals.note(10, 9, 1_000, 1_000_000);
        arrivals.note(12, 9, 1_000, 1_010_000);
        reports(&mut arrivals, 1_050_000);
        arrivals.note(11, 9, 1_000, 1_060_000);
        arrivals.note(12, 9, 1_000, 1_070_000); // a duplicate's time is not believed
        let expected = vec![(11, Some(1_060_000)), (12, Some(1_010_000))];
        assert_eq!(reports(&mut arrivals, 2_000_000), [expected]);
    }

    #[test]
    fn a_jump_forgets_what_lies_before_and_old_numbers_are_left_out() {
        let mut arrivals = Arrivals::default();
        arrivals.note(0, 9, 1_000, 1_000_000);
        arrivals.note(20_000, 9, 1_000, 1_010_000);
        arrivals.note(3, 9, 1_000, 1_020_000);
        let told = reports(&mut arrivals, 1_050_000);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].len() as u64, LEADING + 1);
        assert_eq!(told[0].last(), Some(&(20_000, Some(1_010_000))));
    }

    #[test]
    fn feedback_takes_at_most_a_twentieth_of_what_arrives() {
        for (gap, len) in [(20_000, 90), (5_000, 1_100), (300, 1_100)] {
            let mut arrivals = Arrivals::default();
            let (mut sent, mut messages, mut received) = (0, 0, 0);
            let mut now = 1_000_000;
            let mut next_packet = now;
            for seq in 0u16.. {
                if now > 11_000_000 {
                    break;
                }
                arrivals.note(seq, 9, len, now);
                received += len as u64;
                next_packet += gap;
                now = next_packet;
                let mut buf = [0; 1400];
                let mut out = RtcpWriter::new(&mut buf);
                if arrivals.report(now, 7, &mut out).is_some() {
                    messages += 1;
                    sent += out.len() as u64 + OVERHEAD;
                }
            }
            assert!((39..=201).contains(&messages), "{messages} messages in 10 s");
            // Voice alone is too thin for a twentieth four times a second; that is allowed.
            assert!(sent * 20 <= received * 11 / 10 || messages <= 41, "{sent} of {received} bytes");
        }
    }

    proptest! {
        /// Whatever arrives in whatever order: every packet within the window is told with its first arrival.
        #[test]
        fn every_packet_is_told(start in any::<u16>(), order in prop::collection::vec((0..600u16, 0..20_000u64), 1..300)) {
            let mut arrivals = Arrivals::default();
            let (mut now, mut first, mut told) = (1_000_000, std::collections::HashMap::new(), std::collections::HashMap::new());
            for (step, pause) in order {
                now += pause;
                let seq = start.wrapping_add(step);
                arrivals.note(seq, 9, 1_000, now);
                first.entry(seq).or_insert(now / TICK_US * TICK_US);
                for (seq, at) in reports(&mut arrivals, now).into_iter().flatten() {
                    if let Some(at) = at {
                        told.insert(seq, at);
                    }
                }
            }
            for (seq, at) in reports(&mut arrivals, now + LONGEST).into_iter().flatten() {
                at.map(|at| told.insert(seq, at));
            }
            prop_assert_eq!(told, first);
        }
    }
}

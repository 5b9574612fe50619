//! What was sent to a leg by transport sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2), and what
//! the leg's feedback makes of it. One counter serves all of a leg's streams.
//!
//! Memory is fixed: the last `WINDOW` packets, over 1.5 s of 8 Mb/s. Feedback on older ones, or on what was never sent,
//! says nothing.

use crate::bwe::{Estimator, Outcome};
use crate::clock::Micros;
use rtp::rtcp::transport_cc::TICK_US;
use rtp::rtcp::TransportFeedback;
use rtp::seq::nearest;

const WINDOW: u64 = 2048;
/// IPv4, UDP and SRTP tag.
const OVERHEAD: u32 = 44;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Not told of, or told already.
    Known,
    Flying,
    /// Told as not received; it may still come.
    Missing,
}

#[derive(Clone, Copy)]
struct Packet {
    at: Micros,
    size: u16,
    fate: Fate,
}

/// A leg's sent packets and its estimate.
pub struct Sent {
    packets: Box<[Packet]>,
    /// The next packet's number, counted on beyond 16 bits.
    next: u64,
    estimator: Estimator,
}

impl Default for Sent {
    fn default() -> Self {
        let nothing = Packet { at: 0, size: 0, fate: Fate::Known };
        // One cycle up, so that numbers before the first have a place.
        Sent { packets: vec![nothing; WINDOW as usize].into(), next: 1 << 16, estimator: Estimator::default() }
    }
}

impl Sent {
    /// The number that the next packet carries.
    #[inline]
    #[must_use]
    pub fn number(&self) -> u16 {
        self.next as u16
    }

    /// The packet with that number, of `len` bytes before sealing, leaves now.
    #[inline]
    pub fn note(&mut self, len: usize, now: Micros) {
        let place = (self.next % WINDOW) as usize;
        self.packets[place] = Packet { at: now, size: len as u16, fate: Fate::Flying };
        self.next += 1;
    }

    /// Takes a feedback message.
    pub fn feedback(&mut self, feedback: &TransportFeedback<'_>, rtt: Micros, now: Micros) {
        if u64::from(feedback.count) > WINDOW {
            return; // more than we remember; nobody waits so long
        }
        let Sent { packets, next, estimator } = self;
        let outcomes = feedback.packets().filter_map(|(seq, at)| {
            let number = nearest(*next, seq);
            if number >= *next || number + WINDOW < *next {
                return None;
            }
            let packet = &mut packets[(number % WINDOW) as usize];
            match (packet.fate, at) {
                (Fate::Known, _) | (Fate::Missing, None) => return None,
                (_, Some(_)) => packet.fate = Fate::Known,
                (Fate::Flying, None) => packet.fate = Fate::Missing,
            }
            let arrived = at.map(|at| at * TICK_US as i64);
            Some(Outcome { sent: packet.at, size: u32::from(packet.size) + OVERHEAD, arrived, cluster: None })
        });
        estimator.feedback(outcomes, rtt, now);
    }

    /// The estimate.
    #[must_use]
    pub fn estimator(&self) -> &Estimator {
        &self.estimator
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtp::rtcp::{packets, Packet as Rtcp, RtcpWriter};

    fn tell(sent: &mut Sent, base: u16, arrivals: &[Option<u64>], now: Micros) {
        let mut buf = [0; 1400];
        let mut out = RtcpWriter::new(&mut buf);
        out.transport_feedback((1, 2), (base, 0), arrivals).unwrap();
        let len = out.len();
        let Some(Rtcp::TransportFeedback(feedback)) = packets(&buf[..len]).next() else { panic!() };
        sent.feedback(&feedback, 50_000, now);
    }

    /// Sends 125 kB/s for some seconds over the wrap and tells of all of it.
    #[test]
    fn what_arrives_is_measured() {
        let mut sent = Sent::default();
        let mut now = 0;
        for round in 0..700u64 {
            let base = sent.number();
            let mut arrivals = Vec::new();
            for n in 0..10 {
                now += 10_000;
                sent.note(1_250 - OVERHEAD as usize, now);
                // One in ten is lost at first and comes late.
                arrivals.push((n != 5).then_some((now + 30_000) / TICK_US));
            }
            tell(&mut sent, base, &arrivals, now);
            if round % 2 == 0 {
                arrivals[5] = Some((now + 40_000) / TICK_US);
                tell(&mut sent, base.wrapping_add(5), &arrivals[5..], now);
            }
        }
        let arriving = sent.estimator().arriving().unwrap();
        assert!((0.9e6..1.0e6).contains(&arriving), "{arriving} of a million");
    }

    #[test]
    fn what_was_never_sent_or_is_forgotten_says_nothing() {
        let mut sent = Sent::default();
        tell(&mut sent, 0, &[Some(1_000); 300], 1_000_000);
        for n in 0..10_000u64 {
            sent.note(1_000, n * 1_000);
        }
        let base = sent.number().wrapping_sub(9_000);
        for n in 0..20 {
            tell(&mut sent, base, &[Some(10_000 + n * 500); 400], 11_000_000);
        }
        assert_eq!(sent.estimator().arriving(), None);
    }

    proptest! {
        #[test]
        fn lying_feedback_breaks_nothing(messages in prop::collection::vec((any::<u16>(), prop::collection::vec(prop::option::of(0u64..40_000), 1..50)), 1..50)) {
            let mut sent = Sent::default();
            for (n, (base, arrivals)) in messages.into_iter().enumerate() {
                (0..50).for_each(|_| sent.note(1_000, n as u64 * 20_000));
                if arrivals.iter().any(Option::is_some) {
                    let base = sent.number().wrapping_sub(base % 3_000);
                    tell(&mut sent, base, &arrivals, n as u64 * 20_000);
                }
            }
            prop_assert!(sent.estimator().target() >= crate::bwe::FLOOR);
        }
    }
}

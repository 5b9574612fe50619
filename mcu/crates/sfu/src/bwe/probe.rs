//! Probing: short bursts above the estimate, whose spacing on arrival shows whether the path carries that rate. Without
//! them an estimate could never rise above half as much again as what streams happen to send.

use super::Outcome;
use crate::clock::Micros;

/// A probe is full with both.
const MIN_PACKETS: u32 = 5;
const MIN_SPAN: f64 = 0.015;
/// A probe goes this far above the estimate.
const FACTOR: f64 = 2.0;
/// Between two probes, and after over-use.
const PAUSE: Micros = 2_000_000;
const AFTER_OVERUSE: Micros = 4_000_000;
/// Feedback that is later than this finds the probe forgotten.
const PATIENCE: Micros = 1_000_000;
/// Received below this share of the sent rate: the path was full, and a little less than that is its capacity.
const CARRIED: f64 = 0.9;
const BACK_OFF: f64 = 0.95;

/// A burst to send.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cluster {
    /// Marks its packets in [`Outcome::cluster`].
    pub number: u8,
    /// Bits per second at which to send.
    pub rate: f64,
    /// Bytes to send at least, in at least `packets` packets.
    pub bytes: u32,
    pub packets: u32,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    cluster: Cluster,
    since: Micros,
    packets: u32,
    bytes: u32,
    first_size: u32,
    last_size: u32,
    sent: (Micros, Micros),
    arrived: (i64, i64),
}

/// Probes of one path, one at a time.
#[derive(Default)]
pub(super) struct Probes {
    number: u8,
    running: Option<Answer>,
    next: Micros,
}

impl Probes {
    pub fn due(&mut self, target: f64, wanted: f64, now: Micros) -> Option<Cluster> {
        if self.running.is_some_and(|running| now.saturating_sub(running.since) > PATIENCE) {
            self.running = None;
        }
        if now < self.next || self.running.is_some() || wanted <= target {
            return None;
        }
        self.next = now + PAUSE;
        self.number = self.number.wrapping_add(1);
        let rate = (FACTOR * target).min(wanted);
        let bytes = (rate * MIN_SPAN / 8.0) as u32;
        let cluster = Cluster { number: self.number, rate, bytes, packets: MIN_PACKETS };
        self.running = Some(Answer {
            cluster,
            since: now,
            packets: 0,
            bytes: 0,
            first_size: 0,
            last_size: 0,
            sent: (Micros::MAX, 0),
            arrived: (i64::MAX, i64::MIN),
        });
        Some(cluster)
    }

    /// A packet that arrived.
    pub fn arrived(&mut self, outcome: &Outcome, at: i64) {
        let Some(answer) = self.running.as_mut().filter(|a| outcome.cluster == Some(a.cluster.number)) else { return };
        answer.packets += 1;
        answer.bytes += outcome.size;
        if outcome.sent < answer.sent.0 {
            (answer.sent.0, answer.first_size) = (outcome.sent, outcome.size);
        }
        if outcome.sent >= answer.sent.1 {
            (answer.sent.1, answer.last_size) = (outcome.sent, outcome.size);
        }
        answer.arrived = (answer.arrived.0.min(at), answer.arrived.1.max(at));
    }

    /// Over-use: no probe for a while.
    pub fn cancel(&mut self, now: Micros) {
        self.running = None;
        self.next = self.next.max(now + AFTER_OVERUSE);
    }

    /// The rate that the running probe showed, once enough of it has arrived.
    pub fn take_result(&mut self) -> Option<f64> {
        let answer = self.running.as_ref()?;
        let enough = answer.cluster.bytes as f64 * 0.8;
        if answer.packets * 5 < answer.cluster.packets * 4 || f64::from(answer.bytes) < enough {
            return None;
        }
        let answer = self.running.take()?;
        let sending = answer.sent.1.checked_sub(answer.sent.0).filter(|span| *span > 0)? as f64 / 1e6;
        let arriving = u64::try_from(answer.arrived.1 - answer.arrived.0).ok().filter(|span| *span > 0)? as f64 / 1e6;
        // The last packet's own time lies after the span of sending, the first one's before that of arriving.
        let sent = f64::from(answer.bytes - answer.last_size) * 8.0 / sending;
        let arrived = f64::from(answer.bytes - answer.first_size) * 8.0 / arriving;
        Some(if arrived < CARRIED * sent { BACK_OFF * arrived } else { sent.min(arrived) })
    }
}

//! How much a path carries, estimated where we send, from the receiver's transport-wide feedback: Google congestion
//! control (draft-ietf-rmcat-gcc-02), as browsers run it for what they send themselves.
//!
//! `delay` turns arrival times into a signal (over-use, normal, under-use), `aimd` turns the signal into a rate,
//! `loss` bounds that rate, `throughput` measures what really arrives, `probe` asks for short bursts above the estimate
//! and reads their answer. Everything is fixed in memory and takes `now` as an argument; rates are bits per second.
//!
//! Left out: the Kalman filter of the draft's receiver side (§5.3), since the trend line does its work at the sender, and
//! estimates in REMB messages, which cannot tell a queue from a loss.

mod aimd;
mod delay;
mod loss;
mod probe;
mod throughput;

use crate::clock::Micros;
pub use probe::Cluster;

/// No estimate is lower.
pub const FLOOR: f64 = 50_000.0;
/// No estimate is higher.
pub const CEILING: f64 = 50_000_000.0;
/// Where an estimate begins before anything is known.
pub const START: f64 = 600_000.0;

/// What feedback says of one packet that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// When it left, on our clock.
    pub sent: Micros,
    /// Bytes on the wire.
    pub size: u32,
    /// When it arrived, in microseconds on the receiver's clock; `None` for a packet reported as not received.
    pub arrived: Option<i64>,
    /// The probe that it belonged to.
    pub cluster: Option<u8>,
}

/// What the delays say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Normal,
    /// A queue grows.
    Overuse,
    /// A queue drains.
    Underuse,
}

/// The estimate for one path.
pub struct Estimator {
    delay: delay::Detector,
    throughput: throughput::Throughput,
    rate: aimd::Rate,
    loss: loss::Bound,
    probes: probe::Probes,
}

impl Default for Estimator {
    fn default() -> Self {
        Estimator {
            delay: delay::Detector::default(),
            throughput: throughput::Throughput::default(),
            rate: aimd::Rate::new(START),
            loss: loss::Bound::default(),
            probes: probe::Probes::default(),
        }
    }
}

impl Estimator {
    /// Takes one message's outcomes, in the order of sending. `rtt` is the round trip of the path.
    pub fn feedback(&mut self, outcomes: impl Iterator<Item = Outcome>, rtt: Micros, now: Micros) {
        let mut signal = Signal::Normal;
        for outcome in outcomes {
            self.loss.count(outcome.arrived.is_some());
            let Some(arrived) = outcome.arrived else { continue };
            self.throughput.arrived(arrived, outcome.size);
            self.probes.arrived(&outcome, arrived);
            match self.delay.packet(outcome.sent, arrived) {
                Signal::Normal => {}
                other => signal = other,
            }
        }
        let arriving = self.throughput.rate();
        self.rate.update(signal, arriving, rtt, now);
        if signal == Signal::Overuse {
            self.probes.cancel(now);
            // A queue that overflows is one and the same congestion: the delays have answered it.
            self.loss.forget();
        } else if let Some(found) = self.probes.take_result() {
            self.rate.probed(found);
            self.loss.probed(found);
        }
        self.loss.update(self.rate.get(), rtt, now);
    }

    /// What may be sent.
    #[must_use]
    pub fn target(&self) -> f64 {
        self.rate.get().min(self.loss.get()).clamp(FLOOR, CEILING)
    }

    /// What arrives, measured over the last half second that the feedback tells of; `None` at first.
    #[must_use]
    pub fn arriving(&self) -> Option<f64> {
        self.throughput.rate()
    }

    /// A probe that is due: send packets at its rate, marked with its number, until it is full. `wanted` is what all
    /// streams together could use: nothing is probed above it.
    pub fn probe(&mut self, wanted: f64, now: Micros) -> Option<Cluster> {
        let target = self.target();
        self.probes.due(target, wanted, now)
    }
}

#[cfg(test)]
mod tests;

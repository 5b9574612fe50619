//! From the signal to a rate (draft-ietf-rmcat-gcc-02 §5.5): additive increase near the capacity that over-use showed
//! lately, multiplicative far from it, and on over-use back to 85 % of what arrives.

use super::{Signal, CEILING, FLOOR};
use crate::clock::Micros;

const DECREASE: f64 = 0.85;
/// Per second.
const INCREASE: f64 = 1.08;
/// The rate never rises above this multiple of what arrives.
const HEADROOM: f64 = 1.5;
const HEADROOM_BITS: f64 = 10_000.0;
/// One packet more in each response time.
const PACKET_BITS: f64 = 9_600.0;
/// What detection takes, beside the round trip.
const DETECTION: f64 = 0.1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// The capacity at the last over-uses: mean and relative deviation.
#[derive(Debug, Clone, Copy)]
struct Capacity {
    mean: f64,
    variance: f64,
}

/// The rate that delays allow.
pub(super) struct Rate {
    bits: f64,
    state: State,
    capacity: Option<Capacity>,
    updated: Option<Micros>,
    decreased: Option<Micros>,
}

impl Rate {
    pub fn new(bits: f64) -> Rate {
        Rate { bits, state: State::Increase, capacity: None, updated: None, decreased: None }
    }

    pub fn get(&self) -> f64 {
        self.bits
    }

    /// A probe was carried at `bits`.
    pub fn probed(&mut self, bits: f64) {
        if bits > self.bits {
            self.bits = bits.min(CEILING);
            self.capacity = self.capacity.filter(|capacity| bits <= capacity.upper());
        }
    }

    /// `arriving` is what the receiver gets.
    pub fn update(&mut self, signal: Signal, arriving: Option<f64>, rtt: Micros, now: Micros) {
        let passed = self.updated.replace(now).map_or(0.0, |at| now.saturating_sub(at) as f64 / 1e6).min(1.0);
        match signal {
            Signal::Overuse => self.decrease(arriving, rtt, now),
            Signal::Underuse => self.state = State::Hold,
            Signal::Normal if self.state == State::Hold => self.state = State::Increase,
            Signal::Normal => self.increase(arriving, rtt, passed),
        }
        self.bits = self.bits.clamp(FLOOR, CEILING);
    }

    fn increase(&mut self, arriving: Option<f64>, rtt: Micros, passed: f64) {
        let Some(arriving) = arriving else { return };
        self.capacity = self.capacity.filter(|capacity| arriving <= capacity.upper());
        let more = match self.capacity {
            Some(_) => PACKET_BITS / (rtt as f64 / 1e6 + DETECTION) * passed,
            None => self.bits * (INCREASE.powf(passed) - 1.0),
        };
        let most = HEADROOM * arriving + HEADROOM_BITS;
        self.bits = (self.bits + more).min(most.max(self.bits));
    }

    fn decrease(&mut self, arriving: Option<f64>, rtt: Micros, now: Micros) {
        self.state = State::Hold;
        let soon = self.decreased.is_some_and(|at| now.saturating_sub(at) < rtt.clamp(10_000, 200_000));
        let measured = arriving.unwrap_or(self.bits);
        if soon && measured >= self.bits / 2.0 {
            return;
        }
        self.decreased = Some(now);
        let mut to = DECREASE * measured;
        if to > self.bits {
            to = self.capacity.map_or(self.bits, |capacity| DECREASE * capacity.mean);
        }
        self.bits = self.bits.min(to);
        self.capacity = match self.capacity.filter(|capacity| measured >= capacity.lower()) {
            Some(capacity) => Some(capacity.note(measured)),
            None => Some(Capacity { mean: measured, variance: 0.4e3 }),
        };
    }
}

impl Capacity {
    fn note(self, bits: f64) -> Capacity {
        let mean = 0.95 * self.mean + 0.05 * bits;
        let error = (mean - bits) * (mean - bits) / mean;
        Capacity { mean, variance: (0.95 * self.variance + 0.05 * error).clamp(0.4e3, 2.5e3) }
    }

    fn deviation(self) -> f64 {
        (self.variance * self.mean).sqrt()
    }

    fn upper(self) -> f64 {
        self.mean + 3.0 * self.deviation()
    }

    fn lower(self) -> f64 {
        self.mean - 3.0 * self.deviation()
    }
}

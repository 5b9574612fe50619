//! The rate that losses allow (draft-ietf-rmcat-gcc-02 §6): up to 2 % a path is taken to be merely imperfect, above 10 % to
//! be full. It binds where a queue is too short for delays to tell.

use super::{CEILING, FLOOR};
use crate::clock::Micros;

/// Packets over which a share of losses is formed.
const SAMPLE: u32 = 50;
const LOW: f64 = 0.02;
const HIGH: f64 = 0.10;
/// Between two decreases, beside the round trip.
const PAUSE: Micros = 300_000;
/// Per second.
const INCREASE: f64 = 1.08;
/// The bound stays within reach of the rate, so that it binds at once when losses begin.
const REACH: f64 = 1.5;

pub(super) struct Bound {
    bits: f64,
    expected: u32,
    lost: u32,
    updated: Option<Micros>,
    decreased: Option<Micros>,
}

impl Default for Bound {
    fn default() -> Self {
        Bound { bits: CEILING, expected: 0, lost: 0, updated: None, decreased: None }
    }
}

impl Bound {
    pub fn get(&self) -> f64 {
        self.bits
    }

    /// A packet's fate.
    pub fn count(&mut self, arrived: bool) {
        self.expected += 1;
        self.lost += u32::from(!arrived);
    }

    /// A probe was carried at `bits`.
    pub fn probed(&mut self, bits: f64) {
        self.bits = self.bits.max(bits);
    }

    /// What was lost up to here has had its answer.
    pub fn forget(&mut self) {
        (self.expected, self.lost) = (0, 0);
    }

    /// `rate` is what delays allow.
    pub fn update(&mut self, rate: f64, rtt: Micros, now: Micros) {
        if self.expected < SAMPLE {
            return;
        }
        let share = f64::from(self.lost) / f64::from(self.expected);
        (self.expected, self.lost) = (0, 0);
        let passed = self.updated.replace(now).map_or(0.0, |at| now.saturating_sub(at) as f64 / 1e6).min(1.0);
        let within = self.bits.min(rate);
        if share > HIGH {
            if self.decreased.is_none_or(|at| now.saturating_sub(at) >= PAUSE + rtt) {
                self.decreased = Some(now);
                self.bits = (within * (1.0 - 0.5 * share)).max(FLOOR);
            }
        } else if share <= LOW {
            self.bits = (self.bits * INCREASE.powf(passed)).min(REACH * rate).max(within);
        }
    }
}

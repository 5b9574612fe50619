//! From arrival times to a signal (draft-ietf-rmcat-gcc-02 §5.2, §5.4), with a trend line in place of the Kalman filter:
//! packets sent in one burst form a group; the differences in delay between groups are added up and smoothed; the slope
//! of the last `WINDOW` sums, when it stays above an adaptive threshold, is a growing queue.

use super::Signal;
use crate::clock::Micros;

/// Packets sent within this time are one burst.
const BURST: i64 = 5_000;
/// A burst that the path squeezed together may not last longer.
const MAX_BURST: i64 = 100_000;
/// A pause of the receiver's clock that starts everything anew.
const RESET: i64 = 3_000_000;
const WINDOW: usize = 20;
const SMOOTHING: f64 = 0.9;
const GAIN: f64 = 4.0;
/// Groups up to which a trend counts the less the fewer there were.
const FULL_TRUST: f64 = 60.0;
/// Milliseconds; adapted between the bounds so that small steady flows do not starve beside greedy ones.
const THRESHOLD: f64 = 12.5;
const THRESHOLD_BOUNDS: (f64, f64) = (6.0, 600.0);
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// A peak this far above the threshold does not move it.
const OUTLIER: f64 = 15.0;
/// Milliseconds of over-use before it is believed.
const PERSISTENCE: f64 = 10.0;

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrived: i64,
    last_arrived: i64,
}

/// Inter-arrival groups, trend line and detector.
pub(super) struct Detector {
    current: Option<Group>,
    previous: Option<Group>,
    points: [(f64, f64); WINDOW],
    count: u64,
    origin: i64,
    sum: f64,
    smoothed: f64,
    threshold: f64,
    over_for: f64,
    over_count: u32,
    trend: f64,
    adapted_at: i64,
    signal: Signal,
}

impl Default for Detector {
    fn default() -> Self {
        Detector {
            current: None,
            previous: None,
            points: [(0.0, 0.0); WINDOW],
            count: 0,
            origin: 0,
            sum: 0.0,
            smoothed: 0.0,
            threshold: THRESHOLD,
            over_for: 0.0,
            over_count: 0,
            trend: 0.0,
            adapted_at: 0,
            signal: Signal::Normal,
        }
    }
}

impl Detector {
    /// Takes a packet that arrived; answers what the delays say by now. Packets sent before the current group began
    /// (reordered) say nothing.
    pub fn packet(&mut self, sent: Micros, arrived: i64) -> Signal {
        let sent = sent as i64;
        let Some(group) = self.current.as_mut() else {
            self.current = Some(Group::new(sent, arrived));
            return self.signal;
        };
        if (arrived - group.last_arrived).abs() > RESET {
            *self = Detector { current: Some(Group::new(sent, arrived)), ..Detector::default() };
        } else if sent < group.first_sent {
        } else if group.takes(sent, arrived) {
            group.last_sent = group.last_sent.max(sent);
            group.last_arrived = group.last_arrived.max(arrived);
        } else {
            let done = std::mem::replace(group, Group::new(sent, arrived));
            if let Some(before) = self.previous.replace(done) {
                self.difference(done.last_sent - before.last_sent, done.last_arrived - before.last_arrived, &done);
            }
        }
        self.signal
    }

    fn difference(&mut self, sent: i64, arrived: i64, group: &Group) {
        if self.count == 0 {
            self.origin = group.last_arrived;
        }
        self.sum += (arrived - sent) as f64 / 1_000.0;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.sum;
        let at = (group.last_arrived - self.origin) as f64 / 1_000.0;
        self.points[(self.count % WINDOW as u64) as usize] = (at, self.smoothed);
        self.count += 1;
        let trend = if self.count >= WINDOW as u64 { slope(&self.points).unwrap_or(self.trend) } else { 0.0 };
        self.detect(trend, sent as f64 / 1_000.0, group.last_arrived);
    }

    fn detect(&mut self, trend: f64, sent_ms: f64, now: i64) {
        let strength = (self.count as f64).min(FULL_TRUST) * trend * GAIN;
        if strength > self.threshold {
            self.over_for += if self.over_count == 0 { sent_ms / 2.0 } else { sent_ms };
            self.over_count += 1;
            if self.over_for > PERSISTENCE && self.over_count > 1 && trend >= self.trend {
                (self.over_for, self.over_count) = (0.0, 0);
                self.signal = Signal::Overuse;
            }
        } else {
            (self.over_for, self.over_count) = (0.0, 0);
            self.signal = if strength < -self.threshold { Signal::Underuse } else { Signal::Normal };
        }
        self.trend = trend;
        self.adapt(strength.abs(), now);
    }

    fn adapt(&mut self, strength: f64, now: i64) {
        let passed = ((now - self.adapted_at) as f64 / 1_000.0).clamp(0.0, 100.0);
        self.adapted_at = now;
        if strength > self.threshold + OUTLIER {
            return;
        }
        let factor = if strength < self.threshold { THRESHOLD_DOWN } else { THRESHOLD_UP };
        let moved = self.threshold + factor * (strength - self.threshold) * passed;
        self.threshold = moved.clamp(THRESHOLD_BOUNDS.0, THRESHOLD_BOUNDS.1);
    }
}

impl Group {
    fn new(sent: i64, arrived: i64) -> Group {
        Group { first_sent: sent, last_sent: sent, first_arrived: arrived, last_arrived: arrived }
    }

    fn takes(&self, sent: i64, arrived: i64) -> bool {
        if sent - self.first_sent <= BURST {
            return true;
        }
        let (gap, shorter) = (arrived - self.last_arrived, arrived - self.last_arrived < sent - self.last_sent);
        shorter && gap <= BURST && arrived - self.first_arrived < MAX_BURST
    }
}

/// Least squares; `None` when all points lie at one time.
fn slope(points: &[(f64, f64); WINDOW]) -> Option<f64> {
    let n = WINDOW as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0 / n, y + point.1 / n));
    let (over, under) = points.iter().fold((0.0, 0.0), |(over, under), point| {
        (over + (point.0 - x) * (point.1 - y), under + (point.0 - x) * (point.0 - x))
    });
    (under > 0.0).then(|| over / under)
}

//! Keyframe requests of one published video stream: the one place that decides (field case W07).
//!
//! Joins, view changes, given-up losses and viewers' PLI or FIR all end here. At most one request per `INTERVAL` leaves for
//! the publisher; one that came too early waits; a keyframe serves everybody who waited. A request that brings no keyframe
//! is repeated, ever more slowly, since the request itself may be lost (RFC 4585 §6.3.1).

use crate::clock::Micros;

/// Shortest time between two requests to one source.
pub const INTERVAL: Micros = 500_000;

const SLOWEST: Micros = 4_000_000;

/// Request state of one source.
#[derive(Debug, Default)]
pub struct Keyframes {
    wanted: bool,
    tries: u32,
    last_sent: Option<Micros>,
}

impl Keyframes {
    /// Somebody needs a keyframe.
    pub fn want(&mut self) {
        if !self.wanted {
            self.wanted = true;
            self.tries = 0;
        }
    }

    /// A keyframe began: it serves all who waited.
    pub fn arrived(&mut self) {
        self.wanted = false;
    }

    /// True when a PLI has to leave now.
    pub fn due(&mut self, now: Micros) -> bool {
        let pause = (INTERVAL << self.tries.saturating_sub(1).min(3)).min(SLOWEST);
        if !self.wanted || self.last_sent.is_some_and(|at| now.saturating_sub(at) < pause) {
            return false;
        }
        self.last_sent = Some(now);
        self.tries += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_joins_in_a_storm_cost_one_request_per_half_second() {
        let mut keys = Keyframes::default();
        let mut sent = Vec::new();
        for ms in (0..5_000u64).step_by(5) {
            keys.want();
            if keys.due(ms * 1000) {
                sent.push(ms);
            }
            if sent.last() == Some(&(ms.saturating_sub(60))) {
                keys.arrived(); // the encoder answers after 60 ms
            }
        }
        assert!(sent.windows(2).all(|w| w[1] - w[0] >= 500), "{sent:?}");
        assert!(sent.len() >= 9, "a joiner waits at most half a second: {sent:?}");
    }

    #[test]
    fn a_pending_request_leaves_when_allowed_and_dies_with_a_keyframe() {
        let mut keys = Keyframes::default();
        keys.want();
        assert!(keys.due(0));
        keys.arrived();
        keys.want();
        assert!(!keys.due(400_000));
        assert!(keys.due(500_000));
        keys.arrived();
        assert!(!keys.due(5_000_000));
    }

    #[test]
    fn an_unanswered_request_is_repeated_more_and_more_slowly() {
        let mut keys = Keyframes::default();
        keys.want();
        let sent: Vec<u64> = (0..20_000u64).step_by(100).filter(|ms| keys.due(ms * 1000)).collect();
        assert_eq!(sent[..5], [0, 500, 1500, 3500, 7500]);
    }
}

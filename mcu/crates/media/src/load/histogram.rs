//! A latency histogram of fixed size: 32 linear steps in every power of two, so a quantile is at most about 3 % too high.

const STEPS: usize = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
const SLOTS: usize = STEPS * (64 - STEP_BITS as usize + 1);

/// Counts durations in microseconds.
pub struct Histogram {
    slots: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { slots: vec![0; SLOTS], count: 0, max: 0 }
    }
}

fn slot(value: u64) -> usize {
    if value < STEPS as u64 {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - STEP_BITS;
    STEPS * (shift as usize + 1) + ((value >> shift) as usize - STEPS)
}

fn upper(slot: usize) -> u64 {
    if slot < STEPS {
        return slot as u64;
    }
    let shift = (slot / STEPS - 1) as u32;
    (((slot % STEPS + STEPS + 1) as u128) << shift).saturating_sub(1).min(u64::MAX as u128) as u64
}

impl Histogram {
    /// Count one duration in microseconds.
    pub fn add(&mut self, micros: u64) {
        self.slots[slot(micros)] += 1;
        self.count += 1;
        self.max = self.max.max(micros);
    }

    /// The duration in milliseconds that the share `q` (0 to 1) does not exceed; 0 when nothing was counted.
    pub fn quantile_ms(&self, q: f64) -> f64 {
        let rank = ((self.count as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, n) in self.slots.iter().enumerate() {
            seen += n;
            if seen >= rank {
                return upper(index).min(self.max) as f64 / 1000.0;
            }
        }
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_ordered_and_hold_their_upper_end() {
        for value in (0..100_000).chain([u64::MAX - 1, u64::MAX, 1 << 40]) {
            let s = slot(value);
            assert!(upper(s) >= value, "{value} lies over the end of slot {s}");
            assert!(s == 0 || upper(s - 1) < value, "{value} belongs to an earlier slot than {s}");
        }
    }

    #[test]
    fn quantiles_of_a_known_row() {
        let mut h = Histogram::default();
        (1..=10_000u64).for_each(|us| h.add(us));
        assert!((h.quantile_ms(0.5) / 5.0 - 1.0).abs() < 0.04, "{}", h.quantile_ms(0.5));
        assert!((h.quantile_ms(0.99) / 9.9 - 1.0).abs() < 0.04, "{}", h.quantile_ms(0.99));
        assert_eq!(h.quantile_ms(1.0), 10.0);
    }

    #[test]
    fn nothing_gives_zero_and_one_value_is_every_quantile() {
        let mut h = Histogram::default();
        assert_eq!(h.quantile_ms(0.99), 0.0);
        h.add(3000);
        assert_eq!((h.quantile_ms(0.01), h.quantile_ms(1.0)), (3.0, 3.0));
    }
}

//! A small seeded generator of random numbers (xorshift64*): the same seed loses the same packets.

/// State; never zero.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// True in `percent` of the calls.
    pub fn chance(&mut self, percent: f64) -> bool {
        percent > 0.0 && ((self.next() >> 11) as f64) < percent / 100.0 * (1u64 << 53) as f64
    }

    /// Fill with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_chances_are_kept() {
        let draw = |seed| {
            let mut rng = Rng::new(seed);
            (0..100_000).filter(|_| rng.chance(5.0)).count()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!((4_700..5_300).contains(&draw(7)), "{}", draw(7));
        assert!(!Rng::new(1).chance(0.0));
    }

    #[test]
    fn fill_reaches_every_byte() {
        let mut bytes = [0; 13];
        Rng::new(0).fill(&mut bytes);
        assert!(bytes.iter().filter(|b| **b == 0).count() < 3);
    }
}

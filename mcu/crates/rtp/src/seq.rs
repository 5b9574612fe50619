//! Sequence and timestamp arithmetic that survives the wrap (RFC 3550 appendix A.1, RFC 1982).

/// True when `a` comes after `b` on the 16-bit circle (a distance of exactly half counts as older).
#[must_use]
pub fn newer(a: u16, b: u16) -> bool {
    let distance = a.wrapping_sub(b);
    distance != 0 && distance < 0x8000
}

/// True when timestamp `a` comes after `b` on the 32-bit circle.
#[must_use]
pub fn newer_timestamp(a: u32, b: u32) -> bool {
    let distance = a.wrapping_sub(b);
    distance != 0 && distance < 0x8000_0000
}

/// The 64-bit number congruent to `seq` that lies nearest to `reference`.
///
/// The answer is never negative: near zero a number "before the start" is taken as ahead.
#[must_use]
pub fn nearest(reference: u64, seq: u16) -> u64 {
    let delta = i64::from(seq.wrapping_sub(reference as u16) as i16);
    match reference.checked_add_signed(delta) {
        Some(value) => value,
        None => reference + u64::from(seq.wrapping_sub(reference as u16)),
    }
}

/// Extends the 16-bit numbers of one stream to 64 bits, in any order of arrival.
#[derive(Debug, Clone, Default)]
pub struct Extender {
    highest: Option<u64>,
}

impl Extender {
    /// The number that the next call would give, without remembering it.
    #[must_use]
    pub fn peek(&self, seq: u16) -> u64 {
        match self.highest {
            Some(highest) => nearest(highest, seq),
            None => u64::from(seq),
        }
    }

    /// Extends `seq` and remembers it when it is the highest so far.
    pub fn extend(&mut self, seq: u16) -> u64 {
        let value = self.peek(seq);
        self.highest = Some(self.highest.map_or(value, |highest| highest.max(value)));
        value
    }

    /// The highest number seen.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_forward_and_back() {
        let mut extender = Extender::default();
        assert_eq!(extender.extend(65_534), 65_534);
        assert_eq!(extender.extend(1), 65_537);
        assert_eq!(extender.extend(65_535), 65_535);
        assert_eq!(extender.highest(), Some(65_537));
        assert_eq!(extender.extend(2), 65_538);
    }

    #[test]
    fn before_the_start_is_never_negative() {
        assert_eq!(nearest(0, 65_535), 65_535);
        assert_eq!(nearest(3, 65_535), 65_535);
        assert_eq!(nearest(0x1_0003, 65_535), 65_535);
    }

    #[test]
    fn order_on_the_circle() {
        assert!(newer(0, 65_535));
        assert!(!newer(65_535, 0));
        assert!(!newer(7, 7));
        assert!(!newer(0x8000, 0));
        assert!(newer_timestamp(5, u32::MAX));
        assert!(!newer_timestamp(u32::MAX, 5));
    }
}

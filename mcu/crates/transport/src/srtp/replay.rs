//! Replay window of 128 packets (RFC 3711 §3.3.2).

use super::SrtpError;

/// Bits of the window.
const SIZE: u64 = 128;

/// Remembers the highest index and which of the 128 up to it were received.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReplayWindow {
    highest: u64,
    /// Bit n: index `highest - n` was received. Zero before the first packet.
    seen: u128,
}

impl ReplayWindow {
    /// Whether `index` is new.
    pub(super) fn check(&self, index: u64) -> Result<(), SrtpError> {
        if self.seen == 0 || index > self.highest {
            return Ok(());
        }
        match self.highest - index {
            age if age >= SIZE => Err(SrtpError::Old),
            age if self.seen >> age & 1 == 1 => Err(SrtpError::Replay),
            _ => Ok(()),
        }
    }

    /// Marks `index` (checked, authenticated) as received.
    pub(super) fn accept(&mut self, index: u64) {
        if self.seen == 0 {
            (self.highest, self.seen) = (index, 1);
        } else if index > self.highest {
            let shift = index - self.highest;
            self.seen = if shift >= SIZE { 0 } else { self.seen << shift } | 1;
            self.highest = index;
        } else if self.highest - index < SIZE {
            self.seen |= 1 << (self.highest - index);
        }
    }

    /// The highest index received, `None` before the first.
    pub(super) fn highest(&self) -> Option<u64> {
        (self.seen != 0).then_some(self.highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_new_seen_and_old_apart() {
        let mut window = ReplayWindow::default();
        assert_eq!(window.check(0), Ok(()));
        window.accept(1_000);
        assert_eq!(window.check(1_000), Err(SrtpError::Replay));
        assert_eq!(window.check(873), Ok(()));
        assert_eq!(window.check(872), Err(SrtpError::Old));
        window.accept(873);
        assert_eq!(window.check(873), Err(SrtpError::Replay));
        window.accept(1_001);
        assert_eq!(window.check(873), Err(SrtpError::Old));
        assert_eq!(window.check(1_000), Err(SrtpError::Replay));
        window.accept(1_129);
        assert_eq!(window.check(1_001), Err(SrtpError::Old));
        assert_eq!(window.check(1_002), Ok(()));
        assert_eq!(window.highest(), Some(1_129));
    }
}

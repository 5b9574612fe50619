//! Opus in RTP (RFC 7587): the table-of-contents byte (RFC 6716 §3.1) and discontinuous transmission.
//!
//! Left out: everything behind the TOC; the engine never decodes.

use std::time::Duration;

/// Longest packet that still counts as DTX: TOC plus at most one byte (RFC 6716 §3.1, RFC 7587 §3.1.3).
const DTX_MAX_LEN: usize = 2;

/// Facts of one Opus packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Toc {
    /// Configuration number, 0–31 (mode, bandwidth and frame size).
    pub config: u8,
    /// Coded in stereo.
    pub stereo: bool,
    /// Frames in the packet.
    pub frames: u8,
    /// Duration of one frame.
    pub frame: Duration,
}

impl Toc {
    /// Duration of the whole packet.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.frame * u32::from(self.frames)
    }
}

/// Reads the TOC of `payload`. `None` when it is empty or of an impossible length (over 120 ms, no frame).
#[must_use]
pub fn toc(payload: &[u8]) -> Option<Toc> {
    let first = *payload.first()?;
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => payload.get(1)? & 0x3F,
    };
    let toc = Toc { config: first >> 3, stereo: first & 4 != 0, frames, frame: frame_duration(first >> 3) };
    (frames > 0 && toc.duration() <= Duration::from_millis(120)).then_some(toc)
}

/// True when the packet says "silence goes on": a lone TOC, or TOC and one byte.
#[must_use]
pub fn is_dtx(payload: &[u8]) -> bool {
    (1..=DTX_MAX_LEN).contains(&payload.len())
}

/// RFC 6716 §3.1 table 2.
fn frame_duration(config: u8) -> Duration {
    let micros = match config {
        0..=11 => [10_000, 20_000, 40_000, 60_000][usize::from(config % 4)],
        12..=15 => [10_000, 20_000][usize::from(config % 2)],
        _ => [2_500, 5_000, 10_000, 20_000][usize::from(config % 4)],
    };
    Duration::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chromium_20_ms_fullband() {
        let toc = toc(&[0x78, 1, 2, 3]).unwrap();
        assert_eq!((toc.config, toc.stereo, toc.frames), (15, false, 1));
        assert_eq!(toc.duration(), Duration::from_millis(20));
        assert!(!is_dtx(&[0x78, 1, 2, 3]));
        assert!(is_dtx(&[0x78]));
    }

    #[test]
    fn code_three_counts_frames_and_refuses_the_impossible() {
        assert_eq!(toc(&[0x7B, 3]).unwrap().duration(), Duration::from_millis(60));
        assert_eq!(toc(&[0x7B, 0]), None);
        assert_eq!(toc(&[0x7B, 7]), None);
        assert_eq!(toc(&[0x7B]), None);
        assert_eq!(toc(&[]), None);
    }
}

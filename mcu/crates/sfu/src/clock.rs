//! Clocks of sender reports (RFC 3550 §4 and §6.4.1): the engine's monotonic microseconds, NTP timestamps, and the map
//! from a publisher's NTP clock to the engine's.
//!
//! All streams of one leg share one NTP clock (same CNAME), so one offset serves audio and video and keeps lips in step:
//! the smallest difference between arrival and sender time seen lately, because the least delayed report is the truest.
//! A report that is missing or implausible is replaced by arrival times.

/// Microseconds of the engine's monotonic clock.
pub type Micros = u64;

/// Seconds between 1900 (NTP) and 1970 (Unix).
const NTP_UNIX: u64 = 2_208_988_800;

/// A sender clock further than this from what arrival says is not believed.
const PLAUSIBLE: i64 = 10_000_000;

/// How fast an old smallest offset may rise, per report (clock drift, longer paths).
const RISE_PER_REPORT: i64 = 200;

/// A stream's clock may lose one part in this many against ours (500 ppm) before lateness counts as delay.
const DRIFT: u64 = 2_000;

/// Converts microseconds since the Unix epoch into a 64-bit NTP timestamp.
pub fn ntp_from_unix(micros: u64) -> u64 {
    let seconds = micros / 1_000_000 + NTP_UNIX;
    let fraction = ((micros % 1_000_000) << 32) / 1_000_000;
    (seconds << 32) | fraction
}

/// Converts a 64-bit NTP timestamp to microseconds since 1900.
pub fn micros_from_ntp(ntp: u64) -> u64 {
    (ntp >> 32) * 1_000_000 + (((ntp & 0xffff_ffff) * 1_000_000) >> 32)
}

/// The middle 32 bits, as used by LSR.
pub fn compact(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// Microseconds as units of 1/65536 second (DLSR).
pub fn to_compact_delta(micros: u64) -> u32 {
    ((micros << 16) / 1_000_000).min(u64::from(u32::MAX)) as u32
}

/// Units of 1/65536 second as microseconds.
pub fn from_compact_delta(units: u32) -> u64 {
    (u64::from(units) * 1_000_000) >> 16
}

/// RTP ticks in a span of microseconds.
pub fn ticks(micros: i64, rate: u32) -> i64 {
    micros * i64::from(rate) / 1_000_000
}

/// Round-trip time from a receiver report about our own sender report (RFC 3550 §6.4.1); `None` if it makes no sense.
pub fn round_trip(now_ntp: u64, lsr: u32, dlsr: u32) -> Option<u64> {
    if lsr == 0 {
        return None;
    }
    let units = compact(now_ntp).wrapping_sub(lsr).wrapping_sub(dlsr);
    let rtt = from_compact_delta(units);
    (rtt < 10_000_000).then_some(rtt)
}

/// The offset between a publisher's NTP clock and the engine's clock, shared by all its streams.
#[derive(Debug, Default, Clone, Copy)]
pub struct PeerClock {
    offset: Option<i64>,
}

impl PeerClock {
    /// Takes one report's NTP time at its arrival.
    pub fn report(&mut self, ntp: u64, arrival: Micros) {
        let sample = arrival as i64 - micros_from_ntp(ntp) as i64;
        self.offset = Some(match self.offset {
            Some(old) if (sample - old).abs() < PLAUSIBLE => sample.min(old + RISE_PER_REPORT),
            _ => sample,
        });
    }

    fn to_engine(self, ntp: u64) -> Option<i64> {
        Some(micros_from_ntp(ntp) as i64 + self.offset?)
    }
}

/// Where one stream's RTP clock stands against the engine's clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct StreamClock {
    report: Option<(u64, u32)>,
    arrival: Option<(Micros, u32)>,
}

impl StreamClock {
    /// Notes a sender report of this stream. An all-zero NTP timestamp means "no clock" (RFC 3550 §6.4.1).
    pub fn report(&mut self, ntp: u64, rtp: u32) {
        self.report = (ntp != 0).then_some((ntp, rtp));
    }

    /// Notes the newest packet's timestamp and arrival. The least delayed packet is the truest: one that comes late (a big
    /// picture is sent over many milliseconds) leaves the clock where it is, but for a slow rise that follows drift.
    pub fn arrival(&mut self, rtp: u32, now: Micros, rate: u32) {
        self.arrival = Some(match self.arrival {
            None => (now, rtp),
            Some((at, old)) => {
                let passed = now.saturating_sub(at);
                let expected = old.wrapping_add(ticks(passed as i64, rate) as u32);
                let late = i64::from(expected.wrapping_sub(rtp) as i32);
                if late <= 0 || late > i64::from(rate) {
                    (now, rtp) // earlier than ever, or another timeline
                } else if passed >= 1_000_000 {
                    let rise = ticks((passed / DRIFT) as i64, rate).min(late);
                    (now, expected.wrapping_sub(rise as u32))
                } else {
                    (at, old)
                }
            }
        });
    }

    /// Forgets everything, after the stream changed its SSRC.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// The RTP timestamp that a packet sampled at `now` would carry; `None` before the first packet.
    pub fn rtp_at(&self, now: Micros, rate: u32, peer: PeerClock) -> Option<u32> {
        let (arrival, arrival_rtp) = self.arrival?;
        let by_arrival = arrival_rtp.wrapping_add(ticks(now as i64 - arrival as i64, rate) as u32);
        let by_report = self.report.and_then(|(ntp, rtp)| {
            let at = peer.to_engine(ntp)?;
            Some(rtp.wrapping_add(ticks(now as i64 - at, rate) as u32))
        });
        match by_report {
            Some(rtp) => {
                let apart = i64::from(rtp.wrapping_sub(by_arrival) as i32);
                if apart.abs() * 1_000_000 / i64::from(rate.max(1)) < PLAUSIBLE {
                    Some(rtp)
                } else {
                    Some(by_arrival)
                }
            }
            None => Some(by_arrival),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ntp_round_trip_is_exact_to_a_microsecond() {
        for micros in [0, 1, 999_999, 1_700_000_000_123_456] {
            let back = micros_from_ntp(ntp_from_unix(micros)) - NTP_UNIX * 1_000_000;
            assert!(micros.abs_diff(back) <= 1, "{micros} became {back}");
        }
    }

    #[test]
    fn round_trip_follows_the_rfc_example() {
        // RFC 3550 figure 2: A = 0xb710:8000, DLSR = 0x0005:4000, LSR = 0xb705:2000, delay 6.125 s.
        assert_eq!(round_trip(0xb710_8000 << 16, 0xb705_2000, 0x0005_4000), Some(6_125_000));
        assert_eq!(round_trip(5 << 32, 0, 0), None);
    }

    #[test]
    fn audio_and_video_of_one_leg_line_up_through_reports() {
        let mut peer = PeerClock::default();
        let (mut audio, mut video) = (StreamClock::default(), StreamClock::default());
        let t0 = ntp_from_unix(1_700_000_000_000_000);
        audio.arrival(48_000, 5_000_000, 48_000);
        video.arrival(90_000, 5_080_000, 90_000); // video arrives 80 ms later than sampled
        audio.report(t0, 48_000);
        video.report(t0, 90_000);
        peer.report(t0, 5_000_000);
        let now = 6_000_000;
        assert_eq!(audio.rtp_at(now, 48_000, peer), Some(96_000));
        assert_eq!(video.rtp_at(now, 90_000, peer), Some(180_000));
    }

    #[test]
    fn implausible_or_missing_reports_fall_back_to_arrival() {
        let mut peer = PeerClock::default();
        let mut stream = StreamClock::default();
        assert_eq!(stream.rtp_at(1, 90_000, peer), None);
        stream.arrival(1_000, 1_000_000, 90_000);
        assert_eq!(stream.rtp_at(1_100_000, 90_000, peer), Some(10_000));
        peer.report(ntp_from_unix(1_700_000_000_000_000), 1_000_000);
        stream.report(ntp_from_unix(1_700_000_000_000_000), 500_000_000); // an hour ahead of what arrives
        assert_eq!(stream.rtp_at(1_100_000, 90_000, peer), Some(10_000));
        stream.report(0, 7);
        assert_eq!(stream.rtp_at(1_100_000, 90_000, peer), Some(10_000));
    }

    #[test]
    fn a_late_report_does_not_move_the_clock_back() {
        let mut peer = PeerClock::default();
        let base = 1_700_000_000_000_000;
        peer.report(ntp_from_unix(base), 1_000_000);
        let first = peer.to_engine(ntp_from_unix(base)).unwrap();
        peer.report(ntp_from_unix(base + 1_000_000), 2_300_000); // 300 ms of queueing
        assert!(peer.to_engine(ntp_from_unix(base)).unwrap() - first <= RISE_PER_REPORT);
    }

    #[test]
    fn late_packets_do_not_move_a_streams_clock_but_drift_and_jumps_do() {
        let mut stream = StreamClock::default();
        let at = |stream: &StreamClock, now| stream.rtp_at(now, 90_000, PeerClock::default()).unwrap();
        for n in 0..100u32 {
            let sent = u64::from(n) * 33_000;
            let late = u64::from(n % 4) * 9_000;
            stream.arrival(n * 2_970, sent + late, 90_000);
        }
        let apart = at(&stream, 3_300_000) as i32 - 297_000;
        assert!(apart.abs() < 90, "{apart} ticks off");
        // A clock that loses 200 ppm is followed.
        for n in 100..10_000u32 {
            stream.arrival(n * 2_970, u64::from(n) * 33_000 + u64::from(n - 100) * 33_000 / 5_000, 90_000);
        }
        let apart = at(&stream, 330_000_000 + 65_340) as i32 - 29_700_000;
        assert!(apart.abs() < 90, "{apart} ticks off");
        // A new timeline is taken at once.
        stream.arrival(7, 331_000_000, 90_000);
        assert_eq!(at(&stream, 331_000_000), 7);
    }
}

//! Which protocol a datagram on a shared port belongs to (RFC 7983 §7; RFC 5761 §4 for RTP and RTCP).
//!
//! Left out: ZRTP, TURN channels and QUIC (RFC 9443): the engine speaks none of them on its media port.

/// A datagram's protocol, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// STUN, first byte 0–3.
    Stun,
    /// DTLS record, first byte 20–63.
    Dtls,
    /// RTP or SRTP.
    Rtp,
    /// RTCP or SRTCP.
    Rtcp,
    /// Anything else, to be dropped.
    Other,
}

/// Classifies `datagram`. It says nothing of its validity.
#[must_use]
pub fn classify(datagram: &[u8]) -> Kind {
    match datagram {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        // Payload types 64–95 with the marker bit collide with RTCP packet types 192–223 and are never negotiated.
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, _, ..] => Kind::Rtp,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte() {
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => Kind::Stun,
                20..=63 => Kind::Dtls,
                128..=191 => Kind::Rtp,
                _ => Kind::Other,
            };
            assert_eq!(classify(&[first, 96]), expected, "{first}");
        }
        assert_eq!(classify(&[0x80, 200]), Kind::Rtcp);
        assert_eq!(classify(&[0x81, 206]), Kind::Rtcp);
        assert_eq!(classify(&[0x90, 0x80 | 111]), Kind::Rtp);
        assert_eq!(classify(&[0x80]), Kind::Other);
        assert_eq!(classify(&[]), Kind::Other);
    }
}

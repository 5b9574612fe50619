//! The mark at the end of every generated payload: who sent which packet when.
//!
//! It sits at the end so that neither the VP8 descriptor that the engine rewrites nor the OSN in front of an RTX payload (RFC 4588 §4)
//! moves it. The bytes before it follow from it, so that a receiver notices a payload that was mixed up.

/// Bytes of a stamp.
pub const LEN: usize = 24;
const MAGIC: u32 = 0x4d53_4c47;

/// Which packet of which track this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The publisher's index among all publishers of all rooms.
    pub publisher: u32,
    /// Running number of the packet on its track, from 0.
    pub number: u64,
    /// Send time in microseconds of the generator's clock.
    pub micros: u64,
}

/// Fill the rest of a payload: pattern, then the stamp in the last `LEN` bytes.
///
/// # Panics
/// When `payload` is shorter than a stamp; the generator's sizes rule it out.
pub fn write(payload: &mut [u8], stamp: &Stamp) {
    let (body, tail) = payload.split_at_mut(payload.len() - LEN);
    body.fill(pattern(stamp));
    tail[..4].copy_from_slice(&MAGIC.to_be_bytes());
    tail[4..8].copy_from_slice(&stamp.publisher.to_be_bytes());
    tail[8..16].copy_from_slice(&stamp.number.to_be_bytes());
    tail[16..].copy_from_slice(&stamp.micros.to_be_bytes());
}

/// Read the stamp of a received payload and check the last byte of the pattern before it.
///
/// Answers None when the payload is not one of the generator's or was damaged.
pub fn read(payload: &[u8]) -> Option<Stamp> {
    let (body, tail) = payload.split_at(payload.len().checked_sub(LEN)?);
    let word = |at: usize| Some(u64::from_be_bytes(tail[at..at + 8].try_into().ok()?));
    let head = word(0)?;
    let stamp = Stamp { publisher: head as u32, number: word(8)?, micros: word(16)? };
    let intact = (head >> 32) as u32 == MAGIC && body.last().is_none_or(|b| *b == pattern(&stamp));
    intact.then_some(stamp)
}

fn pattern(stamp: &Stamp) -> u8 {
    (stamp.number as u8).wrapping_mul(31) ^ stamp.publisher as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let stamp = Stamp { publisher: 7, number: 1 << 33, micros: 123_456_789 };
        let mut payload = vec![0xff; 80];
        write(&mut payload, &stamp);
        assert_eq!(read(&payload), Some(stamp));
        assert_eq!(read(&payload[56..]), Some(stamp), "a payload of the stamp alone");
    }

    #[test]
    fn damage_and_short_payloads_are_noticed() {
        let mut payload = vec![0; 80];
        write(&mut payload, &Stamp { publisher: 1, number: 2, micros: 3 });
        for n in 0..LEN {
            assert_eq!(read(&payload[..n]), None);
        }
        payload[55] ^= 1;
        assert_eq!(read(&payload), None, "the pattern does not fit");
        payload[55] ^= 1;
        payload[56] ^= 1;
        assert_eq!(read(&payload), None, "the magic does not fit");
    }
}

//! Sealing outgoing packets.

use super::cipher::Cipher;
use super::kdf::Use;
use super::{MasterKey, Profile};

/// The outgoing side of one leg.
pub struct Protect {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    /// Next SRTCP index, 31 bits; one counter for all SSRCs of the leg, so no index repeats.
    rtcp_index: u32,
}

/// SRTCP indexes end here: past it the key must be changed (RFC 3711 §9.2).
const RTCP_INDEX_END: u32 = 1 << 31;

impl Protect {
    /// Derives the session keys.
    #[must_use]
    pub fn new(master: &MasterKey) -> Protect {
        Protect {
            profile: master.profile(),
            rtp: Cipher::new(master, Use::Rtp),
            rtcp: Cipher::new(master, Use::Rtcp),
            rtcp_index: 1,
        }
    }

    /// The profile in use.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Bytes that [`Protect::seal_rtp`] adds.
    #[must_use]
    pub fn rtp_overhead(&self) -> usize {
        self.rtp.tag_len()
    }

    /// Seals the RTP packet `buf[..len]` in place and answers its new length.
    ///
    /// `index` is rollover counter · 65,536 + sequence number; the pair (`ssrc`, `index`) must never repeat under one
    /// key. `None` when the lengths disagree or `buf` has no room for the tag; then `buf` is unchanged.
    #[must_use]
    pub fn seal_rtp(&self, buf: &mut [u8], header_len: usize, len: usize, ssrc: u32, index: u64) -> Option<usize> {
        let sealed = len.checked_add(self.rtp.tag_len())?;
        if header_len > len || sealed > buf.len() {
            return None;
        }
        self.rtp.seal_rtp(buf, header_len, len, ssrc, index)?;
        Some(sealed)
    }

    /// Seals the RTCP compound `buf[..len]` in place and answers its new length.
    ///
    /// `None` when it is shorter than 8 bytes, `buf` has no room for tag and index, or all 2^31 indexes are used up.
    #[must_use]
    pub fn seal_rtcp(&mut self, buf: &mut [u8], len: usize) -> Option<usize> {
        let sealed = len.checked_add(self.rtcp.tag_len() + 4)?;
        if len < 8 || sealed > buf.len() || self.rtcp_index >= RTCP_INDEX_END {
            return None;
        }
        let ssrc = u32::from_be_bytes([buf[4], buf[5], buf[6], buf[7]]);
        let trailer = (self.rtcp_index | 1 << 31).to_be_bytes();
        self.rtcp_index += 1;
        self.rtcp.seal_rtcp(buf, len, ssrc, trailer)?;
        Some(sealed)
    }
}

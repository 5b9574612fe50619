//! Opening incoming packets: index estimate, replay window, authentication, in this order; state changes last.

use rtp::{seq, Header};

use super::cipher::Cipher;
use super::kdf::Use;
use super::replay::ReplayWindow;
use super::{MasterKey, Profile, SrtpError};

/// Most sources of one leg, for RTP and for RTCP each. Only authenticated packets create one.
pub const MAX_SSRCS: usize = 64;

/// Replay windows by SSRC; the last one used is looked at first.
struct Sources {
    list: Vec<(u32, ReplayWindow)>,
    last: usize,
}

impl Sources {
    fn new() -> Self {
        // All the room at once: a new source on the packet's road allocates nothing.
        Sources { list: Vec::with_capacity(MAX_SSRCS), last: 0 }
    }

    /// The source's place and window; a new source has the place behind the last.
    fn find(&self, ssrc: u32) -> Result<(usize, ReplayWindow), SrtpError> {
        if let Some((_, window)) = self.list.get(self.last).filter(|(known, _)| *known == ssrc) {
            return Ok((self.last, *window));
        }
        match self.list.iter().position(|(known, _)| *known == ssrc) {
            Some(at) => Ok((at, self.list[at].1)),
            None if self.list.len() >= MAX_SSRCS => Err(SrtpError::TooManySsrcs),
            None => Ok((self.list.len(), ReplayWindow::default())),
        }
    }

    fn accept(&mut self, at: usize, ssrc: u32, index: u64) {
        if at == self.list.len() {
            self.list.push((ssrc, ReplayWindow::default()));
        }
        self.list[at].1.accept(index);
        self.last = at;
    }
}

/// The incoming side of one leg.
pub struct Unprotect {
    profile: Profile,
    rtp: Cipher,
    rtcp: Cipher,
    rtp_sources: Sources,
    rtcp_sources: Sources,
}

impl Unprotect {
    /// Derives the session keys.
    #[must_use]
    pub fn new(master: &MasterKey) -> Unprotect {
        Unprotect {
            profile: master.profile(),
            rtp: Cipher::new(master, Use::Rtp),
            rtcp: Cipher::new(master, Use::Rtcp),
            rtp_sources: Sources::new(),
            rtcp_sources: Sources::new(),
        }
    }

    /// The profile in use.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// Opens `packet` into `out`: header and plain payload. Answers the plain length and the 48-bit packet index
    /// (rollover counter · 65,536 + sequence number).
    ///
    /// `header` must be parsed from `packet`. A new source is taken to be in its first cycle (RFC 3711 §3.3.1). On an
    /// error the bytes in `out` mean nothing.
    ///
    /// # Errors
    /// [`SrtpError`]; nothing is remembered of a refused packet.
    pub fn open_rtp(&mut self, packet: &[u8], header: &Header, out: &mut [u8]) -> Result<(usize, u64), SrtpError> {
        let len = packet.len().checked_sub(self.rtp.tag_len()).ok_or(SrtpError::TooShort)?;
        if header.header_len > len {
            return Err(SrtpError::TooShort);
        }
        let out = out.get_mut(..len).ok_or(SrtpError::NoRoom)?;
        let (at, window) = self.rtp_sources.find(header.ssrc)?;
        let index = match window.highest() {
            Some(highest) => seq::nearest(highest, header.seq),
            None => u64::from(header.seq),
        };
        window.check(index)?;
        self.rtp.open_rtp(packet, header.header_len, header.ssrc, index, out).ok_or(SrtpError::Auth)?;
        self.rtp_sources.accept(at, header.ssrc, index);
        Ok((len, index))
    }

    /// Opens the SRTCP `packet` into `out` and answers the plain length.
    ///
    /// # Errors
    /// [`SrtpError`]; nothing is remembered of a refused packet.
    pub fn open_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Result<usize, SrtpError> {
        let len = packet.len().checked_sub(self.rtcp.tag_len() + 4).ok_or(SrtpError::TooShort)?;
        if len < 8 {
            return Err(SrtpError::TooShort);
        }
        let out = out.get_mut(..len).ok_or(SrtpError::NoRoom)?;
        let (sealed, tag, trailer) = self.rtcp.split_rtcp(packet);
        if trailer[0] & 0x80 == 0 {
            return Err(SrtpError::Unencrypted);
        }
        let ssrc = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        let index = u64::from(u32::from_be_bytes(trailer) & 0x7FFF_FFFF);
        let (at, window) = self.rtcp_sources.find(ssrc)?;
        window.check(index)?;
        self.rtcp.open_rtcp(sealed, tag, trailer, ssrc, out).ok_or(SrtpError::Auth)?;
        self.rtcp_sources.accept(at, ssrc, index);
        Ok(len)
    }
}

//! One leg's transport as a browser has it: ICE checks and consent (controlling agent), DTLS client, SRTP. No I/O, no clock.
//!
//! Left out: the choice of the SRTP profile. The DTLS library offers AES-GCM before AES-CM and has no setting for it.

use std::time::Instant;

use rtp::Header;
use transport::demux::Kind;
use transport::dtls::{Certificate, Dtls, Fingerprint, Output};
use transport::ice::{Client, Credentials};
use transport::srtp::{Profile, Protect, Unprotect};
use transport::stun::Message;

/// Room for any datagram that a session makes.
pub const MAX_DATAGRAM: usize = 1500;

/// State of one transport.
pub struct Session {
    ice: Client,
    certificate: Certificate,
    fingerprint: Fingerprint,
    dtls: Option<Dtls>,
    keys: Option<(Protect, Unprotect)>,
    /// Why the transport has ended.
    pub failed: Option<String>,
}

impl Session {
    /// `remote` and `fingerprint` are the engine's, from `leg.opened`.
    pub fn new(
        local: &Credentials,
        remote: &Credentials,
        certificate: Certificate,
        fingerprint: Fingerprint,
        now: Instant,
    ) -> Session {
        let ice = Client::new(local, remote, now);
        Session { ice, certificate, fingerprint, dtls: None, keys: None, failed: None }
    }

    /// SRTP keys are there.
    pub fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// The negotiated profile, once connected.
    pub fn profile(&self) -> Option<Profile> {
        self.keys.as_ref().map(|(protect, _)| protect.profile())
    }

    /// Take a received STUN message or DTLS record; answers leave by `send`.
    pub fn handle(&mut self, kind: Kind, datagram: &[u8], now: Instant, mut send: impl FnMut(&[u8])) {
        match kind {
            Kind::Stun => {
                if let Ok(message) = Message::parse(datagram) {
                    self.ice.handle(now, &message);
                }
            }
            Kind::Dtls => {
                if let Some(dtls) = &mut self.dtls {
                    dtls.handle(datagram, now);
                }
            }
            _ => {}
        }
        self.drain(now, &mut send);
    }

    /// Send what is due: checks, DTLS flights. Call every few milliseconds.
    pub fn tick(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        let mut out = [0; MAX_DATAGRAM];
        if let Some(len) = self.ice.poll(now, &mut out) {
            send(&out[..len]);
        }
        if self.ice.consent_expired(now) {
            self.failed.get_or_insert_with(|| "the engine answers no STUN check".into());
        }
        if let Some(dtls) = &mut self.dtls {
            if dtls.next_timeout().is_some_and(|at| at <= now) {
                dtls.handle_timeout(now);
            }
        }
        self.drain(now, &mut send);
    }

    fn drain(&mut self, now: Instant, send: &mut impl FnMut(&[u8])) {
        if self.dtls.is_none() && self.ice.is_connected() {
            self.dtls = Some(Dtls::client(&self.certificate, self.fingerprint, now));
        }
        let Some(dtls) = &mut self.dtls else { return };
        while let Some(output) = dtls.poll() {
            match output {
                Output::Packet(bytes) => send(bytes),
                Output::Connected(keys) => {
                    self.keys = Some((Protect::new(&keys.client), Unprotect::new(&keys.server)));
                }
                Output::Closed(reason) => {
                    self.failed.get_or_insert_with(|| format!("DTLS: {reason}"));
                }
            }
        }
    }

    /// Seal the RTP packet `buf[..len]`; `index` counts on over the wraps of the sequence number. Answers the new length.
    pub fn seal_rtp(&self, buf: &mut [u8], len: usize, index: u64) -> Option<usize> {
        let header = Header::parse(buf.get(..len)?).ok()?;
        self.keys.as_ref()?.0.seal_rtp(buf, header.header_len, len, header.ssrc, index)
    }

    /// Seal the RTCP compound `buf[..len]`; answers the new length.
    pub fn seal_rtcp(&mut self, buf: &mut [u8], len: usize) -> Option<usize> {
        self.keys.as_mut()?.0.seal_rtcp(buf, len)
    }

    /// Open an SRTP packet into `out`; answers the plain length, or None when it is forged, replayed or early.
    pub fn open_rtp(&mut self, packet: &[u8], header: &Header, out: &mut [u8]) -> Option<usize> {
        self.keys.as_mut()?.1.open_rtp(packet, header, out).ok().map(|(len, _)| len)
    }

    /// Open an SRTCP packet into `out`; answers the plain length.
    pub fn open_rtcp(&mut self, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        self.keys.as_mut()?.1.open_rtcp(packet, out).ok()
    }
}

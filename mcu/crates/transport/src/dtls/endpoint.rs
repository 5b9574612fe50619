//! One leg's DTLS association: input by [`Dtls::handle`] and [`Dtls::handle_timeout`], output by [`Dtls::poll`].

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Error, UnexpectedMessageError};

use super::hello::{self, HelloAssembler};
use super::offer::{self, Choice};
use super::{Certificate, Fingerprint};
use crate::srtp::{Keys, Profile};

/// A handshake that is not done by then has failed.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// First repetition of a flight; doubled each time. Media paths are short, so below RFC 6347's second.
const FLIGHT_RTO: Duration = Duration::from_millis(200);
/// Repetitions of one flight: 0.2 s doubled seven times is past the handshake's end.
const FLIGHT_RETRIES: usize = 7;
/// Longest datagram sent: below the smallest path that carries WebRTC (RFC 8835 leaves 1,200 bytes).
const MTU: usize = 1_150;
/// Longest output asked of `dimpl`: a peer's certificate is the longest, one handshake message of 16 KiB.
const MAX_OUTPUT: usize = 32 * 1_024;

/// What [`Dtls::poll`] yields.
#[derive(Debug)]
pub enum Output<'a> {
    /// A datagram to send.
    Packet(&'a [u8]),
    /// The handshake is done and the peer's certificate is the announced one. Comes once.
    Connected(Keys),
    /// The association has ended. Comes once, and nothing after it.
    Closed(CloseReason),
}

/// Why an association ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer sent close_notify.
    Peer,
    /// [`Dtls::close`] was called.
    Local,
    /// The peer's certificate is not the one announced in SDP.
    FingerprintMismatch,
    /// The handshake agreed on no SRTP profile.
    NoSrtpProfile,
    /// The handshake was not done in 30 s.
    Timeout,
    /// The handshake or the association failed; the text is for the log.
    Failed(String),
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Peer => f.write_str("closed by the peer"),
            CloseReason::Local => f.write_str("closed here"),
            CloseReason::FingerprintMismatch => f.write_str("certificate is not the one announced"),
            CloseReason::NoSrtpProfile => f.write_str("no SRTP profile in common"),
            CloseReason::Timeout => f.write_str("handshake timed out"),
            CloseReason::Failed(text) => write!(f, "failed: {text}"),
        }
    }
}

/// Negotiated protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// DTLS 1.2.
    Dtls12,
    /// DTLS 1.3.
    Dtls13,
}

impl Version {
    /// Its name, for statistics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Version::Dtls12 => "DTLS 1.2",
            Version::Dtls13 => "DTLS 1.3",
        }
    }
}

/// One DTLS association.
pub struct Dtls {
    certificate: Certificate,
    remote: Fingerprint,
    /// `None` in a server before the first whole ClientHello, and after the end.
    inner: Option<dimpl::Dtls>,
    /// A server's, until connected.
    hello: Option<HelloAssembler>,
    scratch: Vec<u8>,
    verified: bool,
    connected: bool,
    exported: Option<Keys>,
    closed: Option<CloseReason>,
    close_told: bool,
    /// When the handshake has failed; `None` once connected.
    deadline: Option<Instant>,
    wake: Option<Instant>,
}

impl Dtls {
    /// The passive side (`a=setup:passive`), which awaits a ClientHello. `remote` is the fingerprint in the peer's SDP.
    #[must_use]
    pub fn server(certificate: &Certificate, remote: Fingerprint, now: Instant) -> Dtls {
        Dtls {
            certificate: certificate.clone(),
            remote,
            inner: None,
            hello: Some(HelloAssembler::default()),
            scratch: vec![0; 2_048],
            verified: false,
            connected: false,
            exported: None,
            closed: None,
            close_told: false,
            deadline: Some(now + HANDSHAKE_TIMEOUT),
            wake: None,
        }
    }

    /// The active side: its ClientHello is ready to be polled.
    #[must_use]
    pub fn client(certificate: &Certificate, remote: Fingerprint, now: Instant) -> Dtls {
        let mut dtls = Dtls::server(certificate, remote, now);
        dtls.hello = None;
        let mut inner = dimpl::Dtls::new_auto(config(), certificate.inner.clone(), now);
        inner.set_active(true);
        dtls.inner = Some(inner);
        dtls.handle_timeout(now);
        dtls
    }

    /// Takes a datagram that came from an address which ICE has authenticated.
    pub fn handle(&mut self, datagram: &[u8], now: Instant) {
        if self.closed.is_some() {
            return;
        }
        match self.hello.take() {
            Some(mut hello) if hello::is_client_hello(datagram) => {
                hello.take(datagram, |whole| self.handle_whole(whole, now));
                // Still needed for a second hello, or a repeated one, until the handshake is done.
                self.hello = (!self.connected).then_some(hello);
            }
            hello => {
                self.hello = hello;
                self.pass(datagram, now);
            }
        }
    }

    /// A datagram whose ClientHello, if it has one, is whole.
    fn handle_whole(&mut self, datagram: &[u8], now: Instant) {
        if self.inner.is_none() && self.closed.is_none() {
            let Some(choice) = hello::body(datagram).and_then(offer::choose) else { return };
            let certificate = self.certificate.inner.clone();
            self.inner = Some(match choice {
                Choice::Dtls12 => dimpl::Dtls::new_12(config(), certificate, now),
                Choice::Dtls13 => dimpl::Dtls::new_13(config(), certificate, now),
            });
        }
        self.pass(datagram, now);
    }

    fn pass(&mut self, datagram: &[u8], now: Instant) {
        let Some(inner) = self.inner.as_mut() else { return };
        // dimpl learns the time by its timeout alone.
        match inner.handle_timeout(now).and_then(|()| inner.handle_packet(datagram)) {
            // A client that awaits its first answer got something else, damaged or forged; it still awaits it.
            Ok(()) | Err(Error::UnexpectedMessage(UnexpectedMessageError::UnrecognizedAutoServerResponse)) => {}
            Err(error) => self.end(CloseReason::Failed(error.to_string())),
        }
    }

    /// Call at [`Dtls::next_timeout`] or later: repeats flights and ends a handshake that takes too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed.is_some() {
            return;
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.end(CloseReason::Timeout);
        } else if let Some(Err(error)) = self.inner.as_mut().map(|inner| inner.handle_timeout(now)) {
            self.end(CloseReason::Failed(error.to_string()));
        }
    }

    /// When [`Dtls::handle_timeout`] must be called, as of the last [`Dtls::poll`] that answered `None`.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        match (self.wake, self.deadline) {
            (Some(wake), Some(deadline)) => Some(wake.min(deadline)),
            (wake, deadline) => wake.or(deadline),
        }
    }

    /// The next output; `None` when all is taken. Must be drained after every other call.
    pub fn poll(&mut self) -> Option<Output<'_>> {
        loop {
            match self.step() {
                Step::Packet(len) => return Some(Output::Packet(&self.scratch[..len])),
                Step::Again => {}
                Step::Keys(keys) => return Some(Output::Connected(keys)),
                Step::Done => break,
            }
        }
        if let Some(reason) = self.closed.clone().filter(|_| !self.close_told) {
            self.close_told = true;
            self.inner = None;
            return Some(Output::Closed(reason));
        }
        None
    }

    /// Takes one output of `dimpl`.
    fn step(&mut self) -> Step {
        let Some(inner) = self.inner.as_mut() else { return Step::Done };
        match inner.poll_output(&mut self.scratch) {
            dimpl::Output::Packet(packet) => return Step::Packet(packet.len()),
            dimpl::Output::BufferTooSmall { needed } if needed <= MAX_OUTPUT => self.scratch.resize(needed, 0),
            dimpl::Output::BufferTooSmall { .. } => self.end(CloseReason::Failed("output too long".into())),
            dimpl::Output::Timeout(at) => {
                self.wake = Some(at);
                return self.complete();
            }
            dimpl::Output::Connected => self.connected = true,
            dimpl::Output::PeerCert(der) => {
                self.verified = Fingerprint::of(der) == self.remote;
                if !self.verified {
                    self.end(CloseReason::FingerprintMismatch);
                }
            }
            dimpl::Output::KeyingMaterial(material, profile) => {
                self.exported = known(profile).and_then(|profile| Keys::from_exported(profile, &material));
            }
            dimpl::Output::CloseNotify => self.end(CloseReason::Peer),
            // No data channels: application data has no meaning here.
            _ => {}
        }
        Step::Again
    }

    /// At the end of a poll cycle: gives the keys out once all three conditions hold.
    fn complete(&mut self) -> Step {
        if !self.connected || self.deadline.is_none() || self.closed.is_some() {
            return Step::Done;
        }
        match self.exported.take() {
            Some(keys) if self.verified => {
                self.deadline = None;
                self.hello = None;
                Step::Keys(keys)
            }
            Some(_) => {
                self.end(CloseReason::FingerprintMismatch);
                Step::Done
            }
            None => {
                self.end(CloseReason::NoSrtpProfile);
                Step::Done
            }
        }
    }

    /// The negotiated version; `None` before a hello.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        match self.inner.as_ref()?.protocol_version()? {
            dimpl::ProtocolVersion::DTLS1_2 => Some(Version::Dtls12),
            dimpl::ProtocolVersion::DTLS1_3 => Some(Version::Dtls13),
            _ => None,
        }
    }

    /// True once keys were given out and until the end.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected && self.deadline.is_none() && self.closed.is_none()
    }

    /// Ends the association; when it is connected a close_notify is ready to be polled.
    pub fn close(&mut self) {
        if self.closed.is_some() {
            return;
        }
        // An error means that there is nobody to tell.
        let told = self.is_connected() && self.inner.as_mut().is_some_and(|inner| inner.close().is_ok());
        if !told {
            self.inner = None;
        }
        self.closed = Some(CloseReason::Local);
        (self.deadline, self.hello) = (None, None);
    }

    /// Ends at once: no output of `dimpl` leaves any more.
    fn end(&mut self, reason: CloseReason) {
        self.inner = None;
        self.exported = None;
        self.closed.get_or_insert(reason);
        (self.deadline, self.wake, self.hello) = (None, None, None);
    }
}

enum Step {
    Packet(usize),
    Keys(Keys),
    Again,
    Done,
}

fn known(profile: dimpl::SrtpProfile) -> Option<Profile> {
    match profile {
        dimpl::SrtpProfile::AEAD_AES_128_GCM => Some(Profile::AeadAes128Gcm),
        dimpl::SrtpProfile::AEAD_AES_256_GCM => Some(Profile::AeadAes256Gcm),
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => Some(Profile::Aes128CmHmacSha1_80),
        _ => None,
    }
}

fn config() -> Arc<dimpl::Config> {
    static CONFIG: std::sync::LazyLock<Arc<dimpl::Config>> = std::sync::LazyLock::new(|| {
        let config = dimpl::Config::builder()
            .mtu(MTU)
            .use_server_cookie(false)
            .flight_start_rto(FLIGHT_RTO)
            .flight_retries(FLIGHT_RETRIES)
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            .build();
        Arc::new(config.expect("a constant configuration"))
    });
    CONFIG.clone()
}

//! A controlling agent with one pair: what the load generator needs to reach a lite agent.
//!
//! It nominates with its first check (legal towards a lite agent with one pair), repeats with doubled waits until
//! the answer comes, then checks consent every five seconds, varied by a fifth (RFC 7675 §5.1).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aws_lc_rs::{hmac, rand};

use super::{Credentials, CONSENT};
use crate::stun::{self, attr, Class, Message, TransactionId, Writer};

const FIRST_RTO: Duration = Duration::from_millis(100);
const MAX_RTO: Duration = Duration::from_millis(1_600);
/// Consent checks: at least this apart, and at most half as much more.
const CONSENT_MIN: Duration = Duration::from_secs(4);
/// Priority of a peer-reflexive candidate: type preference 110, local preference 65,535, component 1.
const PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;

/// What an incoming message meant to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEvent {
    /// First authenticated success: the pair is valid and nominated.
    Connected {
        /// Our address as the server sees it.
        mapped: Option<SocketAddr>,
    },
    /// Consent is fresh again.
    Confirmed,
    /// The server answered with this error.
    Refused(u16),
    /// Not an answer to our last request, or not authentic.
    Ignored,
}

/// Controlling client.
pub struct Client {
    username: String,
    key: hmac::Key,
    tie_breaker: u64,
    pending: Option<TransactionId>,
    next_send: Instant,
    rto: Duration,
    connected: bool,
    expires_at: Instant,
}

impl Client {
    /// A client with its own credentials and those of the server.
    #[must_use]
    pub fn new(local: &Credentials, remote: &Credentials, now: Instant) -> Client {
        Client {
            username: format!("{}:{}", remote.ufrag, local.ufrag),
            key: stun::integrity_key(&remote.pwd),
            tie_breaker: u64::from_be_bytes(random()),
            pending: None,
            next_send: now,
            rto: FIRST_RTO,
            connected: false,
            expires_at: now + CONSENT,
        }
    }

    /// True after the first authenticated answer.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// True when the server has not answered for [`CONSENT`].
    #[must_use]
    pub fn consent_expired(&self, now: Instant) -> bool {
        now >= self.expires_at
    }

    /// When [`Client::poll`] has something to send.
    #[must_use]
    pub fn next_timeout(&self) -> Instant {
        self.next_send
    }

    /// Writes the check that is due into `out` and answers its length; `None` when none is due.
    pub fn poll(&mut self, now: Instant, out: &mut [u8]) -> Option<usize> {
        if now < self.next_send {
            return None;
        }
        // A repetition keeps its transaction id, so that a late answer to the first still counts.
        let id = *self.pending.get_or_insert_with(random);
        let mut writer = Writer::new(out, Class::Request, id)?;
        writer.attribute(attr::USERNAME, self.username.as_bytes())?;
        writer.attribute(attr::ICE_CONTROLLING, &self.tie_breaker.to_be_bytes())?;
        writer.attribute(attr::PRIORITY, &PRIORITY.to_be_bytes())?;
        writer.attribute(attr::USE_CANDIDATE, &[])?;
        let len = writer.finish(Some(&self.key))?;
        self.next_send = now + self.rto;
        self.rto = (self.rto * 2).min(MAX_RTO);
        Some(len)
    }

    /// Takes a received STUN message.
    pub fn handle(&mut self, now: Instant, msg: &Message<'_>) -> ClientEvent {
        if self.pending != Some(msg.transaction_id) {
            return ClientEvent::Ignored;
        }
        match (msg.class, msg.error_code) {
            (Class::Success, _) if msg.verify_integrity(&self.key) => {
                self.pending = None;
                self.rto = FIRST_RTO;
                self.expires_at = now + CONSENT;
                let [byte] = random();
                self.next_send = now + CONSENT_MIN + CONSENT_MIN * u32::from(byte) / 512;
                if std::mem::replace(&mut self.connected, true) {
                    ClientEvent::Confirmed
                } else {
                    ClientEvent::Connected { mapped: msg.xor_mapped_address }
                }
            }
            (Class::Error, Some(code)) => ClientEvent::Refused(code),
            _ => ClientEvent::Ignored,
        }
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the system has random bytes");
    bytes
}

//! The lite agent of one leg.
//!
//! It answers authenticated Binding requests and sends media where the browser nominated last (field case W10): a
//! controlling browser moves a call from one path to another by nominating again. Before the first nomination the
//! address of the last authenticated check serves, so that DTLS need not wait for one.

use std::net::SocketAddr;
use std::time::Instant;

use aws_lc_rs::hmac;

use super::{Credentials, CONSENT};
use crate::stun::{self, Class, ErrorCode, Message, Writer};

/// Most addresses of one leg that are remembered as authenticated; the longest unused gives way.
const MAX_ADDRESSES: usize = 16;

/// What [`IceLite::handle_binding`] did. `len` bytes of the output buffer are to be sent back to where the request
/// came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IceOutcome {
    /// Success response; the way of media is as before.
    Respond {
        /// Length of the response.
        len: usize,
        /// The address authenticated for the first time: route its packets to this leg.
        new_address: bool,
        /// An address that is forgotten for it.
        evicted: Option<SocketAddr>,
    },
    /// Success response, and media goes to `remote` from now on.
    Nominated {
        /// Length of the response.
        len: usize,
        /// The nominated address.
        remote: SocketAddr,
        /// As in [`IceOutcome::Respond`].
        new_address: bool,
        /// As in [`IceOutcome::Respond`].
        evicted: Option<SocketAddr>,
    },
    /// Error response; nothing changed.
    Refused {
        /// Length of the response.
        len: usize,
        /// The error sent.
        code: ErrorCode,
    },
    /// No response.
    Drop(DropReason),
}

/// Why a message gets no response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// Not a Binding request.
    NotBindingRequest,
    /// The response does not fit the output buffer.
    NoRoom,
}

struct Address {
    address: SocketAddr,
    last_check: Instant,
}

/// ICE-lite agent of one leg: always controlled.
pub struct IceLite {
    local: Credentials,
    remote: Credentials,
    key: hmac::Key,
    addresses: Vec<Address>,
    nominated: Option<SocketAddr>,
    selected: Option<SocketAddr>,
    expires_at: Instant,
}

impl IceLite {
    /// An agent with our credentials and those of the peer's SDP. The first check must come within [`CONSENT`].
    #[must_use]
    pub fn new(local: Credentials, remote: Credentials, now: Instant) -> IceLite {
        let key = stun::integrity_key(&local.pwd);
        let addresses = Vec::with_capacity(MAX_ADDRESSES);
        IceLite { local, remote, key, addresses, nominated: None, selected: None, expires_at: now + CONSENT }
    }

    /// Our credentials, for the SDP answer.
    #[must_use]
    pub fn local(&self) -> &Credentials {
        &self.local
    }

    /// Where to send: the address nominated last, else that of the last authenticated check.
    #[must_use]
    pub fn remote_address(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// True once the browser nominated a pair.
    #[must_use]
    pub fn is_nominated(&self) -> bool {
        self.nominated.is_some()
    }

    /// The addresses whose checks were authenticated: packets from them belong to this leg.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.addresses.iter().map(|known| known.address)
    }

    /// When consent ends, unless another check comes on the selected path (RFC 7675 §5.1).
    #[must_use]
    pub fn expires_at(&self) -> Instant {
        self.expires_at
    }

    /// True when consent has ended: nothing may be sent any more.
    #[must_use]
    pub fn consent_expired(&self, now: Instant) -> bool {
        now >= self.expires_at
    }

    /// Answers the message `msg` that came from `from`, writing the response into `out`.
    pub fn handle_binding(&mut self, now: Instant, from: SocketAddr, msg: &Message<'_>, out: &mut [u8]) -> IceOutcome {
        if msg.class != Class::Request || msg.method != stun::BINDING {
            return IceOutcome::Drop(DropReason::NotBindingRequest);
        }
        if let Err(code) = self.check(msg) {
            let len = self.write_error(msg, code, out);
            return len.map_or(IceOutcome::Drop(DropReason::NoRoom), |len| IceOutcome::Refused { len, code });
        }
        let Some(len) = self.write_success(msg, from, out) else {
            return IceOutcome::Drop(DropReason::NoRoom);
        };
        let (new_address, evicted) = self.remember(from, now);
        let moved = msg.use_candidate && self.nominated != Some(from);
        if msg.use_candidate {
            self.nominated = Some(from);
        }
        if self.nominated.is_none() || msg.use_candidate {
            self.selected = Some(from);
        }
        if self.selected == Some(from) {
            self.expires_at = now + CONSENT;
        }
        if moved {
            IceOutcome::Nominated { len, remote: from, new_address, evicted }
        } else {
            IceOutcome::Respond { len, new_address, evicted }
        }
    }

    /// RFC 8489 §9.1.3, §6.3.1 and RFC 8445 §7.3.1.1, in this order.
    fn check(&self, msg: &Message<'_>) -> Result<(), ErrorCode> {
        let Some(username) = msg.username.filter(|_| msg.has_integrity()) else {
            return Err(ErrorCode::BadRequest);
        };
        let ours = username.split_once(':') == Some((&self.local.ufrag, &self.remote.ufrag));
        if !ours || !msg.verify_integrity(&self.key) {
            return Err(ErrorCode::Unauthenticated);
        }
        if !msg.unknown_attributes().is_empty() {
            return Err(ErrorCode::UnknownAttribute);
        }
        // A lite agent is controlled whatever the tie-breakers say: the full agent must change its role.
        if msg.ice_controlled.is_some() {
            return Err(ErrorCode::RoleConflict);
        }
        Ok(())
    }

    fn write_success(&self, msg: &Message<'_>, from: SocketAddr, out: &mut [u8]) -> Option<usize> {
        let mut writer = Writer::new(out, Class::Success, msg.transaction_id)?;
        writer.xor_mapped_address(from)?;
        writer.finish(Some(&self.key))
    }

    fn write_error(&self, msg: &Message<'_>, code: ErrorCode, out: &mut [u8]) -> Option<usize> {
        let mut writer = Writer::new(out, Class::Error, msg.transaction_id)?;
        writer.error_code(code)?;
        match code {
            // Without proven credentials the answer carries no integrity (RFC 8489 §9.1.3).
            ErrorCode::BadRequest | ErrorCode::Unauthenticated => writer.finish(None),
            ErrorCode::UnknownAttribute => {
                writer.unknown_attributes(msg.unknown_attributes())?;
                writer.finish(Some(&self.key))
            }
            ErrorCode::RoleConflict => writer.finish(Some(&self.key)),
        }
    }

    /// Notes a check from `from`: (first time, address forgotten for it).
    fn remember(&mut self, from: SocketAddr, now: Instant) -> (bool, Option<SocketAddr>) {
        if let Some(known) = self.addresses.iter_mut().find(|known| known.address == from) {
            known.last_check = now;
            return (false, None);
        }
        let mut evicted = None;
        if self.addresses.len() >= MAX_ADDRESSES {
            let idle = self.addresses.iter().enumerate().filter(|(_, known)| Some(known.address) != self.selected);
            if let Some((at, _)) = idle.min_by_key(|(_, known)| known.last_check) {
                evicted = Some(self.addresses.swap_remove(at).address);
            }
        }
        self.addresses.push(Address { address: from, last_check: now });
        (true, evicted)
    }
}

//! A leg's transport: ICE, DTLS, SRTP keys, and what the control plane stored with it.

use crate::control::messages::{LegOpen, Reason};
use std::time::Instant;
use transport::dtls::{CloseReason, Dtls};
use transport::ice::IceLite;
use transport::srtp::Unprotect;

/// Cold state of a leg.
pub(super) struct Link {
    pub open: LegOpen,
    pub ice: IceLite,
    pub dtls: Dtls,
    pub unseal: Option<Unprotect>,
    pub profile: Option<&'static str>,
    /// Told as `leg.connected`.
    pub connected: bool,
    /// Told as `leg.lost`; nothing is sent any more.
    pub lost: Option<Reason>,
    pub opened_at: Instant,
}

/// The reason of `leg.lost` for an ended DTLS association.
pub(super) fn reason(closed: &CloseReason) -> Reason {
    match closed {
        CloseReason::Peer | CloseReason::Local => Reason::DtlsClosed,
        CloseReason::Timeout => Reason::Timeout,
        CloseReason::FingerprintMismatch | CloseReason::NoSrtpProfile | CloseReason::Failed(_) => Reason::DtlsFailed,
    }
}

//! Interactive connectivity establishment: the lite agent of the engine (RFC 8445 §2.5, §7.3; consent of RFC 7675) and
//! a small controlling client for the load generator and for tests.
//!
//! Left out: candidate gathering and pairing (a lite agent has host candidates only), TURN, the controlling role of a
//! lite agent towards another lite agent (browsers are full agents), and candidates by trickle (RFC 8838): a
//! browser's address is learnt from its authenticated checks.

mod client;
mod credentials;
mod lite;

use std::time::Duration;

pub use client::{Client, ClientEvent};
pub use credentials::Credentials;
pub use lite::{DropReason, IceLite, IceOutcome};

/// Consent ends this long after the last authenticated check (RFC 7675 §5.1).
pub const CONSENT: Duration = Duration::from_secs(30);

/// Room that a response or request of this module needs at most.
pub const MAX_MESSAGE: usize = 256;

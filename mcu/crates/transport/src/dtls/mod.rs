//! DTLS 1.2 (RFC 6347) and 1.3 (RFC 9147) for DTLS-SRTP (RFC 5763, RFC 5764), on the crate `dimpl`.
//!
//! This wrapper adds what the crate leaves to its user: the certificate's fingerprint is compared with the SDP's
//! before keys are released (RFC 5763 §5, RFC 8122 §5); a ClientHello in pieces is put together first, within a bound
//! (field case W08: `hello.rs`); the version is chosen so that the SRTP profile is AES-GCM wherever the peer offers it
//! (`offer.rs`).
//!
//! Left out: data channels, resumption, renegotiation. The cookie exchange is off: only addresses that ICE has
//! authenticated may feed a [`Dtls`], which is the check that the cookie is for (RFC 6347 §4.2.1).

mod certificate;
mod endpoint;
mod hello;
mod offer;

pub use certificate::{Certificate, Fingerprint};
pub use endpoint::{CloseReason, Dtls, Output, Version};

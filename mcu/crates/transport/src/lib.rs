//! Secure transport for media: ICE (lite), DTLS and SRTP, as sans-IO state machines.
//!
//! Nothing here opens a socket or reads a clock: `now` is an argument, outgoing bytes fill a caller's buffer.
//! Bytes come from strangers, so no function panics on any input. Each module names the RFC sections that it
//! implements and what it leaves out.
#![forbid(unsafe_code)]

pub mod demux;
pub mod dtls;
pub mod fuzz;
pub mod ice;
pub mod srtp;
pub mod stun;

#[cfg(test)]
mod test_util;

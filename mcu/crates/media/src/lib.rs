//! The media engine: sockets, threads, the clock and the control socket around the pure crates `rtp`, `transport` and `sfu`.
//! The only crate that does I/O; `unsafe` only in `sys`.
#![deny(unsafe_code)]

pub mod control;
pub mod forward;
pub mod load;
pub mod log;
pub mod options;
pub mod shard;
#[allow(unsafe_code)]
pub mod sys;

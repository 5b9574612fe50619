//! The forwarding core: everything a selective forwarding unit decides about a packet, and nothing about how it travels.
//!
//! What it is: one plaintext packet cache per published stream (`ring`), reception statistics and loss repair (`nack`),
//! the rewriting of one receive slot (`slot`), the choice of voices (`speaker`), the clock of sender reports (`clock`),
//! keyframe requests (`keyframe`), what arrived by transport sequence number and what was sent by it (`arrivals`, `sent`),
//! how much a path carries (`bwe`), and the room that ties them together (`room`).
//!
//! It implements RFC 3550 (sequence numbers, reports), RFC 4585 (NACK, PLI), RFC 4588 (RTX), RFC 6464 (audio levels) and
//! the forwarding rules of RFC 7667 §3.7. It does no I/O and reads no clock: `now` is an argument, in microseconds of the
//! engine's monotonic clock. Simulcast is left to a later issue.
#![forbid(unsafe_code)]

pub mod arrivals;
pub mod bwe;
pub mod clock;
pub mod keyframe;
pub mod nack;
pub mod ring;
pub mod room;
pub mod sent;
pub mod slot;
pub mod speaker;

//! A link between two hosts, emulated from a seed: loss, burst loss (Gilbert–Elliott), delay, jitter, reordering,
//! duplication, a rate with a drop-tail queue, and changes of all these over time.
//!
//! The link is one-way and pure: it does no I/O and reads no clock. `now` is a duration since any fixed moment and must not
//! go back. The same seed, configuration and packets give the same result on every machine. For tests and tools only.
//!
//! Left out: active queue management and cross traffic; a schedule of rates stands for both.

#![forbid(unsafe_code)]

mod config;
mod link;
mod random;
pub mod relay;

pub use config::{Burst, Change, Config, Error};
pub use link::{Fate, Link, Stats};
pub use random::Random;

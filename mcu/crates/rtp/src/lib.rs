//! RTP on the wire: headers and their extensions, sequence arithmetic, RTCP, retransmission and the
//! payload formats that a forwarding engine must look into.
//!
//! Everything here is sans-IO and allocation-free on a packet's road: parsers borrow the received bytes,
//! writers fill a caller's slice. Bytes come from strangers, so no function panics on any input.
//!
//! Each module names the RFC sections that it implements and what it leaves out.
#![forbid(unsafe_code)]

mod bytes;
pub mod fuzz;
pub mod header;
pub mod payload;
pub mod rtcp;
pub mod rtx;
pub mod seq;

pub use header::{Header, HeaderError, HeaderWriter};

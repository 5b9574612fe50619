//! The control socket: messages, framing, and the thread that serves it.

pub mod framing;
pub mod messages;
pub mod server;

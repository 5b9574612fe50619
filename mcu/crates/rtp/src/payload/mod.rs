//! Payload formats, as far as forwarding must look into them.

pub mod h264;
pub mod opus;
pub mod vp8;

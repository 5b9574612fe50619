//! What the generator counts, over all legs.

use super::histogram::Histogram;

/// Where a publisher's measured packets begin; None before the window.
pub type Window = Option<Vec<u64>>;

/// Counters of one run. "In the window" means: of packets sent between its start and its end.
#[derive(Default)]
pub struct Tally {
    /// First measured packet number of each publisher.
    pub window: Window,
    /// Video packets received for the first time, in the window.
    pub received: u64,
    /// The same over the whole run.
    pub received_all: u64,
    /// RTP datagrams of known streams and their bytes, SRTP tag included.
    pub wire_packets: u64,
    pub wire_bytes: u64,
    pub audio_received: u64,
    /// Of `received_all`, those that came back by RTX.
    pub recovered: u64,
    pub duplicates: u64,
    /// Thrown away on purpose (`--loss`).
    pub thrown_away: u64,
    /// Packets that did not authenticate, or were replayed.
    pub refused: u64,
    /// Payloads that were not what a publisher had sent.
    pub damaged: u64,
    pub unknown_ssrc: u64,
    pub nacked: u64,
    pub plis_sent: u64,
    pub plis_answered: u64,
    pub keyframes: u64,
    pub publisher_nacks: u64,
    pub publisher_rtx: u64,
    /// Send to receive, of first copies that did not need a retransmission, in the window.
    pub latency: Histogram,
}

impl Tally {
    /// Is this packet of a publisher in the window?
    pub fn in_window(&self, publisher: u32, number: u64) -> bool {
        let first = self.window.as_ref().and_then(|first| first.get(publisher as usize));
        first.is_some_and(|first| number >= *first)
    }
}

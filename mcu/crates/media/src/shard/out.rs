//! The way out of a shard: seals what the room composed straight into the send batch.

use super::Counters;
use crate::sys::{RawAddr, SendBatch};
use sfu::room::{LegId, Sink};
use std::net::UdpSocket;
use transport::srtp::Protect;

/// One UDP socket of the shard and what waits to leave on it.
pub(super) struct Port {
    pub socket: UdpSocket,
    pub batch: SendBatch,
}

impl Port {
    pub fn flush(&mut self, counters: &mut Counters) {
        if self.batch.is_empty() {
            return;
        }
        let flushed = self.batch.flush(&self.socket);
        counters.udp_out += flushed.datagrams;
        counters.udp_out_messages += flushed.messages;
        counters.send_errors += flushed.errors;
    }

    /// Queues a datagram that is not media.
    pub fn send(&mut self, data: &[u8], to: &RawAddr, run: u32, counters: &mut Counters) {
        if self.batch.is_full() {
            self.flush(counters);
        }
        let place = self.batch.place();
        if let Some(place) = place.get_mut(..data.len()) {
            place.copy_from_slice(data);
            self.batch.commit(data.len(), to, run);
        }
    }
}

/// What the packet road needs of a leg; kept apart from its cold state so that it stays in the cache.
pub(super) struct Wire {
    pub seal: Option<Protect>,
    pub remote: RawAddr,
    pub port: usize,
    /// Marks datagrams to this destination (see `SendBatch::commit`).
    pub run: u32,
}

/// Where a room's packets go.
pub(super) struct Out<'a> {
    pub wires: &'a mut [Option<Wire>],
    pub ports: &'a mut [Port],
    pub counters: &'a mut Counters,
    pub spare: &'a mut [u8],
}

impl Sink for Out<'_> {
    #[inline]
    fn place(&mut self, leg: LegId) -> &mut [u8] {
        let Some(wire) = self.wires.get(leg).and_then(Option::as_ref) else { return self.spare };
        let port = &mut self.ports[wire.port];
        if port.batch.is_full() {
            port.flush(self.counters);
        }
        port.batch.place()
    }

    #[inline]
    fn rtp(&mut self, leg: LegId, header: usize, len: usize, ssrc: u32, index: u64) {
        let Some(wire) = self.wires.get(leg).and_then(Option::as_ref) else { return };
        let Some(seal) = wire.seal.as_ref() else { return };
        let batch = &mut self.ports[wire.port].batch;
        match seal.seal_rtp(batch.place(), header, len, ssrc, index) {
            Some(sealed) => batch.commit(sealed, &wire.remote, wire.run),
            None => self.counters.seal_errors += 1,
        }
    }

    fn rtcp(&mut self, leg: LegId, compound: &[u8]) {
        let Some(wire) = self.wires.get_mut(leg).and_then(Option::as_mut) else { return };
        let Some(seal) = wire.seal.as_mut() else { return };
        let port = &mut self.ports[wire.port];
        if port.batch.is_full() {
            port.flush(self.counters);
        }
        let place = port.batch.place();
        place[..compound.len()].copy_from_slice(compound);
        match seal.seal_rtcp(place, compound.len()) {
            Some(sealed) => {
                port.batch.commit(sealed, &wire.remote, wire.run);
                self.counters.rtcp_out += 1;
            }
            None => self.counters.seal_errors += 1,
        }
    }
}

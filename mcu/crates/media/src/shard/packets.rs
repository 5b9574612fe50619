//! What arrives on a shard's sockets: STUN, DTLS, SRTP, SRTCP (RFC 7983), and what to do with strangers.

use super::link::reason;
use super::{Hall, Out, Place, Shard};
use crate::control::messages::Event;
use crate::log::{self, Level};
use crate::sys::RawAddr;
use std::net::SocketAddr;
use std::time::Instant;
use transport::demux::{classify, Kind};
use transport::dtls::Output;
use transport::ice::{IceOutcome, MAX_MESSAGE};
use transport::srtp::{Protect, SrtpError, Unprotect};
use transport::stun::Message;

/// STUN error answers per second: enough for honest mistakes, useless as an amplifier.
const REFUSALS_PER_SECOND: u32 = 100;

/// Error answers that may still be sent in this second.
#[derive(Default)]
pub(super) struct Allowance {
    left: u32,
    since: Option<Instant>,
}

impl Allowance {
    pub fn refill(&mut self, now: Instant) {
        if self.since.is_none_or(|since| (now - since).as_secs() >= 1) {
            self.left = REFUSALS_PER_SECOND;
            self.since = Some(now);
        }
    }

    fn take(&mut self) -> bool {
        let any = self.left > 0;
        self.left = self.left.saturating_sub(1);
        any
    }
}

impl Shard {
    /// Handles one datagram. `last` remembers whose the previous one was: senders come in bursts.
    #[inline]
    pub(super) fn datagram(
        &mut self,
        port: usize,
        data: &[u8],
        from: &RawAddr,
        last: &mut Option<(SocketAddr, Place)>,
    ) {
        let Some(address) = from.to_std() else { return };
        let kind = classify(data);
        if kind == Kind::Stun {
            *last = None; // an address may change hands
            return self.stun(port, data, address, from);
        }
        let place = match last {
            Some((known, place)) if *known == address => *place,
            _ => match self.addresses.get(&address) {
                Some(place) => {
                    *last = Some((address, *place));
                    *place
                }
                None => {
                    self.counters.drop_unknown_address += 1;
                    return;
                }
            },
        };
        match kind {
            Kind::Rtp => self.rtp(place, data),
            Kind::Rtcp => self.rtcp(place, data),
            Kind::Dtls => self.dtls(place, data),
            Kind::Stun | Kind::Other => self.counters.drop_other += 1,
        }
    }

    #[inline]
    fn rtp(&mut self, place: Place, data: &[u8]) {
        let now = self.micros();
        let counters = &mut self.counters;
        let Some(Hall { room, links, dirty, .. }) = self.halls.get_mut(place.0).and_then(Option::as_mut) else {
            return;
        };
        let Some(link) = links.get_mut(place.1).and_then(Option::as_mut) else { return };
        let Some(unseal) = link.unseal.as_mut().filter(|_| link.connected) else {
            counters.drop_before_keys += 1;
            return;
        };
        let result =
            room.ingest(place.1, data, now, |packet, header, out| match unseal.open_rtp(packet, header, out) {
                Ok((len, _)) => Some(len),
                Err(SrtpError::Replay | SrtpError::Old) => {
                    counters.drop_replay += 1;
                    None
                }
                Err(_) => {
                    counters.drop_auth += 1;
                    None
                }
            });
        if result.is_ok() && !*dirty {
            *dirty = true;
            self.dirty.push(place.0);
        }
    }

    fn rtcp(&mut self, place: Place, data: &[u8]) {
        let (now, ntp) = (self.micros(), self.ntp());
        self.counters.rtcp_in += 1;
        let Some(hall) = self.halls.get_mut(place.0).and_then(Option::as_mut) else { return };
        let Some(link) = hall.links.get_mut(place.1).and_then(Option::as_mut) else { return };
        let Some(unseal) = link.unseal.as_mut().filter(|_| link.connected) else {
            self.counters.drop_before_keys += 1;
            return;
        };
        let Ok(len) = unseal.open_rtcp(data, &mut self.plain) else {
            self.counters.drop_rtcp += 1;
            return;
        };
        let Hall { room, wires, .. } = hall;
        let (ports, counters, spare) = (&mut self.ports[..], &mut self.counters, &mut self.spare[..]);
        room.rtcp(place.1, &self.plain[..len], now, ntp, &mut Out { wires, ports, counters, spare });
    }

    fn dtls(&mut self, place: Place, data: &[u8]) {
        let now = self.now;
        self.counters.dtls_in += 1;
        let Some(link) = self.link(place).filter(|link| link.lost.is_none()) else { return };
        link.dtls.handle(data, now);
        self.drain_dtls(place);
    }

    fn stun(&mut self, port: usize, data: &[u8], address: SocketAddr, from: &RawAddr) {
        self.counters.stun_in += 1;
        let Ok(message) = Message::parse(data) else {
            self.counters.stun_malformed += 1;
            return;
        };
        let place = message.username_local_ufrag().and_then(|ufrag| self.ufrags.get(ufrag)).copied();
        let Some(place) = place else {
            self.counters.stun_unknown += 1; // a stranger: no answer
            return;
        };
        let now = self.now;
        let mut answer = [0; MAX_MESSAGE];
        let Some(link) = self.link(place).filter(|link| link.lost.is_none()) else { return };
        match link.ice.handle_binding(now, address, &message, &mut answer) {
            IceOutcome::Respond { len, new_address, evicted } => {
                self.answer(port, &answer[..len], from);
                self.learn(place, address, new_address, evicted);
                self.follow_path(place, port);
            }
            IceOutcome::Nominated { len, new_address, evicted, .. } => {
                self.answer(port, &answer[..len], from);
                self.learn(place, address, new_address, evicted);
                self.counters.address_moved += 1;
                self.follow_path(place, port);
                self.connect_if_ready(place);
            }
            IceOutcome::Refused { len, .. } => {
                self.counters.stun_refused += 1;
                if self.refusals.take() {
                    self.answer(port, &answer[..len], from);
                } else {
                    self.counters.stun_limited += 1;
                }
            }
            IceOutcome::Drop(_) => self.counters.stun_malformed += 1,
        }
    }

    fn answer(&mut self, port: usize, data: &[u8], to: &RawAddr) {
        self.counters.stun_out += 1;
        self.ports[port].send(data, to, 0, &mut self.counters);
        self.ports[port].flush(&mut self.counters);
    }

    fn learn(&mut self, place: Place, address: SocketAddr, new: bool, evicted: Option<SocketAddr>) {
        if let Some(old) = evicted.filter(|old| self.addresses.get(old) == Some(&place)) {
            self.addresses.remove(&old);
        }
        if new || self.addresses.get(&address) != Some(&place) {
            self.addresses.insert(address, place);
        }
    }

    /// Sends where ICE says (field cases W10, W11), through the socket on which the last check came.
    fn follow_path(&mut self, (hall, leg): Place, port: usize) {
        let run = self.next_run;
        let Some(hall) = self.hall_mut(hall) else { return };
        let Some(remote) = hall.links[leg].as_ref().and_then(|link| link.ice.remote_address()) else { return };
        let Some(wire) = hall.wires[leg].as_mut() else { return };
        if wire.remote.to_std() != Some(remote) {
            wire.remote = RawAddr::from(remote);
            wire.port = port;
            wire.run = run;
            self.next_run = run.wrapping_add(1).max(1);
        }
    }

    /// Sends what the association has to say, and takes its keys or its end.
    pub(super) fn drain_dtls(&mut self, place: Place) {
        let Some(Hall { links, wires, id, .. }) = self.halls.get_mut(place.0).and_then(Option::as_mut) else { return };
        let (Some(link), Some(wire)) = (links[place.1].as_mut(), wires[place.1].as_mut()) else { return };
        let mut ended = None;
        let has_path = link.ice.remote_address().is_some();
        while let Some(output) = link.dtls.poll() {
            match output {
                Output::Packet(data) if has_path => {
                    self.ports[wire.port].send(data, &wire.remote, 0, &mut self.counters);
                }
                Output::Packet(_) => {}
                Output::Connected(keys) => {
                    link.unseal = Some(Unprotect::new(&keys.client));
                    wire.seal = Some(Protect::new(&keys.server));
                    link.profile = Some(keys.profile.name());
                    self.counters.dtls_connected += 1;
                }
                Output::Closed(why) => {
                    let (text, leg) = (why.to_string(), link.open.leg.as_str());
                    log::line(Level::Info, "DTLS ended", &[("room", id), ("leg", leg), ("reason", &text)]);
                    ended = Some(reason(&why));
                }
            }
        }
        let port = wire.port;
        self.ports[port].flush(&mut self.counters);
        match ended {
            Some(reason) => {
                self.counters.dtls_failed += u64::from(!matches!(reason, super::Reason::DtlsClosed));
                self.lose(place, reason);
            }
            None => self.connect_if_ready(place),
        }
    }

    /// Media flows once a pair is nominated and the keys are there.
    fn connect_if_ready(&mut self, place: Place) {
        let Some(link) = self.link(place) else { return };
        if link.connected || link.lost.is_some() || link.unseal.is_none() || !link.ice.is_nominated() {
            return;
        }
        link.connected = true;
        let leg = link.open.leg.clone();
        let took = format!("{}", (link.opened_at.elapsed()).as_millis());
        if let Some(hall) = self.hall_mut(place.0) {
            hall.room.set_connected(place.1, true);
            log::line(Level::Info, "leg connected", &[("room", &hall.id), ("leg", &leg), ("ms", &took)]);
        }
        self.event(Event::LegConnected { leg });
    }
}

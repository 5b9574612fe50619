//! A shard: one thread with its own UDP sockets and the rooms that live on it.
//!
//! The packet's road: recvmmsg → first byte and source address → leg → SRTP opened into the publisher's ring (`sfu`) →
//! after the whole batch, for each room, for each subscriber, for each packet: rewritten and sealed in the send batch →
//! one sendmmsg with GSO. On it nothing is allocated and no lock is taken. Everything slower (STUN, DTLS, RTCP, requests of the
//! control plane, timers every `TICK`) happens between batches on the same thread, so a room needs no locking at all.

mod commands;
mod counters;
mod link;
mod out;
mod packets;

use crate::control::messages::{Candidate, Error, Event, LegOpen, Reason, Request, RoomState};
use crate::log::{self, Level};
use crate::sys::{Epoll, EventFd, RawAddr, RecvBatch, SendBatch, SEND_SIZE};
pub use counters::Counters;
use link::Link;
use out::{Out, Port, Wire};
use sfu::clock::{ntp_from_unix, Micros};
use sfu::room::{model, LegId, Room};
use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use transport::dtls::Certificate;

/// Granularity of timers.
const TICK: Duration = Duration::from_millis(5);
/// Receive calls on one socket before the others get their turn.
const ROUNDS: usize = 8;
/// Ticks between looks at consent and DTLS timers.
const LINK_TICKS: u64 = 4;

/// A request routed to a shard. `ticket` comes back with the reply.
pub enum Command {
    Request {
        ticket: u64,
        request: Box<Request>,
    },
    /// Say goodbye to every leg and end the thread.
    Stop,
}

/// A shard's way to the control thread. The queue is bounded; what of events does not fit is dropped, and `gap` tells so.
#[derive(Clone)]
pub struct Notes {
    pub queue: SyncSender<Note>,
    pub wake: Arc<EventFd>,
    /// Events were dropped since the control thread looked: its clients must take a snapshot anew.
    pub gap: Arc<AtomicBool>,
}

impl Notes {
    /// Waits for room: the control thread holds a ticket for each reply.
    fn reply(&self, ticket: u64, reply: Result<Reply, Error>) {
        let _ = self.queue.send(Note::Reply { ticket, reply }); // if it is gone, so are we soon
        self.wake.wake();
    }

    /// Queues an event; a control thread that does not keep up never holds media up.
    pub(crate) fn event(&self, event: Event, overflow: &mut u64) {
        if self.queue.try_send(Note::Event(event)).is_err() {
            *overflow += 1;
            self.gap.store(true, Ordering::Release);
        }
        self.wake.wake();
    }
}

/// What a shard tells the control thread.
pub enum Note {
    Reply { ticket: u64, reply: Result<Reply, Error> },
    Event(Event),
}

/// The good answers of a shard, to be made into responses.
pub enum Reply {
    Response(crate::control::messages::Response),
    Rooms(Vec<RoomState>),
    Counters(BTreeMap<String, u64>),
}

/// The control thread's ends of a shard's queues.
pub struct Handle {
    pub commands: SyncSender<Command>,
    pub wake: Arc<EventFd>,
    pub candidates: Vec<Candidate>,
}

/// What a shard is made of.
pub struct Setup {
    pub index: usize,
    pub sockets: Vec<UdpSocket>,
    pub candidates: Vec<Candidate>,
    pub certificate: Arc<Certificate>,
    pub commands: Receiver<Command>,
    pub wake: Arc<EventFd>,
    pub notes: Notes,
    pub epoch: Instant,
}

/// A room with the transports of its legs; both vectors are indexed by `LegId`.
struct Hall {
    id: String,
    room: Room,
    links: Vec<Option<Link>>,
    wires: Vec<Option<Wire>>,
    dirty: bool,
}

/// Where a leg is: its room's place and its place in the room.
type Place = (usize, LegId);

/// One thread's world.
pub struct Shard {
    index: usize,
    epoch: Instant,
    unix_epoch: u64,
    now: Instant,
    ports: Vec<Port>,
    epoll: Epoll,
    halls: Vec<Option<Hall>>,
    rooms: HashMap<String, usize>,
    legs: HashMap<String, Place>,
    ufrags: HashMap<String, Place>,
    addresses: HashMap<SocketAddr, Place>,
    dirty: Vec<usize>,
    candidates: Vec<Candidate>,
    certificate: Arc<Certificate>,
    commands: Receiver<Command>,
    wake: Arc<EventFd>,
    notes: Notes,
    counters: Counters,
    spare: Vec<u8>,
    plain: Vec<u8>,
    next_run: u32,
    refusals: packets::Allowance,
    ticks: u64,
}

impl Shard {
    /// # Errors
    /// When epoll is not to be had.
    pub fn new(setup: Setup) -> std::io::Result<Shard> {
        let epoll = Epoll::new()?;
        epoll.add(&*setup.wake, u64::MAX)?;
        for (n, socket) in setup.sockets.iter().enumerate() {
            epoll.add(socket, n as u64)?;
        }
        let now = Instant::now();
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ports = setup.sockets.into_iter().map(|socket| Port { socket, batch: SendBatch::new(true) }).collect();
        Ok(Shard {
            index: setup.index,
            epoch: setup.epoch,
            unix_epoch: (unix - (now - setup.epoch)).as_micros() as u64,
            now,
            ports,
            epoll,
            halls: Vec::new(),
            rooms: HashMap::new(),
            legs: HashMap::new(),
            ufrags: HashMap::new(),
            addresses: HashMap::new(),
            dirty: Vec::with_capacity(64),
            candidates: setup.candidates,
            certificate: setup.certificate,
            commands: setup.commands,
            wake: setup.wake,
            notes: setup.notes,
            counters: Counters::default(),
            spare: vec![0; SEND_SIZE],
            plain: vec![0; SEND_SIZE],
            next_run: 1,
            refusals: packets::Allowance::default(),
            ticks: 0,
        })
    }

    /// Runs until `Command::Stop`.
    pub fn run(mut self) {
        let mut batch = RecvBatch::new();
        let mut ready = Vec::with_capacity(16);
        let mut next_tick = Instant::now() + TICK;
        loop {
            let pause = next_tick.saturating_duration_since(Instant::now());
            if let Err(error) = self.epoll.wait(&mut ready, pause) {
                log::line(Level::Error, "epoll failed", &[("error", &error.to_string())]);
                return;
            }
            for token in &ready {
                if *token == u64::MAX {
                    self.wake.clear();
                } else {
                    self.receive(*token as usize, &mut batch);
                }
            }
            if !self.take_commands() {
                self.say_goodbye();
                return;
            }
            self.now = Instant::now();
            if self.now >= next_tick {
                next_tick = self.now + TICK;
                self.tick();
            }
            self.flush();
        }
    }

    /// Empties one socket, forwarding after each batch.
    fn receive(&mut self, port: usize, batch: &mut RecvBatch) {
        for _ in 0..ROUNDS {
            let Some(count) = self.ports.get(port).map(|port| batch.recv(&port.socket)) else { return };
            let count = count.unwrap_or_else(|_| {
                self.counters.recv_errors += 1; // ICMP errors of earlier packets surface here
                0
            });
            if count == 0 {
                return;
            }
            self.now = Instant::now();
            let mut last = None;
            for n in 0..count {
                let (data, from) = batch.datagram(n);
                self.counters.udp_in += 1;
                self.counters.udp_in_bytes += data.len() as u64;
                self.datagram(port, data, from, &mut last);
            }
            self.forward_dirty();
            self.flush();
            if count < crate::sys::RECV_BATCH {
                return;
            }
        }
    }

    fn forward_dirty(&mut self) {
        let now = self.micros();
        for n in 0..self.dirty.len() {
            let Some(hall) = self.halls.get_mut(self.dirty[n]).and_then(Option::as_mut) else { continue };
            hall.dirty = false;
            let Hall { room, wires, .. } = hall;
            let (ports, counters, spare) = (&mut self.ports[..], &mut self.counters, &mut self.spare[..]);
            room.forward(now, &mut Out { wires, ports, counters, spare });
        }
        self.dirty.clear();
    }

    fn flush(&mut self) {
        for port in &mut self.ports {
            port.flush(&mut self.counters);
        }
    }

    fn tick(&mut self) {
        let (now, ntp) = (self.micros(), self.ntp());
        self.ticks += 1;
        self.refusals.refill(self.now);
        for n in 0..self.halls.len() {
            if self.ticks % LINK_TICKS == 0 {
                self.tick_links(n);
            }
            let Some(hall) = self.halls[n].as_mut() else { continue };
            let Hall { id, room, wires, .. } = hall;
            let (ports, counters, spare) = (&mut self.ports[..], &mut self.counters, &mut self.spare[..]);
            room.tick(now, ntp, &mut Out { wires, ports, counters, spare });
            let (notes, overflow) = (&self.notes, &mut self.counters.event_overflow);
            room.take_events(|event| notes.event(commands::event(id, event), overflow));
        }
    }

    fn tick_links(&mut self, hall: usize) {
        let count = self.halls[hall].as_ref().map_or(0, |hall| hall.links.len());
        for leg in 0..count {
            let now = self.now;
            let Some(link) = self.link((hall, leg)).filter(|link| link.lost.is_none()) else { continue };
            if link.dtls.next_timeout().is_some_and(|at| now >= at) {
                link.dtls.handle_timeout(now);
                self.drain_dtls((hall, leg));
            } else if link.ice.consent_expired(now) {
                let reason = if link.connected { Reason::Consent } else { Reason::Timeout };
                self.lose((hall, leg), reason);
            }
        }
    }

    fn link(&mut self, (hall, leg): Place) -> Option<&mut Link> {
        self.halls.get_mut(hall)?.as_mut()?.links.get_mut(leg)?.as_mut()
    }

    /// Ends a leg's transport and tells so; its state stays for the control plane.
    fn lose(&mut self, place: Place, reason: Reason) {
        let Some(link) = self.link(place).filter(|link| link.lost.is_none()) else { return };
        link.lost = Some(reason);
        link.connected = false;
        let leg = link.open.leg.clone();
        self.counters.leg_lost += 1;
        if let Some(hall) = self.halls[place.0].as_mut() {
            hall.room.set_connected(place.1, false);
            if let Some(wire) = hall.wires[place.1].as_mut() {
                wire.seal = None;
            }
            let reason = format!("{reason:?}").to_lowercase();
            log::line(Level::Info, "leg lost", &[("room", &hall.id), ("leg", &leg), ("reason", &reason)]);
        }
        self.event(Event::LegLost { leg, reason });
    }

    fn event(&mut self, event: Event) {
        self.notes.event(event, &mut self.counters.event_overflow);
    }

    /// Microseconds on the engine's clock.
    fn micros(&self) -> Micros {
        (self.now - self.epoch).as_micros() as u64
    }

    fn ntp(&self) -> u64 {
        ntp_from_unix(self.unix_epoch + self.micros())
    }

    fn hall_mut(&mut self, hall: usize) -> Option<&mut Hall> {
        self.halls.get_mut(hall)?.as_mut()
    }

    /// BYE and close_notify to every leg.
    fn say_goodbye(&mut self) {
        let legs: Vec<Place> = self.legs.values().copied().collect();
        for place in legs {
            self.goodbye(place);
        }
        self.flush();
    }
}

/// The leg's description in the terms of the room.
fn to_spec(open: &LegOpen) -> Result<model::LegSpec, Error> {
    commands::spec(open)
}

/// A place to send to that is nowhere yet.
fn nowhere() -> RawAddr {
    RawAddr::from(SocketAddr::from(([0, 0, 0, 0], 0)))
}

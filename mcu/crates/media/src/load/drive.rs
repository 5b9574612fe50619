//! The event loop of a run: one thread, one epoll, a socket for each leg.
//!
//! The sockets have no UDP_GRO on purpose: the kernel then splits the engine's GSO runs on its sending path, as it does in front of a
//! network card, and the engine is charged for it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use transport::demux::{classify, Kind};

use super::subscriber::Checks;
use super::tally::Tally;
use super::world::{Leg, Role};
use crate::sys::{Epoll, RecvBatch, RECV_BATCH};

const TICK: Duration = Duration::from_millis(10);
const REPORT_EVERY: Duration = Duration::from_secs(1);
/// Receive at most so many batches from one socket before the others and the senders have their turn.
const BATCHES: usize = 4;

const CAPTURE: usize = 64;

/// All legs of a run with what they count.
pub struct Drive {
    pub legs: Vec<Leg>,
    pub tally: Tally,
    /// When there, the newest datagrams that publishers sent (`CAPTURE` of them), for the strangers to copy.
    pub captured: Option<Vec<Vec<u8>>>,
    checks: Checks,
    clock: Instant,
    epoll: Epoll,
    batch: RecvBatch,
    ready: Vec<u64>,
    plain: Vec<u8>,
    /// Sending began here; None before it began and after it ended.
    sending: Option<Instant>,
    ticked: Instant,
    reported: Instant,
}

impl Drive {
    /// # Errors
    /// When the kernel refuses the epoll.
    pub fn new(legs: Vec<Leg>, checks: Checks) -> std::io::Result<Drive> {
        let epoll = Epoll::new()?;
        for (index, leg) in legs.iter().enumerate() {
            epoll.add(&leg.socket, index as u64)?;
        }
        let now = Instant::now();
        Ok(Drive {
            legs,
            tally: Tally::default(),
            captured: None,
            checks,
            clock: now,
            epoll,
            batch: RecvBatch::new(),
            ready: Vec::new(),
            plain: vec![0; 2048],
            sending: None,
            ticked: now,
            reported: now,
        })
    }

    /// Run until `done` says so or `limit` is over; answers whether it was done.
    ///
    /// # Errors
    /// When a leg's transport ends.
    pub fn run(&mut self, limit: Duration, mut done: impl FnMut(&Drive) -> bool) -> Result<bool, String> {
        let end = Instant::now() + limit;
        loop {
            let now = Instant::now();
            if done(self) {
                return Ok(true);
            }
            if now >= end {
                return Ok(false);
            }
            self.send_due(now);
            if now >= self.ticked + TICK {
                self.tick(now)?;
            }
            let wait = self.next_due(now).min(end).saturating_duration_since(now);
            self.epoll.wait(&mut self.ready, wait).map_err(|e| format!("epoll: {e}"))?;
            for n in 0..self.ready.len() {
                self.receive(self.ready[n] as usize);
            }
        }
    }

    /// Are all transports up?
    pub fn connected(&self) -> bool {
        self.legs.iter().all(|leg| leg.session.is_connected())
    }

    /// Does every subscriber receive all its streams?
    pub fn all_flow(&self) -> bool {
        self.legs.iter().all(|leg| match &leg.role {
            Role::Subscriber(subscriber) => subscriber.all_flow(),
            Role::Publisher(_) => true,
        })
    }

    /// Publishers begin, now.
    pub fn start_sending(&mut self) {
        self.sending = Some(Instant::now());
    }

    /// Publishers end.
    pub fn stop_sending(&mut self) {
        self.sending = None;
    }

    /// Video packets sent so far by publisher.
    pub fn sent(&self) -> BTreeMap<usize, u64> {
        let publishers = self.legs.iter().filter_map(|leg| match &leg.role {
            Role::Publisher(publisher) => Some(publisher.video.sent),
            Role::Subscriber(_) => None,
        });
        publishers.enumerate().collect()
    }

    fn send_due(&mut self, now: Instant) {
        let Some(start) = self.sending else { return };
        for leg in &mut self.legs {
            if let Role::Publisher(publisher) = &mut leg.role {
                let micros = self.clock.elapsed().as_micros() as u64;
                let (socket, captured) = (&leg.socket, &mut self.captured);
                publisher.send_due(now - start, micros, &leg.session, |datagram| {
                    send(socket, datagram);
                    if let Some(captured) = captured {
                        captured.insert(0, datagram.to_vec());
                        captured.truncate(CAPTURE);
                    }
                });
            }
        }
    }

    fn next_due(&self, now: Instant) -> Instant {
        let tick = self.ticked + TICK;
        let Some(start) = self.sending else { return tick };
        let due = self.legs.iter().filter_map(|leg| match &leg.role {
            Role::Publisher(publisher) => Some(start + publisher.due()),
            Role::Subscriber(_) => None,
        });
        due.min().unwrap_or(tick).min(tick).max(now)
    }

    fn tick(&mut self, now: Instant) -> Result<(), String> {
        self.ticked = now;
        let report = now >= self.reported + REPORT_EVERY;
        if report {
            self.reported = now;
        }
        let micros = (now - self.clock).as_micros() as u64;
        for leg in &mut self.legs {
            let socket = &leg.socket;
            leg.session.tick(now, |datagram| send(socket, datagram));
            if let Some(why) = &leg.session.failed {
                return Err(format!("a leg's transport ended: {why}"));
            }
            match &mut leg.role {
                Role::Publisher(publisher) if report && self.sending.is_some() => {
                    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    publisher.report(unix, &mut leg.session, |datagram| send(socket, datagram));
                }
                Role::Publisher(_) => {}
                Role::Subscriber(subscriber) => {
                    subscriber.send_nacks(micros, &mut leg.session, &mut self.tally, |datagram| send(socket, datagram));
                    if report {
                        subscriber.report(micros, &mut leg.session, &self.checks, &mut self.tally, |d| send(socket, d));
                    }
                }
            }
        }
        Ok(())
    }

    fn receive(&mut self, index: usize) {
        for _ in 0..BATCHES {
            let leg = &mut self.legs[index];
            // An ICMP error of an engine that has gone shows as a lost consent; it needs no other care here.
            let Ok(count) = self.batch.recv(&leg.socket) else { return };
            let now = Instant::now();
            let micros = (now - self.clock).as_micros() as u64;
            for n in 0..count {
                let datagram = self.batch.packet(n).0;
                take(leg, datagram, now, micros, &mut self.plain, &mut self.checks, &mut self.tally);
            }
            let Leg { socket, session, role, .. } = leg;
            if let Role::Subscriber(subscriber) = role {
                subscriber.send_nacks(micros, session, &mut self.tally, |datagram| send(socket, datagram));
            }
            if count < RECV_BATCH {
                return;
            }
        }
    }
}

fn take(
    leg: &mut Leg,
    datagram: &[u8],
    now: Instant,
    micros: u64,
    plain: &mut [u8],
    checks: &mut Checks,
    tally: &mut Tally,
) {
    let Leg { socket, session, role, .. } = leg;
    match (classify(datagram), role) {
        (Kind::Rtp, Role::Subscriber(subscriber)) => subscriber.rtp(datagram, micros, session, checks, tally),
        (Kind::Rtcp, role) => {
            let Some(len) = session.open_rtcp(datagram, plain) else {
                tally.refused += 1;
                return;
            };
            match role {
                Role::Publisher(publisher) => publisher.rtcp(&plain[..len], session, tally, |d| send(socket, d)),
                Role::Subscriber(subscriber) => subscriber.rtcp(&plain[..len], micros),
            }
        }
        (kind @ (Kind::Stun | Kind::Dtls), _) => session.handle(kind, datagram, now, |d| send(socket, d)),
        _ => {}
    }
}

/// A datagram that a full socket buffer refuses is lost, as it would be on a network.
fn send(socket: &std::net::UdpSocket, datagram: &[u8]) {
    let _lost = socket.send(datagram);
}

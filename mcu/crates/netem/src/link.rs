//! The one-way link.
//!
//! A packet's road: schedule, loss, queue and rate (a serialiser that sends one packet after the other), delay and jitter,
//! reordering, duplication. Lost packets do not load the serialiser: loss stands for what happens before a bottleneck.

use crate::config::{Config, Error};
use crate::random::Random;
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

/// Packets on the way at most; more are dropped like an overfull queue, whatever the configuration says.
const MAX_PACKETS: usize = 65_536;

/// What became of a packet that was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives then, `twice` if it was duplicated.
    Arrives { at: Duration, twice: bool },
    /// Lost on the way.
    Lost,
    /// The queue was full.
    Dropped,
}

/// What a link has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Stats {
    pub packets: u64,
    pub bytes: u64,
    pub lost: u64,
    pub dropped: u64,
    pub duplicated: u64,
    pub reordered: u64,
    pub delivered: u64,
    pub delivered_bytes: u64,
    /// Longest wait for the rate, in microseconds.
    pub worst_wait_us: u64,
}

/// A one-way link carrying packets of type `P`.
#[derive(Debug)]
pub struct Link<P> {
    config: Config,
    random: Random,
    stats: Stats,
    /// When the configuration began, and how much of its schedule has happened.
    since: Duration,
    changes_done: usize,
    bad: bool,
    /// When the serialiser has sent all that waits.
    free_at: Duration,
    /// End of transmission and size of what waits for the rate.
    waiting: VecDeque<(Duration, u64)>,
    waiting_bytes: u64,
    /// Arrival of the latest packet in order.
    last_arrival: Duration,
    order: u64,
    on_the_way: BinaryHeap<Flight<P>>,
}

#[derive(Debug)]
struct Flight<P> {
    at: Duration,
    order: u64,
    bytes: u64,
    packet: P,
}

impl<P> PartialEq for Flight<P> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<P> Eq for Flight<P> {}

impl<P> PartialOrd for Flight<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for Flight<P> {
    /// The earliest is the greatest, for a heap that gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl<P: Clone> Link<P> {
    /// A link that begins at time zero.
    ///
    /// # Errors
    /// The configuration makes no sense.
    pub fn new(config: Config, seed: u64) -> Result<Self, Error> {
        config.check()?;
        Ok(Link {
            config,
            random: Random::new(seed),
            stats: Stats::default(),
            since: Duration::ZERO,
            changes_done: 0,
            bad: false,
            free_at: Duration::ZERO,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            last_arrival: Duration::ZERO,
            order: 0,
            on_the_way: BinaryHeap::new(),
        })
    }

    /// Changes the link from `now` on; a schedule in it counts from `now`. What is on the way stays on its way.
    ///
    /// # Errors
    /// The configuration makes no sense; the old one stays.
    pub fn configure(&mut self, config: Config, now: Duration) -> Result<(), Error> {
        config.check()?;
        self.config = config;
        self.since = now;
        self.changes_done = 0;
        self.bad = false;
        Ok(())
    }

    /// The configuration as it is now, changes of the schedule included.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// A packet of `bytes` enters the link.
    pub fn push(&mut self, now: Duration, bytes: usize, packet: P) -> Fate {
        self.follow_schedule(now);
        let bytes = bytes as u64;
        self.stats.packets += 1;
        self.stats.bytes += bytes;
        if self.is_lost() {
            self.stats.lost += 1;
            return Fate::Lost;
        }
        let Some(sent_at) = self.serialise(now, bytes) else {
            self.stats.dropped += 1;
            return Fate::Dropped;
        };
        let at = self.arrival(sent_at);
        let twice = self.random.chance(self.config.duplicate);
        if twice {
            self.stats.duplicated += 1;
            self.take_off(at, bytes, packet.clone());
        }
        self.take_off(at, bytes, packet);
        Fate::Arrives { at, twice }
    }

    /// The next packet that has arrived by `now`, earliest first.
    pub fn poll(&mut self, now: Duration) -> Option<P> {
        if self.on_the_way.peek()?.at > now {
            return None;
        }
        let flight = self.on_the_way.pop()?;
        self.stats.delivered += 1;
        self.stats.delivered_bytes += flight.bytes;
        Some(flight.packet)
    }

    /// When the next packet arrives.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.on_the_way.peek().map(|flight| flight.at)
    }

    /// Packets on the way.
    pub fn in_flight(&self) -> usize {
        self.on_the_way.len()
    }

    fn follow_schedule(&mut self, now: Duration) {
        while let Some(change) = self.config.schedule.get(self.changes_done).copied() {
            if self.since + change.at > now {
                return;
            }
            self.changes_done += 1;
            self.config.apply(&change);
        }
    }

    fn is_lost(&mut self) -> bool {
        if let Some(burst) = self.config.burst {
            let turns = if self.bad { burst.leave } else { burst.enter };
            self.bad ^= self.random.chance(turns);
            if self.bad && self.random.chance(burst.loss) {
                return true;
            }
        }
        self.random.chance(self.config.loss)
    }

    /// When the last bit has left the queue; `None` if there is no room.
    fn serialise(&mut self, now: Duration, bytes: u64) -> Option<Duration> {
        while self.waiting.front().is_some_and(|(end, _)| *end <= now) {
            self.waiting_bytes -= self.waiting.pop_front()?.1;
        }
        if self.on_the_way.len() >= MAX_PACKETS {
            return None;
        }
        let Config { rate_bps, queue_bytes, queue_time, .. } = self.config;
        if rate_bps == 0 {
            return Some(now);
        }
        let wait = self.free_at.saturating_sub(now);
        let too_many = queue_bytes > 0 && self.waiting_bytes + bytes > queue_bytes;
        if too_many || (!queue_time.is_zero() && wait > queue_time) {
            return None;
        }
        self.stats.worst_wait_us = self.stats.worst_wait_us.max(wait.as_micros() as u64);
        let end = self.free_at.max(now) + Duration::from_nanos((bytes * 8).saturating_mul(1_000_000_000) / rate_bps);
        self.free_at = end;
        self.waiting.push_back((end, bytes));
        self.waiting_bytes += bytes;
        Some(end)
    }

    fn arrival(&mut self, sent_at: Duration) -> Duration {
        let mut at = sent_at + self.config.delay;
        if !self.config.jitter.is_zero() {
            at += self.config.jitter.mul_f64(self.random.unit());
        }
        at = at.max(self.last_arrival);
        if self.random.chance(self.config.reorder) {
            self.stats.reordered += 1;
            return at + self.config.reorder_by;
        }
        self.last_arrival = at;
        at
    }

    fn take_off(&mut self, at: Duration, bytes: u64, packet: P) {
        self.order += 1;
        self.on_the_way.push(Flight { at, order: self.order, bytes, packet });
    }
}

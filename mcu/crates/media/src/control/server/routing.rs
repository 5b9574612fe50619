//! Requests on their way to the shards and replies on their way back: where rooms and legs live, and who waits for what.

use super::Server;
use crate::control::messages::{Code, Error, Request, Response, RoomState};
use crate::log::{self, Level};
use crate::shard::{Command, Reply};
use std::collections::BTreeMap;
use std::sync::mpsc::TrySendError;

/// Rooms in the engine.
const MAX_ROOMS: usize = 1024;

/// A request under way; `left` shards have yet to answer.
pub(super) struct Pending {
    client: u64,
    id: u64,
    left: usize,
    gathered: Gathered,
}

enum Gathered {
    /// One shard's answer is the answer.
    Single(Option<Opening>),
    Rooms(Vec<RoomState>),
    Counters(BTreeMap<String, u64>),
}

/// A leg that is being opened on `shard`; it was at `before`, and is there still if the opening is refused.
struct Opening {
    leg: String,
    shard: usize,
    before: Option<(usize, String)>,
}

impl Server {
    /// Sends a request to its shard or shards; a refusal is answered at once.
    pub(super) fn dispatch(&mut self, token: u64, id: u64, request: Request) -> Option<Error> {
        let mut opening = None;
        let shard = match &request {
            Request::RoomOpen { room } => self.place_room(room).map(Some),
            Request::RoomClose { room } => {
                self.legs.retain(|_, (_, of)| of != room);
                Ok(self.rooms.remove(room))
            }
            Request::LegOpen(open) => match self.rooms.get(&open.room).copied() {
                Some(shard) => {
                    let before = self.legs.insert(open.leg.clone(), (shard, open.room.clone()));
                    opening = Some(Opening { leg: open.leg.clone(), shard, before });
                    Ok(Some(shard))
                }
                None => Err(Error::new(Code::UnknownRoom, open.room.clone())),
            },
            Request::LegClose { leg } => Ok(self.legs.remove(leg).map(|(shard, _)| shard)),
            Request::LegView { leg, .. }
            | Request::LegGate { leg, .. }
            | Request::LegBlob { leg, .. }
            | Request::LegStats { leg } => match self.legs.get(leg) {
                Some((shard, _)) => Ok(Some(*shard)),
                None => Err(Error::new(Code::UnknownLeg, leg.clone())),
            },
            Request::Snapshot {} => return self.ask_all(token, id, &request, Gathered::Rooms(Vec::new())),
            Request::Stats {} => return self.ask_all(token, id, &request, Gathered::Counters(BTreeMap::new())),
            Request::Hello { .. } => Err(Error::new(Code::Internal, "hello is not dispatched")),
        };
        match shard {
            Ok(Some(shard)) => self.ask(token, id, shard, request, opening),
            Ok(None) => {
                self.answer(token, id, Ok(Response::Ok {})); // closing what is not there is no error
                None
            }
            Err(error) => Some(error),
        }
    }

    fn ask(&mut self, token: u64, id: u64, shard: usize, request: Request, opening: Option<Opening>) -> Option<Error> {
        let gathered = Gathered::Single(opening);
        let ticket = self.remember(token, Pending { client: token, id, left: 1, gathered });
        let error = self.send(shard, Command::Request { ticket, request: Box::new(request) }).err()?;
        if let Some(Pending { gathered: Gathered::Single(Some(opening)), .. }) = self.forget(ticket) {
            self.not_opened(opening);
        }
        Some(error)
    }

    /// The shard of a room: where it is, or the least loaded.
    fn place_room(&mut self, room: &str) -> Result<usize, Error> {
        if let Some(shard) = self.rooms.get(room) {
            return Ok(*shard);
        }
        if self.rooms.len() >= MAX_ROOMS {
            return Err(Error::new(Code::Limit, format!("at most {MAX_ROOMS} rooms")));
        }
        if room.is_empty() || room.len() > 128 {
            return Err(Error::new(Code::Limit, "a room's name has 1 to 128 bytes"));
        }
        let load = |shard: &usize| {
            let legs = self.legs.values().filter(|(of, _)| of == shard).count();
            let rooms = self.rooms.values().filter(|of| *of == shard).count();
            (legs, rooms)
        };
        let shard = (0..self.setup.shards.len()).min_by_key(load).unwrap_or(0);
        self.rooms.insert(room.to_owned(), shard);
        Ok(shard)
    }

    /// A leg that moved to a room on another shard is closed where it was.
    fn opened(&mut self, opening: &Opening) {
        let Some((old, _)) = opening.before.as_ref().filter(|(old, _)| *old != opening.shard) else { return };
        // Ticket 0 has no client: nobody awaits this answer.
        let command = Command::Request { ticket: 0, request: Box::new(Request::LegClose { leg: opening.leg.clone() }) };
        if self.send(*old, command).is_err() {
            log::line(Level::Error, "leg not closed on its old shard", &[("leg", &opening.leg)]);
        }
    }

    /// The leg stays where it was, unless it was closed meanwhile.
    fn not_opened(&mut self, opening: Opening) {
        if self.legs.remove(&opening.leg).is_some() {
            self.legs.extend(opening.before.map(|before| (opening.leg, before)));
        }
    }

    fn ask_all(&mut self, token: u64, id: u64, request: &Request, gathered: Gathered) -> Option<Error> {
        let left = self.setup.shards.len();
        let ticket = self.remember(token, Pending { client: token, id, left, gathered });
        for shard in 0..left {
            if let Err(error) = self.send(shard, Command::Request { ticket, request: Box::new(request.clone()) }) {
                self.forget(ticket);
                return Some(error);
            }
        }
        None
    }

    fn remember(&mut self, token: u64, pending: Pending) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.pending.insert(ticket, pending);
        if let Some(client) = self.clients.get_mut(&token) {
            client.pending += 1;
        }
        ticket
    }

    fn forget(&mut self, ticket: u64) -> Option<Pending> {
        let pending = self.pending.remove(&ticket)?;
        if let Some(client) = self.clients.get_mut(&pending.client) {
            client.pending -= 1;
        }
        Some(pending)
    }

    fn send(&self, shard: usize, command: Command) -> Result<(), Error> {
        let handle = self.setup.shards.get(shard).ok_or_else(|| Error::new(Code::Internal, "no such shard"))?;
        match handle.commands.try_send(command) {
            Ok(()) => {
                handle.wake.wake();
                Ok(())
            }
            Err(TrySendError::Full(_)) => Err(Error::new(Code::Limit, "the shard is busy")),
            Err(TrySendError::Disconnected(_)) => Err(Error::new(Code::Internal, "the shard has ended")),
        }
    }

    pub(super) fn reply(&mut self, ticket: u64, reply: Result<Reply, Error>) {
        let Some(pending) = self.pending.get_mut(&ticket) else { return };
        pending.left -= 1;
        match (&mut pending.gathered, reply) {
            (Gathered::Rooms(rooms), Ok(Reply::Rooms(more))) => rooms.extend(more),
            (Gathered::Counters(sums), Ok(Reply::Counters(more))) => {
                more.into_iter().for_each(|(name, value)| *sums.entry(name).or_default() += value);
            }
            (Gathered::Single(_), Ok(Reply::Response(response))) => return self.settle(ticket, Ok(response)),
            (_, Err(error)) => return self.settle(ticket, Err(error)),
            (_, Ok(_)) => {}
        }
        if self.pending.get(&ticket).is_some_and(|pending| pending.left == 0) {
            if let Some(pending) = self.forget(ticket) {
                self.finish(pending);
            }
        }
    }

    /// One shard's answer ends the request.
    fn settle(&mut self, ticket: u64, result: Result<Response, Error>) {
        let Some(pending) = self.forget(ticket) else { return };
        if let Gathered::Single(Some(opening)) = pending.gathered {
            match &result {
                Ok(_) => self.opened(&opening),
                Err(_) => self.not_opened(opening),
            }
        }
        self.answer(pending.client, pending.id, result);
    }

    fn finish(&mut self, pending: Pending) {
        let engine = self.setup.engine.clone();
        let response = match pending.gathered {
            Gathered::Rooms(rooms) => Response::Snapshot { engine, rooms },
            Gathered::Counters(mut counters) => {
                let (user, system) = crate::sys::cpu_times();
                counters.insert("cpu_user_us".into(), user.as_micros() as u64);
                counters.insert("cpu_system_us".into(), system.as_micros() as u64);
                Response::Stats {
                    engine,
                    uptime_ms: self.started.elapsed().as_millis() as u64,
                    counters,
                    rooms: self.rooms.len() as u32,
                    legs: self.legs.len() as u32,
                }
            }
            Gathered::Single(_) => return,
        };
        self.answer(pending.client, pending.id, Ok(response));
    }
}

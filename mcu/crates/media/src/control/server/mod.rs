//! The thread that serves the control socket: up to `MAX_CLIENTS` connections, their frames and their backlogs; `routing` takes
//! requests to the shards and replies back.
//!
//! Every queue is bounded. A client that does not read is disconnected when `MAX_BACKLOG` bytes wait for it; one that asks
//! too much at once is told `limit`; a malformed frame is answered and costs nobody else anything.

mod routing;

use super::framing::{self, Decoder};
use super::messages::{Code, Error, Event, Frame, Request, Response, ShardInfo, VERSION};
use crate::log::{self, Level};
use crate::shard::{Handle, Note};
use crate::sys::{Epoll, EventFd};
use routing::Pending;
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Connections at a time.
pub const MAX_CLIENTS: usize = 8;
/// Bytes that may wait for one client.
const MAX_BACKLOG: usize = 2 * super::messages::MAX_FRAME;
/// Requests of one client that may be under way.
const MAX_PENDING: usize = 1024;
const LISTENER: u64 = 0;
const NOTES: u64 = 1;
const STOP: u64 = 2;
const FIRST_CLIENT: u64 = 16;

struct Client {
    stream: UnixStream,
    peer: String,
    decoder: Decoder,
    backlog: Vec<u8>,
    greeted: bool,
    subscribed: bool,
    writing: bool,
    pending: usize,
}

/// Parts of the server.
pub struct Setup {
    pub listener: UnixListener,
    pub shards: Vec<Handle>,
    pub notes: Receiver<Note>,
    pub notes_wake: Arc<EventFd>,
    /// Set by shards that had to drop events.
    pub gap: Arc<AtomicBool>,
    pub stop: Arc<EventFd>,
    pub engine: String,
}

/// The control thread's world.
pub struct Server {
    setup: Setup,
    epoll: Epoll,
    clients: HashMap<u64, Client>,
    next_client: u64,
    pending: HashMap<u64, Pending>,
    next_ticket: u64,
    seq: u64,
    rooms: HashMap<String, usize>,
    legs: HashMap<String, (usize, String)>,
    started: Instant,
}

impl Server {
    /// # Errors
    /// When epoll is not to be had.
    pub fn new(setup: Setup) -> std::io::Result<Server> {
        let epoll = Epoll::new()?;
        setup.listener.set_nonblocking(true)?;
        epoll.add(&setup.listener, LISTENER)?;
        epoll.add(&*setup.notes_wake, NOTES)?;
        epoll.add(&*setup.stop, STOP)?;
        Ok(Server {
            setup,
            epoll,
            clients: HashMap::new(),
            next_client: FIRST_CLIENT,
            pending: HashMap::new(),
            next_ticket: 1,
            seq: 1,
            rooms: HashMap::new(),
            legs: HashMap::new(),
            started: Instant::now(),
        })
    }

    /// Serves until the stop descriptor is ready.
    pub fn run(mut self) {
        let mut ready = Vec::with_capacity(64);
        loop {
            if let Err(error) = self.epoll.wait(&mut ready, Duration::from_secs(60)) {
                log::line(Level::Error, "epoll failed", &[("error", &error.to_string())]);
                return;
            }
            for token in &ready {
                match *token {
                    LISTENER => self.accept(),
                    NOTES => self.take_notes(),
                    STOP => return,
                    client => self.serve_client(client),
                }
            }
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.setup.listener.accept() {
            if self.clients.len() >= MAX_CLIENTS {
                log::line(Level::Warning, "control connection refused", &[("reason", "too many")]);
                continue;
            }
            let token = self.next_client;
            self.next_client += 1;
            if stream.set_nonblocking(true).is_err() || self.epoll.add(&stream, token).is_err() {
                continue;
            }
            let client = Client {
                stream,
                peer: String::new(),
                decoder: Decoder::default(),
                backlog: Vec::new(),
                greeted: false,
                subscribed: false,
                writing: false,
                pending: 0,
            };
            self.clients.insert(token, client);
        }
    }

    fn serve_client(&mut self, token: u64) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        let mut buffer = [0; 64 * 1024];
        let alive = match client.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                client.decoder.extend(&buffer[..count]);
                true
            }
            Err(e) => matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        };
        if !alive {
            return self.drop_client(token, "closed by the peer");
        }
        self.write_backlog(token);
        while let Some(frame) = self.clients.get_mut(&token).and_then(|client| client.decoder.next_frame()) {
            match frame {
                Ok(frame) => self.frame(token, frame),
                Err(broken) => {
                    let id = match &broken {
                        framing::Broken::Malformed { id, .. } => *id,
                        framing::Broken::TooLarge(_) => None,
                    };
                    self.answer(token, id.unwrap_or(0), Err(broken.to_error()));
                    if matches!(broken, framing::Broken::TooLarge(_)) {
                        return self.drop_client(token, "frame over the limit");
                    }
                }
            }
        }
    }

    fn drop_client(&mut self, token: u64, why: &str) {
        if let Some(client) = self.clients.remove(&token) {
            log::line(Level::Info, "control connection ended", &[("peer", &client.peer), ("reason", why)]);
        }
    }

    fn frame(&mut self, token: u64, frame: Frame) {
        let (Some(id), Some(request)) = (frame.id, frame.req) else {
            return self.answer(token, frame.id.unwrap_or(0), Err(Error::new(Code::Malformed, "no id or no request")));
        };
        let Some(client) = self.clients.get_mut(&token) else { return };
        let result = match request {
            Request::Hello { version, .. } if version != VERSION => {
                Some(Err(Error::new(Code::Version, format!("version {version}, here {VERSION}"))))
            }
            Request::Hello { peer, subscribe, .. } => {
                client.peer = peer.chars().take(64).collect();
                client.greeted = true;
                client.subscribed = subscribe;
                log::line(Level::Info, "control connected", &[("peer", &client.peer)]);
                Some(Ok(self.welcome()))
            }
            _ if !client.greeted => Some(Err(Error::new(Code::NotHello, "the first request is hello"))),
            _ if client.pending >= MAX_PENDING => Some(Err(Error::new(Code::Limit, "too many requests under way"))),
            request => self.dispatch(token, id, request).map(Err),
        };
        if let Some(result) = result {
            self.answer(token, id, result);
        }
    }

    fn welcome(&self) -> Response {
        let shard = |(index, handle): (usize, &Handle)| ShardInfo {
            index: index as u32,
            rooms: self.rooms.values().filter(|shard| **shard == index).count() as u32,
            legs: self.legs.values().filter(|(shard, _)| *shard == index).count() as u32,
            candidates: handle.candidates.clone(),
        };
        Response::Welcome {
            version: VERSION,
            engine: self.setup.engine.clone(),
            build: env!("CARGO_PKG_VERSION").into(),
            shards: self.setup.shards.iter().enumerate().map(shard).collect(),
        }
    }

    fn take_notes(&mut self) {
        self.setup.notes_wake.clear();
        while let Ok(note) = self.setup.notes.try_recv() {
            match note {
                Note::Reply { ticket, reply } => self.reply(ticket, reply),
                Note::Event(event) => self.event(event),
            }
        }
        if self.setup.gap.swap(false, Ordering::AcqRel) {
            self.end_subscribers();
        }
    }

    /// Events were lost: who follows them must take a snapshot, as after any new connection.
    fn end_subscribers(&mut self) {
        let tokens: Vec<u64> = self.clients.iter().filter(|(_, c)| c.subscribed).map(|(token, _)| *token).collect();
        tokens.into_iter().for_each(|token| self.drop_client(token, "events were lost"));
    }

    fn event(&mut self, event: Event) {
        let frame = Frame { seq: Some(self.seq), evt: Some(event), ..Frame::default() };
        self.seq += 1;
        let tokens: Vec<u64> = self.clients.iter().filter(|(_, c)| c.subscribed).map(|(token, _)| *token).collect();
        tokens.into_iter().for_each(|token| self.queue(token, &frame));
    }

    fn answer(&mut self, token: u64, id: u64, result: Result<Response, Error>) {
        let (res, err) = match result {
            Ok(response) => (Some(response), None),
            Err(error) => (None, Some(error)),
        };
        self.queue(token, &Frame { id: Some(id), res, err, ..Frame::default() });
    }

    fn queue(&mut self, token: u64, frame: &Frame) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        if let Err(error) = framing::write(frame, &mut client.backlog) {
            let refusal = Frame { id: frame.id, err: Some(error), ..Frame::default() };
            // A refusal is short: it fits.
            let _ = framing::write(&refusal, &mut client.backlog);
        }
        self.write_backlog(token);
    }

    fn write_backlog(&mut self, token: u64) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        let mut written = 0;
        let mut dead = false;
        while written < client.backlog.len() {
            match client.stream.write(&client.backlog[written..]) {
                Ok(count) if count > 0 => written += count,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                _ => {
                    dead = true;
                    break;
                }
            }
        }
        client.backlog.drain(..written);
        let waits = !client.backlog.is_empty();
        if waits != client.writing {
            client.writing = waits;
            dead |= self.epoll.watch_writing(&client.stream, token, waits).is_err();
        }
        if dead {
            self.drop_client(token, "write failed");
        } else if client.backlog.len() > MAX_BACKLOG {
            self.drop_client(token, "does not read");
        }
    }
}

#[cfg(test)]
mod tests;

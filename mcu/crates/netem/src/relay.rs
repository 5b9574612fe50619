//! A UDP relay on loopback that puts a `Link` each way between every client address and one server.
//!
//! Each client has an upstream socket and a pair of links of its own, so that one client's queue is not another's. Commands
//! are JSON lines, each answered by one line:
//!
//! - `{"up": {…}, "down": {…}}` configures the links of all clients, and of those to come; `"client": "IP:PORT"` limits it to
//!   one. A direction that is not named stays as it is.
//! - `{"stats": true}` is answered by what each client's links did so far.

use crate::{Config, Link, Random, Stats};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// Client addresses served; further ones are not answered.
const MAX_CLIENTS: usize = 256;

/// Largest datagram taken.
const MAX_DATAGRAM: usize = 2048;

/// Token of the socket that clients send to; upstream sockets have their session's number.
const FRONT: Token = Token(usize::MAX);

/// Token to wake the relay with when there are commands.
pub const WAKE: Token = Token(usize::MAX - 1);

/// One line of input.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Command {
    client: Option<SocketAddr>,
    up: Option<Config>,
    down: Option<Config>,
    stats: bool,
}

#[derive(Serialize)]
struct ClientStats {
    client: SocketAddr,
    up: Stats,
    down: Stats,
}

struct Session {
    client: SocketAddr,
    socket: UdpSocket,
    up: Link<Vec<u8>>,
    down: Link<Vec<u8>>,
}

/// The relay; `run` serves until the commands' sender is gone.
pub struct Relay {
    poll: Poll,
    front: UdpSocket,
    server: SocketAddr,
    seeds: Random,
    sessions: Vec<Session>,
    by_client: HashMap<SocketAddr, usize>,
    up: Config,
    down: Config,
    began: Instant,
}

impl Relay {
    /// Listens on `listen` and relays to `server`.
    ///
    /// # Errors
    /// The socket cannot be opened, or an address is not loopback: this is no relay for the world.
    pub fn new(listen: SocketAddr, server: SocketAddr, seed: u64) -> io::Result<Relay> {
        if !listen.ip().is_loopback() || !server.ip().is_loopback() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "only loopback addresses are relayed"));
        }
        let poll = Poll::new()?;
        let mut front = UdpSocket::bind(listen)?;
        poll.registry().register(&mut front, FRONT, Interest::READABLE)?;
        Ok(Relay {
            poll,
            front,
            server,
            seeds: Random::new(seed),
            sessions: Vec::new(),
            by_client: HashMap::new(),
            up: Config::default(),
            down: Config::default(),
            began: Instant::now(),
        })
    }

    pub fn address(&self) -> io::Result<SocketAddr> {
        self.front.local_addr()
    }

    /// For making a `mio::Waker` with the token `WAKE`.
    pub fn poll(&self) -> &Poll {
        &self.poll
    }

    /// Relays; each command is answered by a line through `answer`.
    ///
    /// # Errors
    /// A socket broke.
    pub fn run(mut self, commands: &Receiver<String>, mut answer: impl FnMut(String)) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        loop {
            let timeout = self.next_deadline().map(|at| at.saturating_sub(self.began.elapsed()));
            match self.poll.poll(&mut events, timeout) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
                _ => {}
            }
            let now = self.began.elapsed();
            for event in &events {
                match event.token() {
                    WAKE => {}
                    FRONT => self.read_front(now)?,
                    Token(session) => self.read_upstream(session, now),
                }
            }
            loop {
                match commands.try_recv() {
                    Ok(line) => answer(self.command(&line, now)),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            self.deliver(self.began.elapsed());
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        self.sessions.iter().flat_map(|s| [s.up.next_deadline(), s.down.next_deadline()]).flatten().min()
    }

    fn read_front(&mut self, now: Duration) -> io::Result<()> {
        let mut buffer = [0; MAX_DATAGRAM];
        while let Ok((len, client)) = self.front.recv_from(&mut buffer) {
            let session = match self.by_client.get(&client) {
                Some(session) => *session,
                None if self.sessions.len() < MAX_CLIENTS => self.open(client, now)?,
                None => continue,
            };
            self.sessions[session].up.push(now, len, buffer[..len].to_vec());
        }
        Ok(())
    }

    fn open(&mut self, client: SocketAddr, now: Duration) -> io::Result<usize> {
        let mut socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let session = self.sessions.len();
        self.poll.registry().register(&mut socket, Token(session), Interest::READABLE)?;
        let mut link = |config: &Config| {
            let mut link = Link::new(Config::default(), self.seeds.next_u64()).map_err(io::Error::other)?;
            link.configure(config.clone(), now).map_err(io::Error::other)?;
            Ok::<_, io::Error>(link)
        };
        let (up, down) = (link(&self.up)?, link(&self.down)?);
        self.sessions.push(Session { client, socket, up, down });
        self.by_client.insert(client, session);
        Ok(session)
    }

    fn read_upstream(&mut self, session: usize, now: Duration) {
        let mut buffer = [0; MAX_DATAGRAM];
        let Session { socket, down, .. } = &mut self.sessions[session];
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((len, from)) if from == self.server => {
                    down.push(now, len, buffer[..len].to_vec());
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                // The server's port was closed for a moment (ECONNREFUSED): UDP knows no such end.
                Err(_) => return,
            }
        }
    }

    fn deliver(&mut self, now: Duration) {
        for Session { client, socket, up, down } in &mut self.sessions {
            while let Some(packet) = up.poll(now) {
                let _ = socket.send_to(&packet, self.server);
            }
            while let Some(packet) = down.poll(now) {
                let _ = self.front.send_to(&packet, *client);
            }
        }
    }

    fn command(&mut self, line: &str, now: Duration) -> String {
        let done = serde_json::from_str(line).map_err(|e| e.to_string()).and_then(|c| self.obey(c, now));
        match done {
            Ok(answer) => answer,
            Err(error) => serde_json::json!({ "error": error }).to_string(),
        }
    }

    fn obey(&mut self, command: Command, now: Duration) -> Result<String, String> {
        let Command { client, up, down, stats } = command;
        for config in [&up, &down].into_iter().flatten() {
            config.check().map_err(|e| e.to_string())?;
        }
        if client.is_some_and(|client| !self.by_client.contains_key(&client)) {
            return Err("no such client".into());
        }
        for session in self.sessions.iter_mut().filter(|s| client.is_none_or(|client| client == s.client)) {
            if let Some(up) = &up {
                session.up.configure(up.clone(), now).map_err(|e| e.to_string())?;
            }
            if let Some(down) = &down {
                session.down.configure(down.clone(), now).map_err(|e| e.to_string())?;
            }
        }
        if client.is_none() {
            self.up = up.unwrap_or(std::mem::take(&mut self.up));
            self.down = down.unwrap_or(std::mem::take(&mut self.down));
        }
        if !stats {
            return Ok(serde_json::json!({ "ok": true }).to_string());
        }
        let stats = |s: &Session| ClientStats { client: s.client, up: s.up.stats(), down: s.down.stats() };
        let clients: Vec<ClientStats> = self.sessions.iter().map(stats).collect();
        serde_json::to_string(&serde_json::json!({ "clients": clients })).map_err(|e| e.to_string())
    }
}

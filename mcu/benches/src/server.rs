//! str0m as a forwarding server, as well as we can drive it: one thread, recvmmsg, each received batch written to every subscriber
//! before any is polled (so that its packets come out in runs), sendmmsg with GSO by the same code as our engine.
//!
//! It answers only what the generator asks: hello, room.open, leg.open, leg.view (each slot once), stats. Audio is not forwarded.

use std::collections::HashMap;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use media::control::messages::{Assignment, LegOpen, Request, Response, ShardInfo, VERSION};
use media::sys::{Epoll, RawAddr, RecvBatch, SendBatch};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::{Event, Input, Output};

use crate::control::{self, Ask};
use crate::peer::{candidate, Peer};

const TICK: Duration = Duration::from_millis(5);
const WAIT: Duration = Duration::from_millis(1);

/// Serve until killed.
pub fn run(args: &[String]) -> Result<(), String> {
    let path: PathBuf = crate::option(args, "--control", PathBuf::new())?;
    let asks = control::listen(&path)?;
    let socket = media::sys::media_socket(SocketAddr::from(([127, 0, 0, 1], 0))).map_err(|e| e.to_string())?;
    let mut server = Server::new(socket)?;
    println!("{{\"ready\":true,\"port\":{}}}", server.address.port());
    std::io::stdout().flush().map_err(|e| e.to_string())?;
    server.serve(&asks)
}

struct Server {
    socket: UdpSocket,
    address: SocketAddr,
    peers: Vec<Peer>,
    by_address: HashMap<SocketAddr, usize>,
    dirty: Vec<usize>,
    out: SendBatch,
    rtp_in: u64,
    rtp_out: u64,
    udp_out: u64,
    udp_out_messages: u64,
    started: Instant,
}

impl Server {
    fn new(socket: UdpSocket) -> Result<Server, String> {
        Ok(Server {
            address: socket.local_addr().map_err(|e| e.to_string())?,
            socket,
            peers: Vec::new(),
            by_address: HashMap::new(),
            dirty: Vec::new(),
            out: SendBatch::new(true),
            rtp_in: 0,
            rtp_out: 0,
            udp_out: 0,
            udp_out_messages: 0,
            started: Instant::now(),
        })
    }

    fn serve(&mut self, asks: &Receiver<Ask>) -> Result<(), String> {
        let epoll = Epoll::new().map_err(|e| e.to_string())?;
        epoll.add(&self.socket, 0).map_err(|e| e.to_string())?;
        let (mut ready, mut batch, mut ticked) = (Vec::new(), RecvBatch::new(), Instant::now());
        loop {
            epoll.wait(&mut ready, WAIT).map_err(|e| e.to_string())?;
            while let Ok(ask) = asks.try_recv() {
                // A generator that has gone needs no answer.
                let _gone = ask.reply.send(self.answer(ask.request));
            }
            let now = Instant::now();
            loop {
                let received = batch.recv(&self.socket).map_err(|e| e.to_string())?;
                if received == 0 {
                    break;
                }
                for n in 0..received {
                    let (bytes, from) = batch.packet(n);
                    self.input(now, bytes, from);
                }
                self.poll_dirty(now);
            }
            if now - ticked >= TICK {
                ticked = now;
                self.tick(now);
            }
        }
    }

    fn input(&mut self, now: Instant, bytes: &[u8], from: SocketAddr) {
        let Ok(receive) = Receive::new(Protocol::Udp, from, self.address, bytes) else { return };
        let input = Input::Receive(now, receive);
        let index = match self.by_address.get(&from) {
            Some(index) => *index,
            None => {
                let Some(index) = self.peers.iter().position(|peer| peer.rtc.accepts(&input)) else { return };
                self.by_address.insert(from, index);
                index
            }
        };
        if let Err(error) = self.peers[index].rtc.handle_input(input) {
            eprintln!("{}: {error}", self.peers[index].leg);
        }
        self.poll(index, now);
    }

    fn poll_dirty(&mut self, now: Instant) {
        while let Some(index) = self.dirty.pop() {
            self.poll(index, now);
        }
        self.flush();
    }

    fn tick(&mut self, now: Instant) {
        for index in 0..self.peers.len() {
            if self.peers[index].next <= now {
                if let Err(error) = self.peers[index].rtc.handle_input(Input::Timeout(now)) {
                    eprintln!("{}: {error}", self.peers[index].leg);
                }
                self.poll(index, now);
            }
        }
        self.poll_dirty(now);
    }

    /// Drain a peer. What was just written leaves only when str0m has been told the time that it asks for.
    fn poll(&mut self, index: usize, now: Instant) {
        self.peers[index].dirty = false;
        let mut told = false;
        loop {
            match self.peers[index].rtc.poll_output() {
                Ok(Output::Timeout(at)) if at <= now && !told => {
                    told = true;
                    if let Err(error) = self.peers[index].rtc.handle_input(Input::Timeout(now)) {
                        eprintln!("{}: {error}", self.peers[index].leg);
                        return;
                    }
                }
                Ok(Output::Timeout(at)) => {
                    self.peers[index].next = at;
                    return;
                }
                Ok(Output::Transmit(transmit)) => {
                    self.rtp_out += u64::from(is_rtp(&transmit.contents));
                    self.send(index, &transmit.contents, transmit.destination);
                }
                Ok(Output::Event(Event::RtpPacket(packet))) => self.forward(index, &packet),
                Ok(Output::Event(Event::KeyframeRequest(request))) => self.ask_keyframe(index, &request),
                Ok(Output::Event(_)) => {}
                Err(error) => {
                    eprintln!("{}: {error}", self.peers[index].leg);
                    return;
                }
            }
        }
    }

    /// Queue a datagram; neighbours to one peer leave as one GSO message.
    fn send(&mut self, index: usize, datagram: &[u8], to: SocketAddr) {
        if self.out.is_full() {
            self.flush();
        }
        if let Some(place) = self.out.place().get_mut(..datagram.len()) {
            place.copy_from_slice(datagram);
            self.out.commit(datagram.len(), &RawAddr::from(to), index as u32);
        }
    }

    fn flush(&mut self) {
        let flushed = self.out.flush(&self.socket);
        self.udp_out += flushed.datagrams;
        self.udp_out_messages += flushed.messages;
    }

    fn forward(&mut self, from: usize, packet: &RtpPacket) {
        self.rtp_in += 1;
        let Some(at) = self.peers[from].routes.iter().position(|(ssrc, _)| *ssrc == packet.header.ssrc) else { return };
        let routes = std::mem::take(&mut self.peers[from].routes[at].1);
        for (to, ssrc) in &routes {
            let peer = &mut self.peers[*to];
            let mut api = peer.rtc.direct_api();
            let Some(stream) = api.stream_tx(ssrc) else { continue };
            let (header, payload) = (&packet.header, packet.payload.clone());
            let write = RtpWrite::new(header.payload_type, packet.seq_no, header.timestamp, packet.timestamp, payload);
            stream.write_rtp(write.marker(header.marker).nackable(true));
            if !peer.dirty {
                peer.dirty = true;
                self.dirty.push(*to);
            }
        }
        self.peers[from].routes[at].1 = routes;
    }

    fn ask_keyframe(&mut self, index: usize, request: &str0m::media::KeyframeRequest) {
        let mut api = self.peers[index].rtc.direct_api();
        let Some(slot) = api.stream_tx_by_mid(request.mid, None).map(|stream| stream.ssrc()) else { return };
        let Some((_, (publisher, ssrc))) = self.peers[index].shows.iter().find(|(shown, _)| *shown == slot).copied()
        else {
            return;
        };
        if let Some(stream) = self.peers[publisher].rtc.direct_api().stream_rx(&ssrc) {
            stream.request_keyframe(request.kind);
        }
        self.mark(publisher);
    }

    fn mark(&mut self, index: usize) {
        if !self.peers[index].dirty {
            self.peers[index].dirty = true;
            self.dirty.push(index);
        }
    }

    fn answer(&mut self, request: Request) -> Result<Response, String> {
        match request {
            Request::Hello { .. } => Ok(Response::Welcome {
                version: VERSION,
                engine: "str0m".into(),
                build: "forward-bench".into(),
                shards: vec![ShardInfo { index: 0, rooms: 1, legs: 0, candidates: vec![candidate(self.address)] }],
            }),
            Request::RoomOpen { room } => Ok(Response::RoomOpened { room, shard: 0 }),
            Request::LegOpen(LegOpen { leg, remote, tracks, slots, .. }) => {
                let index = self.peers.len();
                let (peer, local, streams) = Peer::open(index, &leg, self.address, &remote, &tracks, &slots)?;
                self.peers.push(peer);
                self.dirty.push(index);
                Ok(Response::LegOpened { leg, local, streams })
            }
            Request::LegView { leg, assign } => self.view(&leg, &assign),
            Request::Stats {} => Ok(self.stats()),
            Request::RoomClose { .. } => Ok(Response::Ok {}),
            other => Err(format!("not served here: {other:?}")),
        }
    }

    fn view(&mut self, leg: &str, assign: &[Assignment]) -> Result<Response, String> {
        let viewer = self.find(leg)?;
        for assignment in assign {
            let Some(source) = &assignment.source else { continue };
            let publisher = self.find(&source.leg)?;
            let slot = self.peers[viewer]
                .slots
                .iter()
                .find(|(slot, _)| *slot == assignment.slot as u32)
                .ok_or("unknown slot")?
                .1;
            let track =
                self.peers[publisher].tracks.iter().find(|(name, _)| *name == source.track).ok_or("unknown track")?.1;
            let routes =
                self.peers[publisher].routes.iter_mut().find(|(ssrc, _)| *ssrc == track).ok_or("unknown track")?;
            routes.1.push((viewer, slot));
            self.peers[viewer].shows.push((slot, (publisher, track)));
        }
        Ok(Response::Ok {})
    }

    fn find(&self, leg: &str) -> Result<usize, String> {
        self.peers.iter().position(|peer| peer.leg == leg).ok_or_else(|| format!("unknown leg {leg}"))
    }

    fn stats(&self) -> Response {
        let counters = [
            ("rtp_in", self.rtp_in),
            ("rtp_out", self.rtp_out),
            ("udp_out", self.udp_out),
            ("udp_out_messages", self.udp_out_messages),
        ];
        Response::Stats {
            engine: "str0m".into(),
            uptime_ms: self.started.elapsed().as_millis() as u64,
            counters: counters.map(|(name, value)| (name.to_string(), value)).into(),
            rooms: 1,
            legs: self.peers.len() as u32,
        }
    }
}

/// RTP and not RTCP (RFC 5761 §4).
fn is_rtp(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, second, ..] if !(192..=223).contains(second))
}

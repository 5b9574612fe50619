//! A whole engine in a process of its own, a control client, and legs that speak ICE, DTLS and SRTP like a browser.
#![allow(dead_code)] // each test file uses its part

use media::control::framing::{self, Decoder};
use media::control::messages::*;
use rtp::rtcp::{packets, RtcpWriter};
use rtp::{Header, HeaderWriter};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use transport::demux::{classify, Kind as Datagram};
use transport::dtls::{Certificate, Dtls, Output};
use transport::ice::{Client, Credentials};
use transport::srtp::{Protect, Unprotect};
use transport::stun::Message;

const PATIENCE: Duration = Duration::from_secs(20);

pub struct Engine {
    child: Child,
    pub socket: PathBuf,
    pub port: u16,
}

impl Engine {
    /// One shard on 127.0.0.1.
    pub fn start() -> Engine {
        Engine::start_with(&["--listen", "127.0.0.1"])
    }

    /// With these arguments besides port, control socket and log level.
    pub fn start_with(arguments: &[&str]) -> Engine {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Engine::start_at(
            std::env::temp_dir().join(format!("massalia-test-{}-{number}.sock", std::process::id())),
            arguments,
        )
    }

    pub fn start_at(socket: PathBuf, arguments: &[&str]) -> Engine {
        let mut child = Command::new(env!("CARGO_BIN_EXE_massalia-media"))
            .args(["forward", "--port", "0", "--log-level", "warning"])
            .args(arguments)
            .arg("--control")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        assert!(line.contains("\"ready\":true"), "{line}");
        Engine { child, socket, port: digits.parse().unwrap() }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no goodbye.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, then the exit status.
    pub fn stop(&mut self) -> std::process::ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

pub struct Control {
    pub stream: UnixStream,
    decoder: Decoder,
    next: u64,
    pub events: Vec<Event>,
}

impl Control {
    pub fn connect(engine: &Engine) -> Control {
        let mut control = Control::raw(engine);
        let hello = Request::Hello { version: VERSION, peer: "test".into(), subscribe: true };
        assert!(matches!(control.ask(hello), Ok(Response::Welcome { .. })));
        control
    }

    pub fn raw(engine: &Engine) -> Control {
        let stream = UnixStream::connect(&engine.socket).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        Control { stream, decoder: Decoder::default(), next: 1, events: Vec::new() }
    }

    pub fn ask(&mut self, request: Request) -> Result<Response, Error> {
        let id = self.next;
        self.next += 1;
        let mut bytes = Vec::new();
        framing::write(&Frame { id: Some(id), req: Some(request), ..Frame::default() }, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "no answer");
            for frame in self.read() {
                if frame.id == Some(id) {
                    return frame.res.ok_or_else(|| frame.err.unwrap());
                }
            }
        }
    }

    /// Frames that came; events are also kept.
    pub fn read(&mut self) -> Vec<Frame> {
        let mut buffer = [0; 65_536];
        if let Ok(count) = self.stream.read(&mut buffer) {
            self.decoder.extend(&buffer[..count]);
        }
        let mut frames = Vec::new();
        while let Some(frame) = self.decoder.next_frame() {
            let frame = frame.unwrap();
            self.events.extend(frame.evt.clone());
            frames.push(frame);
        }
        frames
    }

    /// Waits for one frame.
    pub fn read_one(&mut self) -> Frame {
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "no frame");
            if let Some(frame) = self.read().into_iter().next() {
                return frame;
            }
        }
    }

    pub fn counter(&mut self, name: &str) -> u64 {
        match self.ask(Request::Stats {}) {
            Ok(Response::Stats { counters, .. }) => counters[name],
            other => panic!("{other:?}"),
        }
    }
}

pub fn opus() -> Codec {
    codec(CodecName::Opus, 111, None, 48_000)
}

pub fn vp8(pt: u8) -> Codec {
    codec(CodecName::Vp8, pt, Some(pt + 1), 90_000)
}

fn codec(name: CodecName, pt: u8, rtx_pt: Option<u8>, clock_rate: u32) -> Codec {
    Codec { name, pt, clock_rate, rtx_pt, packetization_mode: None, profile_level_id: None }
}

/// A packet that a leg received, opened.
#[derive(Debug, Clone)]
pub struct Got {
    pub header: Header,
    pub packet: Vec<u8>,
}

impl Got {
    pub fn payload(&self) -> &[u8] {
        self.header.payload(&self.packet).unwrap()
    }
}

/// A leg with microphone (mid 0) and camera (mid 1), three speaker slots (0–2) and two view slots (10, 11).
pub fn leg_open(room: &str, id: &str, local: &Credentials, certificate: &Certificate) -> LegOpen {
    let slot = |slot, kind, role, codec| Slot { slot, kind, mid: format!("s{slot}"), role, codecs: vec![codec] };
    let mut slots: Vec<Slot> = (0..3).map(|n| slot(n, Kind::Audio, SlotRole::Speaker, opus())).collect();
    slots.extend((10..12).map(|n| slot(n, Kind::Video, SlotRole::View, vp8(100))));
    let track = |track: &str, kind, mid: &str, codec| Track {
        track: track.into(),
        kind,
        mid: mid.into(),
        codecs: vec![codec],
        ssrcs: vec![],
        rtx_ssrcs: vec![],
    };
    LegOpen {
        room: room.into(),
        leg: id.into(),
        remote: Remote {
            ufrag: local.ufrag.clone(),
            pwd: local.pwd.clone(),
            fingerprint: certificate.fingerprint().to_string(),
        },
        tracks: vec![track("mic", Kind::Audio, "0", opus()), track("camera", Kind::Video, "1", vp8(96))],
        slots,
        extensions: Extensions { mid: Some(1), audio_level: Some(2), ..Extensions::default() },
        blob: id.as_bytes().to_vec(),
        blob_version: 1,
    }
}

pub struct Leg {
    pub id: String,
    pub socket: UdpSocket,
    engine: SocketAddr,
    ice: Client,
    dtls: Dtls,
    seal: Option<Protect>,
    open: Option<Unprotect>,
    pub streams: Vec<SlotStream>,
    pub got: Vec<Got>,
    pub rtcp: Vec<Vec<u8>>,
    pub closed: bool,
    /// The engine's ufrag and candidates.
    pub local: Local,
    /// The last sealed packet, for replays.
    pub last_sealed: Vec<u8>,
}

impl Leg {
    /// Opens a leg with microphone (mid 0) and camera (mid 1), three speaker slots (0–2) and two view slots (10, 11).
    pub fn open(control: &mut Control, room: &str, id: &str) -> Leg {
        Leg::open_at(control, room, id, None)
    }

    /// Like `open`, to another address than the first candidate.
    pub fn open_at(control: &mut Control, room: &str, id: &str, at: Option<SocketAddr>) -> Leg {
        let certificate = Certificate::generate().unwrap();
        let local = Credentials::generate("");
        let request = leg_open(room, id, &local, &certificate);
        let Ok(Response::LegOpened { local: there, streams, .. }) = control.ask(Request::LegOpen(request)) else {
            panic!("leg refused")
        };
        let place = there.candidates.first().unwrap();
        let place = at.unwrap_or_else(|| SocketAddr::new(place.address.parse().unwrap(), place.port));
        Leg::join(control, id, (certificate, local, there, streams), place)
    }

    /// Connects to `place` as the leg that was opened.
    fn join(
        control: &mut Control,
        id: &str,
        (certificate, local, there, streams): (Certificate, Credentials, Local, Vec<SlotStream>),
        place: SocketAddr,
    ) -> Leg {
        let remote = Credentials::checked(&there.ufrag, &there.pwd).unwrap();
        let now = Instant::now();
        let socket = UdpSocket::bind(if place.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        let mut leg = Leg {
            id: id.into(),
            socket,
            engine: place,
            ice: Client::new(&local, &remote, now),
            dtls: Dtls::client(&certificate, there.fingerprint.parse().unwrap(), now),
            seal: None,
            open: None,
            streams,
            got: Vec::new(),
            rtcp: Vec::new(),
            closed: false,
            local: there,
            last_sealed: Vec::new(),
        };
        leg.wait(|leg| leg.seal.is_some() && leg.ice.is_connected());
        let until = Instant::now() + PATIENCE;
        while !control.events.contains(&Event::LegConnected { leg: id.into() }) {
            assert!(Instant::now() < until, "not connected");
            leg.step();
            control.read();
        }
        leg
    }

    /// Goes on from another port, like a phone that changes its network; answers the old socket.
    pub fn move_to_new_socket(&mut self) -> UdpSocket {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(2))).unwrap();
        std::mem::replace(&mut self.socket, socket)
    }

    /// Steps until `done`, else the test fails.
    pub fn wait(&mut self, mut done: impl FnMut(&Leg) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < until, "{}: waited in vain", self.id);
            self.step();
        }
    }

    /// Sends what is due and takes what is there.
    pub fn step(&mut self) {
        let now = Instant::now();
        let mut buffer = [0; 2048];
        if let Some(len) = self.ice.poll(now, &mut buffer) {
            self.socket.send_to(&buffer[..len], self.engine).unwrap();
        }
        if self.ice.is_connected() {
            if self.dtls.next_timeout().is_some_and(|at| now >= at) {
                self.dtls.handle_timeout(now);
            }
            self.drain();
        }
        while let Ok((len, _)) = self.socket.recv_from(&mut buffer) {
            self.take(&buffer[..len], now);
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.dtls.poll() {
            match output {
                Output::Packet(data) => {
                    self.socket.send_to(data, self.engine).unwrap();
                }
                Output::Connected(keys) => {
                    self.seal = Some(Protect::new(&keys.client));
                    self.open = Some(Unprotect::new(&keys.server));
                }
                Output::Closed(_) => self.closed = true,
            }
        }
    }

    fn take(&mut self, data: &[u8], now: Instant) {
        match classify(data) {
            Datagram::Stun => {
                self.ice.handle(now, &Message::parse(data).unwrap());
            }
            Datagram::Dtls => {
                self.dtls.handle(data, now);
                self.drain();
            }
            Datagram::Rtp => {
                let header = Header::parse(data).unwrap();
                let mut packet = vec![0; data.len()];
                let open = self.open.as_mut().expect("media before keys");
                let (len, _) = open.open_rtp(data, &header, &mut packet).unwrap();
                packet.truncate(len);
                self.got.push(Got { header, packet });
            }
            Datagram::Rtcp => {
                let mut packet = vec![0; data.len()];
                let len = self.open.as_mut().expect("media before keys").open_rtcp(data, &mut packet).unwrap();
                packet.truncate(len);
                self.rtcp.push(packet);
            }
            Datagram::Other => panic!("odd datagram"),
        }
    }

    /// Seals and sends one packet; the sequence number is in the first cycle.
    pub fn send(&mut self, ssrc: u32, pt: u8, seq: u16, ts: u32, extensions: &[(u8, &[u8])], payload: &[u8]) {
        let packet = self.seal(ssrc, pt, seq, ts, extensions, payload);
        self.socket.send_to(&packet, self.engine).unwrap();
    }

    pub fn seal(
        &mut self,
        ssrc: u32,
        pt: u8,
        seq: u16,
        ts: u32,
        extensions: &[(u8, &[u8])],
        payload: &[u8],
    ) -> Vec<u8> {
        let mut buffer = vec![0; 2048];
        let header = HeaderWriter { pt, marker: false, padding: false, seq, timestamp: ts, ssrc };
        let at = header.write(&mut buffer, extensions).unwrap();
        buffer[at..at + payload.len()].copy_from_slice(payload);
        let seal = self.seal.as_ref().unwrap();
        let len = seal.seal_rtp(&mut buffer, at, at + payload.len(), ssrc, u64::from(seq)).unwrap();
        buffer.truncate(len);
        self.last_sealed.clone_from(&buffer);
        buffer
    }

    pub fn send_rtcp(&mut self, write: impl FnOnce(&mut RtcpWriter) -> Option<()>) {
        let mut buffer = vec![0; 1500];
        let mut writer = RtcpWriter::new(&mut buffer);
        write(&mut writer).unwrap();
        let len = writer.len();
        let len = self.seal.as_mut().unwrap().seal_rtcp(&mut buffer, len).unwrap();
        buffer.truncate(len);
        self.socket.send_to(&buffer, self.engine).unwrap();
        self.last_sealed = buffer;
    }

    /// SSRC of a slot.
    pub fn ssrc(&self, slot: u32) -> u32 {
        self.streams.iter().find(|stream| stream.slot == slot).unwrap().ssrc
    }

    pub fn rtx_ssrc(&self, slot: u32) -> u32 {
        self.streams.iter().find(|stream| stream.slot == slot).unwrap().rtx_ssrc.unwrap()
    }

    /// What came in a slot.
    pub fn heard(&self, slot: u32) -> Vec<&Got> {
        let ssrc = self.ssrc(slot);
        self.got.iter().filter(|got| got.header.ssrc == ssrc).collect()
    }

    /// Number of received RTCP packets that fit.
    pub fn count_rtcp(&self, fits: impl Fn(&rtp::rtcp::Packet) -> bool) -> usize {
        self.rtcp.iter().flat_map(|compound| packets(compound)).filter(|packet| fits(packet)).count()
    }
}

//! The limit: the least that sending the forwarded packets costs.
//!
//! Definition. For every burst (one frame of one publisher) and every subscriber: copy each packet into the send buffer, seal it with
//! AES-GCM under the subscriber's key (128 or 256 bits, as negotiated: `--profile`), and send the burst with sendmmsg, in GSO runs whose mean length is `--run`, the one that our
//! engine attained on the same load. The bursts have the load's sizes and times (a publisher's frame every 1/fps, publishers spread over
//! the interval). Nothing else is done: nothing is received, parsed, rewritten, stored or reported. A second thread drains the
//! subscribers' sockets, woken by epoll, without UDP_GRO, as the generator does. Counted is the CPU time of the sending thread.
//!
//! `--unpaced` sends the same bursts without pause. The drain then hardly sleeps, so the sender is spared the wake-ups that paced
//! bursts pay for; it is the lower of the two limits, and no server can reach it on this load.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{Aad, Algorithm, LessSafeKey, Nonce, UnboundKey, AES_128_GCM, AES_256_GCM};
use media::sys::{media_socket, thread_cpu_time, Epoll, RawAddr, RecvBatch, SendBatch};

const HEADER: usize = 20;
const TAG: usize = 16;

struct Load {
    run: f64,
    publishers: u64,
    subscribers: usize,
    pps: u64,
    size: usize,
    fps: u64,
    seconds: f64,
    paced: bool,
}

/// Measure and print one JSON object.
pub fn run(args: &[String]) -> Result<(), String> {
    let load = Load {
        run: crate::option(args, "--run", 4.0)?,
        publishers: crate::option(args, "--publishers", 4)?,
        subscribers: crate::option(args, "--subscribers", 50)?,
        pps: crate::option(args, "--pps", 400)?,
        size: crate::option(args, "--size", 1150)?,
        fps: crate::option(args, "--fps", 30)?,
        seconds: crate::option(args, "--seconds", 5.0)?,
        paced: !args.iter().any(|arg| arg == "--unpaced"),
    };
    let sinks = (0..load.subscribers).map(|_| media_socket(local())).collect::<Result<Vec<_>, _>>();
    let sinks = sinks.map_err(|e| e.to_string())?;
    let to: Vec<RawAddr> = sinks.iter().filter_map(|s| s.local_addr().ok()).map(RawAddr::from).collect();
    let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let drain = std::thread::spawn({
        let (stop, received) = (stop.clone(), received.clone());
        move || drain(&sinks, &stop, &received)
    });
    let profile: String = crate::option(args, "--profile", String::new())?;
    let cipher = if profile.contains("AES_256") { &AES_256_GCM } else { &AES_128_GCM };
    let mut sender = Sender::new(&to, cipher).map_err(|e| e.to_string())?;
    let (packets, messages, cpu) = sender.send_all(&load);
    stop.store(true, Ordering::Relaxed);
    drain.join().map_err(|_| "the draining thread panicked")?.map_err(|e| e.to_string())?;
    println!(
        "{{\"cpu_us_per_packet\":{:.4},\"packets\":{packets},\"mean_gso_run\":{:.3},\"arrived_pct\":{:.3}}}",
        cpu.as_secs_f64() * 1e6 / packets as f64,
        packets as f64 / messages as f64,
        100.0 * received.load(Ordering::Relaxed) as f64 / packets as f64,
    );
    Ok(())
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

struct Sender {
    socket: UdpSocket,
    batch: SendBatch,
    destinations: Vec<(RawAddr, LessSafeKey)>,
    plain: Vec<u8>,
    nonce: u64,
    run: u32,
    /// Runs owed, so that their mean length comes out as asked over many bursts.
    owed: f64,
    messages: u64,
}

impl Sender {
    fn new(to: &[RawAddr], cipher: &'static Algorithm) -> std::io::Result<Sender> {
        let key = |n: usize| {
            let bytes = vec![n as u8; cipher.key_len()];
            LessSafeKey::new(UnboundKey::new(cipher, &bytes).expect("the length is the cipher's"))
        };
        Ok(Sender {
            socket: media_socket(local())?,
            batch: SendBatch::new(true),
            destinations: to.iter().enumerate().map(|(n, to)| (*to, key(n))).collect(),
            plain: (0..2048).map(|n| n as u8).collect(),
            nonce: 0,
            run: 0,
            owed: 0.0,
            messages: 0,
        })
    }

    /// Send the whole load in its time; answers packets, messages and the CPU time of this thread.
    fn send_all(&mut self, load: &Load) -> (u64, u64, Duration) {
        let bursts = (load.seconds * (load.fps * load.publishers) as f64) as u64;
        let (mut packets, began, cpu) = (0, Instant::now(), thread_cpu_time());
        for burst in 0..bursts {
            let due = Duration::from_nanos(burst * 1_000_000_000 / (load.fps * load.publishers));
            if load.paced {
                std::thread::sleep(due.saturating_sub(began.elapsed()));
            }
            let frame = burst / load.publishers;
            let count = (frame + 1) * load.pps / load.fps - frame * load.pps / load.fps;
            for subscriber in 0..load.subscribers {
                self.burst(subscriber, count, load);
            }
            self.flush();
            packets += count * load.subscribers as u64;
        }
        (packets, self.messages, thread_cpu_time() - cpu)
    }

    /// One frame to one subscriber, in runs of equal length as near as can be.
    fn burst(&mut self, subscriber: usize, count: u64, load: &Load) {
        self.owed += count as f64 / load.run;
        let runs = (self.owed.round() as u64).clamp(1, count.max(1));
        self.owed -= runs as f64;
        let mut current = 0;
        for n in 0..count {
            if n == 0 || n * runs / count != current {
                current = n * runs / count;
                self.run = self.run.wrapping_add(1);
            }
            self.packet(subscriber, load.size);
        }
    }

    fn packet(&mut self, subscriber: usize, size: usize) {
        if self.batch.is_full() {
            self.flush();
        }
        let (to, key) = &self.destinations[subscriber];
        let place = &mut self.batch.place()[..size];
        place[..size - TAG].copy_from_slice(&self.plain[..size - TAG]);
        let (header, rest) = place.split_at_mut(HEADER);
        let (payload, tag) = rest.split_at_mut(size - HEADER - TAG);
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.nonce.to_be_bytes());
        self.nonce += 1;
        let sealed =
            key.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&header[..]), payload);
        tag.copy_from_slice(sealed.expect("a packet is far below the cipher's limit").as_ref());
        self.batch.commit(size, to, self.run);
    }

    fn flush(&mut self) {
        self.messages += self.batch.flush(&self.socket).messages;
    }
}

fn drain(sinks: &[UdpSocket], stop: &AtomicBool, received: &AtomicU64) -> std::io::Result<()> {
    let epoll = Epoll::new()?;
    for (n, sink) in sinks.iter().enumerate() {
        epoll.add(sink, n as u64)?;
    }
    let (mut batch, mut ready) = (RecvBatch::new(), Vec::new());
    loop {
        epoll.wait(&mut ready, Duration::from_millis(100))?;
        if ready.is_empty() && stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        for n in &ready {
            received.fetch_add(batch.recv(&sinks[*n as usize])? as u64, Ordering::Relaxed);
        }
    }
}

//! A room between a publisher and a subscriber whose four ways all lose, delay and reorder packets, in simulated time.
//! Publisher and subscriber do what a browser does: answer NACK over RTX and PLI by a keyframe; ask again every round trip.

use netem::{Config, Link, Random};
use rtp::rtcp::{packets, Packet, ReportBlock, RtcpWriter};
use rtp::{Header, HeaderWriter};
use sfu::clock::{ntp_from_unix, to_compact_delta};
use sfu::room::model::*;
use sfu::room::{LegId, Room, Sink};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const MEDIA: u32 = 5000;
const RTX: u32 = 5001;
const STEP: u64 = 1_000;
/// A browser's patience with one packet.
const TRIES: u32 = 10;

/// What leaves the room, and a check that no SRTP nonce (SSRC and index) is used for two different packets.
#[derive(Default)]
struct Wire {
    place: Vec<u8>,
    out: Vec<(LegId, bool, Vec<u8>)>,
    nonces: HashMap<(LegId, u32, u64), Vec<u8>>,
}

impl Sink for Wire {
    fn place(&mut self, _: LegId) -> &mut [u8] {
        self.place = vec![0; 2048];
        &mut self.place
    }

    fn rtp(&mut self, leg: LegId, _: usize, len: usize, ssrc: u32, index: u64) {
        let packet = self.place[..len].to_vec();
        let before = self.nonces.entry((leg, ssrc, index)).or_insert_with(|| packet.clone());
        assert_eq!(*before, packet, "one nonce, two packets");
        self.out.push((leg, true, packet));
    }

    fn rtcp(&mut self, leg: LegId, compound: &[u8]) {
        self.out.push((leg, false, compound.to_vec()));
    }
}

fn codec(pt: u8) -> Codec {
    Codec { name: CodecName::Vp8, pt, rtx_pt: Some(pt + 1), clock_rate: 90_000, packetization_mode: 0, profile: 0 }
}

fn leg(id: &str) -> LegSpec {
    let track = TrackSpec {
        name: "camera".into(),
        video: true,
        mid: "1".into(),
        codecs: vec![codec(96)],
        ssrcs: vec![MEDIA],
        rtx_ssrcs: vec![RTX],
    };
    let slot = SlotSpec { number: 10, video: true, speaker: false, codecs: vec![codec(100)] };
    LegSpec { id: id.into(), tracks: vec![track], slots: vec![slot], extensions: ExtensionIds::default() }
}

fn packet(ssrc: u32, pt: u8, seq: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; 2048];
    let header = HeaderWriter { pt, marker: false, padding: false, seq, timestamp, ssrc };
    let at = header.write(&mut buffer, &[]).unwrap();
    buffer[at..at + payload.len()].copy_from_slice(payload);
    buffer.truncate(at + payload.len());
    buffer
}

fn rtcp(write: impl FnOnce(&mut RtcpWriter) -> Option<()>) -> Vec<u8> {
    let mut buffer = vec![0; 1500];
    let mut writer = RtcpWriter::new(&mut buffer);
    write(&mut writer).unwrap();
    let len = writer.len();
    buffer.truncate(len);
    buffer
}

/// Thirty pictures a second, three packets each.
#[derive(Default)]
struct Publisher {
    sent: Vec<(u32, Vec<u8>)>,
    rtx: u16,
    pictures: u32,
    keyframe: bool,
    keyframes: u32,
}

impl Publisher {
    fn picture(&mut self) -> Vec<Vec<u8>> {
        let key = std::mem::take(&mut self.keyframe) || self.pictures == 0;
        self.keyframes += u32::from(key);
        self.pictures += 1;
        let ts = self.pictures * 3000;
        let one = |part: u8| {
            let n = self.sent.len() as u32 + u32::from(part);
            let mut payload =
                vec![if part == 0 { 0x10 } else { 0 }, u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 0, 1, 0, 1];
            payload.extend(n.to_be_bytes());
            payload.resize(600, n as u8);
            payload
        };
        let payloads = [one(0), one(1), one(2)];
        let first = self.sent.len();
        self.sent.extend(payloads.map(|payload| (ts, payload)));
        (first..first + 3).map(|n| packet(MEDIA, 96, n as u16, ts, &self.sent[n].1)).collect()
    }

    fn take(&mut self, compound: &[u8]) -> Vec<Vec<u8>> {
        let mut again = Vec::new();
        for packet_in in packets(compound) {
            match packet_in {
                Packet::Nack(nack) => {
                    assert_eq!(nack.media, MEDIA);
                    for seq in nack.seqs() {
                        let (ts, payload) = &self.sent[usize::from(seq)];
                        self.rtx += 1;
                        let payload = [&seq.to_be_bytes()[..], payload].concat();
                        again.push(packet(RTX, 97, self.rtx, *ts, &payload));
                    }
                }
                Packet::Pli { media, .. } => {
                    assert_eq!(media, MEDIA);
                    self.keyframe = true;
                }
                _ => {}
            }
        }
        again
    }
}

/// Keeps what came by extended number, and asks for what is missing.
#[derive(Default)]
struct Subscriber {
    media: u32,
    rtx: u32,
    got: BTreeMap<u64, Vec<u8>>,
    missing: BTreeMap<u64, (u64, u32)>,
    top: u64,
    by_rtx: u32,
    /// Middle of the last sender report's NTP time, and when it came.
    report: Option<(u32, u64)>,
}

impl Subscriber {
    fn take(&mut self, data: &[u8], now: u64) {
        let header = Header::parse(data).unwrap();
        let payload = header.payload(data).unwrap();
        let (seq, payload) = if header.ssrc == self.rtx {
            assert_eq!(header.pt, 101);
            self.by_rtx += 1;
            rtp::rtx::split(payload).unwrap()
        } else {
            assert_eq!((header.ssrc, header.pt), (self.media, 100));
            (header.seq, payload)
        };
        let seq = u64::from(seq);
        if self.top != 0 {
            self.missing.extend((self.top + 1..seq).map(|n| (n, (now, 0))));
        }
        self.top = self.top.max(seq);
        self.missing.remove(&seq);
        if let Some(before) = self.got.insert(seq, payload.to_vec()) {
            assert_eq!(before, payload, "one number, two packets");
        }
    }

    fn note_report(&mut self, compound: &[u8], now: u64) {
        for packet in packets(compound) {
            if let Packet::SenderReport { info, .. } = packet {
                self.report = Some((info.ntp_middle(), now));
            }
        }
    }

    /// The receiver report from which the room reads the round trip.
    fn report(&self, now: u64) -> Vec<u8> {
        let (last_sr, at) = self.report.unwrap_or((0, now));
        let block = ReportBlock {
            ssrc: self.media,
            fraction_lost: 0,
            total_lost: 0,
            highest_seq: self.top as u32,
            jitter: 0,
            last_sr,
            delay_since_last_sr: to_compact_delta(now - at),
        };
        rtcp(|w| w.receiver_report(9, &[block]))
    }

    fn ask(&mut self, now: u64, rtt: u64) -> Option<Vec<u8>> {
        let due = self.missing.iter_mut().filter(|(_, (at, tries))| *at <= now && *tries < TRIES);
        let seqs: Vec<u16> =
            due.map(|(seq, (at, tries))| ((*at, *tries) = (now + rtt, *tries + 1), *seq as u16).1).collect();
        (!seqs.is_empty()).then(|| {
            rtcp(|w| w.receiver_report(9, &[]).and_then(|()| w.nack(9, self.media, seqs.into_iter().take(200))))
        })
    }
}

struct World {
    room: Room,
    wire: Wire,
    legs: [LegId; 2],
    publisher: Publisher,
    subscriber: Subscriber,
    /// Publisher up and down, subscriber up and down; true marks RTP.
    links: [Link<(bool, Vec<u8>)>; 4],
    now: u64,
}

impl World {
    fn new(ways: [&Config; 4], seed: u64) -> World {
        let mut random = Random::new(seed);
        let mut room = Room::new();
        let legs = ["a", "b"].map(|id| {
            let id = room.add_leg(leg(id), 1, &mut || random.next_u64() as u32).unwrap();
            room.set_connected(id, true);
            id
        });
        let source = SourceName { leg: "a".into(), track: "camera".into() };
        room.set_views(legs[1], vec![(10, Some(View { source, height: 360 }))], 1).unwrap();
        let (_, media, rtx) = room.slot_streams(legs[1]).next().unwrap();
        let links = ways.map(|way| Link::new(way.clone(), random.next_u64()).unwrap());
        let subscriber = Subscriber { media, rtx: rtx.unwrap(), ..Subscriber::default() };
        World { room, wire: Wire::default(), legs, publisher: Publisher::default(), subscriber, links, now: 0 }
    }

    fn send(&mut self, link: usize, rtp: bool, data: Vec<u8>) {
        self.links[link].push(Duration::from_micros(self.now), data.len(), (rtp, data));
    }

    fn step(&mut self, publishing: bool, rtt: u64) {
        self.now += STEP;
        let now = self.now;
        let ntp = ntp_from_unix(1_700_000_000_000_000 + now);
        if publishing && now % 33_000 == 0 {
            self.publisher.picture().into_iter().for_each(|data| self.send(0, true, data));
        }
        for (link, leg) in [(0, self.legs[0]), (2, self.legs[1])] {
            while let Some((rtp, data)) = self.links[link].poll(Duration::from_micros(now)) {
                if rtp {
                    let _ = self.room.ingest(leg, &data, now, |data, _, out| {
                        out[..data.len()].copy_from_slice(data);
                        Some(data.len())
                    });
                } else {
                    self.room.rtcp(leg, &data, now, ntp, &mut self.wire);
                }
            }
        }
        self.room.forward(now, &mut self.wire);
        if now % 5_000 == 0 {
            self.room.tick(now, ntp, &mut self.wire);
        }
        for (leg, rtp, data) in std::mem::take(&mut self.wire.out) {
            self.send(if leg == self.legs[0] { 1 } else { 3 }, rtp, data);
        }
        while let Some((_, data)) = self.links[1].poll(Duration::from_micros(now)) {
            self.publisher.take(&data).into_iter().for_each(|data| self.send(0, true, data));
        }
        while let Some((rtp, data)) = self.links[3].poll(Duration::from_micros(now)) {
            if rtp {
                self.subscriber.take(&data, now);
            } else {
                self.subscriber.note_report(&data, now);
            }
        }
        if now % 1_000_000 == 0 {
            let report = self.subscriber.report(now);
            self.send(2, false, report);
        }
        if let Some(nack) = self.subscriber.ask(now, rtt) {
            self.send(2, false, nack);
        }
    }

    fn run(&mut self, seconds: u64, rtt: u64) {
        for _ in 0..seconds * 1_000_000 / STEP {
            self.step(true, rtt);
        }
        for _ in 0..2_000_000 / STEP {
            self.step(false, rtt);
        }
    }

    /// Share of the packets from the subscriber's first to his last that reached him. What is lost at the very end, with
    /// nothing behind it, nobody can miss.
    fn delivered(&self) -> f64 {
        let payloads: std::collections::HashSet<u32> =
            self.subscriber.got.values().map(|p| u32::from_be_bytes(p[11..15].try_into().unwrap())).collect();
        let (first, last) = (payloads.iter().min().unwrap(), payloads.iter().max().unwrap());
        assert!(*last as usize + 6 > self.publisher.sent.len(), "he received to the end");
        let gone: Vec<u32> = (*first..*last).filter(|n| !payloads.contains(n)).collect();
        if !gone.is_empty() {
            println!("never came: {gone:?} of {first}..={last}");
        }
        payloads.len() as f64 / f64::from(last + 1 - first)
    }
}

fn way(loss: f64, one_way_ms: u64) -> Config {
    Config {
        loss,
        delay: Duration::from_millis(one_way_ms),
        jitter: Duration::from_millis(4),
        reorder: 0.02,
        reorder_by: Duration::from_millis(6),
        duplicate: 0.005,
        ..Config::default()
    }
}

#[test]
fn what_is_lost_on_the_way_comes_in_the_end() {
    for (loss, one_way, seeds) in
        [(0.01, 10, 0..4), (0.05, 10, 4..8), (0.1, 10, 8..12), (0.05, 75, 12..16), (0.1, 40, 16..20)]
    {
        for seed in seeds {
            let way = way(loss, one_way);
            let mut w = World::new([&way; 4], seed);
            w.run(20, one_way * 2_000 + 10_000);
            let (stats, what) = (w.room.stats(), format!("loss {loss}, {one_way} ms, seed {seed}"));
            let delivered = w.delivered();
            println!(
                "{what}: {delivered:.5}, rtx {} for {} keyframes {} {stats:?}",
                w.subscriber.by_rtx,
                w.subscriber.got.len(),
                w.publisher.keyframes
            );
            assert!(delivered >= 0.999, "{what}: {delivered}");
            // Retransmissions stay in proportion to what was lost, and hardly anything needs a keyframe.
            let sent = w.publisher.sent.len() as f64;
            assert!(f64::from(w.subscriber.by_rtx) < sent * (loss * 3.0 + 0.05), "{what}: {}", w.subscriber.by_rtx);
            assert!(w.publisher.keyframes <= 4, "{what}: {} keyframes", w.publisher.keyframes);
        }
    }
}

#[test]
fn a_packet_that_comes_back_in_vain_again_and_again_costs_a_keyframe() {
    let way = Config { delay: Duration::from_millis(5), ..Config::default() };
    let mut w = World::new([&way; 4], 1);
    (0..3_500).for_each(|_| w.step(true, 20_000));
    // Nothing but its NACK gets through to or from the subscriber for 0.4 s; then all does.
    let now = Duration::from_micros(w.now);
    w.links[3].configure(Config { loss: 1.0, ..Config::default() }, now).unwrap();
    (0..40).for_each(|_| w.step(true, 20_000));
    let lost = w.subscriber.top + 1;
    w.subscriber.missing.insert(lost, (w.now, 0));
    assert_eq!(w.publisher.keyframes, 1);
    (0..400).for_each(|_| w.step(true, 20_000));
    assert_eq!(w.publisher.keyframes, 2, "{:?}", w.room.stats());
    assert!(w.room.stats().rtx_out >= 5);
    w.links[3].configure(Config::default(), Duration::from_micros(w.now)).unwrap();
    (0..1_000).for_each(|_| w.step(true, 20_000));
    assert_eq!((w.publisher.keyframes, w.room.stats().pli_out), (2, 1), "one request for one gap");
}

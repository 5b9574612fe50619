//! A leg that receives: opens and checks the packets of its slots, asks for lost ones again, reports once a second.

use rtp::payload::vp8;
use rtp::rtcp::{packets, Packet, ReportBlock, RtcpWriter};
use rtp::Header;

use super::inbound::Inbound;
use super::options::Verify;
use super::rng::Rng;
use super::session::{Session, MAX_DATAGRAM};
use super::stamp;
use super::tally::Tally;

/// In the sampled mode one packet in this many is opened.
const SAMPLE: u16 = 16;
/// The SSRC that the reports of every subscriber carry.
const REPORTER: u32 = 0x5000_0001;

/// How this run treats what arrives.
pub struct Checks {
    pub verify: Verify,
    /// Percent thrown away.
    pub loss: f64,
    pub rng: Rng,
    plain: [u8; MAX_DATAGRAM + 548],
}

impl Checks {
    pub fn new(verify: Verify, loss: f64, seed: u64) -> Checks {
        Checks { verify, loss, rng: Rng::new(seed), plain: [0; MAX_DATAGRAM + 548] }
    }
}

/// One slot's stream.
struct Stream {
    ssrc: u32,
    rtx_ssrc: Option<u32>,
    video: bool,
    inbound: Inbound,
    keyframe_seen: bool,
}

/// The streams of one subscriber.
#[derive(Default)]
pub struct Subscriber {
    streams: Vec<Stream>,
}

impl Subscriber {
    /// Expect a slot's stream.
    pub fn expect(&mut self, ssrc: u32, rtx_ssrc: Option<u32>, video: bool) {
        let inbound = Inbound::new(if video { 90_000 } else { 48_000 });
        self.streams.push(Stream { ssrc, rtx_ssrc, video, inbound, keyframe_seen: false });
    }

    /// Has every video slot received something?
    pub fn all_flow(&self) -> bool {
        self.streams.iter().all(|stream| !stream.video || stream.inbound.received > 0)
    }

    /// Take an SRTP packet that arrived at `micros`.
    pub fn rtp(&mut self, packet: &[u8], micros: u64, session: &mut Session, checks: &mut Checks, tally: &mut Tally) {
        if checks.rng.chance(checks.loss) {
            tally.thrown_away += 1;
            return;
        }
        let Ok(header) = Header::parse(packet) else {
            tally.refused += 1;
            return;
        };
        let found = self.streams.iter_mut().find(|s| s.ssrc == header.ssrc || s.rtx_ssrc == Some(header.ssrc));
        let Some(stream) = found else {
            tally.unknown_ssrc += 1;
            return;
        };
        tally.wire_packets += 1;
        tally.wire_bytes += packet.len() as u64;
        let is_rtx = stream.ssrc != header.ssrc;
        let opened = is_rtx || checks.verify == Verify::Full || header.seq % SAMPLE == 0;
        let payload = if opened {
            let Some(len) = session.open_rtp(packet, &header, &mut checks.plain) else {
                tally.refused += 1;
                return;
            };
            let Ok(payload) = header.payload(&checks.plain[..len]) else { return };
            Some(payload)
        } else {
            None
        };
        stream.take(&header, payload, is_rtx, micros, tally);
    }

    /// Take a decrypted RTCP compound from the engine.
    pub fn rtcp(&mut self, compound: &[u8], micros: u64) {
        for packet in packets(compound) {
            if let Packet::SenderReport { info, .. } = packet {
                if let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == info.ssrc) {
                    stream.inbound.sender_report(info.ntp_middle(), micros);
                }
            }
        }
    }

    /// Ask for what is missing: call after each batch, and now and then for the repetitions.
    pub fn send_nacks(&mut self, micros: u64, session: &mut Session, tally: &mut Tally, mut send: impl FnMut(&[u8])) {
        let mut lost = Vec::new();
        for stream in self.streams.iter_mut().filter(|stream| stream.rtx_ssrc.is_some()) {
            stream.inbound.nacks(micros, &mut lost);
            if lost.is_empty() {
                continue;
            }
            tally.nacked += lost.len() as u64;
            let media = stream.ssrc;
            // A NACK of 200 numbers fits a datagram however far they lie apart.
            for part in lost.chunks(200) {
                seal(session, &mut send, |writer| writer.nack(REPORTER, media, part.iter().copied()));
            }
        }
    }

    /// Send receiver reports, and a PLI for each video stream that has not begun with a keyframe.
    pub fn report(
        &mut self,
        micros: u64,
        session: &mut Session,
        checks: &Checks,
        tally: &mut Tally,
        mut send: impl FnMut(&[u8]),
    ) {
        let blocks: Vec<ReportBlock> =
            self.streams.iter_mut().filter_map(|stream| stream.inbound.report(stream.ssrc, micros)).collect();
        for part in blocks.chunks(31) {
            seal(session, &mut send, |writer| writer.receiver_report(REPORTER, part));
        }
        if checks.verify != Verify::Full {
            return;
        }
        for stream in self.streams.iter().filter(|s| s.video && s.inbound.received > 0 && !s.keyframe_seen) {
            tally.plis_sent += 1;
            seal(session, &mut send, |writer| writer.pli(REPORTER, stream.ssrc));
        }
    }
}

impl Stream {
    /// Count a packet; `payload` is there when it was opened.
    fn take(&mut self, header: &Header, payload: Option<&[u8]>, is_rtx: bool, micros: u64, tally: &mut Tally) {
        let (fresh, payload) = if is_rtx {
            // Padding on the RTX stream (probing) has no original sequence number.
            let Some((osn, original)) = payload.and_then(rtp::rtx::split) else { return };
            (self.inbound.retransmitted(osn, micros), Some(original))
        } else {
            (self.inbound.packet(header.seq, header.timestamp, micros), payload)
        };
        if !fresh {
            tally.duplicates += 1;
            return;
        }
        tally.recovered += u64::from(is_rtx);
        if !self.video {
            tally.audio_received += 1;
            return;
        }
        tally.received_all += 1;
        match payload {
            Some(payload) => self.check(payload, is_rtx, micros, tally),
            None => tally.received += u64::from(tally.window.is_some()),
        }
    }

    fn check(&mut self, payload: &[u8], is_rtx: bool, micros: u64, tally: &mut Tally) {
        if vp8::starts_keyframe(payload) {
            self.keyframe_seen = true;
            tally.keyframes += 1;
        }
        let Some(stamp) = stamp::read(payload) else {
            tally.damaged += 1;
            return;
        };
        if tally.in_window(stamp.publisher, stamp.number) {
            tally.received += 1;
            if !is_rtx {
                tally.latency.add(micros.saturating_sub(stamp.micros));
            }
        }
    }
}

fn seal(session: &mut Session, send: &mut impl FnMut(&[u8]), write: impl FnOnce(&mut RtcpWriter) -> Option<()>) {
    let mut buf = [0; MAX_DATAGRAM];
    let mut writer = RtcpWriter::new(&mut buf);
    let written = write(&mut writer);
    let len = writer.len();
    if let Some(len) = written.and_then(|()| session.seal_rtcp(&mut buf, len)) {
        send(&buf[..len]);
    }
}

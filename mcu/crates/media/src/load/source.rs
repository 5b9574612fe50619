//! What a publisher sends: VP8 (RFC 7741) in bursts of one frame, Opus (RFC 7587) with audio levels (RFC 6464), and RTX (RFC 4588).
//!
//! Packets are made in clear; the leg that owns the source protects and sends them. The pictures cannot be decoded: behind a valid
//! descriptor, frame tag and keyframe header lies the stamp of `stamp.rs`. Left out: simulcast and temporal layers (a later issue).

use std::time::Duration;

use rtp::header::{AudioLevel, HeaderWriter};

use super::stamp::{self, Stamp};

/// Header extension ids of every generated leg.
pub mod ext {
    pub const MID: u8 = 4;
    pub const AUDIO_LEVEL: u8 = 1;
    pub const ABS_SEND_TIME: u8 = 2;
}

/// Payload types of every generated leg.
pub mod pt {
    pub const OPUS: u8 = 111;
    pub const VP8: u8 = 96;
    pub const VP8_RTX: u8 = 97;
}

const HISTORY: usize = 1024;
const MAX_PACKET: usize = 1500;
const VIDEO_CLOCK: u64 = 90_000;
/// VP8 descriptor with a 15-bit picture id (4 bytes), frame tag (3), start code (3), width and height (4).
const VIDEO_HEAD: usize = 14;
const AUDIO_EVERY: Duration = Duration::from_millis(20);
const AUDIO_PAYLOAD: usize = 80;
/// A publisher speaks this long before the next one of its room does.
const TURN: Duration = Duration::from_secs(2);

/// A VP8 track with its retransmission buffer.
pub struct Video {
    publisher: u32,
    mid: &'static str,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    /// Plaintext length of a packet, so that it is `--size` bytes once protected.
    len: usize,
    pps: u64,
    fps: u64,
    /// Shifts this publisher's bursts against the others'.
    phase: Duration,
    frame: u64,
    keyframe: bool,
    /// Extended sequence number of the first packet.
    first: u64,
    rtx_index: u64,
    /// Packets sent so far, retransmissions not counted.
    pub sent: u64,
    pub octets: u64,
    pub timestamp: u32,
    history: Vec<Vec<u8>>,
}

impl Video {
    /// `index` is the publisher's number, `of` how many share the frame interval.
    pub fn new(index: u32, of: u32, plain_len: usize, pps: u32, fps: u32) -> Video {
        Video {
            publisher: index,
            mid: "1",
            ssrc: 0x1000_0000 + index,
            rtx_ssrc: 0x2000_0000 + index,
            len: plain_len,
            pps: pps.into(),
            fps: fps.into(),
            phase: Duration::from_secs(1) / fps * (index % of) / of,
            frame: 0,
            keyframe: true,
            first: (u64::from(index) * 977) & 0x3fff,
            rtx_index: (u64::from(index) * 331) & 0x3fff,
            sent: 0,
            octets: 0,
            timestamp: 0,
            history: vec![Vec::new(); HISTORY],
        }
    }

    /// When the next frame is due, counted from the start of sending.
    pub fn due(&self) -> Duration {
        self.phase + Duration::from_nanos(self.frame * 1_000_000_000 / self.fps)
    }

    /// Answer a PLI or FIR: the next frame is a keyframe.
    pub fn request_keyframe(&mut self) {
        self.keyframe = true;
    }

    /// Make the packets of one frame and hand each to `emit`, with its extended sequence number. `micros` goes into the stamps.
    pub fn make_frame(&mut self, micros: u64, mut emit: impl FnMut(&[u8], u64)) {
        let count = ((self.frame + 1) * self.pps / self.fps - self.frame * self.pps / self.fps).max(1);
        self.timestamp = (self.frame * VIDEO_CLOCK / self.fps) as u32;
        for n in 0..count {
            let index = self.first + self.sent;
            let mut packet = std::mem::take(&mut self.history[index as usize % HISTORY]);
            packet.resize(MAX_PACKET, 0);
            let head = self.header(n + 1 == count, micros, &mut packet);
            packet.truncate(self.len);
            let payload = &mut packet[head..];
            stamp::write(payload, &Stamp { publisher: self.publisher, number: self.sent, micros });
            self.describe(n == 0, payload);
            emit(&packet, index);
            self.octets += (packet.len() - head) as u64;
            self.history[index as usize % HISTORY] = packet;
            self.sent += 1;
        }
        self.keyframe = false;
        self.frame += 1;
    }

    fn header(&self, marker: bool, micros: u64, packet: &mut [u8]) -> usize {
        let seq = (self.first + self.sent) as u16;
        let header =
            HeaderWriter { pt: pt::VP8, marker, padding: false, seq, timestamp: self.timestamp, ssrc: self.ssrc };
        let time = abs_send_time(micros);
        header.write(packet, &[(ext::MID, self.mid.as_bytes()), (ext::ABS_SEND_TIME, &time)]).unwrap_or(0)
    }

    fn describe(&self, first: bool, payload: &mut [u8]) {
        let [high, low] = (self.frame as u16 & 0x7fff).to_be_bytes();
        payload[..4].copy_from_slice(&[0x80 | u8::from(first) << 4, 0x80, 0x80 | high, low]);
        if first {
            // Frame tag: P bit clear on a keyframe, show_frame set (RFC 6386 §9.1).
            payload[4..7].copy_from_slice(&[0x10 | u8::from(!self.keyframe), 0x02, 0x00]);
            if self.keyframe {
                payload[7..VIDEO_HEAD].copy_from_slice(&[0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01]);
            }
        }
    }

    /// Build the RTX packet for a lost sequence number into `out`; answers its length and its own extended sequence number, or
    /// None when the packet is gone.
    pub fn retransmit(&mut self, seq: u16, out: &mut [u8]) -> Option<(usize, u64)> {
        let original = &self.history[usize::from(seq) % HISTORY];
        let header = rtp::Header::parse(original).ok().filter(|header| header.seq == seq)?;
        let index = self.rtx_index;
        let len = rtp::rtx::build(original, &header, pt::VP8_RTX, self.rtx_ssrc, index as u16, out)?;
        self.rtx_index += 1;
        Some((len, index))
    }
}

/// An Opus track. The publishers of a room take turns as the loudest.
pub struct Audio {
    publisher: u32,
    /// This publisher's place among `of` of its room.
    place: u32,
    of: u32,
    pub ssrc: u32,
    first: u64,
    pub sent: u64,
    pub octets: u64,
    pub timestamp: u32,
}

impl Audio {
    pub fn new(index: u32, of: u32) -> Audio {
        let first = (u64::from(index) * 613) & 0x3fff;
        Audio {
            publisher: index,
            place: index % of,
            of,
            ssrc: 0x3000_0000 + index,
            first,
            sent: 0,
            octets: 0,
            timestamp: 0,
        }
    }

    /// When the next packet is due, counted from the start of sending.
    pub fn due(&self) -> Duration {
        AUDIO_EVERY * self.sent as u32
    }

    /// Make the next packet and hand it to `emit` with its extended sequence number.
    pub fn make(&mut self, micros: u64, emit: impl FnOnce(&[u8], u64)) {
        let index = self.first + self.sent;
        let speaks = (self.due().as_millis() / TURN.as_millis()) as u32 % self.of == self.place;
        let level = AudioLevel { voice: speaks, below_full_scale: if speaks { 25 } else { 80 } }.to_byte();
        self.timestamp = (self.sent * 960) as u32;
        let header = HeaderWriter {
            pt: pt::OPUS,
            marker: self.sent == 0,
            padding: false,
            seq: index as u16,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
        };
        let mut packet = [0; MAX_PACKET];
        let head = header.write(&mut packet, &[(ext::MID, b"0"), (ext::AUDIO_LEVEL, &[level])]).unwrap_or(0);
        let payload = &mut packet[head..head + AUDIO_PAYLOAD];
        stamp::write(payload, &Stamp { publisher: self.publisher, number: self.sent, micros });
        // TOC: CELT fullband, 20 ms, one frame (RFC 6716 §3.1).
        payload[0] = 0xf8;
        emit(&packet[..head + AUDIO_PAYLOAD], index);
        self.octets += AUDIO_PAYLOAD as u64;
        self.sent += 1;
    }
}

/// abs-send-time: seconds in 6.18 fixed point, 24 bits.
fn abs_send_time(micros: u64) -> [u8; 3] {
    let value = (u128::from(micros) << 18) / 1_000_000;
    let bytes = (value as u32).to_be_bytes();
    [bytes[1], bytes[2], bytes[3]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtp::payload::vp8;
    use rtp::Header;

    fn frame(video: &mut Video) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        video.make_frame(5, |p, _| packets.push(p.to_vec()));
        packets
    }

    #[test]
    fn a_second_of_frames_has_the_asked_number_of_packets_in_bursts() {
        let mut video = Video::new(1, 4, 1134, 400, 30);
        let sizes: Vec<usize> = (0..30).map(|_| frame(&mut video).len()).collect();
        assert_eq!(sizes.iter().sum::<usize>(), 400);
        assert!(sizes.iter().all(|n| (13..=14).contains(n)));
        assert_eq!(video.due(), Duration::from_secs(1) + Duration::from_secs(1) / 30 / 4);
    }

    #[test]
    fn frames_begin_with_a_valid_descriptor_and_only_asked_frames_are_keys() {
        let mut video = Video::new(0, 1, 1134, 60, 30);
        let first = frame(&mut video);
        let payload = |p: &[u8]| Header::parse(p).unwrap().payload(p).unwrap().to_vec();
        assert_eq!(vp8::keyframe_size(&payload(&first[0])), Some(vp8::Size { width: 640, height: 360 }));
        assert!(!vp8::starts_keyframe(&payload(&first[1])));
        let second = frame(&mut video);
        let descriptor = vp8::Descriptor::parse(&payload(&second[0])).unwrap();
        assert!(descriptor.starts_frame() && !vp8::starts_keyframe(&payload(&second[0])));
        assert_eq!(descriptor.picture_id.unwrap().value, 1);
        video.request_keyframe();
        assert!(vp8::starts_keyframe(&payload(&frame(&mut video)[0])));
        assert!(Header::parse(&second[1]).unwrap().marker && !Header::parse(&second[0]).unwrap().marker);
        assert!(first.iter().chain(&second).all(|p| p.len() == 1134));
    }

    #[test]
    fn a_lost_packet_is_rebuilt_as_rtx_and_an_old_one_is_not() {
        let mut video = Video::new(3, 4, 1134, 400, 30);
        let original = frame(&mut video).remove(2);
        let header = Header::parse(&original).unwrap();
        let mut out = [0; 1500];
        let (len, _) = video.retransmit(header.seq, &mut out).unwrap();
        let rtx = Header::parse(&out[..len]).unwrap();
        assert_eq!((rtx.ssrc, rtx.pt), (video.rtx_ssrc, pt::VP8_RTX));
        let (osn, payload) = rtp::rtx::split(rtx.payload(&out[..len]).unwrap()).unwrap();
        assert_eq!(osn, header.seq);
        assert_eq!(stamp::read(payload).unwrap().number, 2);
        for _ in 0..100 {
            frame(&mut video);
        }
        assert_eq!(video.retransmit(header.seq, &mut out), None);
    }

    #[test]
    fn one_publisher_of_a_room_speaks_at_a_time() {
        let mut tracks: Vec<Audio> = (0..3).map(|i| Audio::new(i, 3)).collect();
        for _ in 0..500 {
            let mut voices = 0;
            for track in &mut tracks {
                track.make(9, |p, _| {
                    let level = Header::parse(p).unwrap().audio_level(p, ext::AUDIO_LEVEL).unwrap();
                    voices += u32::from(level.voice);
                });
            }
            assert_eq!(voices, 1);
        }
        assert_eq!(tracks[0].due(), Duration::from_secs(10));
    }
}

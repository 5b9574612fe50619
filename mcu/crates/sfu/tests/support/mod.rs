//! A room without a network: packets in, what each subscriber gets out.
#![allow(dead_code)] // each test file uses its part

use rtp::rtcp::{packets, Packet, RtcpWriter};
use rtp::{Header, HeaderWriter};
use sfu::clock::ntp_from_unix;
use sfu::room::model::*;
use sfu::room::{LegId, Room, Sink};

pub const NTP: u64 = 1_700_000_000_000_000;

/// Keeps what leaves.
#[derive(Default)]
pub struct Wire {
    place: Vec<u8>,
    pub rtp: Vec<(LegId, Vec<u8>, u64)>,
    pub rtcp: Vec<(LegId, Vec<u8>)>,
}

impl Sink for Wire {
    fn place(&mut self, _: LegId) -> &mut [u8] {
        self.place = vec![0; 2048];
        &mut self.place
    }

    fn rtp(&mut self, leg: LegId, header: usize, len: usize, ssrc: u32, index: u64) {
        let packet = self.place[..len].to_vec();
        let parsed = Header::parse(&packet).unwrap();
        assert_eq!((parsed.header_len.min(header), parsed.ssrc, parsed.seq), (parsed.header_len, ssrc, index as u16));
        self.rtp.push((leg, packet, index));
    }

    fn rtcp(&mut self, leg: LegId, compound: &[u8]) {
        self.rtcp.push((leg, compound.to_vec()));
    }
}

impl Wire {
    pub fn to(&self, leg: LegId) -> Vec<(Header, &[u8])> {
        let mine = self.rtp.iter().filter(|(to, ..)| *to == leg);
        mine.map(|(_, packet, _)| (Header::parse(packet).unwrap(), &packet[..])).collect()
    }

    pub fn count(&self, leg: LegId, fits: impl Fn(&Packet) -> bool) -> usize {
        self.rtcp.iter().filter(|(to, _)| *to == leg).flat_map(|(_, c)| packets(c)).filter(|p| fits(p)).count()
    }
}

pub fn codec(name: CodecName, pt: u8, rtx_pt: Option<u8>) -> Codec {
    let clock_rate = if name == CodecName::Opus { 48_000 } else { 90_000 };
    Codec { name, pt, rtx_pt, clock_rate, packetization_mode: 1, profile: 0x42 }
}

pub fn track(name: &str, codecs: &[Codec]) -> TrackSpec {
    let video = codecs[0].name != CodecName::Opus;
    TrackSpec { name: name.into(), video, mid: name.into(), codecs: codecs.to_vec(), ssrcs: vec![], rtx_ssrcs: vec![] }
}

pub fn slot(number: u32, speaker: bool, codecs: &[Codec]) -> SlotSpec {
    SlotSpec { number, video: codecs[0].name != CodecName::Opus, speaker, codecs: codecs.to_vec() }
}

pub fn leg(id: &str, orientation: u8) -> LegSpec {
    let (opus, vp8, h264) =
        (codec(CodecName::Opus, 111, None), codec(CodecName::Vp8, 96, Some(97)), codec(CodecName::H264, 98, Some(99)));
    let mut slots: Vec<SlotSpec> = (0..3).map(|n| slot(n, true, std::slice::from_ref(&opus))).collect();
    slots.push(slot(10, false, &[codec(CodecName::Vp8, 120, Some(121)), codec(CodecName::H264, 122, Some(123))]));
    slots.push(slot(11, false, &[codec(CodecName::Vp8, 120, None)]));
    LegSpec {
        id: id.into(),
        tracks: vec![track("mic", &[opus]), track("camera", &[vp8, h264])],
        slots,
        extensions: ExtensionIds { mid: 4, audio_level: 2, video_orientation: orientation, transport_cc: 6 },
    }
}

pub struct World {
    pub room: Room,
    pub wire: Wire,
    pub now: u64,
    random: u32,
}

impl World {
    pub fn new() -> World {
        World { room: Room::new(), wire: Wire::default(), now: 1_000_000, random: 1 }
    }

    pub fn add(&mut self, spec: LegSpec) -> LegId {
        let random = &mut self.random;
        let mut next = || {
            *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *random
        };
        let id = self.room.add_leg(spec, self.now, &mut next).unwrap();
        self.room.set_connected(id, true);
        id
    }

    pub fn view(&mut self, leg: LegId, slot: u32, of: &str) {
        let source = SourceName { leg: of.into(), track: "camera".into() };
        self.room.set_views(leg, vec![(slot, Some(View { source, height: 180 }))], self.now).unwrap();
    }

    /// Sends a packet of (payload type, sequence number, timestamp, SSRC).
    pub fn send(
        &mut self,
        leg: LegId,
        (pt, seq, timestamp, ssrc): (u8, u16, u32, u32),
        ext: &[(u8, &[u8])],
        payload: &[u8],
    ) -> Result<(), Drop> {
        let mut buffer = [0; 2048];
        let header = HeaderWriter { pt, marker: false, padding: false, seq, timestamp, ssrc };
        let at = header.write(&mut buffer, ext).unwrap();
        buffer[at..at + payload.len()].copy_from_slice(payload);
        let packet = &buffer[..at + payload.len()];
        let result = self.room.ingest(leg, packet, self.now, |packet, _, out| {
            out[..packet.len()].copy_from_slice(packet);
            Some(packet.len())
        });
        self.room.forward(self.now, &mut self.wire);
        result
    }

    pub fn vp8(&mut self, leg: LegId, seq: u16, key: bool) {
        let payload = [0x10, u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 0, 1, 0, 1, seq as u8];
        self.send(leg, (96, seq, u32::from(seq) * 3000, 5000 + leg as u32), &[(4, b"camera")], &payload).unwrap();
    }

    pub fn voice(&mut self, leg: LegId, seq: u16, level: u8) {
        let ext: &[(u8, &[u8])] = &[(4, b"mic"), (2, &[level])];
        self.send(leg, (111, seq, u32::from(seq) * 960, 100 + leg as u32), ext, &[0xf8; 60]).unwrap();
    }

    pub fn run(&mut self, ms: u64) {
        for _ in 0..ms / 5 {
            self.now += 5_000;
            self.room.tick(self.now, ntp_from_unix(NTP + self.now), &mut self.wire);
        }
    }

    pub fn rtcp(&mut self, leg: LegId, write: impl FnOnce(&mut RtcpWriter) -> Option<()>) {
        let mut buffer = [0; 1500];
        let mut writer = RtcpWriter::new(&mut buffer);
        write(&mut writer).unwrap();
        let len = writer.len();
        let ntp = ntp_from_unix(NTP + self.now);
        self.room.rtcp(leg, &buffer[..len], self.now, ntp, &mut self.wire);
    }

    pub fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.room.take_events(|event| events.push(event));
        events
    }

    pub fn ssrc(&self, leg: LegId, slot: u32) -> u32 {
        self.room.slot_streams(leg).find(|(number, ..)| *number == slot).unwrap().1
    }
}

pub fn is_pli(packet: &Packet) -> bool {
    matches!(packet, Packet::Pli { .. })
}

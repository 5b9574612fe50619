//! A room without a network: packets in, what each subscriber gets out.

use rtp::rtcp::{packets, Packet, RtcpWriter, SenderInfo};
use rtp::{Header, HeaderWriter};
use sfu::clock::ntp_from_unix;
use sfu::room::model::*;
use sfu::room::{LegId, Limit, Room, Sink};

const NTP: u64 = 1_700_000_000_000_000;

/// Keeps what leaves.
#[derive(Default)]
struct Wire {
    place: Vec<u8>,
    rtp: Vec<(LegId, Vec<u8>, u64)>,
    rtcp: Vec<(LegId, Vec<u8>)>,
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
    fn to(&self, leg: LegId) -> Vec<(Header, &[u8])> {
        let mine = self.rtp.iter().filter(|(to, ..)| *to == leg);
        mine.map(|(_, packet, _)| (Header::parse(packet).unwrap(), &packet[..])).collect()
    }

    fn count(&self, leg: LegId, fits: impl Fn(&Packet) -> bool) -> usize {
        self.rtcp.iter().filter(|(to, _)| *to == leg).flat_map(|(_, c)| packets(c)).filter(|p| fits(p)).count()
    }
}

fn codec(name: CodecName, pt: u8, rtx_pt: Option<u8>) -> Codec {
    let clock_rate = if name == CodecName::Opus { 48_000 } else { 90_000 };
    Codec { name, pt, rtx_pt, clock_rate, packetization_mode: 1, profile: 0x42 }
}

fn track(name: &str, codecs: &[Codec]) -> TrackSpec {
    let video = codecs[0].name != CodecName::Opus;
    TrackSpec { name: name.into(), video, mid: name.into(), codecs: codecs.to_vec(), ssrcs: vec![], rtx_ssrcs: vec![] }
}

fn slot(number: u32, speaker: bool, codecs: &[Codec]) -> SlotSpec {
    SlotSpec { number, video: codecs[0].name != CodecName::Opus, speaker, codecs: codecs.to_vec() }
}

fn leg(id: &str, orientation: u8) -> LegSpec {
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

struct World {
    room: Room,
    wire: Wire,
    now: u64,
    random: u32,
}

impl World {
    fn new() -> World {
        World { room: Room::new(), wire: Wire::default(), now: 1_000_000, random: 1 }
    }

    fn add(&mut self, spec: LegSpec) -> LegId {
        let random = &mut self.random;
        let mut next = || {
            *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *random
        };
        let id = self.room.add_leg(spec, self.now, &mut next).unwrap();
        self.room.set_connected(id, true);
        id
    }

    fn view(&mut self, leg: LegId, slot: u32, of: &str) {
        let source = SourceName { leg: of.into(), track: "camera".into() };
        self.room.set_view(leg, slot, Some(View { source, height: 180 }), self.now).unwrap();
    }

    /// Sends a packet of (payload type, sequence number, timestamp, SSRC).
    fn send(
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

    fn vp8(&mut self, leg: LegId, seq: u16, key: bool) {
        let payload = [0x10, u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 0, 1, 0, 1, seq as u8];
        self.send(leg, (96, seq, u32::from(seq) * 3000, 5000 + leg as u32), &[(4, b"camera")], &payload).unwrap();
    }

    fn voice(&mut self, leg: LegId, seq: u16, level: u8) {
        let ext: &[(u8, &[u8])] = &[(4, b"mic"), (2, &[level])];
        self.send(leg, (111, seq, u32::from(seq) * 960, 100 + leg as u32), ext, &[0xf8; 60]).unwrap();
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms / 5 {
            self.now += 5_000;
            self.room.tick(self.now, ntp_from_unix(NTP + self.now), &mut self.wire);
        }
    }

    fn rtcp(&mut self, leg: LegId, write: impl FnOnce(&mut RtcpWriter) -> Option<()>) {
        let mut buffer = [0; 1500];
        let mut writer = RtcpWriter::new(&mut buffer);
        write(&mut writer).unwrap();
        let len = writer.len();
        let ntp = ntp_from_unix(NTP + self.now);
        self.room.rtcp(leg, &buffer[..len], self.now, ntp, &mut self.wire);
    }

    fn events(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.room.take_events(|event| events.push(event));
        events
    }

    fn ssrc(&self, leg: LegId, slot: u32) -> u32 {
        self.room.slot_streams(leg).find(|(number, ..)| *number == slot).unwrap().1
    }
}

fn is_pli(packet: &Packet) -> bool {
    matches!(packet, Packet::Pli { .. })
}

#[test]
fn sixty_viewers_joining_in_a_storm_cost_at_most_two_requests_a_second() {
    let mut w = World::new();
    let a = w.add(leg("a", 0));
    w.vp8(a, 1, true);
    for _ in 0..60 {
        let b = w.add(leg(&format!("b{}", w.now), 0));
        w.view(b, 10, "a");
        w.run(165);
    }
    let asked = w.wire.count(a, is_pli);
    assert!((1..=21).contains(&asked), "{asked} requests in ten seconds");
    // One keyframe serves all who wait.
    w.vp8(a, 2, true);
    assert_eq!(w.wire.rtp.len(), 60);
    let before = w.wire.count(a, is_pli);
    w.run(3_000);
    assert_eq!(w.wire.count(a, is_pli), before);
}

#[test]
fn an_h264_join_starts_at_the_sps_not_at_the_idr() {
    let mut w = World::new();
    let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
    w.view(b, 10, "a");
    let (sps, pps, idr): (&[u8], &[u8], &[u8]) = (&[0x67, 0x42, 0xe0, 0x1f, 1], &[0x68, 1, 2], &[0x65, 0x88, 0]);
    for (seq, payload) in [(1, sps), (2, pps), (3, idr)] {
        w.send(a, (98, seq, 0, 5000), &[(4, b"camera")], payload).unwrap();
    }
    assert_eq!(w.wire.to(b).len(), 3);
    assert_eq!(w.wire.to(b)[0].0.pt, 122);
    // A later viewer does not begin at an IDR whose SPS it has not seen.
    let c = w.add(leg("c", 0));
    w.view(c, 10, "a");
    w.send(a, (98, 4, 3000, 5000), &[], idr).unwrap();
    assert!(w.wire.to(c).is_empty());
    w.send(a, (98, 5, 3000, 5000), &[], &[24, 0, 5, 0x67, 0x42, 0xe0, 0x1f, 1, 0, 3, 0x68, 1, 2]).unwrap();
    assert_eq!(w.wire.to(c).len(), 1);
}

#[test]
fn a_publisher_is_told_when_its_packets_arrived_also_those_that_are_dropped() {
    let mut w = World::new();
    let mut silent = leg("silent", 0);
    silent.extensions.transport_cc = 0;
    let (a, b) = (w.add(leg("a", 0)), w.add(silent));
    let key = [0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 0, 1, 0, 1];
    for id in [a, b] {
        for (number, seq) in [(9u16, 1), (10, 2), (12, 2), (13, 3)] {
            w.now += 1_000;
            let _ = w.send(id, (96, seq, 0, 5000), &[(4, b"camera"), (6, &number.to_be_bytes())], &key);
        }
    }
    let began = w.now - 7_000;
    w.run(300);
    let told = |id| w.wire.count(id, |p| matches!(p, Packet::TransportFeedback(_)));
    assert_eq!((told(a), told(b), w.room.stats().transport_cc_out), (1, 0, 1));
    let all = w.wire.rtcp.iter().filter(|(to, _)| *to == a).flat_map(|(_, compound)| packets(compound));
    let feedback = all.filter_map(|packet| match packet {
        Packet::TransportFeedback(feedback) => Some(feedback),
        _ => None,
    });
    let feedback = feedback.last().expect("counted above");
    assert_eq!(feedback.media, 5000);
    let expected = [(9, Some(0)), (10, Some(1)), (11, None), (12, Some(2)), (13, Some(3))];
    let milliseconds = |at: i64| (at * 250 - began as i64) / 1_000;
    assert!(feedback.packets().map(|(seq, at)| (seq, at.map(milliseconds))).eq(expected));
}

#[test]
fn a_codec_the_viewer_lacks_is_not_sent() {
    let mut w = World::new();
    let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
    w.view(b, 11, "a"); // slot 11 takes VP8 only
    w.send(a, (98, 1, 0, 5000), &[(4, b"camera")], &[0x67, 0x42, 0xe0, 0x1f, 1]).unwrap();
    assert!(w.wire.to(b).is_empty());
    w.vp8(a, 2, true);
    assert_eq!(w.wire.to(b).len(), 1);
}

#[test]
fn orientation_goes_on_just_those_packets_and_receivers_that_have_it() {
    let mut w = World::new();
    let (a, b, c) = (w.add(leg("a", 3)), w.add(leg("b", 7)), w.add(leg("c", 0)));
    w.view(b, 10, "a");
    w.view(c, 10, "a");
    w.vp8(a, 1, true);
    let last = [0x00, 1, 2, 3];
    w.send(a, (96, 2, 3000, 5000), &[(4, b"camera"), (3, &[1])], &last).unwrap();
    let seen = |leg| w.wire.to(leg).iter().map(|(h, p)| h.extension(p, 7).map(<[u8]>::to_vec)).collect::<Vec<_>>();
    assert_eq!(seen(b), [None, Some(vec![1])]);
    assert!(w.wire.to(c).iter().all(|(h, _)| h.ext.is_empty()));
}

#[test]
fn nobody_hears_himself_and_the_fourth_takes_the_free_place() {
    let mut w = World::new();
    let legs: Vec<LegId> = (0..5).map(|n| w.add(leg(&format!("l{n}"), 0))).collect();
    for seq in 1..100 {
        for (n, id) in legs.iter().enumerate() {
            w.voice(*id, seq, [20, 22, 24, 26, 90][n]);
        }
        w.run(20);
    }
    let heard = |w: &World, id: LegId| {
        let mut names: Vec<String> = (0..3).filter_map(|s| w.room.shown(id, s)).map(|s| s.leg.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(heard(&w, legs[4]), ["l0", "l1", "l2"]);
    assert_eq!(heard(&w, legs[0]), ["l1", "l2", "l3"]);
    assert_eq!(heard(&w, legs[3]), ["l0", "l1", "l2"]);
    let dominant =
        |e: &Event| matches!(e, Event::Speakers { dominant: Some(leg), active } if leg == "l0" && active.len() == 3);
    assert!(w.events().iter().any(dominant));
}

#[test]
fn a_track_is_wanted_at_once_and_unwanted_after_a_while() {
    let mut w = World::new();
    let (_, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
    let of_a = |events: Vec<Event>| {
        let mine = events.into_iter().filter_map(|event| match event {
            Event::Wanted { source, wanted, .. } if source.leg == "a" => Some(wanted),
            _ => None,
        });
        mine.collect::<Vec<_>>()
    };
    assert_eq!(of_a(w.events()), [false]);
    w.view(b, 10, "a");
    assert_eq!(of_a(w.events()), [true]);
    w.room.set_view(b, 10, None, w.now).unwrap();
    w.run(1_500);
    assert_eq!(of_a(w.events()), [] as [bool; 0]);
    w.run(1_000);
    assert_eq!(of_a(w.events()), [false]);
}

#[test]
fn sender_reports_line_up_audio_and_video_of_one_person() {
    let mut w = World::new();
    let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
    w.view(b, 10, "a");
    w.run(10); // a's voice gets its slot
    w.voice(a, 1, 30); // RTP 960
    w.now += 80_000; // video takes 80 ms longer
    w.vp8(a, 1, true); // RTP 3000, sampled with the first audio packet
    for (ssrc, rtp_timestamp) in [(100 + a as u32, 960), (5000 + a as u32, 3000)] {
        let info = SenderInfo { ssrc, ntp: ntp_from_unix(NTP), rtp_timestamp, packets: 1, octets: 1 };
        w.rtcp(a, |out| out.sender_report(&info, &[]));
    }
    w.run(1_100);
    let audio_slot = (0..3).find(|s| w.room.shown(b, *s).is_some_and(|s| s.leg == "a")).unwrap();
    // When the slot's first packet was sampled, as a receiver reads it from the slot's last sender report.
    let sampled = |slot, rate| {
        let ssrc = w.ssrc(b, slot);
        let reports = w.wire.rtcp.iter().filter(|(to, _)| *to == b).flat_map(|(_, c)| packets(c));
        let infos = reports.filter_map(|p| match p {
            Packet::SenderReport { info, .. } if info.ssrc == ssrc => Some(info),
            _ => None,
        });
        let info = infos.last().expect("a sender report");
        let first = w.wire.to(b).into_iter().find(|(h, _)| h.ssrc == ssrc).expect("a packet").0.timestamp;
        let age = i64::from(info.rtp_timestamp.wrapping_sub(first) as i32) * 1_000_000 / rate;
        sfu::clock::micros_from_ntp(info.ntp) as i64 - age
    };
    let apart = sampled(audio_slot, 48_000) - sampled(10, 90_000);
    assert!(apart.abs() < 1_000, "{apart} microseconds apart");
}

#[test]
fn retransmissions_have_a_budget_and_none_is_repeated_within_a_round_trip() {
    let mut w = World::new();
    let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
    w.view(b, 10, "a");
    for seq in 1..=300 {
        let mut payload = vec![0x10, u8::from(seq != 1), 0, 0, 0x9d, 1, 0x2a, 0, 1, 0, 1];
        payload.resize(1000, 0);
        w.send(a, (96, seq, 0, 5000), &[(4, b"camera")], &payload).unwrap();
    }
    let (ssrc, first) = (w.ssrc(b, 10), w.wire.to(b)[0].0.seq);
    let before = w.wire.rtp.len();
    for _ in 0..3 {
        w.rtcp(b, |out| out.nack(1, ssrc, [first, first + 1]));
    }
    assert_eq!(w.wire.rtp.len() - before, 2);
    for seq in 2..300u16 {
        w.rtcp(b, |out| out.nack(1, ssrc, [first + seq]));
    }
    assert!(w.wire.rtp.len() - before < 130, "the burst ends at 125 kB");
    assert!(w.room.stats().rtx_refused_budget > 150);
}

#[test]
fn a_new_ssrc_on_a_track_goes_on_in_the_same_slot() {
    let mut w = World::new();
    let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
    w.view(b, 10, "a");
    w.vp8(a, 40_000, true);
    w.send(a, (96, 7, 9, 6000), &[(4, b"camera")], &[0x10, 1, 0, 0]).unwrap();
    w.send(a, (96, 8, 9, 6000), &[], &[0x10, 0, 0, 0, 0x9d, 1, 0x2a, 0, 1, 0, 1]).unwrap();
    let seqs: Vec<u16> = w.wire.to(b).iter().map(|(h, _)| h.seq).collect();
    assert_eq!(seqs, [seqs[0], seqs[0] + 1]);
    assert_eq!(w.send(a, (33, 9, 9, 6000), &[], &[0]), Err(Drop::UnknownPayloadType));
    assert_eq!(w.send(a, (33, 9, 9, 7777), &[], &[0]), Err(Drop::UnknownStream));
}

#[test]
fn limits_are_kept() {
    let mut w = World::new();
    for n in 0..256 {
        w.add(LegSpec { slots: vec![], tracks: vec![], ..leg(&n.to_string(), 0) });
    }
    let mut random = || 1;
    assert_eq!(w.room.add_leg(leg("x", 0), 0, &mut random), Err(Limit::Legs));
    let mut many = leg("y", 0);
    many.slots = (0..65).map(|n| slot(n, false, &[codec(CodecName::Vp8, 96, None)])).collect();
    assert_eq!(Room::new().add_leg(many, 0, &mut random), Err(Limit::Slots));
}

//! A whole engine with browsers made of our own parts: forwarding, repair, keyframes, speakers, gates, goodbyes, bad input.

mod support;

use media::control::messages::*;
use rtp::rtcp::Packet;
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use support::{Control, Engine, Leg};

const CAMERA: u32 = 7_000;
const MIC: u32 = 8_000;

/// VP8 payload: descriptor with a 15-bit picture id, then a frame header whose P bit says whether it is a keyframe.
fn picture(id: u16, key: bool) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut payload = vec![0x90, 0x80, 0x80 | high, low, u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0xe0, 1];
    payload.resize(1000, id as u8);
    payload
}

fn room(engine: &Engine) -> Control {
    let mut control = Control::connect(engine);
    assert!(matches!(control.ask(Request::RoomOpen { room: "salle".into() }), Ok(Response::RoomOpened { .. })));
    control
}

fn view(control: &mut Control, leg: &str, slot: u32, source: Option<(&str, &str)>) -> Result<Response, Error> {
    let source = source.map(|(leg, track)| Source { leg: leg.into(), track: track.into() });
    control.ask(Request::LegView { leg: leg.into(), assign: vec![Assignment { slot, source, height: 360 }] })
}

fn frame(leg: &mut Leg, seq: u16, key: bool) {
    leg.send(CAMERA, 96, seq, u32::from(seq) * 3000, &[(1, b"1")], &picture(seq, key));
}

/// Steps both legs until `done`.
fn together(a: &mut Leg, b: &mut Leg, mut done: impl FnMut(&mut Leg, &mut Leg) -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !done(a, b) {
        assert!(Instant::now() < until, "waited in vain");
        a.step();
        b.step();
    }
}

#[test]
fn video_is_forwarded_into_the_slot_and_repaired_over_rtx() {
    let engine = Engine::start();
    let mut control = room(&engine);
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    view(&mut control, "b", 10, Some(("a", "camera"))).unwrap();
    control.read();
    let wanted = Event::TrackWanted { leg: "a".into(), track: "camera".into(), wanted: true, height: 360 };
    while !control.events.contains(&wanted) {
        control.read();
    }
    // A packet before any keyframe is not shown, but asks for one.
    frame(&mut a, 100, false);
    a.wait(|a| a.count_rtcp(|p| matches!(p, Packet::Pli { media: CAMERA, .. })) == 1);
    assert!(b.heard(10).is_empty());
    for seq in 101..120 {
        frame(&mut a, seq, seq == 101);
    }
    b.wait(|b| b.heard(10).len() == 19);
    let heard = b.heard(10);
    let first = heard[0].header.seq;
    assert!(first < 0x8000);
    for (n, got) in heard.iter().enumerate() {
        assert_eq!((got.header.seq, got.header.pt), (first + n as u16, 100));
        assert_eq!(got.header.timestamp.wrapping_sub(heard[0].header.timestamp), n as u32 * 3000);
        assert_eq!(got.payload()[14..], picture(101 + n as u16, false)[14..]);
    }
    // The viewer lost one: it comes back on the RTX stream with its original number in front.
    let (media, rtx, lost) = (b.ssrc(10), b.rtx_ssrc(10), first + 7);
    b.send_rtcp(|w| w.receiver_report(1, &[]).and_then(|()| w.nack(1, media, [lost])));
    b.wait(|b| b.got.iter().any(|got| got.header.ssrc == rtx));
    let again = b.got.iter().find(|got| got.header.ssrc == rtx).unwrap();
    assert_eq!(again.header.pt, 101);
    assert_eq!(again.payload()[..2], lost.to_be_bytes());
    assert_eq!(again.payload()[2..], *b.heard(10)[7].payload());
    // The viewer wants a keyframe: the publisher is asked, at most twice a second.
    let before = a.count_rtcp(|p| matches!(p, Packet::Pli { .. }));
    for _ in 0..20 {
        b.send_rtcp(|w| w.receiver_report(1, &[]).and_then(|()| w.pli(1, media)));
    }
    a.wait(|a| a.count_rtcp(|p| matches!(p, Packet::Pli { .. })) > before);
    assert_eq!(control.counter("pli_in"), 20);
    assert!(control.counter("pli_out") <= 4);
}

#[test]
fn what_the_publisher_lost_is_asked_for_and_its_retransmission_reaches_the_viewer() {
    let engine = Engine::start();
    let mut control = room(&engine);
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    view(&mut control, "b", 10, Some(("a", "camera"))).unwrap();
    for seq in [1, 2, 3, 5, 6] {
        frame(&mut a, seq, seq == 1);
    }
    a.wait(|a| a.count_rtcp(|p| matches!(p, Packet::Nack(nack) if nack.seqs().eq([4]))) > 0);
    let mut payload = 4u16.to_be_bytes().to_vec();
    payload.extend(picture(4, false));
    a.send(CAMERA + 1, 97, 1, 4 * 3000, &[(1, b"1")], &payload);
    b.wait(|b| b.heard(10).len() == 6);
    let first = b.heard(10)[0].header.seq;
    let recovered = b.heard(10)[5];
    assert_eq!(recovered.header.seq, first + 3);
    assert_eq!(recovered.payload()[14..], picture(4, false)[14..]);
    assert_eq!(control.counter("rtx_recovered"), 1);
}

#[test]
fn replayed_and_forged_packets_are_dropped_and_counted() {
    let engine = Engine::start();
    let mut control = room(&engine);
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    view(&mut control, "b", 10, Some(("a", "camera"))).unwrap();
    frame(&mut a, 1, true);
    for _ in 0..5 {
        a.socket.send_to(&a.last_sealed, engine.address()).unwrap();
    }
    let mut forged = a.seal(CAMERA, 96, 2, 6000, &[], &picture(2, false));
    forged[40] ^= 1;
    a.socket.send_to(&forged, engine.address()).unwrap();
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.send_to(&forged, engine.address()).unwrap();
    frame(&mut a, 3, false);
    b.wait(|b| b.heard(10).len() == 2);
    assert_eq!(control.counter("drop_replay"), 5);
    assert_eq!(control.counter("drop_auth"), 1);
    assert_eq!(control.counter("drop_unknown_address"), 1);
}

#[test]
fn replayed_and_forged_rtcp_is_dropped_and_counted() {
    let engine = Engine::start();
    let mut control = room(&engine);
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    view(&mut control, "b", 10, Some(("a", "camera"))).unwrap();
    frame(&mut a, 1, true);
    b.wait(|b| b.heard(10).len() == 1);
    let media = b.ssrc(10);
    b.send_rtcp(|w| w.receiver_report(1, &[]).and_then(|()| w.pli(1, media)));
    for _ in 0..5 {
        b.socket.send_to(&b.last_sealed, engine.address()).unwrap();
    }
    // Every byte of a packet is protected, and nothing shorter passes either.
    b.send_rtcp(|w| w.receiver_report(1, &[]).and_then(|()| w.pli(1, media)));
    let good = b.last_sealed.clone();
    for at in 8..good.len() {
        let mut forged = good.clone();
        forged[at] ^= 0x10;
        b.socket.send_to(&forged, engine.address()).unwrap();
        b.socket.send_to(&good[..at], engine.address()).unwrap();
    }
    // A leg's packet from the address of another leg is that leg's, and false.
    a.socket.send_to(&good, engine.address()).unwrap();
    let bad = 5 + 2 * (good.len() as u64 - 8) + 1;
    let until = Instant::now() + Duration::from_secs(20);
    while control.counter("drop_rtcp") < bad {
        assert!(Instant::now() < until, "{} of {bad}", control.counter("drop_rtcp"));
    }
    assert_eq!((control.counter("drop_rtcp"), control.counter("pli_in")), (bad, 2));
    frame(&mut a, 2, false);
    b.wait(|b| b.heard(10).len() == 2);
}

#[test]
fn media_does_not_follow_packets_that_no_check_vouches_for() {
    let engine = Engine::start();
    let mut control = room(&engine);
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    view(&mut control, "b", 10, Some(("a", "camera"))).unwrap();
    frame(&mut a, 1, true);
    b.wait(|b| b.heard(10).len() == 1);
    // Authentic packets of b from an address without a check: dropped, and nothing is sent there.
    let elsewhere = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let media = b.ssrc(10);
    b.send_rtcp(|w| w.receiver_report(1, &[]).and_then(|()| w.pli(1, media)));
    let refused = control.counter("drop_unknown_address");
    elsewhere.send_to(&b.last_sealed, engine.address()).unwrap();
    while control.counter("drop_unknown_address") == refused {}
    frame(&mut a, 2, false);
    b.wait(|b| b.heard(10).len() == 2);
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.recv(&mut [0; 8]).is_err());
}

#[test]
fn voices_reach_the_others_and_the_loudest_is_named() {
    let engine = Engine::start();
    let mut control = room(&engine);
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    let mut seq = 0u16;
    together(&mut a, &mut b, |a, b| {
        seq += 1;
        let ts = u32::from(seq) * 960;
        a.send(MIC, 111, seq, ts, &[(1, b"0"), (2, &[0x80 | 20])], &[0xf8; 80]);
        b.send(MIC, 111, seq, ts, &[(1, b"0"), (2, &[100])], &[0xf8; 20]);
        control.read();
        let named = |e: &Event| matches!(e, Event::Speakers { dominant: Some(leg), .. } if leg == "a");
        control.events.iter().any(named) && (0..3).any(|slot| b.heard(slot).len() > 5)
    });
    let slot = (0..3).find(|slot| !b.heard(*slot).is_empty()).unwrap();
    let level = b.heard(slot)[0].header.audio_level(&b.heard(slot)[0].packet, 2).unwrap();
    assert_eq!(level.below_full_scale, 20);
    // Nobody hears himself: all that a hears is b's.
    let own =
        a.got.iter().filter(|got| got.header.audio_level(&got.packet, 2).is_some_and(|l| l.below_full_scale == 20));
    assert_eq!(own.count(), 0);
    let flowing = |e: &Event| {
        matches!(e, Event::TrackFlowing { leg, track, flowing: true, codec: Some(CodecName::Opus) }
        if leg == "a" && track == "mic")
    };
    assert!(control.events.iter().any(flowing));
    // Sender reports for the slot follow.
    let ssrc = b.ssrc(slot);
    together(&mut a, &mut b, |_, b| {
        b.count_rtcp(|p| matches!(p, Packet::SenderReport { info, .. } if info.ssrc == ssrc)) > 0
    });
    // A gated microphone is silent for the others.
    control.ask(Request::LegGate { leg: "a".into(), track: "mic".into(), gated: true }).unwrap();
    for _ in 0..10 {
        seq += 1;
        a.send(MIC, 111, seq, 0, &[(1, b"0"), (2, &[20])], &[0xaa; 80]);
    }
    while control.counter("drop_gated") < 10 {}
    control.ask(Request::LegGate { leg: "a".into(), track: "mic".into(), gated: false }).unwrap();
    a.send(MIC, 111, seq + 1, 0, &[(1, b"0"), (2, &[20])], &[0xbb; 80]);
    b.wait(|b| b.heard(slot).iter().any(|got| got.payload()[0] == 0xbb));
    assert!(b.heard(slot).iter().all(|got| got.payload()[0] != 0xaa));
}

#[test]
fn a_snapshot_holds_what_control_needs_to_adopt_the_room() {
    let engine = Engine::start();
    let mut control = room(&engine);
    let a = Leg::open(&mut control, "salle", "a");
    let _b = Leg::open(&mut control, "salle", "b");
    view(&mut control, "a", 11, Some(("b", "camera"))).unwrap();
    control.ask(Request::LegBlob { leg: "a".into(), blob: vec![1, 2, 3], blob_version: 9 }).unwrap();
    drop(control);
    let mut control = Control::connect(&engine);
    let Ok(Response::Snapshot { rooms, .. }) = control.ask(Request::Snapshot {}) else { panic!() };
    assert_eq!(rooms.len(), 1);
    let leg = rooms[0].legs.iter().find(|leg| leg.leg == "a").unwrap();
    assert!(leg.connected);
    assert_eq!((leg.blob.as_slice(), leg.blob_version), (&[1u8, 2, 3][..], 9));
    assert_eq!(leg.streams, a.streams);
    assert_eq!(
        leg.view,
        [Assignment { slot: 11, source: Some(Source { leg: "b".into(), track: "camera".into() }), height: 360 }]
    );
    assert_eq!(leg.wanted, []);
    let watched = rooms[0].legs.iter().find(|leg| leg.leg == "b").unwrap();
    assert_eq!(watched.wanted, [Watched { track: "camera".into(), height: 360 }]);
    let Ok(Response::LegStats { srtp_profile, dtls_version, remote_address, .. }) =
        control.ask(Request::LegStats { leg: "a".into() })
    else {
        panic!()
    };
    assert_eq!(remote_address, Some(a.socket.local_addr().unwrap().to_string()));
    assert!(srtp_profile.unwrap().contains("GCM") && dtls_version.unwrap().starts_with("DTLS"));
}

#[test]
fn a_view_can_name_a_leg_that_comes_later_and_a_returning_leg_is_seen_again() {
    let engine = Engine::start();
    let mut control = room(&engine);
    let mut b = Leg::open(&mut control, "salle", "b");
    view(&mut control, "b", 10, Some(("a", "camera"))).unwrap();
    for round in 1..=2 {
        let mut a = Leg::open(&mut control, "salle", "a");
        frame(&mut a, 1, true);
        b.wait(|b| b.heard(10).len() == round);
    }
    let seqs: Vec<u16> = b.heard(10).iter().map(|got| got.header.seq).collect();
    assert_eq!(seqs[1], seqs[0] + 1);
}

#[test]
fn strangers_and_bad_frames_disturb_nobody() {
    let engine = Engine::start();
    let mut control = room(&engine);
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    view(&mut control, "b", 10, Some(("a", "camera"))).unwrap();
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut request = [0u8; 128];
    let id = transport::stun::TransactionId::default();
    let mut writer = transport::stun::Writer::new(&mut request, transport::stun::Class::Request, id).unwrap();
    writer.attribute(transport::stun::attr::USERNAME, b"nobody:here").unwrap();
    let len = writer.finish(None).unwrap();
    for _ in 0..2_000 {
        stranger.send_to(&request[..len], engine.address()).unwrap();
    }
    for junk in [&[][..], &[0], &[0, 0, 0, 5, 0xc1, 0xc1, 0xc1, 0xc1, 0xc1], &[0xff; 64]] {
        let mut other = Control::raw(&engine);
        other.stream.write_all(junk).unwrap();
        if junk.len() == 9 {
            assert_eq!(other.read_one().err.unwrap().code, Code::Malformed);
        }
        if junk.len() == 64 {
            assert_eq!(other.read_one().err.unwrap().code, Code::TooLarge);
            other.stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            assert_eq!(other.stream.read(&mut [0; 8]).unwrap(), 0, "the connection ends");
        }
    }
    let mut other = Control::raw(&engine);
    assert_eq!(other.ask(Request::Snapshot {}).unwrap_err().code, Code::NotHello);
    let hello = Request::Hello { version: 2, peer: "x".into(), subscribe: true };
    assert_eq!(other.ask(hello).unwrap_err().code, Code::Version);
    assert_eq!(view(&mut control, "b", 99, None).unwrap_err().code, Code::UnknownSlot);
    assert_eq!(view(&mut control, "x", 1, None).unwrap_err().code, Code::UnknownLeg);
    let blob = Request::LegBlob { leg: "a".into(), blob: vec![0; MAX_BLOB + 1], blob_version: 1 };
    assert_eq!(control.ask(blob).unwrap_err().code, Code::TooLarge);
    frame(&mut a, 1, true);
    b.wait(|b| b.heard(10).len() == 1);
    assert_eq!(
        stranger.set_nonblocking(true).and_then(|()| stranger.recv(&mut [0; 8])).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    assert!(control.counter("stun_unknown") > 0);
}

#[test]
fn closing_and_stopping_say_goodbye() {
    let mut engine = Engine::start();
    let mut control = room(&engine);
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    view(&mut control, "b", 10, Some(("a", "camera"))).unwrap();
    frame(&mut a, 1, true);
    b.wait(|b| b.heard(10).len() == 1);
    control.ask(Request::LegClose { leg: "a".into() }).unwrap();
    a.wait(|a| a.closed);
    assert!(engine.stop().success());
    let media = b.ssrc(10);
    b.wait(|b| b.closed);
    assert_eq!(b.count_rtcp(|p| matches!(p, Packet::Bye(ssrcs) if ssrcs.clone().any(|ssrc| ssrc == media))), 1);
    assert!(!engine.socket.exists());
}

#[test]
fn media_follows_a_leg_to_another_address() {
    let engine = Engine::start();
    let mut control = room(&engine);
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    view(&mut control, "b", 10, Some(("a", "camera"))).unwrap();
    frame(&mut a, 1, true);
    b.wait(|b| b.heard(10).len() == 1);
    let old = b.move_to_new_socket();
    // Its next check nominates the new address.
    let moved = control.counter("address_moved");
    while control.counter("address_moved") == moved {
        b.step();
    }
    // What was sent before the move is left aside; from now on nothing goes there.
    old.set_nonblocking(true).unwrap();
    while old.recv(&mut [0; 2048]).is_ok() {}
    frame(&mut a, 2, false);
    b.wait(|b| b.heard(10).len() == 2);
    frame(&mut a, 3, false);
    b.wait(|b| b.heard(10).len() == 3);
    assert_eq!(old.recv(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

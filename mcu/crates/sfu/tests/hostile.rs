//! What a room does with traffic that is wrong, too much, or about somebody else; and what it gives back.

mod support;

use rtp::rtcp::Packet;
use sfu::room::model::*;
use sfu::room::view::Unknown;
use sfu::room::{LegId, Limit};
use support::*;

const KEYFRAME: [u8; 11] = [0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 0, 1, 0, 1];

fn of(leg: &str) -> Option<View> {
    Some(View { source: SourceName { leg: leg.into(), track: "camera".into() }, height: 180 })
}

/// A publisher `a` and a viewer `b` who got the first picture in slot 10.
fn pair() -> (World, LegId, LegId) {
    let mut w = World::new();
    let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
    w.view(b, 10, "a");
    w.vp8(a, 1, true);
    assert_eq!(w.wire.to(b).len(), 1);
    (w, a, b)
}

#[test]
fn views_are_set_all_or_none_and_in_one_request_the_last_wins() {
    let (mut w, _, b) = pair();
    let c = w.add(leg("c", 0));
    let before: Vec<_> = w.room.views(b).map(|(slot, view)| (slot, view.clone())).collect();
    for bad in [99, 0] {
        // 99 does not exist, 0 is a speaker slot
        let views = vec![(10, of("c")), (11, of("a")), (bad, None)];
        assert_eq!(w.room.set_views(b, views, w.now), Err(Unknown::Slot));
        assert_eq!(w.room.views(b).map(|(slot, view)| (slot, view.clone())).collect::<Vec<_>>(), before);
        assert_eq!(w.room.shown(b, 10).unwrap().leg, "a");
    }
    assert_eq!(w.room.set_views(77, vec![(10, None)], w.now), Err(Unknown::Leg));
    // One source fills one slot of a leg: it moves to the slot named last.
    w.room.set_views(b, vec![(10, of("a")), (11, of("a"))], w.now).unwrap();
    assert_eq!((w.room.shown(b, 10), w.room.shown(b, 11).map(|s| s.leg.as_str())), (None, Some("a")));
    // Two slots change places in one request.
    w.room.set_views(b, vec![(10, of("c"))], w.now).unwrap();
    w.room.set_views(b, vec![(10, of("a")), (11, of("c"))], w.now).unwrap();
    assert_eq!(w.room.shown(b, 10).unwrap().leg, "a");
    assert_eq!(w.room.shown(b, 11).unwrap().leg, "c");
    assert_eq!(w.room.views(c).count(), 0);
}

#[test]
fn spam_of_five_among_sixty_joins_costs_at_most_two_requests_a_second() {
    let (mut w, a, _) = pair();
    let mut viewers = Vec::new();
    let mut asked_at = Vec::new();
    let mut keyframes = 0u16;
    for n in 0..60u32 {
        let v = w.add(leg(&format!("v{n}"), 0));
        w.view(v, 10, "a");
        viewers.push(v);
        for _ in 0..33 {
            for spammer in viewers.iter().take(5).copied().collect::<Vec<_>>() {
                let ssrc = w.ssrc(spammer, 10);
                w.rtcp(spammer, |out| out.receiver_report(1, &[]).and_then(|()| out.pli(1, ssrc)));
                w.rtcp(spammer, |out| out.nack(1, ssrc, 0..200));
            }
            let before = w.wire.count(a, is_pli);
            w.run(5);
            if w.wire.count(a, is_pli) > before {
                asked_at.push(w.now);
                keyframes += 1;
                w.vp8(a, 1 + keyframes, true); // the encoder obeys
            }
        }
    }
    assert!(asked_at.windows(2).all(|pair| pair[1] - pair[0] >= 500_000), "{asked_at:?}");
    // Who joined last saw a picture within half a second, like everybody.
    w.run(500);
    w.vp8(a, 2 + keyframes, true);
    for v in &viewers {
        assert!(!w.wire.to(*v).is_empty());
    }
    assert!(w.room.stats().pli_in > 8_000);
}

#[test]
fn endless_nack_lists_are_cut_to_the_budget() {
    let (mut w, a, b) = pair();
    for seq in 2..=600 {
        w.vp8(a, seq, false);
    }
    let (ssrc, first) = (w.ssrc(b, 10), w.wire.to(b)[0].0.seq);
    let before = w.wire.rtp.len();
    // Each compound names thousands of numbers: the whole 16-bit space several times over, in one instant.
    for _ in 0..100 {
        w.rtcp(b, |out| out.nack(1, ssrc, (0..5_000u16).map(|n| first.wrapping_add(n))));
    }
    let stats = w.room.stats();
    assert_eq!(stats.nack_in, 100);
    let looked_up = stats.rtx_out + stats.rtx_unknown + stats.rtx_refused_repeat;
    assert!(looked_up <= 1_000, "{looked_up}");
    assert!(stats.rtx_refused_budget > 100_000, "{}", stats.rtx_refused_budget);
    assert!(w.wire.rtp.len() - before <= 600);
    // An honest request a second later is answered.
    w.now += 1_000_000;
    let before = w.wire.rtp.len();
    w.rtcp(b, |out| out.nack(1, ssrc, [first + 500]));
    assert_eq!(w.wire.rtp.len() - before, 1);
}

#[test]
fn rtcp_about_streams_of_others_changes_nothing() {
    let (mut w, a, b) = pair();
    let c = w.add(leg("c", 0));
    w.view(c, 10, "a");
    w.vp8(a, 2, true);
    w.run(2_000);
    let theirs = w.ssrc(c, 10);
    let (pli, rtp) = (w.wire.count(a, is_pli), w.wire.rtp.len());
    let first = w.wire.to(c)[0].0.seq;
    for ssrc in [theirs, 5000 + a as u32, 0, u32::MAX] {
        w.rtcp(b, |out| out.nack(1, ssrc, [first]));
        w.rtcp(b, |out| out.pli(1, ssrc));
        let info = rtp::rtcp::SenderInfo { ssrc, ntp: u64::MAX, rtp_timestamp: 1, packets: 1, octets: 1 };
        w.rtcp(b, |out| out.sender_report(&info, &[]));
        w.rtcp(b, |out| out.bye(&[ssrc]));
    }
    w.run(2_000);
    assert_eq!((w.wire.count(a, is_pli), w.wire.rtp.len()), (pli, rtp));
    w.vp8(a, 3, false);
    assert_eq!(w.wire.rtp.len(), rtp + 2);
    // An estimate of the receiver is heard and not obeyed: there is but one picture yet.
    let remb = [0x8f, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 0, 0, 9, 0, 0, 0, 7];
    w.room.rtcp(b, &remb, w.now, 0, &mut w.wire);
    assert_eq!(w.room.stats().remb_in, 1);
    w.vp8(a, 4, false);
    assert_eq!(w.wire.rtp.len(), rtp + 4);
}

#[test]
fn a_mid_wins_over_the_hints_of_sdp_even_when_it_comes_late() {
    let mut w = World::new();
    let vp8 = codec(CodecName::Vp8, 96, Some(97));
    let mut spec = leg("a", 0);
    spec.tracks = vec![track("camera", std::slice::from_ref(&vp8)), track("screen", std::slice::from_ref(&vp8))];
    spec.tracks[0].ssrcs = vec![1]; // SDP has them crossed
    spec.tracks[1].ssrcs = vec![2];
    let (a, b) = (w.add(spec), w.add(leg("b", 0)));
    w.view(b, 10, "a");
    // Stream 1 says at once that it is the screen; stream 2's first packets have no mid.
    w.send(a, (96, 1, 0, 1), &[(4, b"screen")], &KEYFRAME).unwrap();
    assert!(w.wire.to(b).is_empty());
    w.send(a, (96, 10, 0, 2), &[], &KEYFRAME).unwrap();
    assert!(w.wire.to(b).is_empty(), "by the hint it is the screen");
    w.send(a, (96, 11, 0, 2), &[(4, b"camera")], &KEYFRAME).unwrap();
    assert_eq!(w.wire.to(b).len(), 1, "the mid says it is the camera");
    w.send(a, (96, 12, 0, 2), &[], &KEYFRAME).unwrap();
    assert_eq!(w.wire.to(b).len(), 2, "and it stays so");
    // A stream nobody named, with a payload type of two tracks, is not guessed.
    assert_eq!(w.send(a, (96, 1, 0, 77), &[], &KEYFRAME), Err(Drop::UnknownStream));
}

#[test]
fn without_any_id_the_only_track_of_a_payload_type_is_taken_and_asked_for_a_keyframe() {
    let mut w = World::new();
    let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
    w.view(b, 10, "a");
    // The first packet, with the ids and the keyframe, was lost.
    w.send(a, (96, 2, 0, 900), &[], &[0x10, 1, 0, 0]).unwrap();
    w.run(10);
    assert_eq!(w.wire.count(a, |p| matches!(p, Packet::Pli { media: 900, .. })), 1);
    w.send(a, (96, 3, 3000, 900), &[], &KEYFRAME).unwrap();
    assert_eq!(w.wire.to(b).len(), 1);
}

#[test]
fn padding_on_a_retransmission_stream_before_any_media_is_harmless() {
    let mut w = World::new();
    let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
    w.view(b, 10, "a");
    for payload in [&[][..], &[0], &[0, 9], &[0, 9, 0x10, 0, 0, 0]] {
        assert_eq!(w.send(a, (97, 1, 0, 901), &[(4, b"camera")], payload), Err(Drop::Padding));
    }
    assert!(w.wire.to(b).is_empty());
    w.vp8(a, 5, true);
    w.vp8(a, 7, false);
    assert_eq!(w.wire.to(b).len(), 2);
    w.send(a, (97, 2, 0, 901), &[], &[0, 6, 0x10, 1, 0, 0]).unwrap();
    assert_eq!((w.wire.to(b).len(), w.room.stats().rtx_recovered), (3, 1));
}

#[test]
fn h264_begins_at_the_sps_in_every_packetization() {
    let sps: &[u8] = &[0x67, 0x42, 0xe0, 0x1f, 0xda, 1, 0x40, 0x16, 0xec]; // nine bytes
    let stap = |units: &[&[u8]]| {
        let mut payload = vec![0x78];
        units.iter().for_each(|unit| {
            payload.extend((unit.len() as u16).to_be_bytes());
            payload.extend(*unit);
        });
        payload
    };
    let (pps, idr, aud, sei): (&[u8], &[u8], &[u8], &[u8]) =
        (&[0x68, 0xce, 0x3c], &[0x65, 0x88, 0], &[0x09, 0xf0], &[0x06, 5, 1, 0, 0x80]);
    let fu: &[u8] = &[0x7c, 0x85, 0x88, 0];
    // The packets of a picture, and how many of them a viewer who waits gets.
    let cases: Vec<(Vec<Vec<u8>>, usize)> = vec![
        (vec![sps.into(), pps.into(), idr.into()], 3),
        (vec![stap(&[sps, pps, idr])], 1),
        (vec![stap(&[sps, pps]), fu.into()], 2),
        (vec![aud.into(), sps.into(), pps.into(), idr.into()], 3),
        (vec![sei.into(), stap(&[sps, pps]), fu.into()], 2),
        (vec![stap(&[aud, sps, pps, idr])], 1),
        (vec![idr.into(), fu.into()], 2), // parameter sets that never travel in the stream
        (vec![vec![0x78, 0, 200, 0x67], vec![0x78, 0], vec![0x78], vec![0x7c], vec![]], 0),
    ];
    for (n, (payloads, expected)) in cases.iter().enumerate() {
        let mut w = World::new();
        let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
        w.view(b, 10, "a");
        w.send(a, (98, 1, 0, 5000), &[(4, b"camera")], &[0x41, 1, 2]).unwrap();
        w.run(5);
        assert_eq!(w.wire.count(a, is_pli), 1, "case {n}");
        for (seq, payload) in payloads.iter().enumerate() {
            let _ = w.send(a, (98, 2 + seq as u16, 3000, 5000), &[], payload);
        }
        assert_eq!(w.wire.to(b).len(), *expected, "case {n}");
        w.run(600);
        let again = w.wire.count(a, is_pli) > 1;
        assert_eq!(again, *expected == 0, "case {n}: requests end with the picture");
    }
}

#[test]
fn a_leg_that_would_be_refused_is_known_before_the_old_one_is_gone() {
    let mut w = World::new();
    let mut double = leg("a", 0);
    double.slots.push(double.slots[0].clone());
    assert_eq!(w.room.admits(&double, false), Err(Limit::DuplicateName));
    for n in 0..256 {
        w.add(LegSpec { slots: vec![], tracks: vec![], ..leg(&n.to_string(), 0) });
    }
    assert_eq!(w.room.admits(&leg("0", 0), false), Err(Limit::Legs));
    assert_eq!(w.room.admits(&leg("0", 0), true), Ok(()));
}

#[test]
fn caches_are_given_back_when_a_track_is_silent_or_gone() {
    let (mut w, a, b) = pair();
    w.voice(b, 1, 30);
    assert!(w.room.cached() > 1 << 20);
    w.run(11_000);
    assert_eq!(w.room.cached(), 0);
    // The track begins again where it was, in the same slot.
    let before = w.wire.to(b).last().unwrap().0.seq;
    w.vp8(a, 2, false);
    assert_eq!(w.wire.to(b).last().unwrap().0.seq, before + 1);
    assert_eq!(w.send(a, (96, 1, 0, 5000 + a as u32), &[], &KEYFRAME), Err(Drop::TooOld));
    assert!(w.room.cached() > 1 << 20);
    w.room.remove_leg(a, w.now);
    assert_eq!(w.room.cached(), 0);
}

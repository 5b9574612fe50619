//! What a room does with good traffic: joins, views, speakers, clocks, repair, limits.

mod support;

use rtp::rtcp::{packets, Packet, SenderInfo};
use sfu::clock::ntp_from_unix;
use sfu::room::model::*;
use sfu::room::{LegId, Limit, Room};
use support::*;

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
fn one_counter_numbers_all_pictures_of_a_leg_and_its_feedback_becomes_an_estimate() {
    let mut w = World::new();
    let (a, c, b) = (w.add(leg("a", 3)), w.add(leg("c", 3)), w.add(leg("b", 7)));
    w.view(b, 10, "a");
    w.view(b, 11, "c"); // without RTX
    w.run(10);
    w.voice(a, 1, 20);
    w.vp8(a, 1, true);
    w.vp8(c, 1, true);
    let turned = [0x10, 1, 0, 0, 0x9d];
    w.send(a, (96, 2, 6000, 5000 + a as u32), &[(4, b"camera"), (3, &[1])], &turned).unwrap();
    let (ssrc, first) = (w.ssrc(b, 10), w.wire.to(b).iter().find(|(h, _)| h.pt == 120).unwrap().0.seq);
    w.rtcp(b, |out| out.nack(1, ssrc, [first]));
    let number = |(h, p): &(rtp::Header, &[u8])| h.extension(p, 6).map(|n| u16::from_be_bytes(n.try_into().unwrap()));
    let got = w.wire.to(b);
    let said: Vec<_> = got.iter().map(|packet| (packet.0.pt, number(packet))).collect();
    assert_eq!(said, [(111, None), (120, Some(0)), (120, None), (120, Some(1)), (121, Some(2))]);
    assert_eq!(got[3].0.extension(got[3].1, 7), Some(&[1][..]), "beside the orientation");
    assert_eq!(got[3].0.payload(got[3].1).unwrap(), turned);

    let mut payload = vec![0x10, 1, 0, 0, 0x9d];
    payload.resize(1_150, 0);
    for n in 3..1_000u16 {
        w.now += 10_000;
        w.send(a, (96, n, u32::from(n) * 900, 5000 + a as u32), &[(4, b"camera")], &payload).unwrap();
        let told = [Some((w.now + 20_000) / 250)];
        w.rtcp(b, |out| out.transport_feedback((1, ssrc), (n, 0), &told).map(|_| ()));
    }
    let figures = w.room.leg_figures(b).unwrap();
    assert!((0.9e6..1.05e6).contains(&(figures.arriving_bps as f64)), "{figures:?}");
    assert!((1e6..1.7e6).contains(&(figures.estimate_bps as f64)), "{figures:?}");
    assert_eq!(w.room.leg_figures(a).unwrap().estimate_bps, 0, "nothing is known of who gets nothing");
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
    assert!(w.wire.to(c).iter().all(|(h, p)| h.extensions(p).all(|element| element.id == 6)));
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
    let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
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
    assert_eq!(w.room.wanted(a).map(|(track, _)| track).collect::<Vec<_>>(), ["camera"]);
    assert_eq!(w.room.wanted(b).count(), 0);
    w.room.set_views(b, vec![(10, None)], w.now).unwrap();
    w.run(1_500);
    assert_eq!(of_a(w.events()), [] as [bool; 0]);
    w.run(1_000);
    assert_eq!(of_a(w.events()), [false]);
    assert_eq!(w.room.wanted(a).count(), 0);
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

//! Sender reports of a subscriber's slots map audio and video of one person to the same instant, and come when they are needed.

mod support;

use rtp::rtcp::{packets, Packet, SenderInfo};
use sfu::clock::{micros_from_ntp, ntp_from_unix};
use sfu::room::LegId;
use support::*;

/// The sender reports that `leg` got about a slot.
fn reports(w: &World, leg: LegId, slot: u32) -> Vec<SenderInfo> {
    let ssrc = w.ssrc(leg, slot);
    let infos = w.wire.rtcp.iter().filter(|(to, _)| *to == leg).flat_map(|(_, compound)| packets(compound));
    let mine = infos.filter_map(|packet| match packet {
        Packet::SenderReport { info, .. } if info.ssrc == ssrc => Some(info),
        _ => None,
    });
    mine.collect()
}

fn voice_slot(w: &World, leg: LegId, of: &str) -> u32 {
    (0..3).find(|slot| w.room.shown(leg, *slot).is_some_and(|source| source.leg == of)).unwrap()
}

/// Runs `ms` of a conference: a voice every 20 ms, a picture of several packets every 33 ms, sent over up to 20 ms; captured
/// at RTP time 0 together. `delay` is the network's, per packet. With `reports`, the publisher sends its own every second.
fn talk(w: &mut World, a: LegId, ms: u64, reports: bool, mut delay: impl FnMut(u64) -> u64) {
    let start = w.now;
    let mut due: Vec<(u64, u8, u16, u32)> = Vec::new(); // arrival, kind, seq, timestamp
    for n in 0..ms / 20 {
        due.push((n * 20_000 + delay(n), 0, n as u16 + 1, n as u32 * 960));
    }
    let mut seq = 1;
    for n in 0..ms * 30 / 1000 {
        let at = n * 1_000_000 / 30;
        for part in 0..6 {
            due.push((
                at + part * 4_000 + delay(n),
                if n % 30 == 0 && part == 0 { 1 } else { 2 },
                seq,
                n as u32 * 3000,
            ));
            seq += 1;
        }
    }
    for n in 0..if reports { ms / 1000 } else { 0 } {
        due.push((n * 1_000_000 + 7_000 + delay(n), 3, 0, n as u32));
    }
    due.sort_unstable();
    for (at, kind, seq, ts) in due {
        let at = start + at;
        while w.now + 5_000 < at {
            w.run(5);
        }
        w.now = w.now.max(at);
        match kind {
            0 => w.send(a, (111, seq, ts, 100 + a as u32), &[(4, b"mic"), (2, &[30])], &[0xf8; 60]).unwrap(),
            3 => {
                let ntp = ntp_from_unix(NTP / 2 + u64::from(ts) * 1_000_000); // another clock than ours
                for (ssrc, rtp_timestamp) in [(100 + a as u32, ts * 48_000), (5000 + a as u32, ts * 90_000)] {
                    let info = SenderInfo { ssrc, ntp, rtp_timestamp, packets: 1, octets: 1 };
                    w.rtcp(a, |out| out.sender_report(&info, &[]));
                }
            }
            key => {
                let head = [0x10, u8::from(key == 2), 0, 0, 0x9d, 0x01, 0x2a, 0, 1, 0, 1];
                let _ = w.send(a, (96, seq, ts, 5000 + a as u32), &[(4, b"camera")], &head);
            }
        }
    }
}

/// When RTP time 0 of the publisher was captured, as each report of the slot has it: the slot's shift is known from a packet.
fn captured(w: &World, leg: LegId, slot: u32, rate: i64, first: u32, shown: u32) -> Vec<i64> {
    let shift = shown.wrapping_sub(first);
    let at = |info: &SenderInfo| {
        let since = i64::from(info.rtp_timestamp.wrapping_sub(shift) as i32) * 1_000_000 / rate;
        micros_from_ntp(info.ntp) as i64 - since
    };
    reports(w, leg, slot).iter().map(at).collect()
}

fn check(with_reports: bool) {
    let mut w = World::new();
    let (a, b) = (w.add(leg("a", 0)), w.add(leg("b", 0)));
    w.view(b, 10, "a");
    w.run(10);
    let mut noise = 12_345u64;
    talk(&mut w, a, 8_000, with_reports, |_| {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        40_000 + (noise >> 33) % 12_000
    });
    let voice = voice_slot(&w, b, "a");
    let (voice_ssrc, face_ssrc) = (w.ssrc(b, voice), w.ssrc(b, 10));
    let out = w.wire.to(b);
    // The first packet of each slot is the publisher's first, with timestamp 0.
    let shown = |ssrc| out.iter().find(|(header, _)| header.ssrc == ssrc).unwrap().0.timestamp;
    let voices = captured(&w, b, voice, 48_000, 0, shown(voice_ssrc));
    let faces = captured(&w, b, 10, 90_000, 0, shown(face_ssrc));
    assert!(voices.len() >= 7 && faces.len() >= 7, "{} and {} reports", voices.len(), faces.len());
    // After the first two seconds every report agrees with every other.
    for (voice, face) in voices[2..].iter().zip(&faces[2..]) {
        assert!((voice - face).abs() < 5_000, "{} µs apart: {voices:?} {faces:?}", voice - face);
    }
}

#[test]
fn lips_are_in_step_with_the_publishers_reports() {
    check(true);
}

#[test]
fn lips_are_in_step_without_the_publishers_reports() {
    check(false);
}

#[test]
fn a_report_follows_a_switch_at_once_and_then_every_second() {
    let mut w = World::new();
    let (a, b, c) = (w.add(leg("a", 0)), w.add(leg("b", 0)), w.add(leg("c", 0)));
    w.view(b, 10, "a");
    w.vp8(a, 1, true);
    w.vp8(c, 1, true);
    assert!(reports(&w, b, 10).is_empty());
    w.run(5);
    assert_eq!(reports(&w, b, 10).len(), 1);
    w.run(3_000);
    assert_eq!(reports(&w, b, 10).len(), 4);
    w.run(300);
    w.view(b, 10, "c");
    w.vp8(c, 2, true);
    w.run(5);
    assert_eq!(reports(&w, b, 10).len(), 5, "within 5 ms of the switch");
    // It speaks of the new source: one tick of 5 ms after its packet.
    let (info, ssrc) = (*reports(&w, b, 10).last().unwrap(), w.ssrc(b, 10));
    let last = w.wire.to(b).iter().rfind(|(header, _)| header.ssrc == ssrc).unwrap().0.timestamp;
    let ahead = info.rtp_timestamp.wrapping_sub(last) as i32;
    assert!((0..=5 * 90).contains(&ahead), "{ahead} ticks");
}

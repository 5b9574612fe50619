//! Payload formats: VP8 descriptors, and field case W06 (when is an H.264 packet a keyframe) in all its variants.

use proptest::prelude::*;
use rtp::payload::h264::{self, keyframe_start, nal, nal_types, Start};
use rtp::payload::vp8::{self, Descriptor, Size};

/// First packet of a 640 × 360 keyframe as Chromium sends it: picture id of 15 bits, TL0PICIDX, TID.
const VP8_KEY: [u8; 16] =
    [0x90, 0xE0, 0x92, 0x34, 0x07, 0x20, 0x10, 0x02, 0x00, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0x68, 0x01];

#[test]
fn vp8_keyframe() {
    let descriptor = Descriptor::parse(&VP8_KEY).unwrap();
    assert_eq!(descriptor.len, 6);
    assert_eq!(descriptor.picture_id.map(|id| (id.value, id.long, id.at)), Some((0x1234, true, 2)));
    assert_eq!((descriptor.tl0_pic_idx, descriptor.tid, descriptor.layer_sync), (Some((7, 4)), Some(0), true));
    assert_eq!(descriptor.key_idx, None);
    assert!(descriptor.starts_frame() && vp8::starts_keyframe(&VP8_KEY));
    assert_eq!(vp8::keyframe_size(&VP8_KEY), Some(Size { width: 640, height: 360 }));
}

#[test]
fn vp8_what_is_no_keyframe() {
    let mut delta = VP8_KEY;
    delta[6] |= 1;
    assert!(!vp8::starts_keyframe(&delta));
    let mut later = VP8_KEY;
    later[0] = 0x80; // not the start of a partition
    assert!(!vp8::starts_keyframe(&later));
    later[0] = 0x91; // second partition
    assert!(!vp8::starts_keyframe(&later));
    let mut damaged = VP8_KEY;
    damaged[9] = 0;
    assert_eq!(vp8::keyframe_size(&damaged), None);
    for cut in 0..VP8_KEY.len() {
        assert_eq!(Descriptor::parse(&VP8_KEY[..cut]).is_some(), cut >= 6, "cut at {cut}");
        assert_eq!(vp8::starts_keyframe(&VP8_KEY[..cut]), cut > 6);
        assert_eq!(vp8::keyframe_size(&VP8_KEY[..cut]), None);
    }
}

/// (1) SPS, PPS, IDR in three packets: the start is the SPS; the IDR alone is told apart.
#[test]
fn w06_1_three_packets() {
    assert_eq!(keyframe_start(&[0x67, 0x42, 0xE0, 0x1F, 1, 2]), Some(Start::Sps));
    assert_eq!(keyframe_start(&[0x68, 0xCE, 0x3C, 0x80]), None);
    assert_eq!(keyframe_start(&[0x65, 0x88, 0x84]), Some(Start::Idr));
}

fn stap(units: &[&[u8]]) -> Vec<u8> {
    let mut packet = vec![0x78];
    for unit in units {
        packet.extend((unit.len() as u16).to_be_bytes());
        packet.extend(*unit);
    }
    packet
}

/// (2) All three in one STAP-A, and (3) parameter sets in one, IDR in fragments.
#[test]
fn w06_2_3_aggregates_and_fragments() {
    let all = stap(&[&[0x67, 1, 2], &[0x68, 3], &[0x65, 4, 5]]);
    assert_eq!(keyframe_start(&all), Some(Start::Sps));
    assert_eq!(nal_types(&all).collect::<Vec<_>>(), [nal::SPS, nal::PPS, nal::IDR]);
    assert_eq!(keyframe_start(&stap(&[&[0x67, 1], &[0x68, 3]])), Some(Start::Sps));
    assert_eq!(keyframe_start(&[0x7C, 0x85, 0x88]), Some(Start::Idr)); // first fragment
    assert_eq!(keyframe_start(&[0x7C, 0x05, 0x88]), None); // middle
    assert_eq!(keyframe_start(&[0x7C, 0x45, 0x88]), None); // last
    assert_eq!(keyframe_start(&[0x7C, 0x81, 0x88]), None); // first of a plain slice
}

/// (4) A short SPS, (5) IDR without SPS, (6) AUD or SEI first.
#[test]
fn w06_4_5_6_short_missing_and_preceded() {
    assert_eq!(keyframe_start(&[0x67, 0x42, 0xC0, 0x1E, 0xD9, 0x01, 0x41, 0xFB, 0x10]), Some(Start::Sps));
    assert_eq!(keyframe_start(&stap(&[&[0x67, 1, 2, 3, 4, 5, 6, 7, 8], &[0x68, 1]])), Some(Start::Sps));
    assert_eq!(keyframe_start(&stap(&[&[0x68, 1], &[0x65, 4]])), Some(Start::Idr));
    assert_eq!(keyframe_start(&[0x09, 0xF0]), None);
    assert_eq!(keyframe_start(&[0x06, 5, 1, 0]), None);
    assert_eq!(
        keyframe_start(&stap(&[&[0x09, 0xF0], &[0x06, 5], &[0x67, 1], &[0x68, 1], &[0x65, 1]])),
        Some(Start::Sps)
    );
    assert_eq!(keyframe_start(&stap(&[&[0x09, 0xF0], &[0x06, 5], &[0x41, 1]])), None);
}

/// (7) Every truncation, and lengths that lie: no panic, and what is whole before the cut still counts.
#[test]
fn w06_7_truncated_aggregates() {
    let all = stap(&[&[0x09, 0xF0], &[0x67, 1, 2], &[0x65, 4, 5]]);
    for cut in 0..all.len() {
        let expected = (cut >= 10).then_some(Start::Sps);
        assert_eq!(keyframe_start(&all[..cut]), expected, "cut at {cut}");
    }
    assert_eq!(keyframe_start(&[0x78, 0xFF, 0xFF, 0x67]), None);
    assert_eq!(keyframe_start(&[0x78, 0, 0, 0, 1, 0x67]), None);
    assert_eq!(keyframe_start(&[0x78]), None);
    assert_eq!(keyframe_start(&[0x7C, 0x85]), None);
    assert_eq!(keyframe_start(&[0x7C]), None);
    assert_eq!(keyframe_start(&[]), None);
    assert!(!h264::starts_keyframe(&[0x00]) && !h264::starts_keyframe(&[0x1F, 7]));
}

proptest! {
    #[test]
    fn vp8_rewriting_keeps_all_else(
        mut payload in prop::collection::vec(any::<u8>(), 1..40),
        picture_id in 0..0x8000u16,
        tl0 in any::<u8>(),
    ) {
        let Some(before) = Descriptor::parse(&payload) else { return Ok(()) };
        before.rewrite(&mut payload, picture_id, tl0);
        let after = Descriptor::parse(&payload).unwrap();
        if let Some(id) = after.picture_id {
            prop_assert_eq!(id.value, if id.long { picture_id } else { picture_id & 0x7F });
        }
        prop_assert_eq!(after.tl0_pic_idx.map(|(value, _)| value), before.tl0_pic_idx.map(|_| tl0));
        prop_assert_eq!((after.len, after.tid, after.key_idx, after.start), (before.len, before.tid, before.key_idx, before.start));
    }

    #[test]
    fn h264_aggregates_come_back(types in prop::collection::vec((1..24u8, 0..50usize), 1..10)) {
        let units: Vec<Vec<u8>> = types.iter().map(|(kind, len)| [vec![0x60 | kind], vec![0; *len]].concat()).collect();
        let packet = stap(&units.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let expected: Vec<u8> = types.iter().map(|(kind, _)| *kind).collect();
        prop_assert_eq!(nal_types(&packet).collect::<Vec<_>>(), expected);
    }
}

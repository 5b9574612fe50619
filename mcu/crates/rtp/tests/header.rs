//! Headers: captures with their truncated twins, hostile extension blocks, and round trips.

use proptest::prelude::*;
use rtp::header::{AudioLevel, Extension, FIXED_LEN};
use rtp::{rtx, Header, HeaderError, HeaderWriter};

/// Opus with mid (4), abs-send-time (2) and audio level (1) in one-byte form, as Chromium sends it; then a padded word.
const CHROMIUM_OPUS: [u8; 30] = [
    0x90, 0xEF, 0x1C, 0x2D, 0x0A, 0x0B, 0x0C, 0x0D, 0xDE, 0xAD, 0xBE, 0xEF, // fixed
    0xBE, 0xDE, 0x00, 0x03, 0x22, 0x12, 0x34, 0x56, 0x10, 0xB2, 0x40, 0x30, 0x00, 0x00, 0x00, 0x00, // extensions
    0x78, 0x01,
];

fn elements<'a>(header: &Header, packet: &'a [u8]) -> Vec<(u8, &'a [u8])> {
    header.extensions(packet).map(|Extension { id, data }| (id, data)).collect()
}

#[test]
fn chromium_opus() {
    let header = Header::parse(&CHROMIUM_OPUS).unwrap();
    assert_eq!((header.pt, header.marker, header.seq), (111, true, 0x1C2D));
    assert_eq!((header.timestamp, header.ssrc, header.header_len), (0x0A0B_0C0D, 0xDEAD_BEEF, 28));
    assert_eq!(elements(&header, &CHROMIUM_OPUS), [(2, &[0x12, 0x34, 0x56][..]), (1, &[0xB2]), (4, &[0x30])]);
    assert_eq!(header.audio_level(&CHROMIUM_OPUS, 1), Some(AudioLevel { voice: true, below_full_scale: 50 }));
    assert_eq!(header.audio_level(&CHROMIUM_OPUS, 9), None);
    assert_eq!(header.payload(&CHROMIUM_OPUS), Ok(&[0x78, 0x01][..]));
    assert!(!header.is_padding_only(&CHROMIUM_OPUS));
}

#[test]
fn truncated_twins() {
    for cut in 0..CHROMIUM_OPUS.len() {
        let parsed = Header::parse(&CHROMIUM_OPUS[..cut]);
        if cut < 28 {
            assert_eq!(parsed, Err(HeaderError::TooShort), "cut at {cut}");
        } else {
            assert!(parsed.is_ok());
        }
    }
}

#[test]
fn csrc_list_two_byte_extensions_and_other_profiles() {
    let mut packet = vec![0x92, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    packet.extend([0; 8]); // two CSRC
    packet.extend([0x10, 0x07, 0, 3, 200, 3, 1, 2, 3, 0, 5, 0, 0, 0, 0, 0]);
    packet.push(0xAA);
    let header = Header::parse(&packet).unwrap();
    assert_eq!(header.header_len, 36);
    assert_eq!(elements(&header, &packet), [(200, &[1, 2, 3][..]), (5, &[])]);
    packet[20] = 0x77;
    let header = Header::parse(&packet).unwrap();
    assert_eq!(header.header_len, 36);
    assert!(elements(&header, &packet).is_empty());
}

#[test]
fn hostile_extension_blocks_end() {
    let packet_with = |block: [u8; 8]| {
        let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xBE, 0xDE, 0, 2];
        packet.extend(block);
        packet
    };
    for (block, expected) in [
        ([0x10, 1, 0x2F, 0, 0, 0, 0, 0], 1),    // second passes the end
        ([0x10, 1, 0xF0, 1, 0x20, 1, 0, 0], 1), // 15 ends the block
        ([0x01, 9, 9, 0x10, 1, 0, 0, 0], 1),    // identifier 0 with a length is stepped over
        ([0, 0, 0, 0, 0, 0, 0, 0x10], 0),       // no room for its byte
        ([0x17, 1, 2, 3, 4, 5, 6, 7], 0),       // eight bytes in seven
    ] {
        let packet = packet_with(block);
        let header = Header::parse(&packet).unwrap();
        assert_eq!(elements(&header, &packet).len(), expected, "{block:x?}");
    }
}

#[test]
fn padding() {
    let mut probe = vec![0xA0, 97, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
    probe.extend([0; 223]);
    probe.push(224);
    let header = Header::parse(&probe).unwrap();
    assert!(header.is_padding_only(&probe));
    assert_eq!(header.payload(&probe), Ok(&[][..]));
    for (last, expected) in [(0, Err(HeaderError::Padding)), (225, Err(HeaderError::Padding)), (200, Ok(200))] {
        *probe.last_mut().unwrap() = last;
        assert_eq!(header.padding_len(&probe), expected);
        assert!(!header.is_padding_only(&probe));
    }
    assert_eq!(Header::parse(&[0x40; 12]), Err(HeaderError::Version));
}

#[test]
fn writer_refuses_what_the_form_cannot_hold() {
    let writer = HeaderWriter { pt: 96, marker: false, padding: false, seq: 0, timestamp: 0, ssrc: 0 };
    let mut buf = [0; 64];
    for bad in [(0, &[1][..]), (15, &[1]), (1, &[]), (1, &[0; 17])] {
        assert_eq!(writer.write(&mut buf, &[bad]), None);
    }
    assert_eq!(writer.write(&mut buf[..11], &[]), None);
    assert_eq!(writer.write(&mut buf[..19], &[(1, &[1])]), None);
    assert_eq!(writer.write(&mut buf, &[(1, &[1])]), Some(20));
}

proptest! {
    #[test]
    fn written_headers_come_back(
        (pt, marker, padding, seq, timestamp, ssrc) in (0..128u8, any::<bool>(), any::<bool>(), any::<u16>(), any::<u32>(), any::<u32>()),
        extensions in prop::collection::vec((1..=14u8, prop::collection::vec(any::<u8>(), 1..=16)), 0..6),
    ) {
        let pairs: Vec<(u8, &[u8])> = extensions.iter().map(|(id, data)| (*id, data.as_slice())).collect();
        let writer = HeaderWriter { pt, marker, padding, seq, timestamp, ssrc };
        let mut buf = [0xEE; 256];
        let len = writer.write(&mut buf, &pairs).unwrap();
        prop_assert_eq!(len % 4, 0);
        let header = Header::parse(&buf[..len]).unwrap();
        prop_assert_eq!((header.pt, header.marker, header.padding), (pt, marker, padding));
        prop_assert_eq!((header.seq, header.timestamp, header.ssrc, header.header_len), (seq, timestamp, ssrc, len));
        prop_assert_eq!(elements(&header, &buf), pairs);
    }

    #[test]
    fn rtx_round_trip(seq in any::<u16>(), payload in prop::collection::vec(any::<u8>(), 0..200), marker in any::<bool>()) {
        let mut packet = vec![0; FIXED_LEN + 8];
        let writer = HeaderWriter { pt: 96, marker, padding: false, seq, timestamp: 5, ssrc: 0xAAAA_0001 };
        let len = writer.write(&mut packet, &[(3, b"mid")]).unwrap();
        packet.truncate(len);
        packet.extend(&payload);
        let header = Header::parse(&packet).unwrap();
        let mut out = vec![0; packet.len() + rtx::OSN_LEN];
        let len = rtx::build(&packet, &header, 97, 0xBBBB_0002, 777, &mut out).unwrap();
        let wrapped = Header::parse(&out[..len]).unwrap();
        prop_assert_eq!((wrapped.pt, wrapped.ssrc, wrapped.seq, wrapped.marker), (97, 0xBBBB_0002, 777, marker));
        prop_assert_eq!(rtx::split(&out[wrapped.header_len..len]), Some((seq, &payload[..])));
        let len = rtx::unwrap(&mut out[..len], &wrapped, 96, 0xAAAA_0001).unwrap();
        prop_assert_eq!(&out[..len], &packet[..]);
    }

    #[test]
    fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..300)) {
        rtp::fuzz::rtp(&data);
        rtp::fuzz::rtcp(&data);
        rtp::fuzz::payload(&data);
    }
}

#[test]
fn padding_on_an_rtx_stream_has_no_original() {
    let mut probe = vec![0xA0, 97, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4];
    let header = Header::parse(&probe).unwrap();
    let before = probe.clone();
    assert_eq!(rtx::unwrap(&mut probe, &header, 96, 1), None);
    assert_eq!(probe, before);
}

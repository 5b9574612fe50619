//! RTCP: captures with truncated twins, impossible packets, and round trips.

use proptest::prelude::*;
use rtp::rtcp::{packets, FirEntry, Packet, ReportBlock, RtcpWriter, SenderInfo};

/// A browser's compound: RR with one block, SDES with a CNAME, then generic NACK, PLI and REMB in reduced size.
const COMPOUND: [u8; 108] = [
    0x81, 201, 0, 7, 0, 0, 0, 1, // RR
    0xCA, 0xFE, 0xBA, 0xBE, 0x10, 0xFF, 0xFF, 0xFE, 0, 1, 0x12, 0x34, 0, 0, 0, 9, 0xAA, 0xBB, 0xCC, 0xDD, 0, 1, 0,
    0, // block
    0x81, 202, 0, 5, 0, 0, 0, 1, 1, 9, b'a', b'b', b'c', b'd', b'e', b'f', b'g', b'h', b'i', 0, 0, 0, 0,
    0, // SDES
    0x81, 205, 0, 3, 0, 0, 0, 1, 0xCA, 0xFE, 0xBA, 0xBE, 0xFF, 0xFE, 0x00, 0x05, // NACK
    0x81, 206, 0, 2, 0, 0, 0, 1, 0xCA, 0xFE, 0xBA, 0xBE, // PLI
    0x8F, 206, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 1, 0x0B, 0xD0, 0x90, 0xCA, 0xFE, 0xBA,
    0xBE, // REMB
];

#[test]
fn browser_compound() {
    let mut iterator = packets(&COMPOUND);
    let Some(Packet::ReceiverReport { ssrc: 1, mut blocks }) = iterator.next() else { panic!() };
    let expected = ReportBlock {
        ssrc: 0xCAFE_BABE,
        fraction_lost: 16,
        total_lost: -2,
        highest_seq: 0x1_1234,
        jitter: 9,
        last_sr: 0xAABB_CCDD,
        delay_since_last_sr: 65_536,
    };
    assert_eq!((blocks.next(), blocks.next()), (Some(expected), None));
    let Some(Packet::Sdes(mut cname)) = iterator.next() else { panic!() };
    assert_eq!((cname.next(), cname.next()), (Some((1, &b"abcdefghi"[..])), None));
    let Some(Packet::Nack(nack)) = iterator.next() else { panic!() };
    assert_eq!((nack.sender, nack.media), (1, 0xCAFE_BABE));
    assert_eq!(nack.seqs().collect::<Vec<_>>(), [65_534, 65_535, 1]);
    assert!(matches!(iterator.next(), Some(Packet::Pli { sender: 1, media: 0xCAFE_BABE })));
    let Some(Packet::Remb { sender: 1, bitrate, ssrcs }) = iterator.next() else { panic!() };
    assert_eq!((bitrate, ssrcs.collect::<Vec<_>>()), ((0x3_D090) << 2, vec![0xCAFE_BABE]));
    assert!(iterator.next().is_none() && !iterator.broken());
}

#[test]
fn truncated_twins_are_broken_or_shorter() {
    let whole = packets(&COMPOUND).count();
    let ends: Vec<usize> = [0, 32, 56, 72, 84, 108].into();
    for cut in 0..COMPOUND.len() {
        let mut iterator = packets(&COMPOUND[..cut]);
        let count = iterator.by_ref().count();
        assert!(count < whole);
        assert_eq!(iterator.broken(), !ends.contains(&cut), "cut at {cut}");
    }
}

#[test]
fn impossible_insides() {
    let cases: [(&[u8], bool); 8] = [
        (&[0x82, 201, 0, 1, 0, 0, 0, 1], false), // two blocks announced, none there
        (&[0x80, 200, 0, 1, 0, 0, 0, 1], false), // SR without the sender's part
        (&[0x83, 203, 0, 1, 0, 0, 0, 1], false), // BYE of three, one there
        (&[0x81, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2], false), // NACK that asks for nothing
        (&[0x84, 206, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2], false), // half a FIR entry
        (&[0xA1, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0], true), // padding of zero
        (&[0xA1, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9], true), // padding longer than the body
        (&[0x41, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9], true), // version 1
    ];
    for (data, broken) in cases {
        let mut iterator = packets(data);
        match iterator.next() {
            Some(Packet::Malformed { pt }) => assert!(!broken && pt == data[1]),
            other => assert!(broken && other.is_none(), "{data:?}: {other:?}"),
        }
        assert_eq!(iterator.broken(), broken);
    }
    assert!(matches!(packets(&[0x85, 207, 0, 0]).next(), Some(Packet::Unknown { pt: 207, fmt: 5 })));
}

#[test]
fn remb_saturates() {
    let mut remb = COMPOUND[84..108].to_vec();
    remb[17..20].copy_from_slice(&[0xFF, 0xFF, 0xFF]);
    let Some(Packet::Remb { bitrate, .. }) = packets(&remb).next() else { panic!() };
    assert_eq!(bitrate, u64::MAX);
}

#[test]
fn sdes_pads_to_every_length() {
    for len in 0..=255 {
        let name = "x".repeat(len);
        let mut buf = [0xEE; 300];
        let mut writer = RtcpWriter::new(&mut buf);
        writer.sdes_cname(7, &name).unwrap();
        writer.pli(1, 2).unwrap();
        let len = writer.len();
        assert_eq!(len % 4, 0);
        let mut iterator = packets(&buf[..len]);
        let Some(Packet::Sdes(mut cname)) = iterator.next() else { panic!() };
        assert_eq!(cname.next(), Some((7, name.as_bytes())));
        assert!(matches!(iterator.next(), Some(Packet::Pli { .. })));
    }
    assert!(RtcpWriter::new(&mut [0; 600]).sdes_cname(7, &"x".repeat(256)).is_none());
}

#[test]
fn a_full_slice_keeps_what_was_whole() {
    for size in 0..60 {
        let mut buf = vec![0; size];
        let mut writer = RtcpWriter::new(&mut buf);
        let whole = [writer.pli(1, 2), writer.nack(1, 2, [5, 9, 70]), writer.bye(&[1])];
        let expected: usize =
            whole.iter().zip([12, 20, 8]).filter(|(done, _)| done.is_some()).map(|(_, len)| len).sum();
        assert_eq!(writer.len(), expected);
        let len = writer.len();
        assert_eq!(packets(&buf[..len]).count(), whole.iter().flatten().count());
    }
    assert!(RtcpWriter::new(&mut [0; 400]).bye(&[0; 32]).is_none());
}

fn block() -> impl Strategy<Value = ReportBlock> {
    (any::<(u32, u8, u32, u32, u32, u32)>(), -0x80_0000..0x80_0000i32).prop_map(|(v, total_lost)| ReportBlock {
        ssrc: v.0,
        fraction_lost: v.1,
        total_lost,
        highest_seq: v.2,
        jitter: v.3,
        last_sr: v.4,
        delay_since_last_sr: v.5,
    })
}

proptest! {
    #[test]
    fn reports_come_back(
        (ssrc, ntp, rtp_timestamp, sent, octets) in any::<(u32, u64, u32, u32, u32)>(),
        blocks in prop::collection::vec(block(), 0..=31),
        fir in prop::collection::vec(any::<(u32, u8)>(), 1..5),
        gone in prop::collection::vec(any::<u32>(), 0..=31),
    ) {
        let info = SenderInfo { ssrc, ntp, rtp_timestamp, packets: sent, octets };
        let fir: Vec<FirEntry> = fir.into_iter().map(|(ssrc, seq)| FirEntry { ssrc, seq }).collect();
        let mut buf = [0; 2_048];
        let mut writer = RtcpWriter::new(&mut buf);
        writer.sender_report(&info, &blocks).unwrap();
        writer.receiver_report(ssrc, &blocks).unwrap();
        writer.fir(ssrc, &fir).unwrap();
        writer.bye(&gone).unwrap();
        let len = writer.len();
        let mut iterator = packets(&buf[..len]);
        let Some(Packet::SenderReport { info: read, blocks: found }) = iterator.next() else { panic!() };
        prop_assert_eq!(read, info);
        prop_assert_eq!(read.ntp_middle(), (ntp >> 16) as u32);
        prop_assert_eq!(found.collect::<Vec<_>>(), blocks.clone());
        let Some(Packet::ReceiverReport { ssrc: from, blocks: found }) = iterator.next() else { panic!() };
        prop_assert_eq!((from, found.collect::<Vec<_>>()), (ssrc, blocks));
        let Some(Packet::Fir { sender, entries }) = iterator.next() else { panic!() };
        prop_assert_eq!((sender, entries.collect::<Vec<_>>()), (ssrc, fir));
        let Some(Packet::Bye(ssrcs)) = iterator.next() else { panic!() };
        prop_assert_eq!(ssrcs.collect::<Vec<_>>(), gone);
        prop_assert!(iterator.next().is_none());
    }

    /// Ascending numbers, over the wrap, come back exactly.
    #[test]
    fn nack_round_trip(first in any::<u16>(), steps in prop::collection::vec(1..40u16, 0..60)) {
        let mut seqs = vec![first];
        seqs.extend(steps.iter().scan(first, |seq, step| {
            *seq = seq.wrapping_add(*step);
            Some(*seq)
        }));
        let mut buf = [0; 512];
        let mut writer = RtcpWriter::new(&mut buf);
        writer.nack(1, 2, seqs.iter().copied()).unwrap();
        let len = writer.len();
        let Some(Packet::Nack(nack)) = packets(&buf[..len]).next() else { panic!() };
        prop_assert_eq!(nack.seqs().collect::<Vec<_>>(), seqs);
    }
}

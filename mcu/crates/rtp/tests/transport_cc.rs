//! Transport-wide feedback: messages by hand with truncated twins, impossible ones, and the round trip.

use proptest::prelude::*;
use rtp::rtcp::transport_cc::MAX_PACKETS;
use rtp::rtcp::{packets, Packet, RtcpWriter, TransportFeedback};

/// Five numbers from 0x0103 in one two-bit chunk: 4 ticks after 0x123456 × 64 ms, lost, lost, 1,000 ticks more, 10 back.
const PAIRS: [u8; 28] = [
    0x8F,
    205,
    0,
    6,
    0,
    0,
    0,
    1,
    0xCA,
    0xFE,
    0xBA,
    0xBE,
    0x01,
    0x03,
    0,
    5,
    0x12,
    0x34,
    0x56,
    7, // head
    0b1101_0000,
    0b1010_0000, // chunk: small, lost, lost, large, large, and two that are not counted
    4,
    0x03,
    0xE8,
    0xFF,
    0xF6,
    0, // deltas and padding
];

/// 65,535 lost, then numbers 65,534 to 1 in a run and a one-bit vector of which two are counted.
const RUN_AND_BITS: [u8; 28] = [
    0x8F,
    205,
    0,
    6,
    0,
    0,
    0,
    1,
    0,
    0,
    0,
    2,
    0xFF,
    0xFD,
    0,
    5,
    0xFF,
    0xFF,
    0xFF,
    0xFF, // head, reference −64 ms
    0x20,
    3,
    0b1001_1111,
    0xFF, // three small; lost, small, and more that are not counted
    255,
    0,
    1,
    2, // deltas
];

fn read(data: &[u8]) -> TransportFeedback<'_> {
    let Some(Packet::TransportFeedback(feedback)) = packets(data).next() else { panic!("{data:?}") };
    feedback
}

#[test]
fn two_bit_vector_with_large_and_negative_deltas() {
    let feedback = read(&PAIRS);
    assert_eq!((feedback.sender, feedback.media, feedback.number), (1, 0xCAFE_BABE, 7));
    assert_eq!((feedback.base, feedback.count, feedback.reference), (0x0103, 5, 0x12_3456 * 256));
    let start = feedback.reference + 4;
    let expected = [Some(start), None, None, Some(start + 1_000), Some(start + 990)];
    assert!(feedback.packets().eq((0x0103..).zip(expected)));
}

#[test]
fn run_and_one_bit_vector_over_the_wrap() {
    let expected = [(65_533, Some(-1)), (65_534, Some(-1)), (65_535, Some(0)), (0, None), (1, Some(2))];
    assert!(read(&RUN_AND_BITS).packets().eq(expected));
}

#[test]
fn truncated_twins_with_a_matching_length_are_malformed() {
    for whole in [PAIRS, RUN_AND_BITS] {
        for words in 1..whole.len() / 4 {
            let mut cut = whole[..words * 4].to_vec();
            cut[3] = words as u8 - 1;
            assert!(matches!(packets(&cut).next(), Some(Packet::Malformed { pt: 205 })), "{words} words");
        }
        for cut in 1..whole.len() {
            let mut iterator = packets(&whole[..cut]);
            assert!(iterator.next().is_none() && iterator.broken());
        }
    }
}

#[test]
fn reserved_status_is_malformed_in_a_run_and_in_a_vector() {
    for chunk in [[0x60, 5], [0b1101_1100, 0]] {
        let mut data = PAIRS;
        data[20..22].copy_from_slice(&chunk);
        assert!(matches!(packets(&data).next(), Some(Packet::Malformed { pt: 205 })));
    }
    let mut data = PAIRS;
    data[21] |= 0b11; // beyond the count, where nobody looks
    assert_eq!(read(&data).packets().count(), 5);
}

#[test]
fn padding_by_the_padding_bit_is_not_read_as_deltas() {
    let mut data = PAIRS;
    (data[0], data[27]) = (data[0] | 0x20, 1);
    assert!(read(&data).packets().eq(read(&PAIRS).packets()));
}

#[test]
fn a_run_may_be_longer_than_the_count() {
    let mut data = RUN_AND_BITS;
    (data[15], data[20], data[21]) = (2, 0x3F, 0xFF);
    assert_eq!(read(&data).packets().count(), 2);
}

#[test]
fn nothing_arrived_or_no_room_writes_nothing() {
    let mut buf = [0; 64];
    let mut writer = RtcpWriter::new(&mut buf);
    assert_eq!(writer.transport_feedback((1, 2), (3, 4), &[None, None]), None);
    assert_eq!(writer.transport_feedback((1, 2), (3, 4), &[Some(9); 100]), None);
    assert!(writer.is_empty());
    assert_eq!(writer.transport_feedback((1, 2), (3, 4), &[Some(9)]), Some(1));
    assert_eq!(writer.len(), 24);
}

#[test]
fn a_silence_of_more_than_eight_seconds_ends_the_message() {
    let mut buf = [0; 64];
    let mut writer = RtcpWriter::new(&mut buf);
    let (near, far) = (32_767, 32_768);
    let arrivals = [Some(256), None, Some(256 + near), Some(256 + near + far)];
    assert_eq!(writer.transport_feedback((1, 2), (3, 4), &arrivals), Some(3));
}

#[test]
fn the_largest_message_stays_under_the_mtu() {
    let arrivals: Vec<_> = (0..500).map(|n| Some(1_000 + n * 300)).collect();
    let mut buf = [0; 1_200];
    let mut writer = RtcpWriter::new(&mut buf);
    assert_eq!(writer.transport_feedback((1, 2), (3, 4), &arrivals), Some(MAX_PACKETS));
}

/// Arrivals with runs, gaps, small and large steps in both directions.
fn arrivals() -> impl Strategy<Value = Vec<Option<u64>>> {
    let step = prop_oneof![4 => 0..20i64, 1 => -300..300i64, 1 => -30_000..30_000i64];
    let one = (prop::bool::weighted(0.8), step, 1..30usize);
    prop::collection::vec(one, 1..40).prop_map(|parts| {
        let mut now = 10_000_000i64;
        let each = |(arrived, step, times): (bool, i64, usize)| {
            (0..times)
                .map(|_| {
                    now += step;
                    arrived.then_some(now as u64)
                })
                .collect::<Vec<_>>()
        };
        parts.into_iter().flat_map(each).collect()
    })
}

proptest! {
    #[test]
    fn round_trip(arrivals in arrivals(), base in any::<u16>(), number in any::<u8>()) {
        let mut buf = [0; 1_200];
        let (mut from, mut base) = (0, base);
        while arrivals[from..].iter().any(Option::is_some) {
            let mut writer = RtcpWriter::new(&mut buf);
            let covered = writer.transport_feedback((1, 2), (base, number), &arrivals[from..]);
            let Some(covered) = covered else {
                // Only when this message's share has no arrival.
                prop_assert!(arrivals[from..].iter().take(MAX_PACKETS).all(Option::is_none));
                break;
            };
            let len = writer.len();
            let feedback = read(&buf[..len]);
            prop_assert_eq!((feedback.base, feedback.number, usize::from(feedback.count)), (base, number, covered));
            let read: Vec<_> = feedback.packets().map(|(_, at)| at.map(|at| at as u64)).collect();
            // The reference time wraps after 2^24 × 64 ms, far above these.
            prop_assert_eq!(&read[..], &arrivals[from..from + covered]);
            from += covered;
            base = base.wrapping_add(covered as u16);
        }
    }
}

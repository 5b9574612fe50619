//! STUN: the vectors of RFC 5769, their truncated twins, and round trips.

use std::net::SocketAddr;

use proptest::prelude::*;
use transport::stun::{attr, integrity_key, Class, ErrorCode, Message, StunError, Writer, BINDING};

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

/// RFC 5769 §2.1.
fn request() -> Vec<u8> {
    hex("00010058 2112a442 b7e7a701 bc34d686 fa87dfae
         80220010 5354554e 20746573 7420636c 69656e74
         00240004 6e0001ff 80290008 932ff9b1 51263b36
         00060009 6576746a 3a683676 59202020
         00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2
         80280004 e57a3bcf")
}

/// RFC 5769 §2.2.
fn response_v4() -> Vec<u8> {
    hex("0101003c 2112a442 b7e7a701 bc34d686 fa87dfae
         8022000b 74657374 20766563 746f7220
         00200008 0001a147 e112a643
         00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7
         80280004 c07d4c96")
}

/// RFC 5769 §2.3.
fn response_v6() -> Vec<u8> {
    hex("01010048 2112a442 b7e7a701 bc34d686 fa87dfae
         8022000b 74657374 20766563 746f7220
         00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
         00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41
         80280004 c8fb0b4c")
}

#[test]
fn rfc5769_request() {
    let raw = request();
    let message = Message::parse(&raw).unwrap();
    assert_eq!((message.class, message.method), (Class::Request, BINDING));
    assert_eq!(message.username, Some("evtj:h6vY"));
    assert_eq!(message.username_local_ufrag(), Some("evtj"));
    assert_eq!(message.priority, Some(0x6e00_01ff));
    assert_eq!(message.ice_controlled, Some(0x932f_f9b1_5126_3b36));
    assert!(!message.use_candidate && message.has_fingerprint && message.unknown_attributes().is_empty());
    assert!(message.verify_integrity(&integrity_key(PASSWORD)));
    assert!(!message.verify_integrity(&integrity_key("VOkJxbRl1RmTxUk/WvJxBT")));
}

#[test]
fn rfc5769_responses() {
    for (raw, address) in
        [(response_v4(), "192.0.2.1:32853"), (response_v6(), "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        let message = Message::parse(&raw).unwrap();
        assert_eq!(message.class, Class::Success);
        assert_eq!(message.xor_mapped_address, Some(address.parse().unwrap()));
        assert!(message.verify_integrity(&integrity_key(PASSWORD)));
    }
}

#[test]
fn truncated_twins_and_single_bit_errors() {
    for raw in [request(), response_v4(), response_v6()] {
        for cut in 0..raw.len() {
            assert!(Message::parse(&raw[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..raw.len() {
            let mut forged = raw.clone();
            forged[at] ^= 1;
            // The fingerprint covers all before it. With its own type changed it is an attribute to be ignored.
            match Message::parse(&forged) {
                Ok(message) => {
                    assert!(!message.has_fingerprint && (8..=9).contains(&(raw.len() - at + 1)), "byte {at}")
                }
                Err(error) => assert_ne!(error, StunError::TooShort, "byte {at}"),
            }
        }
    }
}

/// A cut whose length field is mended still must not read past its attributes.
#[test]
fn truncated_twins_with_a_mended_length() {
    let raw = request();
    for cut in (20..raw.len()).step_by(4) {
        let mut twin = raw[..cut].to_vec();
        twin[2..4].copy_from_slice(&(cut as u16 - 20).to_be_bytes());
        if let Ok(message) = Message::parse(&twin) {
            assert!(!message.has_fingerprint);
            assert!(!message.verify_integrity(&integrity_key(PASSWORD)) || cut == raw.len() - 8);
        }
    }
}

fn message(attributes: &[(u16, &[u8])], key: bool) -> Vec<u8> {
    let mut buf = [0; 512];
    let mut writer = Writer::new(&mut buf, Class::Request, [7; 12]).unwrap();
    for (kind, value) in attributes {
        writer.attribute(*kind, value).unwrap();
    }
    let len = writer.finish(key.then(|| integrity_key(PASSWORD)).as_ref()).unwrap();
    buf[..len].to_vec()
}

#[test]
fn lengths_of_known_attributes_are_strict() {
    let cases: [(u16, &[u8]); 11] = [
        (attr::PRIORITY, &[0; 3]),
        (attr::PRIORITY, &[0; 5]),
        (attr::USE_CANDIDATE, &[0]),
        (attr::ICE_CONTROLLING, &[0; 7]),
        (attr::ICE_CONTROLLED, &[0; 9]),
        (attr::XOR_MAPPED_ADDRESS, &[0, 1, 0, 0, 1, 2, 3]),
        (attr::XOR_MAPPED_ADDRESS, &[0, 2, 0, 0, 1, 2, 3, 4]),
        (attr::XOR_MAPPED_ADDRESS, &[0; 40]),
        (attr::ERROR_CODE, &[0, 0, 4]),
        (attr::ERROR_CODE, &[0, 0, 4, 100]),
        (attr::USERNAME, &[0xFF, 0xFE]),
    ];
    for (kind, value) in cases {
        let raw = message(&[(kind, value)], false);
        assert_eq!(Message::parse(&raw).unwrap_err(), StunError::Attribute(kind), "{value:?}");
    }
    let long = message(&[(attr::MESSAGE_INTEGRITY, &[0; 16])], false);
    assert_eq!(Message::parse(&long).unwrap_err(), StunError::Attribute(attr::MESSAGE_INTEGRITY));
}

#[test]
fn what_follows_integrity_does_not_count() {
    let raw = message(&[(attr::USERNAME, b"a:b")], true);
    // Puts USE-CANDIDATE between integrity and a fresh fingerprint.
    let mut buf = [0; 512];
    let mut writer = Writer::new(&mut buf, Class::Request, [7; 12]).unwrap();
    writer.attribute(attr::USERNAME, b"a:b").unwrap();
    writer.attribute(attr::MESSAGE_INTEGRITY, &raw[32..52]).unwrap();
    writer.attribute(attr::USE_CANDIDATE, &[]).unwrap();
    let len = writer.finish(None).unwrap();
    let parsed = Message::parse(&buf[..len]).unwrap();
    assert!(parsed.verify_integrity(&integrity_key(PASSWORD)));
    assert!(!parsed.use_candidate);
}

#[test]
fn unknown_attributes_are_listed_up_to_eight() {
    let raw = message(&[(0x7777, &[1]), (0xC057, &[0; 4]), (0x0003, &[])], true);
    assert_eq!(Message::parse(&raw).unwrap().unknown_attributes(), [0x7777, 0x0003]);
    let many: Vec<(u16, &[u8])> = (0x100..0x120).map(|kind| (kind, &[][..])).collect();
    assert_eq!(Message::parse(&message(&many, false)).unwrap().unknown_attributes().len(), 8);
}

#[test]
fn errors_are_written_with_their_reason() {
    for (code, number) in [
        (ErrorCode::BadRequest, 400),
        (ErrorCode::Unauthenticated, 401),
        (ErrorCode::UnknownAttribute, 420),
        (ErrorCode::RoleConflict, 487),
    ] {
        let mut buf = [0; 128];
        let mut writer = Writer::new(&mut buf, Class::Error, [1; 12]).unwrap();
        writer.error_code(code).unwrap();
        writer.unknown_attributes(&[0x7777]).unwrap();
        let len = writer.finish(None).unwrap();
        let message = Message::parse(&buf[..len]).unwrap();
        assert_eq!((message.class, message.error_code), (Class::Error, Some(number)));
    }
}

#[test]
fn a_full_slice_is_no_panic() {
    for size in 0..100 {
        let mut buf = vec![0; size];
        let done = Writer::new(&mut buf, Class::Success, [0; 12]).and_then(|mut writer| {
            writer.xor_mapped_address("[::1]:5".parse().unwrap())?;
            writer.finish(Some(&integrity_key("x")))
        });
        assert_eq!(done.is_some(), size >= 20 + 24 + 24 + 8, "{size}");
    }
}

proptest! {
    #[test]
    fn written_messages_come_back(
        id in any::<[u8; 12]>(),
        address in any::<(std::net::IpAddr, u16)>(),
        name in "[A-Za-z0-9+/]{4,32}:[A-Za-z0-9+/]{4,32}",
        priority in any::<u32>(),
        tie in any::<u64>(),
    ) {
        let (mut buf, key) = ([0; 512], integrity_key(PASSWORD));
        let mut writer = Writer::new(&mut buf, Class::Success, id).unwrap();
        let address = SocketAddr::from(address);
        writer.xor_mapped_address(address).unwrap();
        writer.attribute(attr::USERNAME, name.as_bytes()).unwrap();
        writer.attribute(attr::PRIORITY, &priority.to_be_bytes()).unwrap();
        writer.attribute(attr::ICE_CONTROLLING, &tie.to_be_bytes()).unwrap();
        writer.attribute(attr::USE_CANDIDATE, &[]).unwrap();
        let len = writer.finish(Some(&key)).unwrap();
        let message = Message::parse(&buf[..len]).unwrap();
        prop_assert_eq!(message.transaction_id, id);
        prop_assert_eq!(message.xor_mapped_address, Some(address));
        prop_assert_eq!(message.username, Some(name.as_str()));
        prop_assert_eq!((message.priority, message.ice_controlling), (Some(priority), Some(tie)));
        prop_assert!(message.use_candidate && message.verify_integrity(&key));
    }

    #[test]
    fn any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::parse(&data);
    }
}

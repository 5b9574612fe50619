//! What Chromium 156 and Firefox ESR 153 really send: a nominating check, and a ClientHello of two pieces each.
//!
//! One datagram a line, in hexadecimal.

use std::time::Instant;

use transport::demux::{classify, Kind};
use transport::dtls::{Certificate, Dtls, Output, Version};
use transport::stun::{Class, Message, BINDING};

const HELLOS: [(&str, Version); 2] = [
    // Chromium lists AES-CM before GCM, so only DTLS 1.2 gives it GCM.
    (include_str!("data/chromium-client-hello.hex"), Version::Dtls12),
    // Firefox lists GCM first.
    (include_str!("data/firefox-client-hello.hex"), Version::Dtls13),
];
const NOMINATIONS: [(&str, &str, u32); 2] = [
    (include_str!("data/chromium-nomination.hex"), "pmL6FOBqP:VdFn", 0x6e00_1eff),
    (include_str!("data/firefox-nomination.hex"), "p9/KJOUFy:b26e2f8a", 0x6e7f_00ff),
];

fn datagrams(lines: &str) -> Vec<Vec<u8>> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    lines.lines().map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect()
}

/// Feeds `datagrams` to a new server: the version it chose and its answer.
fn answer(datagrams: &[Vec<u8>]) -> (Option<Version>, Vec<Vec<u8>>) {
    let certificate = Certificate::generate().unwrap();
    let now = Instant::now();
    let mut server = Dtls::server(&certificate, certificate.fingerprint(), now);
    for datagram in datagrams {
        server.handle(datagram, now);
    }
    let mut sent = Vec::new();
    while let Some(output) = server.poll() {
        let Output::Packet(packet) = output else { panic!("{output:?}") };
        sent.push(packet.to_vec());
    }
    (server.version(), sent)
}

#[test]
fn w08_browsers_hellos_in_either_order() {
    for (lines, version) in HELLOS {
        let mut pieces = datagrams(lines);
        assert_eq!(pieces.len(), 2);
        assert!(pieces.iter().all(|piece| classify(piece) == Kind::Dtls));
        for _ in 0..2 {
            let (chosen, sent) = answer(&pieces);
            assert_eq!(chosen, Some(version));
            assert!(
                !sent.is_empty() && sent.iter().all(|packet| classify(packet) == Kind::Dtls && packet.len() <= 1_200)
            );
            pieces.reverse();
        }
        assert_eq!(answer(&pieces[..1]), (None, vec![]), "half a hello is no hello");
        assert_eq!(answer(&[pieces[0].clone(), pieces[0].clone()]), (None, vec![]));
    }
}

/// ServerHello of DTLS 1.2 is in clear: its use_srtp names AEAD_AES_256_GCM, not the AES-CM that Chromium puts first.
#[test]
fn chromium_is_given_gcm() {
    let (_, sent) = answer(&datagrams(HELLOS[0].0));
    let use_srtp = [0, 14, 0, 5, 0, 2, 0, 8, 0];
    assert!(sent.iter().any(|packet| packet.windows(use_srtp.len()).any(|window| window == use_srtp)));
}

#[test]
fn truncated_twins_of_hellos_get_no_answer() {
    for (lines, _) in HELLOS {
        let pieces = datagrams(lines);
        for cut in 0..pieces[1].len() {
            let twin = [pieces[0].clone(), pieces[1][..cut].to_vec()];
            assert_eq!(answer(&twin), (None, vec![]), "cut at {cut}");
        }
    }
}

#[test]
fn browsers_nominations() {
    for (line, username, priority) in NOMINATIONS {
        let raw = datagrams(line).remove(0);
        assert_eq!(classify(&raw), Kind::Stun);
        let message = Message::parse(&raw).unwrap();
        assert_eq!((message.class, message.method), (Class::Request, BINDING));
        assert_eq!((message.username, message.priority), (Some(username), Some(priority)));
        assert!(message.use_candidate && message.ice_controlling.is_some() && message.ice_controlled.is_none());
        assert!(message.has_integrity() && message.has_fingerprint && message.unknown_attributes().is_empty());
        for cut in 0..raw.len() {
            assert!(Message::parse(&raw[..cut]).is_err());
        }
    }
}

//! DTLS handshakes over a seeded, lossy in-memory path, and against OpenSSL.

use std::time::{Duration, Instant};

use transport::dtls::{Certificate, CloseReason, Dtls, Output, Version};
use transport::srtp::{Keys, Profile, Protect, Unprotect};

/// What came out of one side.
#[derive(Default)]
struct Side {
    keys: Option<Keys>,
    closed: Option<CloseReason>,
    sent: usize,
}

/// Takes all output: events into `side`, datagrams as the answer.
fn drain(dtls: &mut Dtls, side: &mut Side) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    while let Some(output) = dtls.poll() {
        match output {
            Output::Packet(packet) => datagrams.push(packet.to_vec()),
            Output::Connected(keys) => side.keys = Some(keys),
            Output::Closed(reason) => side.closed = Some(reason),
        }
    }
    side.sent += datagrams.len();
    datagrams
}

struct Pair {
    client: Dtls,
    server: Dtls,
    at_client: Side,
    at_server: Side,
    now: Instant,
}

impl Pair {
    fn new() -> Pair {
        let (ours, theirs) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
        let now = Instant::now();
        Pair {
            client: Dtls::client(&theirs, ours.fingerprint(), now),
            server: Dtls::server(&ours, theirs.fingerprint(), now),
            at_client: Side::default(),
            at_server: Side::default(),
            now,
        }
    }

    /// Runs in steps of 10 ms until both are connected or one closed; `pass` may drop or change what flows.
    fn run(&mut self, limit: Duration, mut pass: impl FnMut(bool, Vec<u8>) -> Vec<Vec<u8>>) {
        let end = self.now + limit;
        while self.now < end {
            for datagram in drain(&mut self.client, &mut self.at_client) {
                for datagram in pass(true, datagram) {
                    self.server.handle(&datagram, self.now);
                }
            }
            for datagram in drain(&mut self.server, &mut self.at_server) {
                for datagram in pass(false, datagram) {
                    self.client.handle(&datagram, self.now);
                }
            }
            let done = self.at_client.keys.is_some() && self.at_server.keys.is_some();
            if done || self.at_client.closed.is_some() || self.at_server.closed.is_some() {
                return;
            }
            self.now += Duration::from_millis(10);
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
    }

    /// Both have keys, and what one seals the other opens.
    fn assert_media_flows(&self) {
        let (client, server) = (self.at_client.keys.as_ref().unwrap(), self.at_server.keys.as_ref().unwrap());
        assert_eq!(client.profile, server.profile);
        for (sealer, opener) in [(&client.client, &server.client), (&server.server, &client.server)] {
            let mut packet = vec![0x80, 96, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4];
            packet.resize(64, 0);
            let len = Protect::new(sealer).seal_rtp(&mut packet, 12, 16, 9, 7).unwrap();
            let header = rtp::Header::parse(&packet[..len]).unwrap();
            let mut plain = [0; 64];
            let (len, index) = Unprotect::new(opener).open_rtp(&packet[..len], &header, &mut plain).unwrap();
            assert_eq!((&plain[12..len], index), (&[1, 2, 3, 4][..], 7));
        }
    }
}

#[test]
fn handshake_yields_equal_gcm_keys_and_close_notify_ends_it() {
    let mut pair = Pair::new();
    pair.run(Duration::from_secs(5), |_, datagram| vec![datagram]);
    pair.assert_media_flows();
    assert_ne!(pair.at_server.keys.as_ref().unwrap().profile, Profile::Aes128CmHmacSha1_80);
    assert_eq!(pair.server.version(), Some(Version::Dtls13));
    assert!(pair.server.is_connected());

    pair.server.close();
    let farewell = drain(&mut pair.server, &mut pair.at_server);
    assert_eq!(pair.at_server.closed, Some(CloseReason::Local));
    assert_eq!(farewell.len(), 1);
    pair.client.handle(&farewell[0], pair.now);
    drain(&mut pair.client, &mut pair.at_client);
    assert_eq!(pair.at_client.closed, Some(CloseReason::Peer));
    assert!(!pair.client.is_connected());
}

#[test]
fn a_foreign_certificate_gets_no_keys() {
    let stranger = Certificate::generate().unwrap().fingerprint();
    let mut pair = Pair::new();
    let ours = Certificate::generate().unwrap();
    pair.server = Dtls::server(&ours, stranger, pair.now);
    pair.run(Duration::from_secs(5), |_, datagram| vec![datagram]);
    // The client refuses too: it was given another server's fingerprint.
    assert!(pair.at_server.keys.is_none() && pair.at_client.keys.is_none());
    assert_eq!(pair.at_client.closed, Some(CloseReason::FingerprintMismatch));

    let mut pair = Pair::new();
    let (client, server) = (Certificate::generate().unwrap(), Certificate::generate().unwrap());
    pair.client = Dtls::client(&client, server.fingerprint(), pair.now);
    pair.server = Dtls::server(&server, stranger, pair.now);
    pair.run(Duration::from_secs(5), |_, datagram| vec![datagram]);
    assert!(pair.at_server.keys.is_none());
    assert_eq!(pair.at_server.closed, Some(CloseReason::FingerprintMismatch));
}

#[test]
fn silence_ends_in_a_timeout() {
    let mut pair = Pair::new();
    pair.run(Duration::from_secs(40), |_, _| Vec::new());
    assert_eq!(pair.at_server.closed, Some(CloseReason::Timeout));
    assert!(pair.at_client.sent < 12, "{} repetitions", pair.at_client.sent);
}

/// Seeded xorshift: the same losses on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[test]
fn survives_a_fifth_of_loss_duplicates_and_garbage() {
    for seed in 1..=20u64 {
        let mut pair = Pair::new();
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        pair.run(Duration::from_secs(30), |_, datagram| match dice.roll(10) {
            0 | 1 => Vec::new(),
            2 => vec![datagram.clone(), datagram],
            3 => vec![vec![22, 0xFE, 0xFD, 0, 0, 1, 2, 3], datagram],
            4 => vec![datagram[..datagram.len() / 2].to_vec(), datagram],
            _ => vec![datagram],
        });
        assert!(
            pair.at_server.keys.is_some() && pair.at_client.keys.is_some(),
            "seed {seed}: {:?} {:?}",
            pair.at_server.closed,
            pair.at_client.closed
        );
        pair.assert_media_flows();
    }
}

/// Cuts a whole ClientHello datagram into `count` records of one fragment each. Other datagrams stay as they are.
fn cut_hello(datagram: &[u8], count: usize) -> Vec<Vec<u8>> {
    let is_hello = datagram.len() > 25 && datagram[0] == 22 && datagram[3..5] == [0, 0] && datagram[13] == 1;
    if !is_hello {
        return vec![datagram.to_vec()];
    }
    let (header, body) = (&datagram[..25], &datagram[25..]);
    let size = body.len().div_ceil(count);
    let pieces = body.chunks(size).enumerate().map(|(n, piece)| {
        let mut out = header.to_vec();
        // Distinct record sequence numbers, as a sender must give them.
        out[9] = header[10] + 1;
        out[10] = n as u8;
        out[11..13].copy_from_slice(&(12 + piece.len() as u16).to_be_bytes());
        out[19..22].copy_from_slice(&((n * size) as u32).to_be_bytes()[1..]);
        out[22..25].copy_from_slice(&(piece.len() as u32).to_be_bytes()[1..]);
        out.extend_from_slice(piece);
        out
    });
    pieces.collect()
}

/// W08: pieces in every manner that a network has, and round trips counted by the clock (no flight is repeated).
#[test]
fn w08_client_hello_in_pieces() {
    type Manner = fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>;
    let manners: [(&str, Manner); 4] = [
        ("in order", |pieces| pieces),
        ("reversed", |mut pieces| {
            pieces.reverse();
            pieces
        }),
        ("one twice", |mut pieces| {
            pieces.insert(1, pieces[0].clone());
            pieces
        }),
        ("all twice, shuffled", |pieces| {
            let mut all: Vec<_> = pieces.iter().chain(&pieces).cloned().collect();
            let middle = all.len() / 2;
            all.rotate_left(middle.min(3));
            all
        }),
    ];
    for count in [2, 6] {
        for (name, manner) in &manners {
            let mut pair = Pair::new();
            let start = pair.now;
            pair.run(Duration::from_secs(5), |to_server, datagram| {
                if to_server {
                    manner(cut_hello(&datagram, count))
                } else {
                    vec![datagram]
                }
            });
            assert!(pair.at_server.keys.is_some(), "{count} pieces {name}: {:?}", pair.at_server.closed);
            pair.assert_media_flows();
            assert!(pair.now - start < Duration::from_millis(100), "{count} pieces {name} took {:?}", pair.now - start);
        }
    }
}

#[test]
fn w08_one_piece_lost_then_repeated() {
    for count in [2, 6] {
        for lost in 0..count {
            let mut pair = Pair::new();
            let mut flights = 0;
            pair.run(Duration::from_secs(5), |to_server, datagram| {
                let mut pieces = if to_server { cut_hello(&datagram, count) } else { vec![datagram] };
                if pieces.len() > 1 {
                    flights += 1;
                    if flights == 1 {
                        pieces.remove(lost);
                    }
                }
                pieces
            });
            assert!(pair.at_server.keys.is_some(), "{lost} of {count}: {:?}", pair.at_server.closed);
            assert_eq!(flights, 2);
            pair.assert_media_flows();
        }
    }
}

#[test]
fn w08_hostile_claims_harm_nobody() {
    let mut pair = Pair::new();
    pair.run(Duration::from_secs(5), |to_server, datagram| {
        if !to_server {
            return vec![datagram];
        }
        let pieces = cut_hello(&datagram, 2);
        let mut all = Vec::new();
        for hostile in [[0xFF, 0xFF, 0xFF], [0x00, 0x20, 0x01]] {
            let mut lie = pieces[0].clone();
            if lie.len() > 25 && lie[13] == 1 {
                lie[14..17].copy_from_slice(&hostile); // whole message of 16 MiB, and just over the bound
                all.push(lie.clone());
                lie[22..25].copy_from_slice(&hostile); // a fragment as long
                all.push(lie);
            }
        }
        all.extend(pieces);
        all
    });
    assert!(pair.at_server.keys.is_some(), "{:?}", pair.at_server.closed);
    pair.assert_media_flows();
}

/// A plain DTLS 1.2 client (as OpenSSL and older browsers are) through losses, with its hello in three pieces.
#[test]
fn dtls12_client_survives_losses() {
    for seed in 1..=20u64 {
        let mut dice = Dice(seed.wrapping_mul(0xD134_2543_DE82_EF95));
        let theirs = dimpl::certificate::generate_self_signed_certificate().unwrap();
        let ours = Certificate::generate().unwrap();
        let start = Instant::now();
        let mut now = start;
        let mut server = Dtls::server(&ours, transport::dtls::Fingerprint::of(&theirs.certificate), now);
        let mut client = dimpl::Dtls::new_12(std::sync::Arc::new(dimpl::Config::default()), theirs, now);
        client.set_active(true);
        client.handle_timeout(now).unwrap();
        let (mut at_server, mut material, mut buf) = (Side::default(), None, vec![0; 4_096]);
        while material.is_none() || at_server.keys.is_none() {
            assert!(now - start < Duration::from_secs(29), "seed {seed}: {:?}", at_server.closed);
            loop {
                match client.poll_output(&mut buf) {
                    dimpl::Output::Packet(packet) => {
                        for piece in cut_hello(packet, 3) {
                            if dice.roll(5) > 0 {
                                server.handle(&piece, now);
                            }
                        }
                    }
                    dimpl::Output::KeyingMaterial(found, _) => material = Some(found),
                    dimpl::Output::Timeout(_) => break,
                    _ => {}
                }
            }
            for packet in drain(&mut server, &mut at_server) {
                if dice.roll(5) > 0 {
                    client.handle_packet(&packet).unwrap();
                }
            }
            now += Duration::from_millis(20);
            client.handle_timeout(now).unwrap();
            server.handle_timeout(now);
        }
        assert_eq!(server.version(), Some(Version::Dtls12));
        let profile = at_server.keys.as_ref().unwrap().profile;
        assert_eq!(profile, Profile::AeadAes256Gcm);
        assert!(Keys::from_exported(profile, &material.unwrap()).is_some());
    }
}

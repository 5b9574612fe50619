//! What the fuzz targets run: each function reads hostile bytes to the end and checks what must always hold.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rtp::Header;

use crate::demux::{classify, Kind};
use crate::dtls::{Certificate, Dtls, Output};
use crate::ice::{Credentials, IceLite, IceOutcome};
use crate::srtp::{MasterKey, Profile, Protect, Unprotect, MAX_OVERHEAD};
use crate::stun::Message;

/// Any bytes as STUN: nothing panics, and without our password the agent never learns an address.
pub fn stun(data: &[u8]) {
    let Ok(message) = Message::parse(data) else { return };
    assert!(message.unknown_attributes().len() <= 8);
    let local = Credentials { ufrag: "evtj".into(), pwd: "a password nobody knows".into() };
    let remote = Credentials { ufrag: "h6vY".into(), pwd: String::new() };
    let now = Instant::now();
    let mut agent = IceLite::new(local, remote, now);
    let outcome = agent.handle_binding(now, ([192, 0, 2, 1], 5).into(), &message, &mut [0; 256]);
    assert!(matches!(outcome, IceOutcome::Refused { .. } | IceOutcome::Drop(_)));
    assert!(agent.remote_address().is_none() && agent.addresses().next().is_none());
}

/// Any bytes as a series of datagrams (two bytes of length before each) at a DTLS server: no panic, and no keys,
/// since the fingerprint that it expects is nobody's.
pub fn demux_dtls(mut data: &[u8]) {
    static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(|| Certificate::generate().expect("random bytes"));
    let mut now = Instant::now();
    let mut server = Dtls::server(&CERTIFICATE, CERTIFICATE.fingerprint(), now);
    while let [high, low, rest @ ..] = data {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (datagram, rest) = rest.split_at(len);
        data = rest;
        // What is not DTLS goes in too: the caller may be wrong.
        let _ = classify(datagram);
        server.handle(datagram, now);
        now += Duration::from_millis(50);
        server.handle_timeout(now);
        while let Some(output) = server.poll() {
            match output {
                Output::Packet(packet) => assert_eq!(classify(packet), Kind::Dtls),
                Output::Connected(_) => panic!("keys for a stranger"),
                Output::Closed(_) => {}
            }
        }
    }
}

/// Any bytes as SRTP and SRTCP: never authentic; sealed first, they come back as they were.
pub fn srtp_open(data: &[u8]) {
    for profile in [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmHmacSha1_80] {
        let key =
            MasterKey::new(profile, &[7; 32][..profile.key_len()], &[9; 14][..profile.salt_len()]).expect("lengths");
        let (mut protect, mut unprotect) = (Protect::new(&key), Unprotect::new(&key));
        let mut out = vec![0; data.len()];
        assert!(unprotect.open_rtcp(data, &mut out).is_err());
        let mut sealed = data.to_vec();
        sealed.resize(data.len() + MAX_OVERHEAD, 0);
        if let Some(len) = protect.seal_rtcp(&mut sealed, data.len()) {
            assert_eq!(unprotect.open_rtcp(&sealed[..len], &mut out), Ok(data.len()));
            assert_eq!(out, data);
        }
        let Ok(header) = Header::parse(data) else { continue };
        assert!(unprotect.open_rtp(data, &header, &mut out).is_err());
        sealed[..data.len()].copy_from_slice(data);
        let index = u64::from(header.seq);
        let len = protect.seal_rtp(&mut sealed, header.header_len, data.len(), header.ssrc, index).expect("room");
        assert_eq!(unprotect.open_rtp(&sealed[..len], &header, &mut out), Ok((data.len(), index)));
        assert_eq!(out, data);
    }
}

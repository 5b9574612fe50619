//! W08 with a foreign implementation: `openssl s_client -dtls1_2 -mtu 300` over UDP on loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use transport::dtls::{Certificate, CloseReason, Dtls, Fingerprint, Output, Version};
use transport::srtp::{Keys, Profile, Protect, Unprotect};

/// Makes an ECDSA certificate with the openssl tool: (certificate, key, fingerprint).
fn client_certificate(dir: &Path) -> (PathBuf, PathBuf, Fingerprint) {
    let (cert, key, der) = (dir.join("cert.pem"), dir.join("key.pem"), dir.join("cert.der"));
    let run = |command: &mut Command| {
        assert!(command.stderr(Stdio::null()).status().expect("openssl is installed").success())
    };
    run(Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=test"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert));
    run(Command::new("openssl").args(["x509", "-outform", "DER"]).arg("-in").arg(&cert).arg("-out").arg(&der));
    let fingerprint = Fingerprint::of(&std::fs::read(der).unwrap());
    (cert, key, fingerprint)
}

fn s_client(server: SocketAddr, cert: &Path, key: &Path, profiles: &str, material: usize) -> Child {
    Command::new("openssl")
        .args(["s_client", "-dtls1_2", "-mtu", "300", "-connect", &server.to_string(), "-use_srtp", profiles])
        .args(["-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen", &material.to_string()])
        // A long ClientHello: with this list it takes three datagrams or more.
        .args(["-alpn", &["a-protocol-name-of-forty-characters-----"; 12].join(",")])
        .arg("-cert")
        .arg(cert)
        .arg("-key")
        .arg(key)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl is installed")
}

/// Serves one association until `done` says so; counts the pieces of ClientHello.
fn serve(socket: &UdpSocket, dtls: &mut Dtls, mut done: impl FnMut(&Dtls, Output<'_>) -> bool) -> usize {
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let (mut buf, mut pieces, start) = ([0; 2_048], 0, Instant::now());
    let mut peer = None;
    loop {
        assert!(start.elapsed() < Duration::from_secs(20), "no progress");
        if let Ok((len, from)) = socket.recv_from(&mut buf) {
            peer = Some(from);
            pieces += usize::from(len > 13 && buf[0] == 22 && buf[13] == 1);
            dtls.handle(&buf[..len], Instant::now());
        }
        if dtls.next_timeout().is_some_and(|at| Instant::now() >= at) {
            dtls.handle_timeout(Instant::now());
        }
        let mut events = Vec::new();
        while let Some(output) = dtls.poll() {
            match output {
                Output::Packet(packet) => {
                    socket.send_to(packet, peer.unwrap()).unwrap();
                }
                Output::Connected(keys) => events.push(Output::Connected(keys)),
                Output::Closed(reason) => events.push(Output::Closed(reason)),
            }
        }
        for event in events {
            if done(dtls, event) {
                return pieces;
            }
        }
    }
}

/// Reads the tool's output up to its line of keying material.
fn exported(child: &mut Child, profile: Profile) -> Keys {
    let (mut text, mut buf) = (String::new(), [0; 4_096]);
    let stdout = child.stdout.as_mut().unwrap();
    loop {
        if let Some((_, rest)) = text.split_once("Keying material: ") {
            if let Some((digits, _)) = rest.split_once('\n') {
                let digits = digits.trim().as_bytes();
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
                let material: Vec<u8> = digits.chunks(2).map(byte).collect();
                return Keys::from_exported(profile, &material).expect("of the profile's length");
            }
        }
        let len = stdout.read(&mut buf).unwrap();
        assert!(len > 0, "openssl ended: {text}");
        text.push_str(&String::from_utf8_lossy(&buf[..len]));
    }
}

fn assert_same(ours: &Keys, theirs: &Keys) {
    let mut packet = [0; 64];
    packet[..16].copy_from_slice(&[0x80, 96, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4]);
    let len = Protect::new(&theirs.client).seal_rtp(&mut packet, 12, 16, 9, 7).unwrap();
    let header = rtp::Header::parse(&packet[..len]).unwrap();
    let (len, _) = Unprotect::new(&ours.client).open_rtp(&packet[..len], &header, &mut [0; 64]).unwrap();
    assert_eq!(len, 16);
}

fn handshake(name: &str, profiles: &str, expected: Profile) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let (cert, key, fingerprint) = client_certificate(&dir);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut dtls = Dtls::server(&Certificate::generate().unwrap(), fingerprint, Instant::now());
    let material = 2 * (expected.key_len() + expected.salt_len());
    let mut child = s_client(socket.local_addr().unwrap(), &cert, &key, profiles, material);

    let mut ours = None;
    let pieces = serve(&socket, &mut dtls, |dtls, event| match event {
        Output::Connected(keys) => {
            assert_eq!(dtls.version(), Some(Version::Dtls12));
            ours = Some(keys);
            true
        }
        other => panic!("{other:?}"),
    });
    assert!(pieces >= 3, "ClientHello came in {pieces} pieces");
    let ours = ours.unwrap();
    assert_eq!(ours.profile, expected);
    assert_same(&ours, &exported(&mut child, expected));

    // End of input: the tool says close_notify and leaves.
    child.stdin.take().unwrap().write_all(b"Q\n").unwrap();
    serve(&socket, &mut dtls, |_, event| matches!(event, Output::Closed(CloseReason::Peer)));
    child.wait().unwrap();
}

#[test]
fn w08_openssl_small_mtu_gcm_128() {
    handshake("gcm128", "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_128_GCM", Profile::AeadAes128Gcm);
}

#[test]
fn w08_openssl_small_mtu_aes_cm() {
    handshake("cm", "SRTP_AES128_CM_SHA1_80", Profile::Aes128CmHmacSha1_80);
}

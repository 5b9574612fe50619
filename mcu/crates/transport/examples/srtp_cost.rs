//! Prints what sealing and opening one packet costs, for each profile: `cargo run --release --example srtp_cost`.

use std::hint::black_box;
use std::time::Instant;

use rtp::Header;
use transport::srtp::{MasterKey, Profile, Protect, Unprotect};

const PACKETS: usize = 200_000;
const ROUNDS: usize = 5;
const HEADER: usize = 12;

fn main() {
    for profile in [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmHmacSha1_80] {
        for len in [172, 1_150] {
            let seal = best(|| seal_all(profile, len));
            let open = best(|| open_all(profile, len));
            println!("{:<28} {len:>5} bytes   seal {seal:>6.0} ns   open {open:>6.0} ns", profile.name());
        }
    }
}

/// The fastest round's nanoseconds for one packet: the least disturbed one.
fn best(mut round: impl FnMut() -> f64) -> f64 {
    (0..ROUNDS).map(|_| round()).fold(f64::MAX, f64::min)
}

fn key(profile: Profile) -> MasterKey {
    MasterKey::new(profile, &vec![7; profile.key_len()], &vec![9; profile.salt_len()]).expect("profile's lengths")
}

fn plain(len: usize) -> Vec<u8> {
    let mut packet = vec![0x5A; len + 32];
    packet[..HEADER].copy_from_slice(&[0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    packet
}

fn seal_all(profile: Profile, len: usize) -> f64 {
    let (protect, mut buf) = (Protect::new(&key(profile)), plain(len));
    let start = Instant::now();
    for index in 0..PACKETS as u64 {
        buf[2..4].copy_from_slice(&(index as u16).to_be_bytes());
        black_box(protect.seal_rtp(&mut buf, HEADER, len, 1, index));
    }
    start.elapsed().as_nanos() as f64 / PACKETS as f64
}

fn open_all(profile: Profile, len: usize) -> f64 {
    let key = key(profile);
    let (protect, mut unprotect) = (Protect::new(&key), Unprotect::new(&key));
    let (mut out, mut spent, mut sealed) = (vec![0; 1_500], 0, Vec::new());
    // Batches, so that sealing stays outside of what is measured.
    for first in (0..PACKETS as u64).step_by(1_000) {
        sealed.clear();
        for index in first..first + 1_000 {
            let mut buf = plain(len);
            buf[2..4].copy_from_slice(&(index as u16).to_be_bytes());
            let sealed_len = protect.seal_rtp(&mut buf, HEADER, len, 1, index).expect("room");
            buf.truncate(sealed_len);
            sealed.push(buf);
        }
        let start = Instant::now();
        for packet in &sealed {
            let header = Header::parse(packet).expect("a header");
            black_box(unprotect.open_rtp(packet, &header, &mut out).expect("authentic"));
        }
        spent += start.elapsed().as_nanos();
    }
    spent as f64 / PACKETS as f64
}

//! SRTP contexts: captures made by libsrtp, hostile packets, and round trips across rollover.

use proptest::prelude::*;
use rtp::Header;
use transport::srtp::{MasterKey, Profile, Protect, SrtpError, Unprotect, MAX_SSRCS};

const PROFILES: [Profile; 3] = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::Aes128CmHmacSha1_80];
const SSRC: u32 = 0xCAFE_BABE;

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Key and salt are the bytes 0, 1, 2, …
fn master(profile: Profile) -> MasterKey {
    let bytes: Vec<u8> = (0..64).collect();
    let (key, salt) = bytes[..profile.key_len() + profile.salt_len()].split_at(profile.key_len());
    MasterKey::new(profile, key, salt).unwrap()
}

fn packet(seq: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x90, 0x80 | 96];
    packet.extend(seq.to_be_bytes());
    packet.extend([1, 2, 3, 4]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xBE, 0xDE, 0, 1, 0x10, 0x7F, 0, 0]);
    packet.extend(payload);
    packet
}

fn seal(protect: &Protect, plain: &[u8], ssrc: u32, index: u64) -> Vec<u8> {
    let mut buf = plain.to_vec();
    buf.resize(plain.len() + protect.rtp_overhead(), 0);
    let len = protect.seal_rtp(&mut buf, 20, plain.len(), ssrc, index).unwrap();
    assert_eq!(len, buf.len());
    buf
}

fn open(unprotect: &mut Unprotect, sealed: &[u8]) -> Result<(Vec<u8>, u64), SrtpError> {
    let mut out = vec![0xEE; sealed.len()];
    let header = Header::parse(sealed).map_err(|_| SrtpError::TooShort)?;
    unprotect.open_rtp(sealed, &header, &mut out).map(|(len, index)| (out[..len].to_vec(), index))
}

/// Made with libsrtp 2: seq 65,535, then 0 in the next cycle; SRTCP indexes 1 and 2.
const CAPTURES: [(Profile, [&str; 2], [&str; 2]); 3] = [
    (
        Profile::AeadAes128Gcm,
        [
            "90e0ffff01020304cafebabebede0001107f00003ec1e207c3377e2b80c3f2a1ddf40621c1e441cd1c88de29b6869b555b16c479c6a7",
            "90e0000001020304cafebabebede0001107f00002af5b15317e1c0269d80b62710b5d3f16a49eb8e81b428e5d24de48eba1d791b209d",
        ],
        [
            "81ce0002cafebabeda3f14565a624f8ac70a6a1a6f4058631b89353b4597a3eb5d8d345480000001",
            "81ce0002cafebabed8dd1d0eb5a8d2fce32a63d34c1b33dce856cce41d2623163851a09c80000002",
        ],
    ),
    (
        Profile::AeadAes256Gcm,
        [
            "90e0ffff01020304cafebabebede0001107f0000898b5ee579a0d3922eff5ac902a015fe413697279cc4739fc8ce9acad9418e00fbe3",
            "90e0000001020304cafebabebede0001107f00005f275cee28c2a00ff3e45b4ccd73cabd7383141b05bef65780ba91185963a211c8b5",
        ],
        [
            "81ce0002cafebabea85c0e214aa62e4d114acaad4b634ceea5021b84a9306266810ec1b580000001",
            "81ce0002cafebabee2e81b641ddc9f8f97f65e1d39ee39389ec2b7dc59ccd8c0ba01574480000002",
        ],
    ),
    (
        Profile::Aes128CmHmacSha1_80,
        [
            "90e0ffff01020304cafebabebede0001107f00006228db3e878d2fc7a673f02dd74d195c56ecdaeba70ca17b2d174132",
            "90e0000001020304cafebabebede0001107f0000397bb6f688dba5ec0c0b47d14e6ac76ed40055b0dce60b3491c80a42",
        ],
        [
            "81ce0002cafebabe9742494fdc012aa2d278337180000001858bfc4eff684082150d",
            "81ce0002cafebabe2b09a29c50be4162a0107b4780000002d367325975ecacf4415e",
        ],
    ),
];

#[test]
fn opens_and_seals_as_libsrtp_does() {
    let rtcp = hex("81ce0002cafebabe1122334480c9000100000005");
    for (profile, rtp_captures, rtcp_captures) in CAPTURES {
        let mut unprotect = Unprotect::new(&master(profile));
        let mut protect = Protect::new(&master(profile));
        for (capture, (seq, expected)) in rtp_captures.iter().zip([(65_535, 65_535), (0, 65_536)]) {
            let plain = packet(seq, SSRC, b"un bruit de vagues");
            assert_eq!(open(&mut unprotect, &hex(capture)), Ok((plain.clone(), expected)), "{profile:?}");
            assert_eq!(seal(&protect, &plain, SSRC, expected), hex(capture), "{profile:?}");
        }
        for capture in rtcp_captures {
            let mut plain = vec![0; 64];
            let len = unprotect.open_rtcp(&hex(capture), &mut plain).unwrap();
            assert_eq!(plain[..len], rtcp[..len], "{profile:?}");
            let mut buf = plain[..len].to_vec();
            buf.resize(len + 20, 0);
            let len = protect.seal_rtcp(&mut buf, len).unwrap();
            assert_eq!(buf[..len], hex(capture)[..], "{profile:?}");
        }
    }
}

#[test]
fn truncated_forged_and_replayed() {
    for (profile, rtp_captures, rtcp_captures) in CAPTURES {
        let mut unprotect = Unprotect::new(&master(profile));
        let sealed = hex(rtp_captures[0]);
        for cut in 0..sealed.len() {
            let error = open(&mut unprotect, &sealed[..cut]).unwrap_err();
            let expected = if cut < 20 + profile.tag_len() { SrtpError::TooShort } else { SrtpError::Auth };
            assert_eq!(error, expected, "{profile:?} cut at {cut}");
        }
        for at in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 1;
            assert!(open(&mut unprotect, &forged).is_err(), "{profile:?} byte {at}");
        }
        assert!(open(&mut unprotect, &sealed).is_ok());
        assert_eq!(open(&mut unprotect, &sealed), Err(SrtpError::Replay));

        let (sealed, mut out) = (hex(rtcp_captures[0]), [0; 64]);
        for cut in 0..sealed.len() {
            assert!(unprotect.open_rtcp(&sealed[..cut], &mut out).is_err());
        }
        for at in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[at] ^= 0x80;
            assert!(unprotect.open_rtcp(&forged, &mut out).is_err(), "{profile:?} byte {at}");
        }
        assert_eq!(unprotect.open_rtcp(&sealed, &mut [0; 8]), Err(SrtpError::NoRoom));
        assert!(unprotect.open_rtcp(&sealed, &mut out).is_ok());
        assert_eq!(unprotect.open_rtcp(&sealed, &mut out), Err(SrtpError::Replay));
        let mut plain = sealed.clone();
        let trailer = sealed.len() - if profile == Profile::Aes128CmHmacSha1_80 { 14 } else { 4 };
        plain[trailer] &= 0x7F;
        assert_eq!(unprotect.open_rtcp(&plain, &mut out), Err(SrtpError::Unencrypted));
    }
}

#[test]
fn old_is_told_from_replayed() {
    let key = master(Profile::AeadAes128Gcm);
    let (protect, mut unprotect) = (Protect::new(&key), Unprotect::new(&key));
    let sealed = |index: u64| seal(&protect, &packet(index as u16, SSRC, b"x"), SSRC, index);
    assert!(open(&mut unprotect, &sealed(1_000)).is_ok());
    assert!(open(&mut unprotect, &sealed(873)).is_ok());
    assert_eq!(open(&mut unprotect, &sealed(873)), Err(SrtpError::Replay));
    assert_eq!(open(&mut unprotect, &sealed(872)), Err(SrtpError::Old));
}

#[test]
fn strangers_fill_no_memory_and_the_sixty_fifth_source_is_refused() {
    let key = master(Profile::AeadAes128Gcm);
    let (protect, mut unprotect) = (Protect::new(&key), Unprotect::new(&key));
    for ssrc in 0..10_000 {
        let stranger = packet(1, ssrc, &[0; 64]);
        assert_eq!(open(&mut unprotect, &stranger), Err(SrtpError::Auth));
    }
    for ssrc in 0..MAX_SSRCS as u32 {
        assert!(open(&mut unprotect, &seal(&protect, &packet(1, ssrc, b"x"), ssrc, 1)).is_ok());
    }
    let one_more = seal(&protect, &packet(1, 77_777, b"x"), 77_777, 1);
    assert_eq!(open(&mut unprotect, &one_more), Err(SrtpError::TooManySsrcs));
    assert!(open(&mut unprotect, &seal(&protect, &packet(2, 5, b"x"), 5, 2)).is_ok());
}

/// A forged packet half a cycle ahead must not move the rollover counter.
#[test]
fn forgeries_do_not_move_the_rollover_counter() {
    let key = master(Profile::AeadAes128Gcm);
    let (protect, mut unprotect) = (Protect::new(&key), Unprotect::new(&key));
    assert!(open(&mut unprotect, &seal(&protect, &packet(65_000, SSRC, b"x"), SSRC, 65_000)).is_ok());
    let mut forged = seal(&protect, &packet(100, SSRC, b"x"), SSRC, 65_636);
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(open(&mut unprotect, &forged), Err(SrtpError::Auth));
    assert_eq!(open(&mut unprotect, &seal(&protect, &packet(65_001, SSRC, b"x"), SSRC, 65_001)).unwrap().1, 65_001);
}

#[test]
fn lengths_that_disagree_are_refused() {
    let key = master(Profile::AeadAes128Gcm);
    let mut protect = Protect::new(&key);
    assert_eq!(protect.seal_rtp(&mut [0; 40], 12, 30, 1, 1), None);
    assert_eq!(protect.seal_rtp(&mut [0; 40], 21, 20, 1, 1), None);
    assert_eq!(protect.seal_rtp(&mut [0; 40], 12, usize::MAX, 1, 1), None);
    assert_eq!(protect.seal_rtcp(&mut [0; 40], 7), None);
    assert_eq!(protect.seal_rtcp(&mut [0; 40], 30), None);
    assert!(MasterKey::new(Profile::AeadAes128Gcm, &[0; 16], &[0; 14]).is_none());
}

proptest! {
    /// Packets in order but for losses and neighbours swapped come back with their index, over rollovers.
    #[test]
    fn round_trip_across_rollover(
        which in 0..3usize,
        start in 0..65_536u64,
        steps in prop::collection::vec((1..20_000u64, any::<bool>(), prop::collection::vec(any::<u8>(), 0..80)), 1..40),
    ) {
        let key = master(PROFILES[which]);
        let (protect, mut unprotect) = (Protect::new(&key), Unprotect::new(&key));
        let mut sent = vec![(start, vec![1])];
        let mut index = start;
        for (step, swap, payload) in steps {
            index += step;
            sent.push((index, payload));
            let last = sent.len() - 1;
            if swap && step < 128 && last > 1 {
                sent.swap(last - 1, last);
            }
        }
        for (index, payload) in sent {
            let plain = packet(index as u16, SSRC, &payload);
            let sealed = seal(&protect, &plain, SSRC, index);
            prop_assert_eq!(open(&mut unprotect, &sealed), Ok((plain, index)));
        }
    }

    #[test]
    fn rtcp_round_trip(which in 0..3usize, body in prop::collection::vec(any::<u8>(), 0..100)) {
        let key = master(PROFILES[which]);
        let (mut protect, mut unprotect) = (Protect::new(&key), Unprotect::new(&key));
        let mut plain = hex("80c90001cafebabe");
        plain.extend(body);
        for _ in 0..3 {
            let mut buf = plain.clone();
            buf.resize(plain.len() + 20, 0);
            let len = protect.seal_rtcp(&mut buf, plain.len()).unwrap();
            let mut out = vec![0; len];
            let opened = unprotect.open_rtcp(&buf[..len], &mut out).unwrap();
            prop_assert_eq!(&out[..opened], &plain[..]);
        }
    }
}

//! The two transforms behind one face: AES-GCM (RFC 7714) and AES-CM with HMAC-SHA1-80 (RFC 3711).
//!
//! Keys are expanded once; sealing and opening allocate nothing.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey, AES_128_GCM, AES_256_GCM};
use aws_lc_rs::cipher::{EncryptingKey, EncryptionContext, UnboundCipherKey, AES_128};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::kdf::{derive, Use};
use super::{MasterKey, Profile};

/// Length of a GCM tag.
const GCM_TAG: usize = 16;
/// Length of a truncated HMAC-SHA1 tag.
const HMAC_TAG: usize = 10;

/// One protocol's cipher in one direction.
pub(super) enum Cipher {
    Gcm { key: LessSafeKey, salt: [u8; 12] },
    Cm(Box<Cm>),
}

/// AES-CM with HMAC-SHA1-80: boxed, since its expanded keys are fifty times the size of GCM's handle.
pub(super) struct Cm {
    key: EncryptingKey,
    salt: [u8; 14],
    mac: hmac::Key,
}

impl Cipher {
    pub(super) fn new(master: &MasterKey, usage: Use) -> Cipher {
        let keys = derive(master, usage);
        let key = &keys.encryption[..master.profile().key_len()];
        match master.profile() {
            Profile::Aes128CmHmacSha1_80 => {
                let unbound = UnboundCipherKey::new(&AES_128, key).expect("16 bytes");
                Cipher::Cm(Box::new(Cm {
                    key: EncryptingKey::ctr(unbound).expect("AES has a counter mode"),
                    salt: keys.salt,
                    mac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &keys.authentication),
                }))
            }
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => {
                let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
                let mut salt = [0; 12];
                salt.copy_from_slice(&keys.salt[..12]);
                Cipher::Gcm { key: LessSafeKey::new(UnboundKey::new(algorithm, key).expect("profile's length")), salt }
            }
        }
    }

    pub(super) fn tag_len(&self) -> usize {
        match self {
            Cipher::Gcm { .. } => GCM_TAG,
            Cipher::Cm(_) => HMAC_TAG,
        }
    }
}

/// GCM nonce: 16 zero bits, SSRC, 48-bit index, all XOR salt (RFC 7714 §8.1; §9.1 has the same layout, its index
/// being 17 zero bits and 31 bits).
fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let value = (u128::from(ssrc) << 48) | u128::from(index & 0xFFFF_FFFF_FFFF);
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&value.to_be_bytes()[4..]);
    nonce.iter_mut().zip(salt).for_each(|(byte, salt)| *byte ^= salt);
    Nonce::assume_unique_for_key(nonce)
}

/// Counter block: salt · 2^16 XOR SSRC · 2^64 XOR index · 2^16 (RFC 3711 §4.1.1).
fn cm_iv(salt: &[u8; 14], ssrc: u32, index: u64) -> EncryptionContext {
    let mut block = [0; 16];
    block[..14].copy_from_slice(salt);
    let value = u128::from_be_bytes(block) ^ (u128::from(ssrc) << 64) ^ (u128::from(index & 0xFFFF_FFFF_FFFF) << 16);
    EncryptionContext::Iv128(FixedLength::from(value.to_be_bytes()))
}

impl Cm {
    fn apply(&self, ssrc: u32, index: u64, data: &mut [u8]) -> Option<()> {
        self.key.less_safe_encrypt(data, cm_iv(&self.salt, ssrc, index)).ok().map(|_| ())
    }

    fn tag(&self, parts: [&[u8]; 2]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(parts[0]);
        context.update(parts[1]);
        context.sign()
    }
}

impl Cipher {
    /// Seals `buf[..len]`, header in clear, and puts the tag behind. `buf` has room for it.
    pub(super) fn seal_rtp(&self, buf: &mut [u8], header_len: usize, len: usize, ssrc: u32, index: u64) -> Option<()> {
        match self {
            Cipher::Gcm { key, salt } => {
                let (header, rest) = buf.split_at_mut(header_len);
                let (body, tag) = rest.split_at_mut(len - header_len);
                let sealed =
                    key.seal_in_place_separate_tag(gcm_nonce(salt, ssrc, index), Aad::from(&*header), body).ok()?;
                tag[..GCM_TAG].copy_from_slice(sealed.as_ref());
            }
            Cipher::Cm(cm) => {
                cm.apply(ssrc, index, &mut buf[header_len..len])?;
                let tag = cm.tag([&buf[..len], &roc(index)]);
                buf[len..len + HMAC_TAG].copy_from_slice(&tag.as_ref()[..HMAC_TAG]);
            }
        }
        Some(())
    }

    /// Opens `packet` (tag at its end) into `out`, which is as long as the plain packet. `None`: not authentic.
    pub(super) fn open_rtp(
        &self,
        packet: &[u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
        out: &mut [u8],
    ) -> Option<()> {
        let (sealed, tag) = packet.split_at(packet.len() - self.tag_len());
        let (header, body) = sealed.split_at(header_len);
        let (out_header, out_body) = out.split_at_mut(header_len);
        match self {
            Cipher::Gcm { key, salt } => {
                let nonce = gcm_nonce(salt, ssrc, index);
                key.open_separate_gather(nonce, Aad::from(header), body, tag, out_body).ok()?;
            }
            Cipher::Cm(cm) => {
                let expected = cm.tag([sealed, &roc(index)]);
                verify_slices_are_equal(&expected.as_ref()[..HMAC_TAG], tag).ok()?;
                out_body.copy_from_slice(body);
                cm.apply(ssrc, index, out_body)?;
            }
        }
        out_header.copy_from_slice(header);
        Some(())
    }

    /// Seals the RTCP compound `buf[..len]` behind its first 8 bytes and appends tag and `trailer` (E bit and index) in
    /// the profile's order. `buf` has room for both.
    pub(super) fn seal_rtcp(&self, buf: &mut [u8], len: usize, ssrc: u32, trailer: [u8; 4]) -> Option<()> {
        let index = u64::from(u32::from_be_bytes(trailer) & 0x7FFF_FFFF);
        match self {
            Cipher::Gcm { key, salt } => {
                let (header, rest) = buf.split_at_mut(8);
                let (body, end) = rest.split_at_mut(len - 8);
                let sealed = key
                    .seal_in_place_separate_tag(
                        gcm_nonce(salt, ssrc, index),
                        Aad::from(rtcp_aad(header, trailer)),
                        body,
                    )
                    .ok()?;
                end[..GCM_TAG].copy_from_slice(sealed.as_ref());
                end[GCM_TAG..GCM_TAG + 4].copy_from_slice(&trailer);
            }
            Cipher::Cm(cm) => {
                cm.apply(ssrc, index, &mut buf[8..len])?;
                let tag = cm.tag([&buf[..len], &trailer]);
                buf[len..len + 4].copy_from_slice(&trailer);
                buf[len + 4..len + 4 + HMAC_TAG].copy_from_slice(&tag.as_ref()[..HMAC_TAG]);
            }
        }
        Some(())
    }

    /// Splits an SRTCP packet of sufficient length into compound, tag and trailer.
    pub(super) fn split_rtcp<'a>(&self, packet: &'a [u8]) -> (&'a [u8], &'a [u8], [u8; 4]) {
        let (sealed, end) = packet.split_at(packet.len() - self.tag_len() - 4);
        let (tag, trailer) = match self {
            Cipher::Gcm { .. } => end.split_at(GCM_TAG),
            Cipher::Cm(_) => {
                let (trailer, tag) = end.split_at(4);
                (tag, trailer)
            }
        };
        (sealed, tag, [trailer[0], trailer[1], trailer[2], trailer[3]])
    }

    /// Opens what [`Cipher::split_rtcp`] split into `out`, which is as long as `sealed`. `None`: not authentic.
    pub(super) fn open_rtcp(
        &self,
        sealed: &[u8],
        tag: &[u8],
        trailer: [u8; 4],
        ssrc: u32,
        out: &mut [u8],
    ) -> Option<()> {
        let index = u64::from(u32::from_be_bytes(trailer) & 0x7FFF_FFFF);
        let (header, body) = sealed.split_at(8);
        let (out_header, out_body) = out.split_at_mut(8);
        match self {
            Cipher::Gcm { key, salt } => {
                let nonce = gcm_nonce(salt, ssrc, index);
                key.open_separate_gather(nonce, Aad::from(rtcp_aad(header, trailer)), body, tag, out_body).ok()?;
            }
            Cipher::Cm(cm) => {
                let expected = cm.tag([sealed, &trailer]);
                verify_slices_are_equal(&expected.as_ref()[..HMAC_TAG], tag).ok()?;
                out_body.copy_from_slice(body);
                cm.apply(ssrc, index, out_body)?;
            }
        }
        out_header.copy_from_slice(header);
        Some(())
    }
}

/// Rollover counter as authenticated behind an RTP packet (RFC 3711 §4.2).
fn roc(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// First 8 bytes and the trailer (RFC 7714 §9.2).
fn rtcp_aad(header: &[u8], trailer: [u8; 4]) -> [u8; 12] {
    let mut aad = [0; 12];
    aad[..8].copy_from_slice(&header[..8]);
    aad[8..].copy_from_slice(&trailer);
    aad
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::hex;

    const SALT: &[u8; 12] = b"Quid pro quo";

    fn gcm(key: &str) -> Cipher {
        let key = hex(key);
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        Cipher::Gcm { key: LessSafeKey::new(UnboundKey::new(algorithm, &key).unwrap()), salt: *SALT }
    }

    const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
    const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    /// RFC 7714 §16.1.1 and §16.2.1.
    #[test]
    fn rfc7714_srtp_vectors() {
        let plain = hex("8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 69736120 696e2070 61727465 73207472 6573");
        let sealed_128 = hex("8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833 899d7f27 beb16a91 52cf765e e4390cce");
        let sealed_256 = hex("8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13");
        for (key, expected) in [(KEY_128, sealed_128), (KEY_256, sealed_256)] {
            let cipher = gcm(key);
            let mut buf = plain.clone();
            buf.resize(plain.len() + GCM_TAG, 0);
            cipher.seal_rtp(&mut buf, 12, plain.len(), 0x5501_a0b2, 0xf17b).unwrap();
            assert_eq!(buf, expected);
            let mut out = vec![0; plain.len()];
            cipher.open_rtp(&buf, 12, 0x5501_a0b2, 0xf17b, &mut out).unwrap();
            assert_eq!(out, plain);
        }
    }

    /// RFC 7714 §17.1.
    #[test]
    fn rfc7714_srtcp_vector() {
        let plain = hex("81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef");
        let expected = hex("81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4");
        let cipher = gcm(KEY_128);
        let mut buf = plain.clone();
        buf.resize(plain.len() + GCM_TAG + 4, 0);
        cipher.seal_rtcp(&mut buf, plain.len(), 0x4d61_7273, 0x8000_05d4_u32.to_be_bytes()).unwrap();
        assert_eq!(buf, expected);
        let (sealed, tag, trailer) = cipher.split_rtcp(&buf);
        let mut out = vec![0; plain.len()];
        cipher.open_rtcp(sealed, tag, trailer, 0x4d61_7273, &mut out).unwrap();
        assert_eq!(out, plain);
    }

    /// RFC 3711 appendix B.2: the key stream is what zeros become.
    #[test]
    fn rfc3711_appendix_b2() {
        let key = UnboundCipherKey::new(&AES_128, &hex("2B7E151628AED2A6ABF7158809CF4F3C")).unwrap();
        let mut salt = [0; 14];
        salt.copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
        let mut stream = [0; 48];
        let cm = Cm {
            key: EncryptingKey::ctr(key).unwrap(),
            salt,
            mac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[]),
        };
        cm.apply(0, 0, &mut stream).unwrap();
        let expected =
            "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0";
        assert_eq!(stream[..], hex(expected)[..]);
    }
}

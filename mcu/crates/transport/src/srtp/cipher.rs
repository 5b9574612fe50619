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
    Cm { key: EncryptingKey, salt: [u8; 14], mac: hmac::Key },
}

impl Cipher {
    pub(super) fn new(master: &MasterKey, usage: Use) -> Cipher {
        let keys = derive(master, usage);
        let key = &keys.encryption[..master.profile().key_len()];
        match master.profile() {
            Profile::Aes128CmHmacSha1_80 => {
                let unbound = UnboundCipherKey::new(&AES_128, key).expect("16 bytes");
                Cipher::Cm {
                    key: EncryptingKey::ctr(unbound).expect("AES has a counter mode"),
                    salt: keys.salt,
                    mac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &keys.authentication),
                }
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
            Cipher::Cm { .. } => HMAC_TAG,
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
    let value = u128::from_be_bytes(block)
        ^ (u128::from(ssrc) << 64)
        ^ (u128::from(index & 0xFFFF_FFFF_FFFF) << 16);
    EncryptionContext::Iv128(FixedLength::from(value.to_be_bytes()))
}

fn cm_apply(key: &EncryptingKey, salt: &[u8; 14], ssrc: u32, index: u64, data: &mut [u8]) -> Option<()> {
    key.less_safe_encrypt(data, cm_iv(salt, ssrc, index)).ok().map(|_| ())
}

fn hmac_tag(mac: &hmac::Key, parts: [&[u8]; 2]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(mac);
    context.update(parts[0]);
    context.update(parts[1]);
    context.sign()
}

impl Cipher {
    /// Seals `buf[..len]`, header in clear, and puts the tag behind. `buf` has room for it.
    pub(super) fn seal_rtp(&self, buf: &mut [u8], header_len: usize, len: usize, ssrc: u32, index: u64) -> Option<()> {
        match self {
            Cipher::Gcm { key, salt } => {
                let (header, rest) = buf.split_at_mut(header_len);
                let (body, tag) = rest.split_at_mut(len - header_len);
                let sealed = key
                    .seal_in_place_separate_tag(gcm_nonce(salt, ssrc, index), Aad::from(&*header), body)
                    .ok()?;
                tag[..GCM_TAG].copy_from_slice(sealed.as_ref());
            }
            Cipher::Cm { key, salt, mac } => {
                cm_apply(key, salt, ssrc, index, &mut buf[header_len..len])?;
                let tag = hmac_tag(mac, [&buf[..len], &roc(index)]);
                buf[len..len + HMAC_TAG].copy_from_slice(&tag.as_ref()[..HMAC_TAG]);
            }
        }
        Some(())
    }

    /// Opens `packet` (tag at its end) into `out`, which is as long as the plain packet. `None`: not authentic.
    pub(super) fn open_rtp(&self, packet: &[u8], header_len: usize, ssrc: u32, index: u64, out: &mut [u8]) -> Option<()> {
        let (sealed, tag) = packet.split_at(packet.len() - self.tag_len());
        let (header, body) = sealed.split_at(header_len);
        let (out_header, out_body) = out.split_at_mut(header_len);
        match self {
            Cipher::Gcm { key, salt } => {
                let nonce = gcm_nonce(salt, ssrc, index);
                key.open_separate_gather(nonce, Aad::from(header), body, tag, out_body).ok()?;
            }
            Cipher::Cm { key, salt, mac } => {
                let expected = hmac_tag(mac, [sealed, &roc(index)]);
                verify_slices_are_equal(&expected.as_ref()[..HMAC_TAG], tag).ok()?;
                out_body.copy_from_slice(body);
                cm_apply(key, salt, ssrc, index, out_body)?;
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
                    .seal_in_place_separate_tag(gcm_nonce(salt, ssrc, index), Aad::from(rtcp_aad(header, trailer)), body)
                    .ok()?;
                end[..GCM_TAG].copy_from_slice(sealed.as_ref());
                end[GCM_TAG..GCM_TAG + 4].copy_from_slice(&trailer);
            }
            Cipher::Cm { key, salt, mac } => {
                cm_apply(key, salt, ssrc, index, &mut buf[8..len])?;
                let tag = hmac_tag(mac, [&buf[..len], &trailer]);
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
            Cipher::Cm { .. } => {
                let (trailer, tag) = end.split_at(4);
                (tag, trailer)
            }
        };
        (sealed, tag, [trailer[0], trailer[1], trailer[2], trailer[3]])
    }

    /// Opens what [`Cipher::split_rtcp`] split into `out`, which is as long as `sealed`. `None`: not authentic.
    pub(super) fn open_rtcp(&self, sealed: &[u8], tag: &[u8], trailer: [u8; 4], ssrc: u32, out: &mut [u8]) -> Option<()> {
        let index = u64::from(u32::from_be_bytes(trailer) & 0x7FFF_FFFF);
        let (header, body) = sealed.split_at(8);
        let (out_header, out_body) = out.split_at_mut(8);
        match self {
            Cipher::Gcm { key, salt } => {
                let nonce = gcm_nonce(salt, ssrc, index);
                key.open_separate_gather(nonce, Aad::from(rtcp_aad(header, trailer)), body, tag, out_body).ok()?;
            }
            Cipher::Cm { key, salt, mac } => {
                let expected = hmac_tag(mac, [sealed, &trailer]);
                verify_slices_are_equal(&expected.as_ref()[..HMAC_TAG], tag).ok()?;
                out_body.copy_from_slice(body);
                cm_apply(key, salt, ssrc, index, out_body)?;
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

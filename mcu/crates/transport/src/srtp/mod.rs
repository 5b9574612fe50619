//! SRTP and SRTCP (RFC 3711) with AEAD_AES_128_GCM and AEAD_AES_256_GCM (RFC 7714) or AES-CM with HMAC-SHA1-80
//! (RFC 3711 §4, §5), keyed by DTLS-SRTP (RFC 5764 §4.2).
//!
//! [`Protect`] is one leg's outgoing side, [`Unprotect`] its incoming side. Outgoing RTP takes the 48-bit packet
//! index from the caller, who keeps the rollover counter of each stream; so sealing needs no lookup.
//! One key must never seal in two places: with GCM a repeated (SSRC, index) gives the key away.
//!
//! Left out: MKI, key derivation rate other than 0, encrypted header extensions (RFC 6904), HMAC-SHA1-32, the NULL
//! cipher and unencrypted SRTCP (E bit clear): no browser needs them.

mod cipher;
mod kdf;
mod protect;
mod replay;
mod unprotect;

use std::fmt;

pub use protect::Protect;
pub use unprotect::{Unprotect, MAX_SSRCS};

/// Largest number of bytes that sealing adds to a packet (SRTCP: tag and index).
pub const MAX_OVERHEAD: usize = 20;

/// Protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// AEAD_AES_128_GCM.
    AeadAes128Gcm,
    /// AEAD_AES_256_GCM.
    AeadAes256Gcm,
    /// AES_CM_128_HMAC_SHA1_80.
    Aes128CmHmacSha1_80,
}

impl Profile {
    /// Length of the master key in bytes.
    #[must_use]
    pub fn key_len(self) -> usize {
        match self {
            Profile::AeadAes256Gcm => 32,
            Profile::AeadAes128Gcm | Profile::Aes128CmHmacSha1_80 => 16,
        }
    }

    /// Length of the master salt in bytes.
    #[must_use]
    pub fn salt_len(self) -> usize {
        match self {
            Profile::Aes128CmHmacSha1_80 => 14,
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 12,
        }
    }

    /// Length of the authentication tag in bytes.
    #[must_use]
    pub fn tag_len(self) -> usize {
        match self {
            Profile::Aes128CmHmacSha1_80 => 10,
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 16,
        }
    }

    /// The registered name, for logs and statistics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Profile::AeadAes128Gcm => "SRTP_AEAD_AES_128_GCM",
            Profile::AeadAes256Gcm => "SRTP_AEAD_AES_256_GCM",
            Profile::Aes128CmHmacSha1_80 => "SRTP_AES128_CM_HMAC_SHA1_80",
        }
    }
}

/// Master key and salt of one direction.
#[derive(Clone)]
pub struct MasterKey {
    profile: Profile,
    key: [u8; 32],
    salt: [u8; 14],
}

impl MasterKey {
    /// Takes `key` and `salt`; `None` when their lengths are not the profile's.
    #[must_use]
    pub fn new(profile: Profile, key: &[u8], salt: &[u8]) -> Option<MasterKey> {
        if key.len() != profile.key_len() || salt.len() != profile.salt_len() {
            return None;
        }
        let mut master = MasterKey { profile, key: [0; 32], salt: [0; 14] };
        master.key[..key.len()].copy_from_slice(key);
        // A 96-bit salt stands left in the 112 bits of the derivation's input (RFC 7714 §11).
        master.salt[..salt.len()].copy_from_slice(salt);
        Some(master)
    }

    /// The profile these keys are for.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.profile
    }

    fn key(&self) -> &[u8] {
        &self.key[..self.profile.key_len()]
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({})", self.profile.name())
    }
}

/// What a DTLS handshake yields: the keys of both directions.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The chosen profile.
    pub profile: Profile,
    /// Seals what the DTLS client sends.
    pub client: MasterKey,
    /// Seals what the DTLS server sends.
    pub server: MasterKey,
}

impl Keys {
    /// Splits exported keying material (RFC 5764 §4.2: client key, server key, client salt, server salt).
    #[must_use]
    pub fn from_exported(profile: Profile, material: &[u8]) -> Option<Keys> {
        let (key, salt) = (profile.key_len(), profile.salt_len());
        if material.len() != 2 * (key + salt) {
            return None;
        }
        let (keys, salts) = material.split_at(2 * key);
        Some(Keys {
            profile,
            client: MasterKey::new(profile, &keys[..key], &salts[..salt])?,
            server: MasterKey::new(profile, &keys[key..], &salts[salt..])?,
        })
    }
}

/// Why a packet was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SrtpError {
    /// Too short to carry what the profile adds.
    TooShort,
    /// The authentication tag is wrong: forged, damaged or sealed with another key.
    Auth,
    /// This index was already received.
    Replay,
    /// Behind the replay window.
    Old,
    /// The leg already has [`MAX_SSRCS`] authenticated sources.
    TooManySsrcs,
    /// The output slice is smaller than the plain packet.
    NoRoom,
    /// SRTCP without encryption (E bit clear).
    Unencrypted,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SrtpError::TooShort => "SRTP packet too short",
            SrtpError::Auth => "SRTP authentication failed",
            SrtpError::Replay => "SRTP packet replayed",
            SrtpError::Old => "SRTP packet behind the replay window",
            SrtpError::TooManySsrcs => "too many SRTP sources",
            SrtpError::NoRoom => "output smaller than the packet",
            SrtpError::Unencrypted => "SRTCP packet not encrypted",
        })
    }
}

impl std::error::Error for SrtpError {}

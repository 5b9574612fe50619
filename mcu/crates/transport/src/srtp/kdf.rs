//! Session key derivation (RFC 3711 §4.3, AES-CM PRF; RFC 6188 §3 for 256-bit keys; RFC 7714 §11).

use aws_lc_rs::cipher::{EncryptingKey, EncryptionContext, UnboundCipherKey, AES_128, AES_256};
use aws_lc_rs::iv::FixedLength;

use super::MasterKey;

/// Which protocol the session keys are for; the value is its first label (RFC 3711 §4.3.1, §4.3.2).
#[derive(Debug, Clone, Copy)]
pub(super) enum Use {
    Rtp = 0,
    Rtcp = 3,
}

/// Longest session key needed (AES-256).
const MAX_LEN: usize = 32;

/// Session keys of one protocol.
pub(super) struct SessionKeys {
    pub(super) encryption: [u8; MAX_LEN],
    pub(super) authentication: [u8; 20],
    pub(super) salt: [u8; 14],
}

/// Derives the three session keys. Only the first `key_len` bytes of `encryption` are meant, and with GCM only the
/// first 12 of `salt` and nothing of `authentication`.
pub(super) fn derive(master: &MasterKey, usage: Use) -> SessionKeys {
    let mut keys = SessionKeys { encryption: [0; MAX_LEN], authentication: [0; 20], salt: [0; 14] };
    let label = usage as u8;
    prf(master, label, &mut keys.encryption);
    prf(master, label + 1, &mut keys.authentication);
    prf(master, label + 2, &mut keys.salt);
    keys
}

/// Fills `out` (zeros) with the key stream of AES counter mode under the master key, at x · 2^16.
fn prf(master: &MasterKey, label: u8, out: &mut [u8]) {
    let mut iv = [0; 16];
    iv[..14].copy_from_slice(&master.salt);
    // key_id = label || r with a 48-bit r of zero, right-aligned with the 112-bit salt.
    iv[7] ^= label;
    let algorithm = if master.key().len() == 32 { &AES_256 } else { &AES_128 };
    let key = UnboundCipherKey::new(algorithm, master.key()).expect("the length is the algorithm's");
    let key = EncryptingKey::ctr(key).expect("AES has a counter mode");
    key.less_safe_encrypt(out, EncryptionContext::Iv128(FixedLength::from(iv))).expect("counter mode takes any length");
}

#[cfg(test)]
mod tests {
    use super::super::Profile;
    use super::*;
    use crate::test_util::hex;

    /// RFC 3711 appendix B.3.
    #[test]
    fn rfc3711_appendix_b3() {
        let master = MasterKey::new(
            Profile::Aes128CmHmacSha1_80,
            &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
            &hex("0EC675AD498AFEEBB6960B3AABE6"),
        )
        .unwrap();
        let keys = derive(&master, Use::Rtp);
        assert_eq!(keys.encryption[..16], hex("C61E7A93744F39EE10734AFE3FF7A087")[..]);
        assert_eq!(keys.salt[..], hex("30CBBC08863D8C85D49DB34A9AE1")[..]);
        assert_eq!(keys.authentication[..], hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4")[..]);
    }

    /// RFC 6188 §7.2 (AES-256 PRF; the RFC's salt is 112 bits long, so the struct is filled by hand).
    #[test]
    fn rfc6188_aes_256_prf() {
        let mut master = MasterKey { profile: Profile::AeadAes256Gcm, key: [0; 32], salt: [0; 14] };
        master.key.copy_from_slice(&hex("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6"));
        master.salt.copy_from_slice(&hex("3b04803de51ee7c96423ab5b78d2"));
        let keys = derive(&master, Use::Rtp);
        assert_eq!(keys.encryption[..], hex("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4")[..]);
        assert_eq!(keys.salt[..], hex("fa31791685ca444a9e07c6c64e93")[..]);
        assert_eq!(keys.authentication[..], hex("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05")[..]);
    }
}

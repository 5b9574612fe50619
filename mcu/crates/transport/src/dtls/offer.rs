//! What a ClientHello offers, as far as the choice of version depends on it.
//!
//! The server chooses the SRTP profile (RFC 5764 §4.1.1). In DTLS 1.2 `dimpl` prefers GCM by itself; in 1.3 it takes
//! the first of the client's list that it knows. So a client that offers GCM, but not first, is answered in 1.2.

/// DTLS 1.3 in `supported_versions` (RFC 9147 §5.3).
const DTLS13: u16 = 0xFEFC;
const DTLS12: u16 = 0xFEFD;
const EXT_USE_SRTP: u16 = 14;
const EXT_SUPPORTED_VERSIONS: u16 = 43;
const SRTP_AES128_CM_HMAC_SHA1_80: u16 = 0x0001;
const SRTP_AEAD_AES_128_GCM: u16 = 0x0007;
const SRTP_AEAD_AES_256_GCM: u16 = 0x0008;

/// The version to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Dtls12,
    Dtls13,
}

/// Chooses for the ClientHello `body`; `None` when it is malformed.
pub(super) fn choose(body: &[u8]) -> Option<Choice> {
    let mut body = Cursor(body);
    body.take(2 + 32)?;
    body.vector8()?; // session id
    body.vector8()?; // cookie
    body.vector16()?; // cipher suites
    body.vector8()?; // compression methods
    let mut extensions = Cursor(if body.0.is_empty() { &[] } else { body.vector16()? });
    let (mut profiles, mut versions): (&[u8], &[u8]) = (&[], &[]);
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let mut data = Cursor(extensions.vector16()?);
        match kind {
            EXT_USE_SRTP => profiles = data.vector16()?,
            EXT_SUPPORTED_VERSIONS => versions = data.vector8()?,
            _ => {}
        }
    }
    let offers = |version| words(versions).any(|offered| offered == version);
    if !offers(DTLS13) {
        return Some(Choice::Dtls12);
    }
    let gcm = |profile| matches!(profile, SRTP_AEAD_AES_128_GCM | SRTP_AEAD_AES_256_GCM);
    let mut known = words(profiles).filter(|profile| gcm(*profile) || *profile == SRTP_AES128_CM_HMAC_SHA1_80);
    let gcm_only_later = known.next().is_some_and(|first| !gcm(first)) && known.any(gcm);
    Some(if gcm_only_later && offers(DTLS12) { Choice::Dtls12 } else { Choice::Dtls13 })
}

fn words(list: &[u8]) -> impl Iterator<Item = u16> + '_ {
    list.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(*self.take(1)?.first()?);
        self.take(len)
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.u16()?);
        self.take(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(versions: &[u16], profiles: &[u16]) -> Vec<u8> {
        let list = |items: &[u16]| items.iter().flat_map(|item| item.to_be_bytes()).collect::<Vec<u8>>();
        let (versions, profiles) = (list(versions), list(profiles));
        let mut extensions = Vec::new();
        if !versions.is_empty() {
            extensions.extend([0, 43, 0, versions.len() as u8 + 1, versions.len() as u8]);
            extensions.extend(versions);
        }
        extensions.extend([0, 14, 0, profiles.len() as u8 + 3, 0, profiles.len() as u8]);
        extensions.extend(profiles);
        extensions.push(0);
        let mut body = vec![0xFE, 0xFD];
        body.extend([0; 32]);
        body.extend([0, 0, 0, 2, 0x13, 1, 1, 0, 0, extensions.len() as u8]);
        body.extend(extensions);
        body
    }

    #[test]
    fn gcm_decides_the_version() {
        let both = [DTLS13, DTLS12];
        assert_eq!(choose(&hello(&[], &[7])), Some(Choice::Dtls12));
        assert_eq!(choose(&hello(&both, &[7, 8, 1])), Some(Choice::Dtls13));
        assert_eq!(choose(&hello(&both, &[8, 1])), Some(Choice::Dtls13));
        assert_eq!(choose(&hello(&both, &[2, 7, 1])), Some(Choice::Dtls13));
        assert_eq!(choose(&hello(&both, &[1, 8, 7])), Some(Choice::Dtls12));
        assert_eq!(choose(&hello(&[DTLS13], &[1, 8])), Some(Choice::Dtls13));
        assert_eq!(choose(&hello(&both, &[1])), Some(Choice::Dtls13));
    }

    #[test]
    fn truncated_twins() {
        let whole = hello(&[DTLS13, DTLS12], &[7, 8, 1]);
        let without_extensions = 2 + 32 + 1 + 1 + 4 + 2;
        for cut in 0..whole.len() {
            let expected = (cut == without_extensions).then_some(Choice::Dtls12);
            assert_eq!(choose(&whole[..cut]), expected, "{cut}");
        }
    }
}

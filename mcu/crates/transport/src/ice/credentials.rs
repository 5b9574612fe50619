//! Username fragment and password (RFC 8445 §5.3, RFC 8839 §5.4).

use std::fmt;

/// ice-char: 64 symbols, so six random bits choose one without bias.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Random characters of a ufrag: 48 bits (24 are demanded).
const UFRAG_LEN: usize = 8;
/// Characters of a password: 144 bits (128 are demanded).
const PWD_LEN: usize = 24;

/// What one agent announces in SDP.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `a=ice-ufrag`, 4–256 ice-chars.
    pub ufrag: String,
    /// `a=ice-pwd`, 22–256 ice-chars.
    pub pwd: String,
}

impl Credentials {
    /// New random credentials; `prefix` (ice-chars, for routing) goes in front of the ufrag.
    ///
    /// # Panics
    /// When the system has no random bytes: nothing secure could start then.
    #[must_use]
    pub fn generate(prefix: &str) -> Credentials {
        let mut ufrag = String::from(prefix);
        ufrag.push_str(&random_chars::<UFRAG_LEN>());
        Credentials { ufrag, pwd: random_chars::<PWD_LEN>() }
    }

    /// Takes a peer's credentials; `None` when lengths or characters are not RFC 8839's.
    #[must_use]
    pub fn checked(ufrag: &str, pwd: &str) -> Option<Credentials> {
        let valid =
            |text: &str, min| (min..=256).contains(&text.len()) && text.bytes().all(|byte| ICE_CHARS.contains(&byte));
        (valid(ufrag, 4) && valid(pwd, 22)).then(|| Credentials { ufrag: ufrag.into(), pwd: pwd.into() })
    }
}

fn random_chars<const N: usize>() -> String {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has random bytes");
    bytes.iter().map(|byte| char::from(ICE_CHARS[usize::from(byte & 63)])).collect()
}

/// The password stays out of logs.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

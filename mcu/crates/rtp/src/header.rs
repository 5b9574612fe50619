//! The RTP fixed header (RFC 3550 §5.1), header extensions in one- and two-byte form (RFC 8285 §4.2, §4.3)
//! and the audio level (RFC 6464 §3).
//!
//! Left out: other extension profiles (§5.3.1 of RFC 3550). They are stepped over, and yield no elements.

use std::fmt;
use std::ops::Range;

use crate::bytes::{be16, be32, Writer};

/// Length of the fixed header in bytes.
pub const FIXED_LEN: usize = 12;
/// "Defined by profile" word of one-byte extensions.
pub const ONE_BYTE: u16 = 0xBEDE;
/// "Defined by profile" word of two-byte extensions, lower four bits (appbits) cleared.
pub const TWO_BYTE: u16 = 0x1000;

/// Why bytes are not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// Ends inside the header.
    TooShort,
    /// The version is not 2.
    Version,
    /// The padding count is zero or passes the payload.
    Padding,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeaderError::TooShort => "RTP packet ends inside its header",
            HeaderError::Version => "RTP version is not 2",
            HeaderError::Padding => "RTP padding count is impossible",
        })
    }
}

impl std::error::Error for HeaderError {}

/// A parsed header. It holds positions, so the packet's bytes are given again to read an extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Payload type, 0–127.
    pub pt: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub seq: u16,
    /// Timestamp in units of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Padding bit. Its count is inside the encrypted part: see [`Header::padding_len`].
    pub padding: bool,
    /// "Defined by profile" word of the extension block, 0 without one.
    pub ext_profile: u16,
    /// Where the extension elements lie in the packet (empty without an extension block).
    pub ext: Range<usize>,
    /// Bytes before the payload: fixed part, CSRC list and extension block.
    pub header_len: usize,
}

impl Header {
    /// Parses the header at the front of `packet` (encrypted or not: SRTP leaves it in clear).
    ///
    /// # Errors
    /// [`HeaderError`] when the packet is cut or of another version.
    pub fn parse(packet: &[u8]) -> Result<Header, HeaderError> {
        if packet.len() < FIXED_LEN {
            return Err(HeaderError::TooShort);
        }
        if packet[0] >> 6 != 2 {
            return Err(HeaderError::Version);
        }
        let mut header_len = FIXED_LEN + usize::from(packet[0] & 0x0F) * 4;
        let (mut ext, mut ext_profile) = (header_len..header_len, 0);
        if packet[0] & 0x10 != 0 {
            ext_profile = be16(packet, header_len).ok_or(HeaderError::TooShort)?;
            let words = be16(packet, header_len + 2).ok_or(HeaderError::TooShort)?;
            ext = header_len + 4..header_len + 4 + usize::from(words) * 4;
            header_len = ext.end;
        }
        if header_len > packet.len() {
            return Err(HeaderError::TooShort);
        }
        Ok(Header {
            pt: packet[1] & 0x7F,
            marker: packet[1] & 0x80 != 0,
            seq: u16::from_be_bytes([packet[2], packet[3]]),
            timestamp: u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]),
            ssrc: u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]),
            padding: packet[0] & 0x20 != 0,
            ext_profile,
            ext,
            header_len,
        })
    }

    /// The extension elements of `packet`, which must be the packet this header was parsed from.
    #[must_use]
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> Extensions<'a> {
        let two_byte = self.ext_profile & 0xFFF0 == TWO_BYTE;
        let known = two_byte || self.ext_profile == ONE_BYTE;
        let rest = if known { packet.get(self.ext.clone()).unwrap_or(&[]) } else { &[] };
        Extensions { rest, two_byte }
    }

    /// The bytes of the element with local identifier `id` (first one wins).
    #[must_use]
    pub fn extension<'a>(&self, packet: &'a [u8], id: u8) -> Option<&'a [u8]> {
        self.extensions(packet).find(|element| element.id == id).map(|element| element.data)
    }

    /// The audio level element with identifier `id`.
    #[must_use]
    pub fn audio_level(&self, packet: &[u8], id: u8) -> Option<AudioLevel> {
        AudioLevel::parse(self.extension(packet, id)?)
    }

    /// Padding bytes at the end of the decrypted `packet`, count byte included; 0 without padding.
    ///
    /// # Errors
    /// [`HeaderError::Padding`] when the count is zero or larger than the payload.
    pub fn padding_len(&self, packet: &[u8]) -> Result<usize, HeaderError> {
        if !self.padding {
            return Ok(0);
        }
        let count = usize::from(*packet.last().ok_or(HeaderError::Padding)?);
        let room = packet.len().checked_sub(self.header_len).ok_or(HeaderError::Padding)?;
        if count == 0 || count > room {
            return Err(HeaderError::Padding);
        }
        Ok(count)
    }

    /// The payload of the decrypted `packet` without padding.
    ///
    /// # Errors
    /// [`HeaderError::Padding`] as [`Header::padding_len`].
    pub fn payload<'a>(&self, packet: &'a [u8]) -> Result<&'a [u8], HeaderError> {
        let end = packet.len() - self.padding_len(packet)?;
        packet.get(self.header_len..end).ok_or(HeaderError::TooShort)
    }

    /// True when the decrypted packet carries padding and nothing else (a bandwidth probe).
    #[must_use]
    pub fn is_padding_only(&self, packet: &[u8]) -> bool {
        self.padding && self.payload(packet).is_ok_and(<[u8]>::is_empty)
    }
}

/// One header extension element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Local identifier: 1–14 in one-byte form, 1–255 in two-byte form.
    pub id: u8,
    /// Its bytes: 1–16 in one-byte form, 0–255 in two-byte form.
    pub data: &'a [u8],
}

/// Iterator over extension elements; stops at the first that passes the end of the block.
#[derive(Debug, Clone)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    two_byte: bool,
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        loop {
            let (id, len, body) = match (self.two_byte, self.rest) {
                // A zero byte is padding in both forms.
                (_, [0, rest @ ..]) => {
                    self.rest = rest;
                    continue;
                }
                (true, [id, len, body @ ..]) => (*id, usize::from(*len), body),
                // Identifier 15 ends the one-byte form (RFC 8285 §4.2).
                (false, [first, body @ ..]) if first >> 4 != 15 => (first >> 4, usize::from(first & 0x0F) + 1, body),
                _ => (0, usize::MAX, self.rest),
            };
            let Some(data) = body.get(..len) else {
                self.rest = &[];
                return None;
            };
            self.rest = &body[len..];
            // One-byte form, identifier 0 with a length: ignored like padding (§4.2).
            if id != 0 {
                return Some(Extension { id, data });
            }
        }
    }
}

/// Client-to-mixer audio level (RFC 6464 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender believes that the packet holds speech.
    pub voice: bool,
    /// Level below full scale in dB: 0 is the loudest, 127 is silence.
    pub below_full_scale: u8,
}

impl AudioLevel {
    /// Reads the one byte (two-byte form may add padding, which is ignored).
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<AudioLevel> {
        let byte = *data.first()?;
        Some(AudioLevel { voice: byte & 0x80 != 0, below_full_scale: byte & 0x7F })
    }

    /// The byte on the wire.
    #[must_use]
    pub fn to_byte(self) -> u8 {
        (u8::from(self.voice) << 7) | (self.below_full_scale & 0x7F)
    }
}

/// What an outgoing header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderWriter {
    /// Payload type, 0–127.
    pub pt: u8,
    /// Marker bit.
    pub marker: bool,
    /// Padding bit (the caller appends the padding itself).
    pub padding: bool,
    /// Sequence number.
    pub seq: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl HeaderWriter {
    /// Writes the header with a one-byte extension block for `extensions`, and answers its length.
    ///
    /// `None` when `buf` is too small or an element does not fit the one-byte form (identifier 1–14, 1–16 bytes).
    /// Without elements no block is written.
    #[must_use]
    pub fn write(&self, buf: &mut [u8], extensions: &[(u8, &[u8])]) -> Option<usize> {
        let mut out = Writer::new(buf);
        let flags = 0x80 | (u8::from(self.padding) << 5) | (u8::from(!extensions.is_empty()) << 4);
        out.u8(flags)?;
        out.u8((u8::from(self.marker) << 7) | (self.pt & 0x7F))?;
        out.u16(self.seq)?;
        out.u32(self.timestamp)?;
        out.u32(self.ssrc)?;
        if extensions.is_empty() {
            return Some(out.len());
        }
        let body: usize = extensions.iter().map(|(_, data)| data.len() + 1).sum();
        out.u16(ONE_BYTE)?;
        out.u16(u16::try_from(body.div_ceil(4)).ok()?)?;
        for (id, data) in extensions {
            if !(1..=14).contains(id) || !(1..=16).contains(&data.len()) {
                return None;
            }
            out.u8((id << 4) | (data.len() as u8 - 1))?;
            out.put(data)?;
        }
        out.put(&[0; 3][..body.next_multiple_of(4) - body])?;
        Some(out.len())
    }
}

/// Rewrites in place what a forwarded packet changes: payload type, marker kept, seq, timestamp, SSRC.
///
/// Does nothing when `packet` is shorter than a fixed header.
pub fn rewrite(packet: &mut [u8], pt: u8, seq: u16, timestamp: u32, ssrc: u32) {
    if packet.len() < FIXED_LEN {
        return;
    }
    packet[1] = (packet[1] & 0x80) | (pt & 0x7F);
    packet[2..4].copy_from_slice(&seq.to_be_bytes());
    packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
}

/// SSRC of any packet long enough to have one, without other checks.
#[must_use]
pub fn peek_ssrc(packet: &[u8]) -> Option<u32> {
    be32(packet, 8)
}

//! What a room is told about its legs: tracks, slots, codecs, header extension ids (the media part of an SDP session).

use crate::slot::{PayloadTypes, CODECS, NO_PT};

/// Payload formats that the engine forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecName {
    Opus,
    Vp8,
    H264,
}

/// One negotiated payload format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    pub name: CodecName,
    pub pt: u8,
    pub rtx_pt: Option<u8>,
    pub clock_rate: u32,
    /// RFC 6184 packetization mode, 0 by default.
    pub packetization_mode: u8,
    /// RFC 6184 profile_idc of `profile-level-id`, baseline by default.
    pub profile: u8,
}

impl Codec {
    /// Whether a receiver that negotiated `self` decodes what a sender of `source` sends. Levels differ freely; constrained
    /// baseline and baseline count as one (field case W04).
    fn takes(&self, source: &Codec) -> bool {
        self.name == source.name
            && (self.name != CodecName::H264
                || (self.packetization_mode == source.packetization_mode && self.profile == source.profile))
    }
}

/// Payload types of a receiver's codecs for each codec of a source.
pub fn match_codecs(source: &[Codec], receiver: &[Codec]) -> PayloadTypes {
    let mut pts = PayloadTypes::NONE;
    for (n, codec) in source.iter().take(CODECS).enumerate() {
        if let Some(taken) = receiver.iter().find(|candidate| candidate.takes(codec)) {
            pts.media[n] = taken.pt;
            pts.rtx[n] = taken.rtx_pt.unwrap_or(NO_PT);
        }
    }
    pts
}

/// A stream that the leg may send.
#[derive(Debug, Clone)]
pub struct TrackSpec {
    pub name: String,
    pub video: bool,
    pub mid: String,
    pub codecs: Vec<Codec>,
    pub ssrcs: Vec<u32>,
    pub rtx_ssrcs: Vec<u32>,
}

impl TrackSpec {
    /// RTP clock rate in hertz.
    pub fn rate(&self) -> u32 {
        self.codecs.first().map_or(90_000, |codec| codec.clock_rate)
    }
}

/// A receive slot.
#[derive(Debug, Clone)]
pub struct SlotSpec {
    /// The control plane's number.
    pub number: u32,
    pub video: bool,
    /// Filled by the engine with the loudest, not by views.
    pub speaker: bool,
    pub codecs: Vec<Codec>,
}

/// Header extension ids (RFC 8285); 0 means not negotiated.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExtensionIds {
    pub mid: u8,
    pub audio_level: u8,
    pub video_orientation: u8,
    pub transport_cc: u8,
}

/// A leg as the control plane describes it.
#[derive(Debug, Clone)]
pub struct LegSpec {
    pub id: String,
    pub tracks: Vec<TrackSpec>,
    pub slots: Vec<SlotSpec>,
    pub extensions: ExtensionIds,
}

/// A published track by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceName {
    pub leg: String,
    pub track: String,
}

/// What a view slot is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub source: SourceName,
    /// Tile height in device pixels, 0 if unknown.
    pub height: u32,
}

/// What the room tells the control plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Speakers { dominant: Option<String>, active: Vec<(String, u8)> },
    Wanted { source: SourceName, wanted: bool, height: u32 },
    Flowing { source: SourceName, flowing: bool, codec: Option<CodecName> },
}

/// Why a packet was dropped at ingress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    Malformed,
    /// Authentication failed or replayed, as told by the opener.
    Refused,
    Duplicate,
    TooOld,
    UnknownStream,
    UnknownPayloadType,
    Gated,
    /// Nothing to forward (padding on a retransmission stream).
    Padding,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(pt: u8, mode: u8, profile: u8) -> Codec {
        Codec { name: CodecName::H264, pt, rtx_pt: Some(pt + 1), clock_rate: 90_000, packetization_mode: mode, profile }
    }

    #[test]
    fn h264_matches_by_mode_and_profile_whatever_the_level() {
        let receiver = [h264(100, 0, 0x42), h264(102, 1, 0x42), h264(104, 1, 0x64)];
        let pts = match_codecs(&[h264(30, 1, 0x64), h264(32, 1, 0x42), h264(34, 1, 0x4d)], &receiver);
        assert_eq!(pts.media[..4], [104, 102, NO_PT, NO_PT]);
        assert_eq!(pts.rtx[..2], [105, 103]);
    }
}

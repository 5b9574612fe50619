//! Messages of the control socket, version 1: the Rust mirror of `mcu/messages.py` (see docs/control-socket.md).
//!
//! Maps on the wire, tagged by `type`; fields at their default are left out, unknown fields are ignored. The samples in
//! `mcu/_contract` hold both sides together. Units: milliseconds, bits per second, hertz; levels are RFC 6464 −dBov.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The protocol's version.
pub const VERSION: u32 = 1;
/// Largest frame in bytes.
pub const MAX_FRAME: usize = 16 << 20;
/// Largest opaque state of a leg in bytes.
pub const MAX_BLOB: usize = 16 * 1024;

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn yes() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Audio,
    Video,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodecName {
    Opus,
    Vp8,
    H264,
}

/// One negotiated payload format of one m-line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    pub name: CodecName,
    pub pt: u8,
    pub clock_rate: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx_pt: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packetization_mode: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_level_id: Option<String>,
}

/// Header extension ids of the BUNDLE (RFC 8285).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extensions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repaired_rid: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_level: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video_orientation: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abs_send_time: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport_cc: Option<u8>,
}

/// One stream that the leg may send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    pub track: String,
    pub kind: Kind,
    pub mid: String,
    pub codecs: Vec<Codec>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub ssrcs: Vec<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub rtx_ssrcs: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotRole {
    Speaker,
    View,
}

/// One receive slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub slot: u32,
    pub kind: Kind,
    pub mid: String,
    pub role: SlotRole,
    pub codecs: Vec<Codec>,
}

/// A published track.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    pub leg: String,
    pub track: String,
}

/// What one view slot shows; no source empties it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    pub slot: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub height: u32,
}

/// SSRCs of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotStream {
    pub slot: u32,
    pub ssrc: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx_ssrc: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateTransport {
    Udp,
    Tcp,
}

/// One ICE host candidate (RFC 8839 §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    pub foundation: String,
    pub component: u8,
    pub transport: CandidateTransport,
    pub priority: u32,
    pub address: String,
    pub port: u16,
}

/// The browser's transport. `fingerprint` is `sha-256 AA:BB:…` (RFC 8122).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    pub ufrag: String,
    pub pwd: String,
    pub fingerprint: String,
}

/// The engine's transport.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    pub ufrag: String,
    pub pwd: String,
    pub fingerprint: String,
    pub candidates: Vec<Candidate>,
}

/// Passwords stay out of logs.
impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardInfo {
    pub index: u32,
    pub rooms: u32,
    pub legs: u32,
    pub candidates: Vec<Candidate>,
}

/// A video track that somebody watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    pub track: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub height: u32,
}

/// One leg as the engine holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegState {
    pub leg: String,
    pub connected: bool,
    pub tracks: Vec<Track>,
    pub slots: Vec<Slot>,
    pub streams: Vec<SlotStream>,
    pub view: Vec<Assignment>,
    pub gated: Vec<String>,
    pub wanted: Vec<Watched>,
    #[serde(with = "serde_bytes")]
    pub blob: Vec<u8>,
    pub blob_version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomState {
    pub room: String,
    pub shard: u32,
    pub legs: Vec<LegState>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveSpeaker {
    pub leg: String,
    pub level: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Request {
    #[serde(rename = "hello")]
    Hello {
        version: u32,
        peer: String,
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        subscribe: bool,
    },
    #[serde(rename = "room.open")]
    RoomOpen { room: String },
    #[serde(rename = "room.close")]
    RoomClose { room: String },
    #[serde(rename = "leg.open")]
    LegOpen(LegOpen),
    #[serde(rename = "leg.view")]
    LegView { leg: String, assign: Vec<Assignment> },
    #[serde(rename = "leg.gate")]
    LegGate { leg: String, track: String, gated: bool },
    #[serde(rename = "leg.blob")]
    LegBlob {
        leg: String,
        #[serde(with = "serde_bytes")]
        blob: Vec<u8>,
        blob_version: u64,
    },
    #[serde(rename = "leg.close")]
    LegClose { leg: String },
    #[serde(rename = "leg.stats")]
    LegStats { leg: String },
    #[serde(rename = "snapshot")]
    Snapshot {},
    #[serde(rename = "stats")]
    Stats {},
}

/// Opens a WebRTC leg, or replaces the one of the same id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegOpen {
    pub room: String,
    pub leg: String,
    pub remote: Remote,
    pub tracks: Vec<Track>,
    pub slots: Vec<Slot>,
    pub extensions: Extensions,
    #[serde(default, with = "serde_bytes", skip_serializing_if = "is_default")]
    pub blob: Vec<u8>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub blob_version: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Response {
    #[serde(rename = "ok")]
    Ok {},
    #[serde(rename = "welcome")]
    Welcome { version: u32, engine: String, build: String, shards: Vec<ShardInfo> },
    #[serde(rename = "room.opened")]
    RoomOpened { room: String, shard: u32 },
    #[serde(rename = "leg.opened")]
    LegOpened { leg: String, local: Local, streams: Vec<SlotStream> },
    #[serde(rename = "snapshot")]
    Snapshot { engine: String, rooms: Vec<RoomState> },
    #[serde(rename = "stats")]
    Stats { engine: String, uptime_ms: u64, counters: BTreeMap<String, u64>, rooms: u32, legs: u32 },
    #[serde(rename = "leg.stats")]
    LegStats {
        leg: String,
        connected: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remote_address: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dtls_version: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        srtp_profile: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        counters: BTreeMap<String, u64>,
    },
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    Version,
    Malformed,
    NotHello,
    UnknownRoom,
    UnknownLeg,
    UnknownTrack,
    UnknownSlot,
    TooLarge,
    Limit,
    BadRemote,
    Internal,
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}

/// A refusal; `detail` is English, for the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    pub code: Code,
    pub detail: String,
}

impl Error {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Error { code, detail: detail.into() }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Consent,
    DtlsFailed,
    DtlsClosed,
    Timeout,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Event {
    #[serde(rename = "leg.connected")]
    LegConnected { leg: String },
    #[serde(rename = "leg.lost")]
    LegLost { leg: String, reason: Reason },
    #[serde(rename = "speakers")]
    Speakers {
        room: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dominant: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        active: Vec<ActiveSpeaker>,
    },
    #[serde(rename = "track.wanted")]
    TrackWanted {
        leg: String,
        track: String,
        wanted: bool,
        #[serde(default, skip_serializing_if = "is_default")]
        height: u32,
    },
    #[serde(rename = "track.flowing")]
    TrackFlowing {
        leg: String,
        track: String,
        flowing: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        codec: Option<CodecName>,
    },
}

/// One frame: a request, a reply or an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub req: Option<Request>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub res: Option<Response>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub err: Option<Error>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evt: Option<Event>,
}

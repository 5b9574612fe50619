//! A packet's way out: for each subscriber, for each packet of the batch: route, rewrite, hand over.
//!
//! The header is written anew for each receiver: twelve bytes and, where there is something to say and the receiver has
//! negotiated it, extension elements (RFC 8285 one-byte form): audio level, or video orientation on just those packets on
//! which the sender put it (field case M04); the transport sequence number on pictures. CSRC lists and padding are not passed on.

use super::model::ExtensionIds;
use super::{LegId, Room, NO_SLOT};
use crate::clock::Micros;
use crate::ring::{Meta, ABSENT};
use crate::sent::Sent;
use crate::slot::{SourceId, Stamp};

/// Packets walked through per round over the subscribers.
const CHUNK: usize = 64;

/// Where outgoing packets go. The caller seals what was written (SRTP) and queues it.
pub trait Sink {
    /// A place of at least `MAX_PACKET` bytes plus the SRTP tag for one packet to `leg`.
    fn place(&mut self, leg: LegId) -> &mut [u8];
    /// The packet of `len` bytes with its `header` bytes in front lies in the place. `index` is its extended sequence number.
    fn rtp(&mut self, leg: LegId, header: usize, len: usize, ssrc: u32, index: u64);
    /// A compound RTCP packet for `leg`.
    fn rtcp(&mut self, leg: LegId, compound: &[u8]);
}

impl Room {
    /// Whether packets wait for `forward`.
    pub fn has_batch(&self) -> bool {
        !self.batch.is_empty()
    }

    /// Sends the batch to everyone who receives it.
    pub fn forward(&mut self, now: Micros, sink: &mut impl Sink) {
        let Room { batch, sources, legs, stats, .. } = self;
        let mut chunk: [(SourceId, &Meta, &[u8]); CHUNK] = [(0, &NOTHING, &[]); CHUNK];
        for part in batch.chunks(CHUNK) {
            let mut count = 0;
            for (source, seq) in part {
                let stream = sources[usize::from(*source)].as_ref();
                if let Some((meta, payload)) = stream.and_then(|stream| stream.ring.get(*seq)) {
                    chunk[count] = (*source, meta, payload);
                    count += 1;
                }
            }
            for (id, leg) in legs.iter_mut().enumerate() {
                let Some(leg) = leg.as_mut().filter(|leg| leg.connected) else { continue };
                let extensions = leg.spec.extensions;
                for (source, meta, payload) in &chunk[..count] {
                    let at = leg.route[usize::from(*source)];
                    if at == NO_SLOT {
                        continue;
                    }
                    let state = &mut leg.slots[usize::from(at)];
                    let Some((stamp, began)) = state.slot.push(meta, now) else { continue };
                    if began {
                        state.report_at = now;
                        stats.switches += 1;
                    }
                    let ssrc = state.slot.ssrc();
                    let mut sent = leg.sent.as_mut().filter(|_| state.counted);
                    let number = sent.as_deref().map(Sent::number);
                    let (header, len) = compose(sink.place(id), extensions, number, ssrc, meta, &stamp, payload);
                    if let Some(sent) = sent.as_mut() {
                        sent.note(len, now);
                    }
                    sink.rtp(id, header, len, ssrc, stamp.index);
                    leg.figures.rtp_out += 1;
                    leg.figures.rtp_out_bytes += len as u64;
                    stats.rtp_out += 1;
                    stats.rtp_out_bytes += len as u64;
                }
            }
        }
        batch.clear();
    }
}

static NOTHING: Meta = Meta {
    seq: u64::MAX,
    ts: 0,
    payload_at: 0,
    payload_len: 0,
    codec: 0,
    marker: false,
    start: false,
    level: ABSENT,
    orientation: ABSENT,
    picture: crate::ring::Picture { id: 0, id_at: 0, long: false, tl0: 0, tl0_at: 0 },
};

/// Writes header and payload; answers the lengths of header and packet.
#[inline]
pub(super) fn compose(
    out: &mut [u8],
    ids: ExtensionIds,
    number: Option<u16>,
    ssrc: u32,
    meta: &Meta,
    stamp: &Stamp,
    payload: &[u8],
) -> (usize, usize) {
    let header = write_header(out, ids, number, ssrc, meta, stamp);
    let len = header + payload.len();
    out[header..len].copy_from_slice(payload);
    rewrite_picture(&mut out[header..len], stamp);
    (header, len)
}

#[inline]
pub(super) fn write_header(
    out: &mut [u8],
    ids: ExtensionIds,
    number: Option<u16>,
    ssrc: u32,
    meta: &Meta,
    stamp: &Stamp,
) -> usize {
    let element = if meta.level != ABSENT && ids.audio_level != 0 {
        Some((ids.audio_level, meta.level))
    } else if meta.orientation != ABSENT && ids.video_orientation != 0 {
        Some((ids.video_orientation, meta.orientation))
    } else {
        None
    };
    out[0] = 0x80 | (u8::from(element.is_some() || number.is_some()) << 4);
    out[1] = (u8::from(stamp.marker) << 7) | (stamp.pt & 0x7f);
    out[2..4].copy_from_slice(&(stamp.index as u16).to_be_bytes());
    out[4..8].copy_from_slice(&stamp.ts.to_be_bytes());
    out[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let [high, low] = number.unwrap_or(0).to_be_bytes();
    let transport = ids.transport_cc << 4 | 1;
    match (element, number) {
        (None, None) => 12,
        (Some((id, value)), None) => {
            out[12..20].copy_from_slice(&[0xbe, 0xde, 0, 1, id << 4, value, 0, 0]);
            20
        }
        (None, Some(_)) => {
            out[12..20].copy_from_slice(&[0xbe, 0xde, 0, 1, transport, high, low, 0]);
            20
        }
        (Some((id, value)), Some(_)) => {
            out[12..24].copy_from_slice(&[0xbe, 0xde, 0, 2, id << 4, value, transport, high, low, 0, 0, 0]);
            24
        }
    }
}

#[inline]
pub(super) fn rewrite_picture(payload: &mut [u8], stamp: &Stamp) {
    let picture = &stamp.picture;
    let at = usize::from(picture.id_at);
    if at != 0 {
        if picture.long {
            payload[at..at + 2].copy_from_slice(&(picture.id | 0x8000).to_be_bytes());
        } else {
            payload[at] = picture.id as u8 & 0x7f;
        }
    }
    if picture.tl0_at != 0 {
        payload[usize::from(picture.tl0_at)] = picture.tl0;
    }
}

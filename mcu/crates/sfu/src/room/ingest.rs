//! A packet's way in: find its stream, have it opened into the stream's ring, read what forwarding needs, put it on the batch.
//!
//! Streams are bound to tracks by header extensions first (RFC 9143 §9.2, field case W01), then by the SSRC hints of SDP, then
//! by a payload type that belongs to one track only. Nothing is bound before the packet proved authentic.

use super::model::{CodecName, Drop, TrackSpec};
use super::{Binding, Event, LegId, Room, Source};
use crate::clock::Micros;
use crate::ring::{Meta, Picture, Refused};
use crate::slot::SourceId;
use rtp::payload::{h264, vp8};
use rtp::Header;

/// Streams remembered per leg; the oldest is forgotten for a new one.
const MAX_BINDINGS: usize = 32;

/// Packets of a stream in which a mid is looked for after it was bound by less. Browsers put it on the first second or so.
const DOUBTFUL: u16 = 500;

impl Room {
    /// Takes one SRTP packet of a leg. `open` authenticates and decrypts it into the given place and answers the plaintext
    /// packet's length, or `None`.
    pub fn ingest(
        &mut self,
        leg: LegId,
        packet: &[u8],
        now: Micros,
        open: impl FnOnce(&[u8], &Header, &mut [u8]) -> Option<usize>,
    ) -> Result<(), Drop> {
        let id = self.legs.get(leg).and_then(Option::as_ref).map_or(0, |leg| leg.spec.extensions.transport_cc);
        let mut authentic = None;
        let result = self.take(leg, packet, now, |packet, header, out| {
            let len = open(packet, header, out)?;
            if id != 0 {
                authentic = header.extension(packet, id).map(|seq| (seq.try_into().ok(), header.ssrc));
            }
            Some(len)
        });
        if let Some((Some(seq), ssrc)) = authentic {
            self.note_transport(leg, u16::from_be_bytes(seq), ssrc, packet.len(), now);
        }
        match result {
            Ok(()) => {}
            Err(Drop::Malformed) => self.stats.drop_malformed += 1,
            Err(Drop::Duplicate) => self.stats.drop_duplicate += 1,
            Err(Drop::TooOld) => self.stats.drop_old += 1,
            Err(Drop::UnknownStream) => self.stats.drop_stream += 1,
            Err(Drop::UnknownPayloadType) => self.stats.drop_payload_type += 1,
            Err(Drop::Gated) => self.stats.drop_gated += 1,
            Err(Drop::Refused | Drop::Padding) => {}
        }
        result
    }

    /// Every authentic packet counts, also one that is then dropped: it took its share of the path.
    fn note_transport(&mut self, leg: LegId, seq: u16, ssrc: u32, len: usize, now: Micros) {
        if let Some(arrivals) = self.legs[leg].as_mut().and_then(|leg| leg.arrivals.as_mut()) {
            arrivals.note(seq, ssrc, len, now);
        }
    }

    fn take(
        &mut self,
        leg: LegId,
        packet: &[u8],
        now: Micros,
        open: impl FnOnce(&[u8], &Header, &mut [u8]) -> Option<usize>,
    ) -> Result<(), Drop> {
        let header = Header::parse(packet).map_err(|_| Drop::Malformed)?;
        let state = self.legs.get(leg).and_then(Option::as_ref).ok_or(Drop::UnknownStream)?;
        let known = state.bindings.iter().find(|binding| binding.ssrc == header.ssrc).copied();
        if let Some(Binding { source, rtx: false, doubtful: 0, .. }) = known {
            let stream = self.sources[usize::from(source)].as_mut().ok_or(Drop::UnknownStream)?;
            let len = open(packet, &header, stream.ring.reserve()).ok_or(Drop::Refused)?;
            return self.accept(source, &header, len, now);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = match open(packet, &header, &mut scratch) {
            Some(len) => self.take_from_scratch(leg, &header, &mut scratch[..len], known, now),
            None => Err(Drop::Refused),
        };
        self.scratch = scratch;
        result
    }

    fn take_from_scratch(
        &mut self,
        leg: LegId,
        header: &Header,
        plain: &mut [u8],
        known: Option<Binding>,
        now: Micros,
    ) -> Result<(), Drop> {
        let binding = match known {
            Some(binding) if binding.doubtful == 0 => binding,
            _ => self.bind(leg, header, plain)?,
        };
        if binding.rtx {
            return self.accept_rtx(binding.source, header, plain, now);
        }
        let source = self.sources[usize::from(binding.source)].as_mut().ok_or(Drop::UnknownStream)?;
        source.ring.reserve()[..plain.len()].copy_from_slice(plain);
        self.accept(binding.source, header, plain.len(), now)
    }

    /// Finds the track of a stream that is new, or that was bound without a mid so far.
    fn bind(&mut self, leg: LegId, header: &Header, plain: &[u8]) -> Result<Binding, Drop> {
        let state = self.legs[leg].as_mut().ok_or(Drop::UnknownStream)?;
        let tracks = &state.spec.tracks;
        let at = state.bindings.iter().position(|binding| binding.ssrc == header.ssrc);
        let id = state.spec.extensions.mid;
        let mid = (id != 0).then(|| header.extension(plain, id)).flatten();
        let by_mid = mid.and_then(|mid| tracks.iter().position(|track| track.mid.as_bytes() == mid));
        if let (None, Some(at)) = (by_mid, at) {
            state.bindings[at].doubtful = state.bindings[at].doubtful.saturating_sub(1);
            return Ok(state.bindings[at]);
        }
        let track = by_mid.or_else(|| guess(tracks, header)).ok_or(Drop::UnknownStream)?;
        let rtx = tracks[track].codecs.iter().any(|codec| codec.rtx_pt == Some(header.pt));
        let doubtful = if by_mid.is_some() || id == 0 { 0 } else { DOUBTFUL };
        let binding = Binding { ssrc: header.ssrc, source: state.tracks[track], rtx, doubtful };
        if let Some(at) = at {
            state.bindings.remove(at);
        } else if state.bindings.len() == MAX_BINDINGS {
            state.bindings.remove(0);
        }
        state.bindings.push(binding);
        Ok(binding)
    }

    fn accept_rtx(&mut self, id: SourceId, header: &Header, plain: &mut [u8], now: Micros) -> Result<(), Drop> {
        let source = self.sources[usize::from(id)].as_mut().ok_or(Drop::UnknownStream)?;
        self.stats.rtx_in += 1;
        if let Some(leg) = self.legs[source.leg].as_mut() {
            leg.figures.rtx_in += 1;
        }
        let codec = source.spec.codecs.iter().find(|codec| codec.rtx_pt == Some(header.pt));
        let (Some(codec), Some(ssrc)) = (codec, source.ssrc) else { return Err(Drop::Padding) };
        let len = rtp::rtx::unwrap(plain, header, codec.pt, ssrc).ok_or(Drop::Padding)?;
        let original = Header::parse(&plain[..len]).map_err(|_| Drop::Malformed)?;
        let seq = source.reception.extend(original.seq);
        if source.reception.highest().is_none_or(|highest| seq > highest) {
            return Err(Drop::TooOld); // a retransmission cannot be news
        }
        source.ring.check(seq).map_err(refused)?;
        source.ring.reserve()[..len].copy_from_slice(&plain[..len]);
        let meta = self.read(id, &original, len, seq)?;
        let source = self.sources[usize::from(id)].as_mut().ok_or(Drop::UnknownStream)?;
        if source.gated {
            return Err(Drop::Gated);
        }
        source.ring.commit(len, meta).map_err(refused)?;
        source.missing.arrived(seq, source.reception.highest(), now);
        source.reception.repaired();
        if meta.start {
            source.keyframes.arrived();
        }
        self.stats.rtx_recovered += 1;
        self.batch.push((id, seq));
        Ok(())
    }

    /// The plaintext of `len` bytes lies in the reserved place of the ring.
    fn accept(&mut self, id: SourceId, header: &Header, len: usize, now: Micros) -> Result<(), Drop> {
        let Room { sources, legs, .. } = self;
        let source = sources[usize::from(id)].as_mut().ok_or(Drop::UnknownStream)?;
        if source.ssrc != Some(header.ssrc) {
            let again = source.ssrc.replace(header.ssrc).is_some();
            if again {
                source.renumber(header.seq);
                legs.iter_mut().flatten().for_each(|leg| leg.restart_slot(id));
            }
        }
        let seq = source.reception.extend(header.seq);
        source.ring.check(seq).map_err(refused)?;
        let meta = self.read(id, header, len, seq)?;
        self.note_arrival(id, &meta, len, now)?;
        let source = self.sources[usize::from(id)].as_mut().ok_or(Drop::UnknownStream)?;
        source.ring.commit(len, meta).map_err(refused)?;
        self.batch.push((id, seq));
        Ok(())
    }

    /// Statistics, loss list, speaker level. Refuses what is gated.
    fn note_arrival(&mut self, id: SourceId, meta: &Meta, len: usize, now: Micros) -> Result<(), Drop> {
        let Room { sources, legs, speakers, stats, events, .. } = self;
        let source = sources[usize::from(id)].as_mut().ok_or(Drop::UnknownStream)?;
        let newest = source.reception.highest();
        if source.video && !source.gated && !source.missing.arrived(meta.seq, newest, now) {
            source.keyframes.want();
        }
        source.reception.arrived(meta.seq, meta.ts, source.rate, now);
        if newest.is_none_or(|highest| meta.seq > highest) {
            source.clock.arrival(meta.ts, now, source.rate);
        }
        stats.rtp_in += 1;
        stats.rtp_in_bytes += len as u64;
        if let Some(leg) = legs[source.leg].as_mut() {
            leg.figures.rtp_in += 1;
            leg.figures.rtp_in_bytes += len as u64;
        }
        if source.gated {
            return Err(Drop::Gated);
        }
        source.last_packet = Some(now);
        let codec = source.spec.codecs.get(usize::from(meta.codec)).map(|codec| codec.name);
        if source.flowing.is_none() {
            source.flowing = codec;
            events.push(Event::Flowing { source: source.name.clone(), flowing: true, codec });
        }
        if source.video {
            if meta.start {
                source.keyframes.arrived();
            }
        } else {
            speakers.packet(id, meta.level, meta.payload_len, now);
        }
        Ok(())
    }

    /// Reads header extensions and the front of the payload from the reserved place.
    fn read(&mut self, id: SourceId, header: &Header, len: usize, seq: u64) -> Result<Meta, Drop> {
        let Room { sources, legs, .. } = self;
        let source = sources[usize::from(id)].as_mut().ok_or(Drop::UnknownStream)?;
        let ids = legs[source.leg].as_ref().ok_or(Drop::UnknownStream)?.spec.extensions;
        let codec =
            source.spec.codecs.iter().position(|codec| codec.pt == header.pt).ok_or(Drop::UnknownPayloadType)?;
        let packet = &source.ring.reserve()[..len];
        let padding = header.padding_len(packet).map_err(|_| Drop::Malformed)?;
        let mut meta = Meta::at(seq, header.timestamp);
        meta.payload_at = header.header_len as u16;
        meta.payload_len = len.checked_sub(header.header_len + padding).ok_or(Drop::Malformed)? as u16;
        meta.codec = codec as u8;
        meta.marker = header.marker;
        for element in header.extensions(packet) {
            match element.data.first() {
                Some(byte) if element.id == ids.audio_level && !source.video => meta.level = *byte,
                Some(byte) if element.id == ids.video_orientation && source.video => meta.orientation = *byte,
                _ => {}
            }
        }
        let payload = &packet[header.header_len..len - padding];
        match source.spec.codecs[codec].name {
            CodecName::Opus => meta.start = true,
            CodecName::Vp8 => read_vp8(payload, &mut meta),
            CodecName::H264 => meta.start = h264_start(payload, &mut source.seen_sps),
        }
        Ok(meta)
    }
}

/// The track of a stream without mid: by the SSRCs of SDP, else by a payload type that only one track has.
fn guess(tracks: &[TrackSpec], header: &Header) -> Option<usize> {
    let hinted = |track: &TrackSpec| track.ssrcs.contains(&header.ssrc) || track.rtx_ssrcs.contains(&header.ssrc);
    let has =
        |track: &&TrackSpec| track.codecs.iter().any(|codec| codec.pt == header.pt || codec.rtx_pt == Some(header.pt));
    tracks.iter().position(hinted).or_else(|| match tracks.iter().filter(has).count() {
        1 => tracks.iter().position(|track| has(&track)),
        _ => None,
    })
}

impl Source {
    /// The publisher began a new SSRC on this track.
    fn renumber(&mut self, seq: u16) {
        self.reception.restart(seq);
        self.missing.clear();
        self.clock.reset();
        self.last_sr = None;
        if self.video {
            self.keyframes.want();
        }
    }
}

fn read_vp8(payload: &[u8], meta: &mut Meta) {
    let Some(descriptor) = vp8::Descriptor::parse(payload) else { return };
    meta.start = vp8::starts_keyframe(payload);
    if let Some(id) = descriptor.picture_id {
        meta.picture = Picture { id: id.value, id_at: id.at as u8, long: id.long, ..Picture::default() };
    }
    if let Some((tl0, at)) = descriptor.tl0_pic_idx {
        meta.picture.tl0 = tl0;
        meta.picture.tl0_at = at as u8;
    }
}

/// A picture begins at its SPS; at an IDR slice only for a sender whose parameter sets never travel in the stream (W06).
fn h264_start(payload: &[u8], seen_sps: &mut bool) -> bool {
    match h264::keyframe_start(payload) {
        Some(h264::Start::Sps) => {
            *seen_sps = true;
            true
        }
        Some(h264::Start::Idr) => !*seen_sps,
        None => false,
    }
}

fn refused(why: Refused) -> Drop {
    match why {
        Refused::Duplicate => Drop::Duplicate,
        Refused::TooOld => Drop::TooOld,
    }
}

//! RTCP that a leg sends us: reports, NACK, PLI, FIR (RFC 3550 §6, RFC 4585 §6, RFC 5104 §4.3.1, RFC 4588) and
//! transport-wide feedback.
//!
//! A NACK is answered from the publisher's ring: over the RTX stream if there is one, else by the very same packet again.
//! Retransmissions have a budget per leg, and nothing is repeated within half a round trip.

use super::forward::{compose, rewrite_picture, write_header, Sink};
use super::{Leg, LegId, Room, Source};
use crate::clock::{self, Micros};
use crate::sent::Sent;
use crate::slot::{Origin, SourceId, Stamp};
use rtp::rtcp::{packets, Packet};
use rtp::rtcp::{ReportBlock, SenderInfo};

/// Bytes per second that one leg may receive as retransmissions, and the burst it may save up.
const BUDGET: u64 = 500_000;
const BURST: u64 = 125_000;

/// Assumed round trip before one was measured.
pub(super) const DEFAULT_RTT: Micros = 100_000;

const RECENT: usize = 128;

/// NACKed numbers looked up per second for one leg, and at once: many times what a usable path asks for.
const LOOKUPS: u64 = 4_000;
const LOOKUP_BURST: u64 = 1_000;

/// After so many retransmissions of one packet in vain the receiver is near giving it up, and a browser then stands still
/// for seconds before it says so: a keyframe is asked for.
const IN_VAIN: u8 = 5;

/// Retransmission budget of one leg and what it got lately.
pub(super) struct Repair {
    tokens: u64,
    filled_at: Micros,
    lookups: u64,
    lookups_at: Micros,
    recent: [Repeated; RECENT],
}

/// A packet that was retransmitted lately.
#[derive(Clone, Copy, Default)]
struct Repeated {
    ssrc: u32,
    index: u64,
    at: Micros,
    times: u8,
}

impl Default for Repair {
    fn default() -> Self {
        let recent = [Repeated::default(); RECENT];
        Repair { tokens: BURST, filled_at: 0, lookups: LOOKUP_BURST, lookups_at: 0, recent }
    }
}

impl Repair {
    fn afford(&mut self, bytes: u64, now: Micros) -> bool {
        let gain = now.saturating_sub(self.filled_at).min(1_000_000) * BUDGET / 1_000_000;
        if gain > 0 {
            self.tokens = (self.tokens + gain).min(BURST);
            self.filled_at = now;
        }
        let ok = self.tokens >= bytes;
        if ok {
            self.tokens -= bytes;
        }
        ok
    }

    /// Takes the right to look up to `wanted` numbers up; answers how many.
    fn look_up(&mut self, wanted: usize, now: Micros) -> usize {
        let gain = now.saturating_sub(self.lookups_at).min(1_000_000) * LOOKUPS / 1_000_000;
        if gain > 0 {
            self.lookups = (self.lookups + gain).min(LOOKUP_BURST);
            self.lookups_at = now;
        }
        let granted = self.lookups.min(wanted as u64);
        self.lookups -= granted;
        granted as usize
    }

    /// Whether a packet may be retransmitted now, and how often it has been then. A receiver asks again after a round trip,
    /// by its own measure: what comes in less than half of ours is no answer to a loss.
    fn fresh(&mut self, ssrc: u32, index: u64, now: Micros, rtt: Micros) -> Option<u8> {
        let held = &mut self.recent[(index as usize).wrapping_add(ssrc as usize) % RECENT];
        if (held.ssrc, held.index) != (ssrc, index) {
            *held = Repeated { ssrc, index, at: now, times: 1 };
            return Some(1);
        }
        if now.saturating_sub(held.at) < rtt / 2 {
            return None;
        }
        held.at = now;
        held.times = held.times.saturating_add(1);
        Some(held.times)
    }
}

impl Room {
    /// Reads a decrypted compound packet of a leg. `ntp` is the NTP time at `now`.
    pub fn rtcp(&mut self, leg: LegId, compound: &[u8], now: Micros, ntp: u64, sink: &mut impl Sink) {
        if self.legs.get(leg).is_none_or(Option::is_none) {
            return;
        }
        for packet in packets(compound) {
            match packet {
                Packet::SenderReport { info, blocks } => {
                    self.sender_report(leg, &info, now);
                    blocks.for_each(|block| self.report_block(leg, &block, ntp));
                }
                Packet::ReceiverReport { blocks, .. } => {
                    blocks.for_each(|block| self.report_block(leg, &block, ntp));
                }
                Packet::Nack(nack) => {
                    self.stats.nack_in += 1;
                    let Some(state) = self.legs[leg].as_mut() else { return };
                    state.figures.nack_in += 1;
                    let wanted = nack.seqs().count();
                    let granted = state.repair.look_up(wanted, now);
                    self.stats.rtx_refused_budget += (wanted - granted) as u64;
                    nack.seqs().take(granted).for_each(|seq| self.nacked(leg, nack.media, seq, now, sink));
                }
                Packet::TransportFeedback(feedback) => {
                    self.stats.transport_cc_in += 1;
                    let Some(Leg { sent: Some(sent), rtt, .. }) = self.legs[leg].as_mut() else { continue };
                    sent.feedback(&feedback, rtt.unwrap_or(DEFAULT_RTT), now);
                }
                Packet::Pli { media, .. } => self.keyframe_request(leg, media),
                Packet::Fir { entries, .. } => entries.for_each(|entry| self.keyframe_request(leg, entry.ssrc)),
                // Which bitrate a viewer gets is not decided yet: every one gets what was sent.
                Packet::Remb { .. } => self.stats.remb_in += 1,
                _ => {}
            }
        }
    }

    fn sender_report(&mut self, leg: LegId, info: &SenderInfo, now: Micros) {
        let Some(state) = self.legs[leg].as_mut() else { return };
        let bound = state.bindings.iter().find(|binding| binding.ssrc == info.ssrc && !binding.rtx);
        let Some(source) = bound.and_then(|binding| self.sources[usize::from(binding.source)].as_mut()) else { return };
        source.last_sr = Some((info.ntp_middle(), now));
        source.clock.report(info.ntp, info.rtp_timestamp);
        if info.ntp != 0 {
            state.clock.report(info.ntp, now);
        }
    }

    fn report_block(&mut self, leg: LegId, block: &ReportBlock, ntp: u64) {
        let Some(state) = self.legs[leg].as_mut() else { return };
        let Some(slot) = state.slots.iter_mut().find(|slot| slot.slot.ssrc() == block.ssrc) else { return };
        slot.lost = block.total_lost.max(0) as u64;
        if let Some(rtt) = clock::round_trip(ntp, block.last_sr, block.delay_since_last_sr) {
            state.rtt = Some(state.rtt.map_or(rtt, |old| (old * 7 + rtt) / 8));
        }
    }

    fn keyframe_request(&mut self, leg: LegId, ssrc: u32) {
        self.stats.pli_in += 1;
        let Some(state) = self.legs[leg].as_mut() else { return };
        state.figures.pli_in += 1;
        let slot = state.slots.iter().find(|slot| slot.slot.ssrc() == ssrc);
        let source = slot.and_then(|slot| slot.slot.source());
        if let Some(source) = source.and_then(|source| self.sources[usize::from(source)].as_mut()) {
            if source.video {
                source.keyframes.want();
            }
        }
    }

    fn nacked(&mut self, leg_id: LegId, ssrc: u32, seq: u16, now: Micros, sink: &mut impl Sink) {
        let Some(leg) = self.legs[leg_id].as_mut() else { return };
        let Some(at) = leg.slots.iter().position(|slot| slot.slot.ssrc() == ssrc) else { return };
        let Some(origin) = leg.slots[at].slot.resolve(seq) else {
            self.stats.rtx_unknown += 1;
            return;
        };
        let source = self.sources[usize::from(origin.source)].as_ref();
        let Some((meta, payload)) = source.and_then(|source| source.ring.get(origin.seq)) else {
            self.stats.rtx_unknown += 1;
            return;
        };
        let rtt = leg.rtt.unwrap_or(DEFAULT_RTT).max(10_000);
        let Some(times) = leg.repair.fresh(ssrc, origin.index, now, rtt) else {
            self.stats.rtx_refused_repeat += 1;
            return;
        };
        if !leg.repair.afford(payload.len() as u64 + 40, now) {
            self.stats.rtx_refused_budget += 1;
            return;
        }
        let Some(stamp) = leg.slots[at].slot.restamp(&origin, meta) else { return };
        resend(leg, (leg_id, at), (&origin, &stamp), (meta, payload), now, sink);
        leg.figures.rtx_out += 1;
        self.stats.rtx_out += 1;
        if times == IN_VAIN {
            if let Some(source) = self.sources[usize::from(origin.source)].as_mut().filter(|source| source.video) {
                source.keyframes.want();
            }
        }
    }
}

fn resend(
    leg: &mut Leg,
    (id, at): (LegId, usize),
    (origin, stamp): (&Origin, &Stamp),
    (meta, payload): (&crate::ring::Meta, &[u8]),
    now: Micros,
    sink: &mut impl Sink,
) {
    let extensions = leg.spec.extensions;
    let counted = leg.sent.is_some() && leg.slots[at].counted;
    let slot = &mut leg.slots[at].slot;
    let out = sink.place(id);
    match slot.take_rtx(origin, meta) {
        Some((ssrc, pt, index)) => {
            let mut sent = leg.sent.as_mut().filter(|_| counted);
            let number = sent.as_deref().map(Sent::number);
            let header = write_header(out, extensions, number, ssrc, meta, &Stamp { index, pt, ..*stamp });
            out[header..header + 2].copy_from_slice(&(stamp.index as u16).to_be_bytes());
            let len = header + 2 + payload.len();
            out[header + 2..len].copy_from_slice(payload);
            rewrite_picture(&mut out[header + 2..len], stamp);
            if let Some(sent) = sent.as_mut() {
                sent.note(len, now);
            }
            sink.rtp(id, header, len, ssrc, index);
        }
        None if counted => {} // it could not be the same bytes again
        None => {
            let ssrc = slot.ssrc();
            let (header, len) = compose(out, extensions, None, ssrc, meta, stamp, payload);
            sink.rtp(id, header, len, ssrc, stamp.index);
        }
    }
}

impl Leg {
    /// The numbering of `source` begins anew.
    pub(super) fn restart_slot(&mut self, source: SourceId) {
        for slot in self.slots.iter_mut().filter(|slot| slot.slot.source() == Some(source)) {
            slot.slot.restart();
        }
    }
}

impl Source {
    /// Our report on this stream (RFC 3550 §6.4.1).
    pub(super) fn report(&mut self, now: Micros) -> Option<ReportBlock> {
        let figures = self.reception.report()?;
        let (last_sr, since) = self.last_sr.map_or((0, 0), |(sr, at)| (sr, clock::to_compact_delta(now - at)));
        Some(ReportBlock {
            ssrc: self.ssrc?,
            fraction_lost: figures.fraction_lost,
            total_lost: figures.cumulative_lost,
            highest_seq: figures.highest,
            jitter: figures.jitter,
            last_sr,
            delay_since_last_sr: since,
        })
    }
}

//! What the room does by the clock: NACK, PLI and transport-wide feedback to publishers, receiver reports, sender reports, silence and speakers.

use super::feedback::DEFAULT_RTT;
use super::forward::Sink;
use super::{Event, Leg, LegId, Room, Source, Stats};
use crate::clock::{Micros, PeerClock};
use rtp::rtcp::{RtcpWriter, SenderInfo};

/// Between two reports of one stream.
const REPORT: Micros = 1_000_000;

/// A track is said to have stopped after this long without a packet.
const STOPPED: Micros = 2_000_000;

/// A stream that is silent for this long gives its cache's memory back: nobody asks for packets that old.
const FORGOTTEN: Micros = 10_000_000;

/// Between two looks at the speakers.
const SPEAKERS: Micros = 50_000;

/// Compounds are closed at this size, well under any path's MTU.
const COMPOUND: usize = 1100;

/// One name for all streams of the engine; receivers tie streams together by their msid.
const CNAME: &str = "massalia";

impl Room {
    /// Does everything that is due. Call about every 5 ms. `ntp` is the NTP time at `now`.
    pub fn tick(&mut self, now: Micros, ntp: u64, sink: &mut impl Sink) {
        for id in 0..self.sources.len() {
            self.repair_source(id, now, sink);
        }
        for id in 0..self.legs.len() {
            self.report_to(id, now, ntp, sink);
        }
        self.notice_silence(now);
        if now.saturating_sub(self.speakers_at) >= SPEAKERS {
            self.speakers_at = now;
            self.speakers.tick(now);
            self.tell_speakers(now);
            self.update_wanted(now);
        }
        self.seat_if_needed();
    }

    /// NACK and PLI for one stream.
    fn repair_source(&mut self, id: usize, now: Micros, sink: &mut impl Sink) {
        let Room { sources, legs, stats, asked, .. } = self;
        let Some(source) = sources[id].as_mut().filter(|source| source.video) else { return };
        let Some(leg) = legs[source.leg].as_mut().filter(|leg| leg.connected) else { return };
        asked.clear();
        if !source.missing.is_empty() && source.missing.due(now, leg.rtt.unwrap_or(DEFAULT_RTT), asked) {
            source.keyframes.want();
        }
        let flows = source.flowing.is_some() && !source.gated;
        let pli = flows && source.keyframes.due(now);
        let Some(media) = source.ssrc.filter(|_| pli || !asked.is_empty()) else { return };
        let mut buffer = [0; 1400];
        let mut out = RtcpWriter::new(&mut buffer);
        let mut written = out.receiver_report(leg.ssrc, &[]);
        if !asked.is_empty() {
            written = written.and_then(|()| out.nack(leg.ssrc, media, asked.iter().copied()));
            stats.nack_out += 1;
            leg.figures.nack_out += 1;
        }
        if pli {
            written = written.and_then(|()| out.pli(leg.ssrc, media));
            stats.pli_out += 1;
            leg.figures.pli_out += 1;
        }
        debug_assert!(written.is_some(), "a NACK list of 256 fits");
        let len = out.len();
        sink.rtcp(source.leg, &buffer[..len]);
    }

    /// Receiver reports and sender reports for one leg.
    fn report_to(&mut self, id: LegId, now: Micros, ntp: u64, sink: &mut impl Sink) {
        let Room { sources, legs, stats, .. } = self;
        // The clocks of publishers are read while this leg is changed: take it out for the moment.
        let Some(mut leg) = legs[id].take_if(|leg| leg.connected) else { return };
        if now >= leg.report_at {
            leg.report_at = now + REPORT;
            receiver_report(&leg, id, sources, now, sink);
        }
        transport_feedback(&mut leg, id, now, stats, sink);
        let clocks = |publisher: LegId| legs.get(publisher)?.as_ref().map(|leg| leg.clock);
        sender_reports(&mut leg, id, sources, clocks, (now, ntp), stats, sink);
        legs[id] = Some(leg);
    }

    fn notice_silence(&mut self, now: Micros) {
        for source in self.sources.iter_mut().flatten() {
            if source.last_packet.is_some_and(|at| now.saturating_sub(at) > FORGOTTEN) {
                source.last_packet = None;
                source.ring.release();
            }
            if source.flowing.is_some() && source.last_packet.is_none_or(|at| now.saturating_sub(at) > STOPPED) {
                source.flowing = None;
                source.missing.clear();
                self.events.push(Event::Flowing { source: source.name.clone(), flowing: false, codec: None });
            }
        }
    }
}

fn receiver_report(leg: &Leg, id: LegId, sources: &mut [Option<Source>], now: Micros, sink: &mut impl Sink) {
    let mut blocks = Vec::with_capacity(leg.tracks.len());
    for track in &leg.tracks {
        blocks.extend(sources[usize::from(*track)].as_mut().and_then(|source| source.report(now)));
    }
    if blocks.is_empty() {
        return;
    }
    let mut buffer = [0; COMPOUND + 300];
    let mut out = RtcpWriter::new(&mut buffer);
    if out.receiver_report(leg.ssrc, &blocks).and_then(|()| out.sdes_cname(leg.ssrc, CNAME)).is_some() {
        let len = out.len();
        sink.rtcp(id, &buffer[..len]);
    }
}

/// Feedback on what arrived from the leg, when it is due. The empty report makes it a compound packet (RFC 3550 §6.1).
fn transport_feedback(leg: &mut Leg, id: LegId, now: Micros, stats: &mut Stats, sink: &mut impl Sink) {
    let Some(arrivals) = leg.arrivals.as_mut() else { return };
    let mut buffer = [0; 1400];
    loop {
        let mut out = RtcpWriter::new(&mut buffer);
        let head = out.receiver_report(leg.ssrc, &[]);
        if head.and_then(|()| arrivals.report(now, leg.ssrc, &mut out)).is_none() {
            return;
        }
        stats.transport_cc_out += 1;
        let len = out.len();
        sink.rtcp(id, &buffer[..len]);
    }
}

fn sender_reports(
    leg: &mut Leg,
    id: LegId,
    sources: &[Option<Source>],
    clocks: impl Fn(LegId) -> Option<PeerClock>,
    (now, ntp): (Micros, u64),
    stats: &mut Stats,
    sink: &mut impl Sink,
) {
    let mut buffer = [0; COMPOUND + 300];
    let mut out = RtcpWriter::new(&mut buffer);
    for state in &mut leg.slots {
        if now < state.report_at {
            continue;
        }
        let (Some(shift), Some(source)) = (state.slot.ts_shift(), state.slot.source()) else { continue };
        let Some(source) = sources[usize::from(source)].as_ref() else { continue };
        let peer = clocks(source.leg).unwrap_or_default();
        let Some(rtp) = source.clock.rtp_at(now, source.rate, peer) else { continue };
        state.report_at = now + REPORT;
        let (packets, octets) = state.slot.sent();
        let info = SenderInfo {
            ssrc: state.slot.ssrc(),
            ntp,
            rtp_timestamp: rtp.wrapping_add(shift),
            packets: packets as u32,
            octets: octets as u32,
        };
        let written = out.sender_report(&info, &[]).and_then(|()| out.sdes_cname(info.ssrc, CNAME));
        debug_assert!(written.is_some(), "a report and a name fit behind {COMPOUND} bytes");
        stats.sr_out += 1;
        if out.len() > COMPOUND {
            let len = out.len();
            sink.rtcp(id, &buffer[..len]);
            out = RtcpWriter::new(&mut buffer);
        }
    }
    if !out.is_empty() {
        let len = out.len();
        sink.rtcp(id, &buffer[..len]);
    }
}

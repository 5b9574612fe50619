//! The room: its legs, the streams they publish, and who receives which stream in which slot.
//!
//! One packet's road through this module: `ingest` takes it from a leg, has it decrypted into the publisher's ring and puts
//! it on the batch; `forward` then walks the subscribers, and for each the packets of the batch, through the subscriber's
//! route table (source → slot). `feedback` reads RTCP, `timer` writes it, `view` decides the routes.
//!
//! Limits: 256 legs, 8 tracks and 64 slots a leg, 8 codecs a track.

mod feedback;
mod forward;
mod ingest;
pub mod model;
mod timer;
pub mod view;

use crate::arrivals::Arrivals;
use crate::clock::{Micros, PeerClock, StreamClock};
use crate::keyframe::Keyframes;
use crate::nack::{Missing, Reception};
use crate::ring::{Ring, MAX_PACKET};
use crate::sent::Sent;
use crate::slot::{Seeds, Slot, SourceId, CODECS};
use crate::speaker::Speakers;
pub use forward::Sink;
use model::{CodecName, Event, LegSpec, SlotSpec, SourceName, TrackSpec, View};

/// Most legs in a room.
pub const MAX_LEGS: usize = 256;
/// Most tracks a leg may publish.
pub const MAX_TRACKS: usize = 8;
/// Most receive slots of a leg.
pub const MAX_SLOTS: usize = 64;

/// In a route table: not forwarded.
const NO_SLOT: u8 = 0xff;

/// A leg's place in the room.
pub type LegId = usize;

macro_rules! figures {
    ($(#[$doc:meta])* $name:ident { $($field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            $(pub $field: u64,)*
        }

        impl $name {
            /// Calls `each` with every figure's name and value.
            pub fn each(&self, mut each: impl FnMut(&'static str, u64)) {
                $(each(stringify!($field), self.$field);)*
            }

            /// Adds another's figures to these.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

figures! {
    /// Counters of a room; all monotonic.
    Stats {
        rtp_in,
        rtp_in_bytes,
        rtp_out,
        rtp_out_bytes,
        rtx_in,
        rtx_recovered,
        rtx_out,
        rtx_refused_budget,
        rtx_refused_repeat,
        rtx_unknown,
        nack_in,
        nack_out,
        pli_in,
        remb_in,
        pli_out,
        sr_out,
        transport_cc_in,
        transport_cc_out,
        switches,
        drop_malformed,
        drop_duplicate,
        drop_old,
        drop_stream,
        drop_payload_type,
        drop_gated,
    }
}

figures! {
    /// Figures of one leg.
    LegFigures {
        rtp_in,
        rtp_in_bytes,
        rtp_out,
        rtp_out_bytes,
        lost_in,
        rtx_in,
        rtx_out,
        nack_in,
        nack_out,
        pli_in,
        pli_out,
        rtt_us,
        lost_out,
        estimate_bps,
        arriving_bps,
    }
}

/// One published stream.
struct Source {
    leg: LegId,
    name: SourceName,
    video: bool,
    rate: u32,
    spec: TrackSpec,
    ssrc: Option<u32>,
    ring: Ring,
    reception: Reception,
    missing: Missing,
    keyframes: Keyframes,
    clock: StreamClock,
    last_sr: Option<(u32, Micros)>,
    last_packet: Option<Micros>,
    flowing: Option<CodecName>,
    gated: bool,
    seen_sps: bool,
    wanted: Option<(bool, u32)>,
    unwanted_since: Micros,
}

struct SlotState {
    spec: SlotSpec,
    slot: Slot,
    view: Option<View>,
    /// Its packets carry transport sequence numbers, where the leg takes them: pictures, whose estimate matters. Not
    /// without RTX: what is repeated under its old number must be the same bytes, the nonce depends on it.
    counted: bool,
    /// When to send the next sender report.
    report_at: Micros,
    /// Last loss the receiver told of this slot.
    lost: u64,
}

#[derive(Clone, Copy)]
struct Binding {
    ssrc: u32,
    source: SourceId,
    rtx: bool,
    /// Packets to come in which a mid may still prove the binding wrong, where it was made without one.
    doubtful: u16,
}

struct Leg {
    id: String,
    connected: bool,
    spec: LegSpec,
    tracks: Vec<SourceId>,
    slots: Vec<SlotState>,
    route: Vec<u8>,
    bindings: Vec<Binding>,
    /// SSRC of our RTCP to this leg where no slot speaks.
    ssrc: u32,
    rtt: Option<Micros>,
    clock: PeerClock,
    repair: Box<feedback::Repair>,
    /// What arrives, where transport-wide feedback was negotiated.
    arrivals: Option<Arrivals>,
    /// What was sent under transport sequence numbers, likewise.
    sent: Option<Sent>,
    report_at: Micros,
    figures: LegFigures,
}

/// Why a leg cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Legs,
    Tracks,
    Slots,
    Codecs,
    NoCodec,
    DuplicateName,
}

/// A conference room.
pub struct Room {
    legs: Vec<Option<Leg>>,
    sources: Vec<Option<Source>>,
    speakers: Speakers,
    batch: Vec<(SourceId, u64)>,
    scratch: Vec<u8>,
    events: Vec<Event>,
    last_speakers: (Option<SourceId>, Vec<SourceId>),
    speakers_at: Micros,
    told_speakers_at: Micros,
    seated: Vec<SourceId>,
    reseat: bool,
    asked: Vec<u16>,
    stats: Stats,
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl Room {
    pub fn new() -> Self {
        Room {
            legs: Vec::new(),
            sources: Vec::new(),
            speakers: Speakers::default(),
            batch: Vec::with_capacity(256),
            scratch: vec![0; MAX_PACKET],
            events: Vec::new(),
            last_speakers: (None, Vec::new()),
            speakers_at: 0,
            told_speakers_at: 0,
            seated: Vec::new(),
            reseat: false,
            asked: Vec::with_capacity(256),
            stats: Stats::default(),
        }
    }

    /// Whether `add_leg` will take the leg; with `replaces`, after one leg of this room is removed.
    pub fn admits(&self, spec: &LegSpec, replaces: bool) -> Result<(), Limit> {
        check(spec)?;
        if self.len() - usize::from(replaces) >= MAX_LEGS {
            return Err(Limit::Legs);
        }
        Ok(())
    }

    /// Adds a leg. `random` yields SSRCs and starting points.
    pub fn add_leg(&mut self, spec: LegSpec, now: Micros, random: &mut dyn FnMut() -> u32) -> Result<LegId, Limit> {
        check(&spec)?;
        let place = match self.legs.iter().position(Option::is_none) {
            Some(place) => place,
            None if self.legs.len() < MAX_LEGS => {
                self.legs.push(None);
                self.legs.len() - 1
            }
            None => return Err(Limit::Legs),
        };
        let slots = spec.slots.iter().map(|slot| new_slot(slot, now, random)).collect();
        let mut leg = Leg {
            id: spec.id.clone(),
            connected: false,
            tracks: Vec::new(),
            slots,
            route: vec![NO_SLOT; self.sources.len()],
            bindings: Vec::new(),
            ssrc: random() | 1,
            rtt: None,
            clock: PeerClock::default(),
            repair: Box::default(),
            sent: (spec.extensions.transport_cc != 0).then(Sent::default),
            arrivals: (spec.extensions.transport_cc != 0).then(Arrivals::default),
            report_at: now,
            figures: LegFigures::default(),
            spec,
        };
        for track in leg.spec.tracks.clone() {
            let source = self.add_source(place, &leg.id, track, now);
            leg.tracks.push(source);
        }
        leg.route.resize(self.sources.len(), NO_SLOT);
        self.legs[place] = Some(leg);
        self.reseat = true;
        self.bind_views_of_newcomer(place);
        self.update_wanted(now);
        Ok(place)
    }

    fn add_source(&mut self, leg: LegId, leg_id: &str, spec: TrackSpec, now: Micros) -> SourceId {
        let source = Source {
            leg,
            name: SourceName { leg: leg_id.to_owned(), track: spec.name.clone() },
            video: spec.video,
            rate: spec.rate(),
            ssrc: None,
            ring: if spec.video { Ring::video() } else { Ring::audio() },
            reception: Reception::default(),
            missing: Missing::default(),
            keyframes: Keyframes::default(),
            clock: StreamClock::default(),
            last_sr: None,
            last_packet: None,
            flowing: None,
            gated: false,
            seen_sps: false,
            wanted: None,
            unwanted_since: now,
            spec,
        };
        let voice = view::is_voice(&source.spec);
        let id = match self.sources.iter().position(Option::is_none) {
            Some(free) => {
                self.sources[free] = Some(source);
                free
            }
            None => {
                self.sources.push(Some(source));
                for leg in self.legs.iter_mut().flatten() {
                    leg.route.push(NO_SLOT);
                }
                self.sources.len() - 1
            }
        } as SourceId;
        if voice {
            self.speakers.add(id);
        }
        id
    }

    /// Removes a leg and its streams; views of them stay and show the leg again if it returns.
    pub fn remove_leg(&mut self, leg: LegId, now: Micros) {
        let Some(gone) = self.legs.get_mut(leg).and_then(Option::take) else { return };
        for source in gone.tracks {
            self.speakers.remove(source);
            self.sources[usize::from(source)] = None;
            self.batch.retain(|(from, _)| *from != source);
            for other in self.legs.iter_mut().flatten() {
                other.route[usize::from(source)] = NO_SLOT;
                for slot in &mut other.slots {
                    slot.slot.forget(source);
                }
            }
        }
        self.reseat = true;
        self.update_wanted(now);
    }

    /// Media may flow to the leg (or no longer). A leg that comes up needs keyframes of what it shows.
    pub fn set_connected(&mut self, leg: LegId, connected: bool) {
        let Some(leg) = self.legs.get_mut(leg).and_then(Option::as_mut) else { return };
        leg.connected = connected;
        for slot in &mut leg.slots {
            slot.slot.restart();
            if let Some(source) = slot.slot.source().filter(|_| connected && slot.spec.video) {
                if let Some(source) = self.sources[usize::from(source)].as_mut() {
                    source.keyframes.want();
                }
            }
        }
    }

    /// Number of legs.
    pub fn len(&self) -> usize {
        self.legs.iter().flatten().count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counters of the room.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Figures of a leg.
    pub fn leg_figures(&self, leg: LegId) -> Option<LegFigures> {
        let leg = self.legs.get(leg)?.as_ref()?;
        let mut figures = leg.figures;
        figures.rtt_us = leg.rtt.unwrap_or(0);
        if let Some(estimator) = leg.sent.as_ref().map(Sent::estimator) {
            figures.arriving_bps = estimator.arriving().unwrap_or(0.0) as u64;
            figures.estimate_bps = if figures.arriving_bps == 0 { 0 } else { estimator.target() as u64 };
        }
        figures.lost_out = leg.slots.iter().map(|slot| slot.lost).sum();
        let sources = leg.tracks.iter().filter_map(|source| self.sources[usize::from(*source)].as_ref());
        figures.lost_in = sources.map(|source| source.reception.lost_total().max(0) as u64).sum();
        Some(figures)
    }

    /// SSRC and RTX SSRC of each slot, in the order of the specification.
    pub fn slot_streams(&self, leg: LegId) -> impl Iterator<Item = (u32, u32, Option<u32>)> + '_ {
        let leg = self.legs.get(leg).and_then(Option::as_ref);
        leg.into_iter().flat_map(|leg| &leg.slots).map(|s| (s.spec.number, s.slot.ssrc(), s.slot.rtx_ssrc()))
    }

    /// What each view slot is to show.
    pub fn views(&self, leg: LegId) -> impl Iterator<Item = (u32, &View)> + '_ {
        let leg = self.legs.get(leg).and_then(Option::as_ref);
        leg.into_iter().flat_map(|leg| &leg.slots).filter_map(|s| Some((s.spec.number, s.view.as_ref()?)))
    }

    /// Names of the leg's gated tracks.
    pub fn gated(&self, leg: LegId) -> impl Iterator<Item = &str> + '_ {
        self.published(leg).filter(|s| s.gated).map(|s| s.name.track.as_str())
    }

    /// The leg's video tracks that somebody watches and the largest height, as last told by [`Event::Wanted`].
    pub fn wanted(&self, leg: LegId) -> impl Iterator<Item = (&str, u32)> + '_ {
        self.published(leg).filter_map(|s| match s.wanted {
            Some((true, height)) => Some((s.name.track.as_str(), height)),
            _ => None,
        })
    }

    fn published(&self, leg: LegId) -> impl Iterator<Item = &Source> + '_ {
        let leg = self.legs.get(leg).and_then(Option::as_ref);
        let sources = leg.into_iter().flat_map(|leg| &leg.tracks);
        sources.filter_map(|s| self.sources[usize::from(*s)].as_ref())
    }

    /// Bytes of memory that the packet caches hold.
    pub fn cached(&self) -> usize {
        self.sources.iter().flatten().map(|source| source.ring.held()).sum()
    }

    /// Takes the events since the last call.
    pub fn take_events(&mut self, mut each: impl FnMut(Event)) {
        self.events.drain(..).for_each(&mut each);
    }

    /// SSRCs on which we send to the leg, for BYE.
    pub fn sending_ssrcs(&self, leg: LegId, ssrcs: &mut Vec<u32>) {
        if let Some(leg) = self.legs.get(leg).and_then(Option::as_ref) {
            ssrcs.extend(leg.slots.iter().filter(|slot| slot.slot.sent().0 > 0).map(|slot| slot.slot.ssrc()));
        }
    }
}

fn new_slot(spec: &SlotSpec, now: Micros, random: &mut dyn FnMut() -> u32) -> SlotState {
    let rtx = spec.codecs.iter().any(|codec| codec.rtx_pt.is_some());
    let seeds = Seeds {
        ssrc: random() | 1,
        rtx_ssrc: rtx.then(|| random() | 1),
        seq: random() as u16,
        rtx_seq: random() as u16,
        ts: random(),
    };
    let rate = spec.codecs.first().map_or(90_000, |codec| codec.clock_rate);
    let counted = spec.video && spec.codecs.iter().all(|codec| codec.rtx_pt.is_some());
    let slot = Slot::new(spec.video, rate, seeds);
    SlotState { spec: spec.clone(), slot, view: None, counted, report_at: now, lost: 0 }
}

fn check(spec: &LegSpec) -> Result<(), Limit> {
    if spec.tracks.len() > MAX_TRACKS {
        return Err(Limit::Tracks);
    }
    if spec.slots.len() > MAX_SLOTS {
        return Err(Limit::Slots);
    }
    let lists = spec.tracks.iter().map(|t| &t.codecs).chain(spec.slots.iter().map(|s| &s.codecs));
    for codecs in lists {
        if codecs.len() > CODECS {
            return Err(Limit::Codecs);
        }
        if codecs.is_empty() {
            return Err(Limit::NoCodec);
        }
    }
    let twice = |n: usize, track: &TrackSpec| spec.tracks[..n].iter().any(|other| other.name == track.name);
    if spec.tracks.iter().enumerate().any(|(n, track)| twice(n, track)) {
        return Err(Limit::DuplicateName);
    }
    let twice = |n: usize, slot: &SlotSpec| spec.slots[..n].iter().any(|other| other.number == slot.number);
    if spec.slots.iter().enumerate().any(|(n, slot)| twice(n, slot)) {
        return Err(Limit::DuplicateName);
    }
    Ok(())
}

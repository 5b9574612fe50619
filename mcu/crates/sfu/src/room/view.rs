//! Who sees and hears what: views assigned by the control plane, speaker slots filled by the engine, and whether a track is
//! wanted at all.

use super::model::{match_codecs, Event, SourceName, TrackSpec, View};
use super::{Leg, LegId, Room, Source, NO_SLOT};
use crate::clock::Micros;
use crate::slot::SourceId;
use crate::speaker::{seat, LOUDEST, SPEECH};

/// A track without a viewer is told so only after this long: layouts change in several steps.
const UNWANTED: Micros = 2_000_000;

/// Between two `speakers` events.
const TELL_SPEAKERS: Micros = 100_000;

/// The audio track that counts as its leg's voice, and the video track that shows the speaker.
const VOICE: &str = "mic";
const FACE: &str = "camera";

/// Whether a track takes part in speaker selection.
pub(super) fn is_voice(spec: &TrackSpec) -> bool {
    !spec.video && spec.name == VOICE
}

/// Why a request about a leg's view or gate is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    Leg,
    Track,
    Slot,
}

impl Room {
    /// Sets what view slots show, all of them or (on an error) none. A source need not be there yet. It is shown once per
    /// leg: the newest view wins, in one call the last.
    pub fn set_views(&mut self, leg: LegId, views: Vec<(u32, Option<View>)>, now: Micros) -> Result<(), Unknown> {
        let state = self.legs.get(leg).and_then(Option::as_ref).ok_or(Unknown::Leg)?;
        let place = |(number, view)| {
            let at = state.slots.iter().position(|slot| slot.spec.number == number && !slot.spec.speaker);
            Ok((at.ok_or(Unknown::Slot)?, view))
        };
        let placed = views.into_iter().map(place).collect::<Result<Vec<_>, _>>()?;
        placed.into_iter().for_each(|(at, view)| self.set_view(leg, at, view));
        self.update_wanted(now);
        Ok(())
    }

    fn set_view(&mut self, leg: LegId, at: usize, view: Option<View>) {
        let Some(state) = self.legs[leg].as_mut() else { return };
        if let Some(view) = &view {
            let same = |held: &Option<View>| held.as_ref().is_some_and(|held| held.source == view.source);
            for other in (0..state.slots.len()).filter(|other| *other != at) {
                if same(&state.slots[other].view) {
                    state.slots[other].view = None;
                    state.unroute(other);
                }
            }
        }
        state.slots[at].view = view;
        self.bind_view(leg, at);
    }

    /// Closes or opens the gate of a track. An opened one starts again at a keyframe.
    pub fn set_gate(&mut self, leg: LegId, track: &str, gated: bool) -> Result<(), Unknown> {
        let state = self.legs.get(leg).and_then(Option::as_ref).ok_or(Unknown::Leg)?;
        let named = |id: &&SourceId| self.sources[usize::from(**id)].as_ref().is_some_and(|s| s.name.track == track);
        let id = *state.tracks.iter().find(named).ok_or(Unknown::Track)?;
        let source = self.sources[usize::from(id)].as_mut().ok_or(Unknown::Track)?;
        if source.gated == gated {
            return Ok(());
        }
        source.gated = gated;
        source.missing.clear();
        if !gated {
            if source.video {
                source.keyframes.want();
            }
            self.legs.iter_mut().flatten().for_each(|leg| leg.restart_slot(id));
        }
        Ok(())
    }

    fn find(&self, name: &SourceName) -> Option<SourceId> {
        let at = self.sources.iter().position(|source| source.as_ref().is_some_and(|source| source.name == *name))?;
        Some(at as SourceId)
    }

    /// Brings one view slot's route in line with its view.
    fn bind_view(&mut self, leg: LegId, at: usize) {
        let Some(state) = self.legs[leg].as_ref() else { return };
        let wanted = state.slots[at].view.as_ref().and_then(|view| self.find(&view.source));
        let fits = |id: &SourceId| {
            let source = self.sources[usize::from(*id)].as_ref();
            source.is_some_and(|source| source.leg != leg && source.video == state.slots[at].spec.video)
        };
        match wanted.filter(fits) {
            Some(source) => self.connect(leg, at, source),
            None => {
                if let Some(state) = self.legs[leg].as_mut() {
                    state.unroute(at);
                }
            }
        }
    }

    /// Shows `source` in a slot.
    fn connect(&mut self, leg: LegId, at: usize, source: SourceId) {
        let (Some(state), Some(stream)) = (self.legs[leg].as_mut(), self.sources[usize::from(source)].as_mut()) else {
            return;
        };
        if state.slots[at].slot.source() == Some(source) && state.route[usize::from(source)] == at as u8 {
            return;
        }
        state.unroute(at);
        let slot = &mut state.slots[at];
        slot.slot.bind(source, match_codecs(&stream.spec.codecs, &slot.spec.codecs));
        state.route[usize::from(source)] = at as u8;
        if stream.video {
            stream.keyframes.want();
        }
    }

    /// A leg came (back): whoever has it in view sees it, and it sees what its own views name.
    pub(super) fn bind_views_of_newcomer(&mut self, newcomer: LegId) {
        let Some(id) = self.legs[newcomer].as_ref().map(|leg| leg.id.clone()) else { return };
        for leg in 0..self.legs.len() {
            let slots = self.legs[leg].as_ref().map_or(0, |leg| leg.slots.len());
            for at in 0..slots {
                let view = self.legs[leg].as_ref().and_then(|leg| leg.slots[at].view.as_ref());
                if view.is_some_and(|view| view.source.leg == id || leg == newcomer) {
                    self.bind_view(leg, at);
                }
            }
        }
    }

    /// Tells which tracks gained or lost their viewers. Gains are told at once, losses after a while.
    pub(super) fn update_wanted(&mut self, now: Micros) {
        let Room { sources, legs, events, .. } = self;
        for (id, source) in sources.iter_mut().enumerate() {
            let Some(source) = source.as_mut().filter(|source| source.video) else { continue };
            let mut viewers = 0;
            let mut height = 0;
            for leg in legs.iter().flatten() {
                if let Some(slot) = leg.slots.get(usize::from(leg.route[id])) {
                    viewers += 1;
                    height = height.max(slot.view.as_ref().map_or(0, |view| view.height));
                }
            }
            let told = if viewers > 0 {
                source.unwanted_since = now;
                Some((true, height))
            } else if source.wanted.is_none() || now.saturating_sub(source.unwanted_since) >= UNWANTED {
                Some((false, 0))
            } else {
                source.wanted
            };
            if told != source.wanted {
                source.wanted = told;
                let (wanted, height) = told.unwrap_or((false, 0));
                events.push(Event::Wanted { source: source.name.clone(), wanted, height });
            }
        }
    }

    /// Reports a change of the speakers, and remembers to give out the speaker slots anew.
    pub(super) fn tell_speakers(&mut self, now: Micros) {
        let order: Vec<SourceId> = self.speakers.active().map(|ranked| ranked.id).collect();
        let dominant = self.speakers.dominant();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        let ranking: Vec<SourceId> = self.speakers.ranking().map(|ranked| ranked.id).take(LOUDEST + 1).collect();
        if ranking != self.seated {
            self.seated = ranking;
            self.reseat = true;
        }
        if (dominant, &sorted) == (self.last_speakers.0, &self.last_speakers.1) {
            return;
        }
        self.reseat = true;
        if now.saturating_sub(self.told_speakers_at) < TELL_SPEAKERS {
            return; // told at the next look, if it is still so
        }
        self.told_speakers_at = now;
        self.last_speakers = (dominant, sorted);
        let leg = |id: SourceId| self.sources[usize::from(id)].as_ref().map(|source| source.name.leg.clone());
        let active = self.speakers.active().filter_map(|ranked| Some((leg(ranked.id)?, ranked.level))).collect();
        let dominant = dominant.and_then(leg);
        self.events.push(Event::Speakers { dominant, active });
    }

    /// Gives the speaker slots to the loudest, if anything changed.
    pub(super) fn seat_if_needed(&mut self) {
        if !std::mem::take(&mut self.reseat) {
            return;
        }
        for leg in 0..self.legs.len() {
            for video in [false, true] {
                self.seat_leg(leg, video);
            }
        }
    }

    fn seat_leg(&mut self, leg: LegId, video: bool) {
        let Some(state) = self.legs[leg].as_ref() else { return };
        let mut places: Vec<usize> = (0..state.slots.len())
            .filter(|at| state.slots[*at].spec.speaker && state.slots[*at].spec.video == video)
            .collect();
        if places.is_empty() {
            return;
        }
        let stream = |voice: SourceId| {
            let source = self.sources[usize::from(voice)].as_ref()?;
            if source.leg == leg {
                return None; // nobody hears or sees himself
            }
            if video {
                self.find(&SourceName { leg: source.name.leg.clone(), track: FACE.into() })
            } else {
                Some(voice)
            }
        };
        let ranking: Vec<SourceId> = self.speakers.ranking().filter_map(|ranked| stream(ranked.id)).collect();
        let mut loud = self.loudest(&stream, video);
        loud.truncate(places.len());
        // Who was silent longest makes room first.
        let rank = |at: usize| state.slots[at].slot.source().and_then(|s| ranking.iter().position(|other| *other == s));
        places.sort_by_key(|at| std::cmp::Reverse(rank(*at)));
        let mut held: Vec<Option<SourceId>> = places.iter().map(|at| state.slots[*at].slot.source()).collect();
        let mut moves = Vec::new();
        seat(&held.clone(), &loud, |n, source| {
            held[n] = Some(source);
            moves.push((places[n], source));
        });
        // The silent fill what is still empty, so that their first word needs no switch.
        let idle: Vec<SourceId> = ranking.iter().copied().filter(|source| !held.contains(&Some(*source))).collect();
        let mut empty = (0..held.len()).filter(|n| held[*n].is_none());
        for source in idle {
            let Some(n) = empty.next() else { break };
            moves.push((places[n], source));
        }
        for (at, source) in moves {
            self.connect(leg, at, source);
        }
    }

    /// Who is to be heard or seen by a listener; `stream` maps a voice to what he gets of it.
    fn loudest(&self, stream: &impl Fn(SourceId) -> Option<SourceId>, video: bool) -> Vec<SourceId> {
        let mut loud: Vec<SourceId> = self.speakers.active().filter_map(|ranked| stream(ranked.id)).collect();
        if loud.len() < LOUDEST {
            // One of the three is the listener himself: the fourth takes the place.
            let fourth = self.speakers.ranking().nth(LOUDEST).filter(|r| 127 - r.level >= SPEECH);
            loud.extend(fourth.and_then(|ranked| stream(ranked.id)));
        }
        if let Some(face) = self.speakers.dominant().filter(|_| video).and_then(stream) {
            loud.retain(|other| *other != face);
            loud.insert(0, face);
        }
        loud
    }

    /// For views and tests: which source a leg's slot shows.
    pub fn shown(&self, leg: LegId, number: u32) -> Option<&SourceName> {
        let leg = self.legs.get(leg)?.as_ref()?;
        let slot = leg.slots.iter().find(|slot| slot.spec.number == number)?;
        self.sources[usize::from(slot.slot.source()?)].as_ref().map(|source: &Source| &source.name)
    }
}

impl Leg {
    /// Empties a slot and the route that leads into it.
    fn unroute(&mut self, at: usize) {
        for entry in self.route.iter_mut().filter(|entry| **entry == at as u8) {
            *entry = NO_SLOT;
        }
        self.slots[at].slot.clear();
    }
}

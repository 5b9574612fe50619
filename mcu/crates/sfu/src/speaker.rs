//! Who speaks: the ranking of a room's voices, the dominant speaker, and which voice a listener hears in which slot.
//!
//! Levels come from the RFC 6464 header extension; a leg without it is judged by the size of its Opus packets (RFC 6716 §2.1:
//! DTX and silence make small ones). Scores rise fast and fall slowly. The dominant speaker changes when another leads for
//! 300 ms, and not before the present one was dominant for 2 s. A listener's slots keep their voices: only who must make
//! room is replaced, since each switch may cost a listener the first syllable.

use crate::clock::Micros;
use crate::ring::ABSENT;

/// Voices heard at once.
pub const LOUDEST: usize = 3;

/// A challenger leads this long before he becomes dominant.
pub const LEAD: Micros = 300_000;

/// A dominant speaker stays so this long.
pub const HOLD: Micros = 2_000_000;

/// Loudness (127 − level) from which sound counts as speech: −62 dBov.
pub const SPEECH: u8 = 65;

/// A voice must be this much louder to displace one that is heard (dB).
const MARGIN: i32 = 6;

/// Without packets for this long a voice is silent.
const STALE: Micros = 300_000;

/// Fixed-point scale of scores.
const ONE: i32 = 256;

/// A voice in the room: any number that the room gives it.
pub type VoiceId = u16;

#[derive(Debug, Clone, Copy)]
struct Voice {
    id: VoiceId,
    score: i32,
    heard_at: Micros,
    top: bool,
}

/// One entry of the ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ranked {
    pub id: VoiceId,
    /// Smoothed RFC 6464 level: 0 loud, 127 silent.
    pub level: u8,
}

/// Ranking of all voices of a room.
#[derive(Debug, Default)]
pub struct Speakers {
    voices: Vec<Voice>,
    dominant: Option<VoiceId>,
    dominant_since: Micros,
    challenger: Option<(VoiceId, Micros)>,
}

impl Speakers {
    /// A voice appears, silent.
    pub fn add(&mut self, id: VoiceId) {
        self.voices.push(Voice { id, score: 0, heard_at: 0, top: false });
    }

    /// A voice is gone.
    pub fn remove(&mut self, id: VoiceId) {
        self.voices.retain(|voice| voice.id != id);
        if self.dominant == Some(id) {
            self.dominant = None;
        }
        self.challenger = self.challenger.filter(|(challenger, _)| *challenger != id);
    }

    /// Notes a packet: its RFC 6464 byte (or `ABSENT`) and its payload size.
    #[inline]
    pub fn packet(&mut self, id: VoiceId, level: u8, size: u16, now: Micros) {
        let Some(voice) = self.voices.iter_mut().find(|voice| voice.id == id) else { return };
        let loud = if level == ABSENT { loudness_by_size(size) } else { 127 - i32::from(level & 0x7f) };
        let step = loud * ONE - voice.score;
        voice.score += if step > 0 { step * 3 / 8 } else { step / 16 };
        voice.heard_at = now;
    }

    /// Brings ranking and dominance up to `now`. Call a few times a second or more.
    pub fn tick(&mut self, now: Micros) {
        for voice in &mut self.voices {
            if now.saturating_sub(voice.heard_at) > STALE {
                voice.score -= voice.score / 8;
            }
        }
        let bonus = |voice: &Voice| voice.score + if voice.top { MARGIN * ONE } else { 0 };
        self.voices.sort_by_key(|voice| -bonus(voice));
        for (rank, voice) in self.voices.iter_mut().enumerate() {
            voice.top = rank < LOUDEST && voice.score >= i32::from(SPEECH) * ONE;
        }
        self.elect(now);
    }

    fn elect(&mut self, now: Micros) {
        let loudest = self.voices.iter().max_by_key(|voice| voice.score);
        let Some(leader) = loudest.filter(|voice| voice.score >= i32::from(SPEECH) * ONE).map(|voice| voice.id) else {
            self.challenger = None;
            return;
        };
        if self.dominant.is_none() {
            self.dominant = Some(leader);
            self.dominant_since = now;
            self.challenger = None;
        } else if self.dominant == Some(leader) {
            self.challenger = None;
        } else {
            match self.challenger {
                Some((id, since)) if id == leader => {
                    let led = now.saturating_sub(since) >= LEAD;
                    if led && now.saturating_sub(self.dominant_since) >= HOLD {
                        self.dominant = Some(leader);
                        self.dominant_since = now;
                        self.challenger = None;
                    }
                }
                _ => self.challenger = Some((leader, now)),
            }
        }
    }

    /// The dominant speaker; the last one stays while all are silent.
    pub fn dominant(&self) -> Option<VoiceId> {
        self.dominant
    }

    /// All voices, the one to be heard first in front.
    pub fn ranking(&self) -> impl Iterator<Item = Ranked> + '_ {
        self.voices.iter().map(|voice| Ranked { id: voice.id, level: (127 - (voice.score / ONE).clamp(0, 127)) as u8 })
    }

    /// Those who speak now, at most three, loudest first.
    pub fn active(&self) -> impl Iterator<Item = Ranked> + '_ {
        self.ranking().filter(|voice| 127 - voice.level >= SPEECH).take(LOUDEST)
    }
}

/// Opus at 20 ms: DTX is at most 3 bytes, comfort noise some ten, speech from about 40 bytes on.
fn loudness_by_size(size: u16) -> i32 {
    match size {
        0..=12 => 0,
        13..=39 => i32::from(SPEECH) - 10,
        _ => (i32::from(SPEECH) + i32::from(size) / 8).min(100),
    }
}

/// Fills a listener's slots with the wanted sources: who is heard keeps his slot, newcomers take empty slots first and then
/// those of sources no longer wanted. Calls `change(slot, source)` for each slot that changes.
pub fn seat<S: Copy + PartialEq>(slots: &[Option<S>], wanted: &[S], mut change: impl FnMut(usize, S)) {
    let mut free = (0..slots.len()).filter(|slot| slots[*slot].is_none());
    let mut stale = (0..slots.len()).filter(|slot| slots[*slot].is_some_and(|held| !wanted.contains(&held)));
    for source in wanted {
        if slots.contains(&Some(*source)) {
            continue;
        }
        match free.next().or_else(|| stale.next()) {
            Some(slot) => change(slot, *source),
            None => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talk(speakers: &mut Speakers, from: u64, to: u64, levels: &[(VoiceId, u8)]) -> Vec<(u64, Option<VoiceId>)> {
        let mut changes = Vec::new();
        for ms in (from..to).step_by(20) {
            for (id, level) in levels {
                speakers.packet(*id, *level, 80, ms * 1000);
            }
            let before = speakers.dominant();
            speakers.tick(ms * 1000);
            if speakers.dominant() != before {
                changes.push((ms, speakers.dominant()));
            }
        }
        changes
    }

    fn room(voices: u16) -> Speakers {
        let mut speakers = Speakers::default();
        (0..voices).for_each(|id| speakers.add(id));
        speakers
    }

    #[test]
    fn dominance_needs_a_lead_and_is_held() {
        let mut s = room(2);
        let first = talk(&mut s, 0, 1_000, &[(0, 30), (1, 127)]);
        assert_eq!(first.last().unwrap().1, Some(0));
        let short = talk(&mut s, 1_000, 1_200, &[(0, 127), (1, 20)]);
        assert!(short.is_empty());
        let change = talk(&mut s, 1_200, 4_000, &[(0, 127), (1, 20)]);
        assert_eq!(change.len(), 1);
        assert!(change[0].0 >= 2_000 && change[0].1 == Some(1), "{change:?}");
        let back = talk(&mut s, 4_000, 8_000, &[(0, 20), (1, 127)]);
        assert!(back[0].0 >= change[0].0 + 2_000);
    }

    #[test]
    fn the_loudest_three_are_heard_and_a_slightly_louder_fourth_does_not_push_in() {
        let mut s = room(5);
        talk(&mut s, 0, 1_000, &[(0, 30), (1, 31), (2, 32), (3, 90), (4, 127)]);
        let heard = |s: &Speakers| {
            let mut v: Vec<_> = s.active().map(|r| r.id).collect();
            v.sort_unstable();
            v
        };
        assert_eq!(heard(&s), [0, 1, 2]);
        talk(&mut s, 1_000, 3_000, &[(0, 30), (1, 31), (2, 32), (3, 29), (4, 127)]);
        assert_eq!(heard(&s), [0, 1, 2]);
        talk(&mut s, 3_000, 6_000, &[(0, 30), (1, 31), (2, 60), (3, 29), (4, 127)]);
        assert_eq!(heard(&s), [0, 1, 3]);
    }

    #[test]
    fn without_levels_packet_sizes_decide_and_dtx_is_silence() {
        let mut s = room(2);
        for ms in (0..1_000u64).step_by(20) {
            s.packet(0, ABSENT, 90, ms * 1000);
            s.packet(1, ABSENT, 3, ms * 1000);
            s.tick(ms * 1000);
        }
        assert_eq!(s.active().map(|r| r.id).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn who_stops_sending_is_silent_soon_and_who_leaves_is_forgotten() {
        let mut s = room(2);
        talk(&mut s, 0, 1_000, &[(0, 20)]);
        assert_eq!(s.active().count(), 1);
        talk(&mut s, 1_000, 3_000, &[]);
        assert_eq!(s.active().count(), 0);
        s.remove(0);
        assert_eq!(s.dominant(), None);
    }

    #[test]
    fn a_voice_keeps_its_slot() {
        let mut changes = Vec::new();
        seat(&[Some('a'), Some('b'), Some('c')], &['c', 'd', 'a'], |slot, who| changes.push((slot, who)));
        assert_eq!(changes, [(1, 'd')]);
        changes.clear();
        seat(&[None, Some('b'), None], &['d', 'e', 'f'], |slot, who| changes.push((slot, who)));
        assert_eq!(changes, [(0, 'd'), (2, 'e'), (1, 'f')]);
    }
}

//! Requests of the control plane, as far as they concern one shard.

use super::{nowhere, Command, Hall, Link, Out, Place, Reply, Shard, Wire};
use crate::control::messages::{self as m, Code, Error, LegOpen, LegState, Request, Response, RoomState, MAX_BLOB};
use rtp::rtcp::RtcpWriter;
use sfu::room::model::{self, ExtensionIds, LegSpec, SlotSpec, SourceName, TrackSpec, View};
use sfu::room::view::Unknown;
use sfu::room::{LegId, Limit, Room, Sink};
use std::collections::BTreeMap;
use transport::dtls::{Dtls, Fingerprint};
use transport::ice::{Credentials, IceLite};

/// Longest room, leg and track name.
const MAX_NAME: usize = 128;

impl Shard {
    /// Takes all waiting requests. False when the shard is to stop.
    pub(super) fn take_commands(&mut self) -> bool {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Stop => return false,
                Command::Request { ticket, request } => {
                    self.now = std::time::Instant::now();
                    let reply = self.serve(*request);
                    self.notes.reply(ticket, reply);
                }
            }
        }
        true
    }

    fn serve(&mut self, request: Request) -> Result<Reply, Error> {
        let ok = || Ok(Reply::Response(Response::Ok {}));
        match request {
            Request::RoomOpen { room } => self.room_open(room),
            Request::RoomClose { room } => {
                self.room_close(&room);
                ok()
            }
            Request::LegOpen(open) => self.leg_open(open),
            Request::LegView { leg, assign } => self.leg_view(&leg, assign).and_then(|()| ok()),
            Request::LegGate { leg, track, gated } => {
                let (hall, leg) = self.place(&leg)?;
                let hall = self.hall_mut(hall).ok_or_else(lost_room)?;
                hall.room.set_gate(leg, &track, gated).map_err(unknown)?;
                ok()
            }
            Request::LegBlob { leg, blob, blob_version } => {
                check_blob(&blob)?;
                let place = self.place(&leg)?;
                let link = self.link(place).ok_or_else(lost_room)?;
                link.open.blob = blob;
                link.open.blob_version = blob_version;
                ok()
            }
            Request::LegClose { leg } => {
                self.leg_close(&leg);
                ok()
            }
            Request::LegStats { leg } => self.leg_stats(&leg),
            Request::Snapshot {} => Ok(Reply::Rooms(self.snapshot())),
            Request::Stats {} => Ok(Reply::Counters(self.sums())),
            Request::Hello { .. } => Err(Error::new(Code::Internal, "hello reached a shard")),
        }
    }

    fn room_open(&mut self, id: String) -> Result<Reply, Error> {
        check_name(&id)?;
        if !self.rooms.contains_key(&id) {
            let place = self.halls.iter().position(Option::is_none).unwrap_or_else(|| {
                self.halls.push(None);
                self.halls.len() - 1
            });
            let (room, links, wires) = (Room::new(), Vec::new(), Vec::new());
            self.halls[place] = Some(Hall { id: id.clone(), room, links, wires, dirty: false });
            self.rooms.insert(id.clone(), place);
        }
        Ok(Reply::Response(Response::RoomOpened { room: id, shard: self.index as u32 }))
    }

    fn room_close(&mut self, id: &str) {
        let Some(place) = self.rooms.get(id).copied() else { return };
        let legs: Vec<String> = self.legs.iter().filter(|(_, at)| at.0 == place).map(|(leg, _)| leg.clone()).collect();
        legs.iter().for_each(|leg| self.leg_close(leg));
        self.rooms.remove(id);
        if let Some(hall) = self.halls[place].take() {
            self.counters.rooms.add(&hall.room.stats());
        }
    }

    fn leg_open(&mut self, open: LegOpen) -> Result<Reply, Error> {
        check_name(&open.leg)?;
        check_blob(&open.blob)?;
        let spec = super::to_spec(&open)?;
        let remote = Credentials::checked(&open.remote.ufrag, &open.remote.pwd)
            .ok_or_else(|| Error::new(Code::BadRemote, "ufrag or password is not as RFC 8839 wants"))?;
        let fingerprint: Fingerprint =
            open.remote.fingerprint.parse().map_err(|e| Error::new(Code::BadRemote, format!("fingerprint: {e}")))?;
        let hall = *self.rooms.get(&open.room).ok_or_else(|| Error::new(Code::UnknownRoom, open.room.clone()))?;
        let there = self.legs.get(&open.leg).is_some_and(|place| place.0 == hall);
        self.halls[hall].as_ref().ok_or_else(lost_room)?.room.admits(&spec, there).map_err(limit)?;
        self.leg_close(&open.leg);
        let (now, micros) = (self.now, self.micros());
        let room = &mut self.halls[hall].as_mut().ok_or_else(lost_room)?.room;
        let leg = room.add_leg(spec, micros, &mut random).map_err(limit)?;
        let local = Credentials::generate(&format!("{:02}", self.index));
        let link = Link {
            ice: IceLite::new(local.clone(), remote, now),
            dtls: Dtls::server(&self.certificate, fingerprint, now),
            unseal: None,
            profile: None,
            connected: false,
            lost: None,
            opened_at: now,
            open,
        };
        let id = link.open.leg.clone();
        let hall_state = self.halls[hall].as_mut().ok_or_else(lost_room)?;
        if hall_state.links.len() <= leg {
            hall_state.links.resize_with(leg + 1, || None);
            hall_state.wires.resize_with(leg + 1, || None);
        }
        hall_state.links[leg] = Some(link);
        hall_state.wires[leg] = Some(Wire { seal: None, remote: nowhere(), port: 0, run: 0 });
        let streams = streams(&hall_state.room, leg);
        self.ufrags.insert(local.ufrag.clone(), (hall, leg));
        self.legs.insert(id.clone(), (hall, leg));
        self.counters.leg_opened += 1;
        let local = m::Local {
            ufrag: local.ufrag,
            pwd: local.pwd,
            fingerprint: self.certificate.fingerprint().to_string(),
            candidates: self.candidates.clone(),
        };
        Ok(Reply::Response(Response::LegOpened { leg: id, local, streams }))
    }

    fn leg_view(&mut self, leg: &str, assign: Vec<m::Assignment>) -> Result<(), Error> {
        let now = self.micros();
        let (hall, leg) = self.place(leg)?;
        let hall = self.hall_mut(hall).ok_or_else(lost_room)?;
        let view = |assignment: m::Assignment| {
            let height = assignment.height;
            let source = assignment.source.map(|source| SourceName { leg: source.leg, track: source.track });
            if let Some(source) = &source {
                check_name(&source.leg)?;
                check_name(&source.track)?;
            }
            Ok((assignment.slot, source.map(|source| View { source, height })))
        };
        let views = assign.into_iter().map(view).collect::<Result<_, Error>>()?;
        hall.room.set_views(leg, views, now).map_err(unknown)
    }

    pub(super) fn leg_close(&mut self, id: &str) {
        let Some(place) = self.legs.remove(id) else { return };
        self.goodbye(place);
        let now = self.micros();
        self.addresses.retain(|_, at| *at != place);
        self.ufrags.retain(|_, at| *at != place);
        if let Some(hall) = self.hall_mut(place.0) {
            hall.room.remove_leg(place.1, now);
            hall.links[place.1] = None;
            hall.wires[place.1] = None;
        }
    }

    /// BYE (RFC 3550 §6.6) and close_notify, if the leg can still hear them.
    pub(super) fn goodbye(&mut self, place: Place) {
        let Some(link) = self.link(place).filter(|link| link.lost.is_none()) else { return };
        let connected = link.connected;
        let mut ssrcs = Vec::new();
        if let Some(hall) = self.halls[place.0].as_ref().filter(|_| connected) {
            hall.room.sending_ssrcs(place.1, &mut ssrcs);
        }
        if let Some(first) = ssrcs.first().copied() {
            ssrcs.truncate(31);
            let mut buffer = [0; 256];
            let mut writer = RtcpWriter::new(&mut buffer);
            if writer.receiver_report(first, &[]).and_then(|()| writer.bye(&ssrcs)).is_some() {
                let len = writer.len();
                if let Some(hall) = self.halls[place.0].as_mut() {
                    let (ports, counters) = (&mut self.ports[..], &mut self.counters);
                    let mut out = Out { wires: &mut hall.wires, ports, counters, spare: &mut self.spare };
                    out.rtcp(place.1, &buffer[..len]);
                }
            }
        }
        let Some(hall) = self.halls[place.0].as_mut() else { return };
        let (Some(link), Some(wire)) = (hall.links[place.1].as_mut(), hall.wires[place.1].as_ref()) else { return };
        if link.ice.remote_address().is_none() {
            return;
        }
        link.dtls.close();
        while let Some(output) = link.dtls.poll() {
            if let transport::dtls::Output::Packet(data) = output {
                self.ports[wire.port].send(data, &wire.remote, 0, &mut self.counters);
            }
        }
        self.ports[wire.port].flush(&mut self.counters);
    }

    fn leg_stats(&mut self, id: &str) -> Result<Reply, Error> {
        let (hall, leg) = self.place(id)?;
        let hall = self.hall_mut(hall).ok_or_else(lost_room)?;
        let figures = hall.room.leg_figures(leg).unwrap_or_default();
        let link = hall.links[leg].as_ref().ok_or_else(lost_room)?;
        let mut counters = BTreeMap::new();
        figures.each(|name, value| {
            counters.insert(name.to_owned(), value);
        });
        Ok(Reply::Response(Response::LegStats {
            leg: id.to_owned(),
            connected: link.connected,
            remote_address: link.ice.remote_address().map(|address| address.to_string()),
            dtls_version: link.dtls.version().map(|version| version.name().to_owned()),
            srtp_profile: link.profile.map(str::to_owned),
            counters,
        }))
    }

    fn snapshot(&self) -> Vec<RoomState> {
        let halls = self.halls.iter().flatten();
        halls
            .map(|hall| RoomState { room: hall.id.clone(), shard: self.index as u32, legs: leg_states(hall) })
            .collect()
    }

    fn sums(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        self.counters.add_to(self.halls.iter().flatten().map(|hall| hall.room.stats()), &mut sums);
        sums
    }

    fn place(&self, leg: &str) -> Result<Place, Error> {
        self.legs.get(leg).copied().ok_or_else(|| Error::new(Code::UnknownLeg, leg))
    }
}

fn leg_states(hall: &Hall) -> Vec<LegState> {
    let links = hall.links.iter().enumerate().filter_map(|(leg, link)| Some((leg, link.as_ref()?)));
    links
        .map(|(leg, link)| LegState {
            leg: link.open.leg.clone(),
            connected: link.connected,
            tracks: link.open.tracks.clone(),
            slots: link.open.slots.clone(),
            streams: streams(&hall.room, leg),
            view: hall.room.views(leg).map(|(slot, view)| assignment(slot, view)).collect(),
            gated: hall.room.gated(leg).map(str::to_owned).collect(),
            wanted: watched(&hall.room, leg),
            blob: link.open.blob.clone(),
            blob_version: link.open.blob_version,
        })
        .collect()
}

fn assignment(slot: u32, view: &View) -> m::Assignment {
    let source = m::Source { leg: view.source.leg.clone(), track: view.source.track.clone() };
    m::Assignment { slot, source: Some(source), height: view.height }
}

fn watched(room: &Room, leg: LegId) -> Vec<m::Watched> {
    room.wanted(leg).map(|(track, height)| m::Watched { track: track.to_owned(), height }).collect()
}

fn streams(room: &Room, leg: LegId) -> Vec<m::SlotStream> {
    room.slot_streams(leg).map(|(slot, ssrc, rtx_ssrc)| m::SlotStream { slot, ssrc, rtx_ssrc }).collect()
}

/// An unpredictable number for SSRCs and first sequence numbers (RFC 3550 §5.1, §8).
fn random() -> u32 {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    u32::from_ne_bytes(bytes)
}

fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(Error::new(Code::Limit, format!("a name has 1 to {MAX_NAME} bytes, not {}", name.len())));
    }
    Ok(())
}

fn check_blob(blob: &[u8]) -> Result<(), Error> {
    if blob.len() > MAX_BLOB {
        return Err(Error::new(Code::TooLarge, format!("blob of {} bytes, at most {MAX_BLOB}", blob.len())));
    }
    Ok(())
}

fn lost_room() -> Error {
    Error::new(Code::Internal, "the room's state is inconsistent")
}

fn unknown(what: Unknown) -> Error {
    let (code, detail) = match what {
        Unknown::Leg => (Code::UnknownLeg, "no such leg"),
        Unknown::Track => (Code::UnknownTrack, "the leg has no such track"),
        Unknown::Slot => (Code::UnknownSlot, "the leg has no such view slot"),
    };
    Error::new(code, detail)
}

fn limit(what: Limit) -> Error {
    let detail = match what {
        Limit::Legs => "at most 256 legs in a room",
        Limit::Tracks => "at most 8 tracks a leg",
        Limit::Slots => "at most 64 slots a leg",
        Limit::Codecs => "at most 8 codecs a track or slot",
        Limit::NoCodec => "a track or slot without codec",
        Limit::DuplicateName => "two tracks or slots with one name",
    };
    Error::new(Code::Limit, detail)
}

/// The leg's description in the terms of the room.
pub(super) fn spec(open: &LegOpen) -> Result<LegSpec, Error> {
    let track = |track: &m::Track| {
        check_name(&track.track)?;
        Ok(TrackSpec {
            name: track.track.clone(),
            video: track.kind == m::Kind::Video,
            mid: track.mid.clone(),
            codecs: codecs(&track.codecs)?,
            ssrcs: track.ssrcs.iter().copied().take(16).collect(),
            rtx_ssrcs: track.rtx_ssrcs.iter().copied().take(16).collect(),
        })
    };
    let slot = |slot: &m::Slot| {
        Ok(SlotSpec {
            number: slot.slot,
            video: slot.kind == m::Kind::Video,
            speaker: slot.role == m::SlotRole::Speaker,
            codecs: codecs(&slot.codecs)?,
        })
    };
    Ok(LegSpec {
        id: open.leg.clone(),
        tracks: open.tracks.iter().map(track).collect::<Result<_, Error>>()?,
        slots: open.slots.iter().map(slot).collect::<Result<_, Error>>()?,
        extensions: ExtensionIds {
            mid: one_byte(open.extensions.mid)?,
            audio_level: one_byte(open.extensions.audio_level)?,
            video_orientation: one_byte(open.extensions.video_orientation)?,
            transport_cc: one_byte(open.extensions.transport_cc)?,
        },
    })
}

/// Ids 1 to 14 fit the one-byte header form (RFC 8285 §4.2), which every browser offers.
fn one_byte(id: Option<u8>) -> Result<u8, Error> {
    match id {
        None => Ok(0),
        Some(id @ 1..=14) => Ok(id),
        Some(id) => Err(Error::new(Code::Limit, format!("header extension id {id} is not 1 to 14"))),
    }
}

fn codecs(list: &[m::Codec]) -> Result<Vec<model::Codec>, Error> {
    let codec = |codec: &m::Codec| {
        if codec.pt > 127 || codec.rtx_pt.is_some_and(|pt| pt > 127) || !(8_000..=384_000).contains(&codec.clock_rate) {
            return Err(Error::new(Code::Limit, "a payload type is 0 to 127, a clock rate 8,000 to 384,000 Hz"));
        }
        let profile = codec.profile_level_id.as_deref().and_then(|id| u8::from_str_radix(id.get(..2)?, 16).ok());
        Ok(model::Codec {
            name: match codec.name {
                m::CodecName::Opus => model::CodecName::Opus,
                m::CodecName::Vp8 => model::CodecName::Vp8,
                m::CodecName::H264 => model::CodecName::H264,
            },
            pt: codec.pt,
            rtx_pt: codec.rtx_pt,
            clock_rate: codec.clock_rate,
            packetization_mode: codec.packetization_mode.unwrap_or(0),
            profile: profile.unwrap_or(0x42),
        })
    };
    list.iter().map(codec).collect()
}

/// A room's event as the control plane gets it.
pub(super) fn event(room: &str, event: model::Event) -> m::Event {
    match event {
        model::Event::Speakers { dominant, active } => m::Event::Speakers {
            room: room.to_owned(),
            dominant,
            active: active.into_iter().map(|(leg, level)| m::ActiveSpeaker { leg, level }).collect(),
        },
        model::Event::Wanted { source, wanted, height } => {
            m::Event::TrackWanted { leg: source.leg, track: source.track, wanted, height }
        }
        model::Event::Flowing { source, flowing, codec } => m::Event::TrackFlowing {
            leg: source.leg,
            track: source.track,
            flowing,
            codec: codec.map(|codec| match codec {
                model::CodecName::Opus => m::CodecName::Opus,
                model::CodecName::Vp8 => m::CodecName::Vp8,
                model::CodecName::H264 => m::CodecName::H264,
            }),
        },
    }
}

//! The rooms and legs of a run, opened through the control socket as the control plane opens them for browsers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Instant;

use transport::dtls::{Certificate, Fingerprint};
use transport::ice::Credentials;
use transport::srtp::Profile;

use super::control::Control;
use super::options::Options;
use super::publisher::Publisher;
use super::session::Session;
use super::source::{ext, pt, Audio, Video};
use super::subscriber::Subscriber;
use crate::control::messages::{
    Assignment, CandidateTransport, Codec, CodecName, Extensions, Kind, LegOpen, Local, Remote, Request, Response,
    Slot, SlotRole, SlotStream, Source, Track,
};

/// A view slot's height, in pixels: what 640×360 asks for.
const HEIGHT: u32 = 360;
/// Audio slots of a subscriber come behind its video slots.
const AUDIO_SLOTS: usize = 3;

/// What a leg is there for.
pub enum Role {
    Publisher(Box<Publisher>),
    Subscriber(Subscriber),
}

/// One leg with its socket, connected to the engine's candidate.
pub struct Leg {
    pub socket: UdpSocket,
    pub session: Session,
    pub role: Role,
    /// The engine's end, and what it must not accept from strangers.
    pub engine: SocketAddr,
    pub engine_ufrag: String,
    pub local_ufrag: String,
}

/// Names of the rooms carry the process id, so that a run never meets another's rooms.
pub fn room_name(room: usize) -> String {
    format!("load-{}-{room}", std::process::id())
}

fn leg_name(room: usize, kind: &str, index: usize) -> String {
    format!("{}-{kind}{index}", room_name(room))
}

/// Open all rooms and legs and assign every view slot. The engine's stream SSRCs are handed to the subscribers.
///
/// # Errors
/// The sentence of the request that failed, or of the socket.
pub fn open(control: &mut Control, options: &Options) -> Result<Vec<Leg>, String> {
    let certificate = Certificate::generate().map_err(|e| format!("certificate: {e}"))?;
    let mut legs = Vec::new();
    for room in 0..options.rooms {
        control.request(Request::RoomOpen { room: room_name(room) })?;
        for n in 0..options.publishers {
            legs.push(open_publisher(control, options, &certificate, room, n)?);
        }
        for n in 0..options.subscribers {
            legs.push(open_subscriber(control, options, &certificate, room, n)?);
        }
    }
    Ok(legs)
}

/// Close the rooms again. Failures are of no interest any more.
pub fn close(control: &mut Control, options: &Options) {
    for room in 0..options.rooms {
        let _gone = control.request(Request::RoomClose { room: room_name(room) });
    }
}

fn open_publisher(
    control: &mut Control,
    options: &Options,
    certificate: &Certificate,
    room: usize,
    n: usize,
) -> Result<Leg, String> {
    let index = (room * options.publishers + n) as u32;
    let of = options.publishers as u32;
    // The negotiated profile is not known yet; the tag of both GCM profiles is the one that `--size` counts with.
    let video = Video::new(index, of, options.size - Profile::AeadAes128Gcm.tag_len(), options.pps, options.fps);
    let audio = options.audio.then(|| Audio::new(index, of));
    let mut tracks = vec![Track {
        track: "camera".into(),
        kind: Kind::Video,
        mid: "1".into(),
        codecs: vec![vp8()],
        ssrcs: vec![video.ssrc],
        rtx_ssrcs: vec![video.rtx_ssrc],
    }];
    if let Some(audio) = &audio {
        let (codecs, ssrcs) = (vec![opus()], vec![audio.ssrc]);
        let mic =
            Track { track: "mic".into(), kind: Kind::Audio, mid: "0".into(), codecs, ssrcs, rtx_ssrcs: Vec::new() };
        tracks.insert(0, mic);
    }
    let role = Role::Publisher(Box::new(Publisher { video, audio }));
    let (leg, _) = open_leg(control, certificate, room_name(room), leg_name(room, "pub", n), tracks, Vec::new(), role)?;
    Ok(leg)
}

fn open_subscriber(
    control: &mut Control,
    options: &Options,
    certificate: &Certificate,
    room: usize,
    n: usize,
) -> Result<Leg, String> {
    let name = leg_name(room, "sub", n);
    let mut slots: Vec<Slot> = (0..options.publishers).map(|slot| view_slot(slot as u32)).collect();
    if options.audio {
        slots.extend((0..AUDIO_SLOTS).map(|slot| speaker_slot((options.publishers + slot) as u32)));
    }
    let role = Role::Subscriber(Subscriber::default());
    let (mut leg, streams) = open_leg(control, certificate, room_name(room), name.clone(), Vec::new(), slots, role)?;
    if let Role::Subscriber(subscriber) = &mut leg.role {
        for stream in &streams {
            subscriber.expect(stream.ssrc, stream.rtx_ssrc, (stream.slot as usize) < options.publishers);
        }
    }
    let assign = (0..options.publishers).map(|slot| Assignment {
        slot: slot as u32,
        source: Some(Source { leg: leg_name(room, "pub", slot), track: "camera".into() }),
        height: HEIGHT,
    });
    control.request(Request::LegView { leg: name, assign: assign.collect() })?;
    Ok(leg)
}

fn open_leg(
    control: &mut Control,
    certificate: &Certificate,
    room: String,
    leg: String,
    tracks: Vec<Track>,
    slots: Vec<Slot>,
    role: Role,
) -> Result<(Leg, Vec<SlotStream>), String> {
    let credentials = Credentials::generate("");
    let remote = Remote {
        ufrag: credentials.ufrag.clone(),
        pwd: credentials.pwd.clone(),
        fingerprint: certificate.fingerprint().to_string(),
    };
    let extensions = Extensions {
        mid: Some(ext::MID),
        audio_level: Some(ext::AUDIO_LEVEL),
        abs_send_time: Some(ext::ABS_SEND_TIME),
        ..Extensions::default()
    };
    let request =
        LegOpen { room, leg: leg.clone(), remote, tracks, slots, extensions, blob: Vec::new(), blob_version: 0 };
    let Response::LegOpened { local, streams, .. } = control.request(Request::LegOpen(request))? else {
        return Err(format!("{leg}: the engine answered leg.open with something else"));
    };
    let (socket, engine) = connect(&local)?;
    let theirs = Credentials::checked(&local.ufrag, &local.pwd).ok_or("the engine's ICE credentials are not valid")?;
    let fingerprint: Fingerprint = local.fingerprint.parse().map_err(|e| format!("{leg}: {e}"))?;
    let session = Session::new(&credentials, &theirs, certificate.clone(), fingerprint, Instant::now());
    Ok((Leg { socket, session, role, engine, engine_ufrag: local.ufrag, local_ufrag: credentials.ufrag }, streams))
}

/// A socket connected to the first UDP candidate that this host can reach.
fn connect(local: &Local) -> Result<(UdpSocket, SocketAddr), String> {
    let mut why = "the engine offers no UDP candidate".to_string();
    for candidate in local.candidates.iter().filter(|c| c.transport == CandidateTransport::Udp) {
        let Ok(ip) = candidate.address.parse::<IpAddr>() else { continue };
        let engine = SocketAddr::new(ip, candidate.port);
        match bind(engine) {
            Ok(socket) => return Ok((socket, engine)),
            Err(error) => why = format!("{engine}: {error}"),
        }
    }
    Err(why)
}

/// A non-blocking UDP socket connected to `engine`.
pub fn bind(engine: SocketAddr) -> std::io::Result<UdpSocket> {
    let any: IpAddr = if engine.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = crate::sys::media_socket(SocketAddr::new(any, 0))?;
    socket.connect(engine)?;
    Ok(socket)
}

fn vp8() -> Codec {
    Codec {
        name: CodecName::Vp8,
        pt: pt::VP8,
        clock_rate: 90_000,
        rtx_pt: Some(pt::VP8_RTX),
        packetization_mode: None,
        profile_level_id: None,
    }
}

fn opus() -> Codec {
    Codec {
        name: CodecName::Opus,
        pt: pt::OPUS,
        clock_rate: 48_000,
        rtx_pt: None,
        packetization_mode: None,
        profile_level_id: None,
    }
}

fn view_slot(slot: u32) -> Slot {
    Slot { slot, kind: Kind::Video, mid: format!("{}", 10 + slot), role: SlotRole::View, codecs: vec![vp8()] }
}

fn speaker_slot(slot: u32) -> Slot {
    Slot { slot, kind: Kind::Audio, mid: format!("{}", 10 + slot), role: SlotRole::Speaker, codecs: vec![opus()] }
}

//! One leg in str0m: what `leg.open` asks for, declared through str0m's direct API (RTP mode, ICE-lite, DTLS server).

use std::net::SocketAddr;
use std::time::Instant;

use media::control::messages::{CandidateTransport, Kind, Local, Remote, Slot, SlotStream, Track};
use str0m::ice::IceCreds;
use str0m::media::{MediaKind, Mid};
use str0m::rtp::Ssrc;
use str0m::{Candidate, Rtc};

/// Where a received stream goes: the peer's index and the SSRC of its slot.
pub type Route = (usize, Ssrc);

/// A leg.
pub struct Peer {
    pub leg: String,
    pub rtc: Rtc,
    /// When str0m wants to be called next.
    pub next: Instant,
    /// Has packets that were written and not polled.
    pub dirty: bool,
    /// The peer's own streams by track name.
    pub tracks: Vec<(String, Ssrc)>,
    /// Slots by number.
    pub slots: Vec<(u32, Ssrc)>,
    /// Received stream to the slots that show it.
    pub routes: Vec<(Ssrc, Vec<Route>)>,
    /// Slot to the stream it shows: for keyframe requests.
    pub shows: Vec<(Ssrc, Route)>,
}

impl Peer {
    /// Open the leg number `index` at `address`; answers it with its end of the transport and its slots' SSRCs.
    pub fn open(
        index: usize,
        leg: &str,
        address: SocketAddr,
        remote: &Remote,
        tracks: &[Track],
        slots: &[Slot],
    ) -> Result<(Peer, Local, Vec<SlotStream>), String> {
        let now = Instant::now();
        let mut rtc = Rtc::builder().set_rtp_mode(true).set_ice_lite(true).set_stats_interval(None).build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp").map_err(|e| e.to_string())?);
        let creds = IceCreds { ufrag: format!("srv{index}"), pass: format!("passwordOfTheServer{index:06}") };
        let mut api = rtc.direct_api();
        api.set_local_ice_credentials(creds.clone());
        api.set_remote_ice_credentials(IceCreds { ufrag: remote.ufrag.clone(), pass: remote.pwd.clone() });
        api.set_ice_controlling(false);
        api.set_remote_fingerprint(remote.fingerprint.parse().map_err(|e| format!("fingerprint: {e}"))?);
        api.start_dtls(false).map_err(|e| e.to_string())?;
        let fingerprint = api.local_dtls_fingerprint().to_string();
        let mut peer = Peer {
            leg: leg.into(),
            rtc,
            next: now,
            dirty: true,
            tracks: Vec::new(),
            slots: Vec::new(),
            routes: Vec::new(),
            shows: Vec::new(),
        };
        peer.declare_tracks(tracks);
        let streams = peer.declare_slots(index, slots);
        let local = Local { ufrag: creds.ufrag, pwd: creds.pass, fingerprint, candidates: vec![candidate(address)] };
        Ok((peer, local, streams))
    }

    fn declare_tracks(&mut self, tracks: &[Track]) {
        let mut api = self.rtc.direct_api();
        for track in tracks {
            let mid: Mid = track.mid.as_str().into();
            api.declare_media(mid, media_kind(track.kind));
            for (n, ssrc) in track.ssrcs.iter().enumerate() {
                api.expect_stream_rx((*ssrc).into(), track.rtx_ssrcs.get(n).map(|rtx| (*rtx).into()), mid, None);
                self.tracks.push((track.track.clone(), (*ssrc).into()));
                self.routes.push(((*ssrc).into(), Vec::new()));
            }
        }
    }

    fn declare_slots(&mut self, index: usize, slots: &[Slot]) -> Vec<SlotStream> {
        let mut api = self.rtc.direct_api();
        let mut streams = Vec::new();
        for slot in slots {
            let mid: Mid = slot.mid.as_str().into();
            api.declare_media(mid, media_kind(slot.kind));
            let ssrc = 0x4000_0000 + index as u32 * 256 + slot.slot as u32;
            let rtx = (slot.kind == Kind::Video).then_some(ssrc + 0x1000_0000);
            api.declare_stream_tx(ssrc.into(), rtx.map(Into::into), mid, None);
            self.slots.push((slot.slot as u32, ssrc.into()));
            streams.push(SlotStream { slot: slot.slot, ssrc, rtx_ssrc: rtx });
        }
        streams
    }
}

fn media_kind(kind: Kind) -> MediaKind {
    match kind {
        Kind::Audio => MediaKind::Audio,
        Kind::Video => MediaKind::Video,
    }
}

/// The one host candidate of this server.
pub fn candidate(address: SocketAddr) -> media::control::messages::Candidate {
    media::control::messages::Candidate {
        foundation: "1".into(),
        component: 1,
        transport: CandidateTransport::Udp,
        priority: 2_130_706_431,
        address: address.ip().to_string(),
        port: address.port(),
    }
}

//! A leg that sends: paces its tracks, answers NACK with RTX and PLI or FIR with a keyframe, reports once a second.

use std::time::Duration;

use rtp::rtcp::{packets, Packet, RtcpWriter, SenderInfo};

use super::session::{Session, MAX_DATAGRAM};
use super::source::{Audio, Video};
use super::tally::Tally;

/// Seconds from the NTP era to the Unix epoch.
const NTP_OFFSET: u64 = 2_208_988_800;

/// The tracks of one publisher.
pub struct Publisher {
    pub video: Video,
    pub audio: Option<Audio>,
}

impl Publisher {
    /// When the next packet is due, from the start of sending.
    pub fn due(&self) -> Duration {
        let video = self.video.due();
        self.audio.as_ref().map_or(video, |audio| video.min(audio.due()))
    }

    /// Send what is due at `elapsed` since the start of sending; `micros` is the clock for the stamps.
    pub fn send_due(&mut self, elapsed: Duration, micros: u64, session: &Session, mut send: impl FnMut(&[u8])) {
        let mut buf = [0; MAX_DATAGRAM];
        let mut emit = |plain: &[u8], index: u64| {
            buf[..plain.len()].copy_from_slice(plain);
            if let Some(len) = session.seal_rtp(&mut buf, plain.len(), index) {
                send(&buf[..len]);
            }
        };
        while self.video.due() <= elapsed {
            self.video.make_frame(micros, &mut emit);
        }
        while let Some(audio) = self.audio.as_mut().filter(|audio| audio.due() <= elapsed) {
            audio.make(micros, &mut emit);
        }
    }

    /// Take a decrypted RTCP compound from the engine.
    pub fn rtcp(&mut self, compound: &[u8], session: &Session, tally: &mut Tally, mut send: impl FnMut(&[u8])) {
        for packet in packets(compound) {
            match packet {
                Packet::Nack(nack) if nack.media == self.video.ssrc => {
                    for seq in nack.seqs() {
                        tally.publisher_nacks += 1;
                        tally.publisher_rtx += u64::from(self.retransmit(seq, session, &mut send).is_some());
                    }
                }
                Packet::Pli { media, .. } if media == self.video.ssrc => self.keyframe(tally),
                Packet::Fir { entries, .. } => {
                    let asked = entries.filter(|entry| entry.ssrc == self.video.ssrc).count();
                    (0..asked).for_each(|_| self.keyframe(tally));
                }
                _ => {}
            }
        }
    }

    fn keyframe(&mut self, tally: &mut Tally) {
        tally.plis_answered += 1;
        self.video.request_keyframe();
    }

    fn retransmit(&mut self, seq: u16, session: &Session, send: &mut impl FnMut(&[u8])) -> Option<()> {
        let mut buf = [0; MAX_DATAGRAM];
        let (len, index) = self.video.retransmit(seq, &mut buf)?;
        let len = session.seal_rtp(&mut buf, len, index)?;
        send(&buf[..len]);
        Some(())
    }

    /// Send the sender reports; `unix` is the time since the Unix epoch that belongs to now.
    pub fn report(&mut self, unix: Duration, session: &mut Session, mut send: impl FnMut(&[u8])) {
        let fraction = (u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000;
        let ntp = ((unix.as_secs() + NTP_OFFSET) << 32) | fraction;
        let video = (self.video.ssrc, self.video.timestamp, self.video.sent, self.video.octets);
        let audio = self.audio.as_ref().map(|audio| (audio.ssrc, audio.timestamp, audio.sent, audio.octets));
        for (ssrc, rtp_timestamp, sent, octets) in [Some(video), audio].into_iter().flatten() {
            let info = SenderInfo { ssrc, ntp, rtp_timestamp, packets: sent as u32, octets: octets as u32 };
            let mut buf = [0; MAX_DATAGRAM];
            let mut writer = RtcpWriter::new(&mut buf);
            let written = writer.sender_report(&info, &[]).and_then(|()| writer.sdes_cname(ssrc, "load"));
            let len = writer.len();
            if let Some(len) = written.and_then(|()| session.seal_rtcp(&mut buf, len)) {
                send(&buf[..len]);
            }
        }
    }
}

//! Writing RTCP into a caller's slice.

use super::{fmt, pt, transport_cc, FirEntry, ReportBlock, SenderInfo};
use crate::bytes::Writer;

/// Appends RTCP packets to one compound. Each method answers `None` when the slice is full or an argument passes
/// the format's limits; what was complete before stays valid under [`RtcpWriter::len`].
pub struct RtcpWriter<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> RtcpWriter<'a> {
    /// A compound that starts at the front of `buf`.
    #[must_use]
    pub fn new(buf: &'a mut [u8]) -> Self {
        RtcpWriter { buf, len: 0 }
    }

    /// Bytes written.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True before the first packet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// SR with at most 31 report blocks.
    pub fn sender_report(&mut self, info: &SenderInfo, blocks: &[ReportBlock]) -> Option<()> {
        self.packet(count(blocks.len())?, pt::SR, |out| {
            out.u32(info.ssrc)?;
            out.put(&info.ntp.to_be_bytes())?;
            out.u32(info.rtp_timestamp)?;
            out.u32(info.packets)?;
            out.u32(info.octets)?;
            put_blocks(out, blocks)
        })
    }

    /// RR with at most 31 report blocks.
    pub fn receiver_report(&mut self, ssrc: u32, blocks: &[ReportBlock]) -> Option<()> {
        self.packet(count(blocks.len())?, pt::RR, |out| {
            out.u32(ssrc)?;
            put_blocks(out, blocks)
        })
    }

    /// SDES with one chunk and its CNAME (at most 255 bytes).
    pub fn sdes_cname(&mut self, ssrc: u32, cname: &str) -> Option<()> {
        self.packet(1, pt::SDES, |out| {
            out.u32(ssrc)?;
            out.u8(1)?;
            out.u8(u8::try_from(cname.len()).ok()?)?;
            out.put(cname.as_bytes())?;
            // At least one zero byte ends the chunk, up to the word boundary.
            out.put(&[0; 4][..4 - (2 + cname.len()) % 4])
        })
    }

    /// BYE for at most 31 sources.
    pub fn bye(&mut self, ssrcs: &[u32]) -> Option<()> {
        self.packet(count(ssrcs.len())?, pt::BYE, |out| ssrcs.iter().try_for_each(|ssrc| out.u32(*ssrc)))
    }

    /// Generic NACK. `seqs` in ascending order (wrap allowed) packs best; writes nothing when it is empty.
    pub fn nack(&mut self, sender: u32, media: u32, seqs: impl IntoIterator<Item = u16>) -> Option<()> {
        let mut seqs = seqs.into_iter();
        let Some(mut pid) = seqs.next() else {
            return Some(());
        };
        self.packet(fmt::NACK, pt::RTPFB, |out| {
            out.u32(sender)?;
            out.u32(media)?;
            let mut mask = 0u16;
            for seq in seqs {
                let distance = seq.wrapping_sub(pid);
                match distance {
                    0 => {}
                    1..=16 => mask |= 1 << (distance - 1),
                    _ => {
                        out.u16(pid)?;
                        out.u16(mask)?;
                        (pid, mask) = (seq, 0);
                    }
                }
            }
            out.u16(pid)?;
            out.u16(mask)
        })
    }

    /// Transport-wide feedback on the packets from number `base` on: each one's arrival in ticks of
    /// [`transport_cc::TICK_US`], `None` for one that has not arrived. `number` counts the messages.
    ///
    /// Answers how many packets the message covers: at most [`transport_cc::MAX_PACKETS`], and fewer when two arrivals
    /// lie more than 8 s apart. `None` also when nothing has arrived.
    pub fn transport_feedback(
        &mut self,
        (sender, media): (u32, u32),
        (base, number): (u16, u8),
        arrivals: &[Option<u64>],
    ) -> Option<usize> {
        let mut covered = 0;
        self.packet(fmt::TRANSPORT_CC, pt::RTPFB, |out| {
            covered = transport_cc::write(out, (sender, media), (base, number), arrivals)?;
            Some(())
        })?;
        Some(covered)
    }

    /// Picture loss indication.
    pub fn pli(&mut self, sender: u32, media: u32) -> Option<()> {
        self.packet(fmt::PLI, pt::PSFB, |out| {
            out.u32(sender)?;
            out.u32(media)
        })
    }

    /// Full intra request.
    pub fn fir(&mut self, sender: u32, entries: &[FirEntry]) -> Option<()> {
        self.packet(fmt::FIR, pt::PSFB, |out| {
            out.u32(sender)?;
            // Media source: unused, zero (RFC 5104 §4.3.1.2).
            out.u32(0)?;
            entries.iter().try_for_each(|entry| {
                out.u32(entry.ssrc)?;
                out.u32(u32::from(entry.seq) << 24)
            })
        })
    }

    /// Writes one packet: `body` must write whole words.
    fn packet(&mut self, first: u8, packet_type: u8, body: impl FnOnce(&mut Writer<'_>) -> Option<()>) -> Option<()> {
        let space = self.buf.get_mut(self.len..)?;
        if space.len() < 4 {
            return None;
        }
        let (header, rest) = space.split_at_mut(4);
        let mut out = Writer::new(rest);
        body(&mut out)?;
        let words = u16::try_from(out.len() / 4).ok()?;
        header.copy_from_slice(&[0x80 | first, packet_type, (words >> 8) as u8, words as u8]);
        self.len += 4 + out.len();
        Some(())
    }
}

/// A five-bit count.
fn count(len: usize) -> Option<u8> {
    u8::try_from(len).ok().filter(|count| *count <= 31)
}

fn put_blocks(out: &mut Writer<'_>, blocks: &[ReportBlock]) -> Option<()> {
    blocks.iter().try_for_each(|block| {
        let lost = block.total_lost.clamp(-0x80_0000, 0x7F_FFFF) as u32 & 0x00FF_FFFF;
        out.u32(block.ssrc)?;
        out.u32(u32::from(block.fraction_lost) << 24 | lost)?;
        out.u32(block.highest_seq)?;
        out.u32(block.jitter)?;
        out.u32(block.last_sr)?;
        out.u32(block.delay_since_last_sr)
    })
}

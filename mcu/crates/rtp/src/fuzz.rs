//! What the fuzz targets run: each function reads hostile bytes to the end and checks what must always hold.

use crate::payload::{h264, opus, vp8};
use crate::{header::Header, rtcp, rtx};

/// Any bytes as RTP: positions stay inside, extensions end, and RTX is the inverse of its unwrapping.
pub fn rtp(data: &[u8]) {
    let Ok(header) = Header::parse(data) else { return };
    assert!(header.header_len <= data.len() && header.ext.end <= header.header_len);
    let total: usize = header.extensions(data).map(|element| element.data.len() + 1).sum();
    assert!(total <= header.ext.len());
    if let Ok(payload) = header.payload(data) {
        assert!(payload.len() + header.header_len <= data.len());
    }
    assert!(!header.is_padding_only(data) || header.padding);
    let _ = header.audio_level(data, 1);

    let mut retransmission = vec![0; data.len() + rtx::OSN_LEN];
    let len = rtx::build(data, &header, 97, 7, 9, &mut retransmission).expect("room is exact");
    let wrapped = Header::parse(&retransmission[..len]).expect("RTX keeps a valid header");
    if let Some(len) = rtx::unwrap(&mut retransmission, &wrapped, header.pt, header.ssrc) {
        assert_eq!(&retransmission[..len], data);
    }
}

/// Any bytes as RTCP: every iterator ends.
pub fn rtcp(data: &[u8]) {
    for packet in rtcp::packets(data) {
        match packet {
            rtcp::Packet::SenderReport { blocks, .. } | rtcp::Packet::ReceiverReport { blocks, .. } => {
                assert!(blocks.count() <= 31);
            }
            rtcp::Packet::Sdes(cnames) => assert!(cnames.count() <= 31),
            rtcp::Packet::Bye(ssrcs) | rtcp::Packet::Remb { ssrcs, .. } => assert!(ssrcs.count() <= 255),
            rtcp::Packet::Nack(nack) => assert!(nack.seqs().count() <= data.len() / 4 * 17),
            rtcp::Packet::TransportFeedback(feedback) => transport_feedback(&feedback),
            rtcp::Packet::Fir { entries, .. } => assert!(entries.count() <= data.len() / 8),
            _ => {}
        }
    }
}

/// What was read covers what it announces, and can be said again when it is short enough.
fn transport_feedback(feedback: &rtcp::TransportFeedback<'_>) {
    assert_eq!(feedback.packets().count(), usize::from(feedback.count));
    let arrivals: Vec<_> = feedback.packets().take(64).map(|(_, at)| at.map(|at| (at + (1 << 40)) as u64)).collect();
    let mut buf = [0; 400];
    let mut writer = rtcp::RtcpWriter::new(&mut buf);
    let written = writer.transport_feedback((1, 2), (feedback.base, 0), &arrivals);
    let Some(covered) = written else { return assert!(arrivals.iter().all(Option::is_none)) };
    let len = writer.len();
    let Some(rtcp::Packet::TransportFeedback(again)) = rtcp::packets(&buf[..len]).next() else { panic!() };
    assert!(again.packets().map(|(_, at)| at.is_some()).eq(arrivals[..covered].iter().map(Option::is_some)));
}

/// Any bytes as payload of each format.
pub fn payload(data: &[u8]) {
    if let Some(toc) = opus::toc(data) {
        assert!(toc.duration().as_millis() <= 120);
    }
    let _ = opus::is_dtx(data);
    assert!(h264::nal_types(data).count() <= data.len());
    let _ = h264::starts_keyframe(data);
    let _ = vp8::keyframe_size(data);
    if let Some(descriptor) = vp8::Descriptor::parse(data) {
        assert!(descriptor.len <= data.len());
        let mut rewritten = data.to_vec();
        descriptor.rewrite(&mut rewritten, 0x1234, 0x56);
        let again = vp8::Descriptor::parse(&rewritten).expect("rewriting keeps the form");
        assert_eq!((again.len, again.tid, again.start), (descriptor.len, descriptor.tid, descriptor.start));
        assert_eq!(again.picture_id.map(|id| id.long), descriptor.picture_id.map(|id| id.long));
    }
}

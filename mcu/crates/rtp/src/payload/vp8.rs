//! VP8 payload descriptor (RFC 7741 §4.2), payload header (§4.3) and the keyframe's size (RFC 6386 §9.1).
//!
//! Left out: partitions behind the first (the engine never decodes).

/// Picture id, 7 or 15 bits wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PictureId {
    /// The value.
    pub value: u16,
    /// Written with 15 bits (M bit).
    pub long: bool,
    /// Where it lies in the payload (for rewriting).
    pub at: usize,
}

/// A parsed descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    /// Bytes before the VP8 payload.
    pub len: usize,
    /// N: frame that no other refers to.
    pub non_reference: bool,
    /// S: first packet of a partition.
    pub start: bool,
    /// PID: partition index.
    pub partition: u8,
    /// Picture id.
    pub picture_id: Option<PictureId>,
    /// TL0PICIDX and where it lies.
    pub tl0_pic_idx: Option<(u8, usize)>,
    /// Temporal layer.
    pub tid: Option<u8>,
    /// Y: layer sync, depends on the base layer only.
    pub layer_sync: bool,
    /// Temporal key frame index.
    pub key_idx: Option<u8>,
}

impl Descriptor {
    /// Parses the descriptor at the front of `payload`. `None` when it is cut.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Descriptor> {
        let first = *payload.first()?;
        let mut descriptor = Descriptor {
            len: 1,
            non_reference: first & 0x20 != 0,
            start: first & 0x10 != 0,
            partition: first & 0x07,
            picture_id: None,
            tl0_pic_idx: None,
            tid: None,
            layer_sync: false,
            key_idx: None,
        };
        if first & 0x80 != 0 {
            let flags = *payload.get(1)?;
            descriptor.len = 2;
            descriptor.parse_extension(payload, flags)?;
        }
        Some(descriptor)
    }

    fn parse_extension(&mut self, payload: &[u8], flags: u8) -> Option<()> {
        if flags & 0x80 != 0 {
            let at = self.len;
            let byte = *payload.get(at)?;
            let long = byte & 0x80 != 0;
            let value =
                if long { u16::from(byte & 0x7F) << 8 | u16::from(*payload.get(at + 1)?) } else { u16::from(byte) };
            self.picture_id = Some(PictureId { value, long, at });
            self.len += 1 + usize::from(long);
        }
        if flags & 0x40 != 0 {
            self.tl0_pic_idx = Some((*payload.get(self.len)?, self.len));
            self.len += 1;
        }
        if flags & 0x30 != 0 {
            let byte = *payload.get(self.len)?;
            if flags & 0x20 != 0 {
                self.tid = Some(byte >> 6);
                self.layer_sync = byte & 0x20 != 0;
            }
            self.key_idx = (flags & 0x10 != 0).then_some(byte & 0x1F);
            self.len += 1;
        }
        Some(())
    }

    /// True for the first packet of a frame.
    #[must_use]
    pub fn starts_frame(&self) -> bool {
        self.start && self.partition == 0
    }

    /// Writes a new picture id and TL0PICIDX over the present ones, keeping their widths.
    pub fn rewrite(&self, payload: &mut [u8], picture_id: u16, tl0_pic_idx: u8) {
        if let Some(id) = self.picture_id {
            let [high, low] = (picture_id & 0x7FFF).to_be_bytes();
            match (id.long, payload.get_mut(id.at..id.at + 1 + usize::from(id.long))) {
                (true, Some(bytes)) => bytes.copy_from_slice(&[0x80 | high, low]),
                (false, Some(bytes)) => bytes[0] = low & 0x7F,
                _ => {}
            }
        }
        if let Some(byte) = self.tl0_pic_idx.and_then(|(_, at)| payload.get_mut(at)) {
            *byte = tl0_pic_idx;
        }
    }
}

/// Size of a keyframe in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
}

/// True when the packet starts a keyframe: first packet of the first partition, P bit clear.
#[must_use]
pub fn starts_keyframe(payload: &[u8]) -> bool {
    Descriptor::parse(payload)
        .filter(Descriptor::starts_frame)
        .and_then(|descriptor| payload.get(descriptor.len))
        .is_some_and(|byte| byte & 1 == 0)
}

/// The size that a packet starting a keyframe declares (start code checked).
#[must_use]
pub fn keyframe_size(payload: &[u8]) -> Option<Size> {
    if !starts_keyframe(payload) {
        return None;
    }
    let frame = payload.get(Descriptor::parse(payload)?.len..)?;
    if frame.get(3..6)? != [0x9D, 0x01, 0x2A] {
        return None;
    }
    let field = |at: usize| Some(u16::from_le_bytes([*frame.get(at)?, *frame.get(at + 1)?]) & 0x3FFF);
    Some(Size { width: field(6)?, height: field(8)? })
}

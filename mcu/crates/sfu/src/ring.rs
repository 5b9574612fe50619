//! The plaintext packet cache of one published stream: a byte arena and an index by extended sequence number.
//!
//! A packet is decrypted straight into the arena (`reserve`, then `commit`), and every subscriber and every
//! retransmission reads it from there. Entries die by position: when the arena's write head has passed over their bytes.
//! The index also remembers which sequence numbers were seen, so that a number is accepted once only; with AES-GCM
//! a second packet under one number would repeat a nonce towards the subscribers.

/// Room for the largest datagram a stream may carry.
pub const MAX_PACKET: usize = 2048;

/// Value of `level` and `orientation` when the packet carries none.
pub const ABSENT: u8 = 0xff;

const NEVER: u64 = u64::MAX;

/// Where a VP8 payload carries its picture id and TL0PICIDX (RFC 7741 §4.2); offsets in the payload, 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Picture {
    pub id: u16,
    pub id_at: u8,
    pub long: bool,
    pub tl0: u8,
    pub tl0_at: u8,
}

/// Facts about one cached packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Extended sequence number of the published stream.
    pub seq: u64,
    /// RTP timestamp of the published stream.
    pub ts: u32,
    /// Where the payload begins in the packet, and its length without padding.
    pub payload_at: u16,
    pub payload_len: u16,
    /// Index of the payload format among the track's codecs.
    pub codec: u8,
    pub marker: bool,
    /// A receiver can begin here: any audio packet, the first packet of a video keyframe.
    pub start: bool,
    /// RFC 6464 byte (V bit and level) or `ABSENT`.
    pub level: u8,
    /// 3GPP orientation byte or `ABSENT`.
    pub orientation: u8,
    pub picture: Picture,
}

impl Meta {
    /// A packet of which nothing but its place in the stream is known.
    pub fn at(seq: u64, ts: u32) -> Self {
        Meta {
            seq,
            ts,
            payload_at: 0,
            payload_len: 0,
            codec: 0,
            marker: false,
            start: false,
            level: ABSENT,
            orientation: ABSENT,
            picture: Picture::default(),
        }
    }
}

#[derive(Clone, Copy)]
struct Entry {
    meta: Meta,
    pos: u64,
}

/// Why a packet is not taken into the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// This sequence number was taken already.
    Duplicate,
    /// It is older than the index reaches back.
    TooOld,
}

/// The cache. Memory is allocated with the first packet.
pub struct Ring {
    arena: Vec<u8>,
    index: Vec<Entry>,
    bytes: usize,
    entries: usize,
    head: u64,
    dirty: u64,
    highest: Option<u64>,
    /// Numbers below were taken before the memory was given back.
    floor: u64,
}

impl Ring {
    /// `bytes` of arena and `entries` of index, both powers of two.
    pub fn new(bytes: usize, entries: usize) -> Self {
        assert!(entries.is_power_of_two() && bytes.is_power_of_two() && bytes >= 2 * MAX_PACKET);
        Ring { arena: Vec::new(), index: Vec::new(), bytes, entries, head: 0, dirty: 0, highest: None, floor: 0 }
    }

    /// Sizes for a video stream: 1 MiB, 1,024 packets.
    pub fn video() -> Self {
        Self::new(1 << 20, 1024)
    }

    /// Sizes for an audio stream: 32 KiB, 256 packets.
    pub fn audio() -> Self {
        Self::new(32 << 10, 256)
    }

    /// Whether `seq` may still be taken.
    pub fn check(&self, seq: u64) -> Result<(), Refused> {
        let Some(highest) = self.highest else { return Ok(()) };
        if seq < self.floor || seq + self.entries as u64 <= highest {
            return Err(Refused::TooOld);
        }
        if self.index.get(self.slot(seq)).is_some_and(|entry| entry.meta.seq == seq) {
            return Err(Refused::Duplicate);
        }
        Ok(())
    }

    /// Gives the memory back until the next packet. What was taken so far stays taken.
    pub fn release(&mut self) {
        self.arena = Vec::new();
        self.index = Vec::new();
        self.floor = self.highest.map_or(0, |highest| highest + 1);
    }

    /// Bytes of memory held.
    pub fn held(&self) -> usize {
        self.arena.capacity() + self.index.capacity() * std::mem::size_of::<Entry>()
    }

    /// A place of `MAX_PACKET` bytes to write the next packet into. What lay there dies now.
    pub fn reserve(&mut self) -> &mut [u8] {
        if self.arena.is_empty() {
            self.arena = vec![0; self.bytes];
            self.index = vec![Entry { meta: Meta::at(NEVER, 0), pos: 0 }; self.entries];
        }
        let offset = self.offset(self.head);
        if offset + MAX_PACKET > self.bytes {
            self.head += (self.bytes - offset) as u64;
        }
        self.dirty = self.dirty.max(self.head + MAX_PACKET as u64);
        let at = self.offset(self.head);
        &mut self.arena[at..at + MAX_PACKET]
    }

    /// Enters the packet of `len` bytes just written into the reserved place.
    pub fn commit(&mut self, len: usize, meta: Meta) -> Result<(), Refused> {
        self.check(meta.seq)?;
        debug_assert!(len <= MAX_PACKET && usize::from(meta.payload_at) + usize::from(meta.payload_len) <= len);
        let slot = self.slot(meta.seq);
        self.index[slot] = Entry { meta, pos: self.head };
        self.head += len as u64;
        self.highest = Some(self.highest.map_or(meta.seq, |h| h.max(meta.seq)));
        Ok(())
    }

    /// Facts and payload of a packet, while its bytes live.
    #[inline]
    pub fn get(&self, seq: u64) -> Option<(&Meta, &[u8])> {
        let entry = self.index.get(self.slot(seq))?;
        if entry.meta.seq != seq || self.dirty > entry.pos + self.bytes as u64 {
            return None;
        }
        let at = self.offset(entry.pos) + usize::from(entry.meta.payload_at);
        Some((&entry.meta, self.arena.get(at..at + usize::from(entry.meta.payload_len))?))
    }

    fn offset(&self, pos: u64) -> usize {
        (pos as usize) & (self.bytes - 1)
    }

    fn slot(&self, seq: u64) -> usize {
        (seq as usize) & (self.entries - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put(ring: &mut Ring, seq: u64, byte: u8, len: usize) -> Result<(), Refused> {
        ring.reserve()[..len].fill(byte);
        ring.commit(len, Meta { payload_len: len as u16, ..Meta::at(seq, 0) })
    }

    #[test]
    fn a_packet_is_found_until_its_bytes_are_overwritten() {
        let mut ring = Ring::new(4 * MAX_PACKET, 64);
        put(&mut ring, 10, 1, 100).unwrap();
        assert_eq!(ring.get(10).unwrap().1, [1; 100]);
        for seq in 11..30 {
            put(&mut ring, seq, 2, 1500).unwrap();
        }
        assert!(ring.get(10).is_none());
        assert_eq!(ring.get(29).unwrap().1, [2; 1500]);
    }

    #[test]
    fn a_number_is_taken_once_even_after_its_bytes_died() {
        let mut ring = Ring::new(4 * MAX_PACKET, 64);
        put(&mut ring, 100, 1, 1500).unwrap();
        for seq in 101..120 {
            put(&mut ring, seq, 2, 1500).unwrap();
        }
        assert!(ring.get(100).is_none());
        assert_eq!(put(&mut ring, 100, 9, 10), Err(Refused::Duplicate));
        assert_eq!(put(&mut ring, 119 - 64, 9, 10), Err(Refused::TooOld));
        assert_eq!(put(&mut ring, 119 - 63, 9, 10), Ok(()));
    }

    #[test]
    fn memory_is_given_back_and_no_number_is_taken_again() {
        let mut ring = Ring::new(4 * MAX_PACKET, 64);
        assert_eq!(ring.held(), 0);
        put(&mut ring, 100, 1, 500).unwrap();
        assert!(ring.held() > 4 * MAX_PACKET);
        ring.release();
        assert_eq!(ring.held(), 0);
        assert!(ring.get(100).is_none());
        for seq in [99, 100] {
            assert_eq!(ring.check(seq), Err(Refused::TooOld));
            assert_eq!(put(&mut ring, seq, 2, 500), Err(Refused::TooOld));
        }
        put(&mut ring, 101, 3, 500).unwrap();
        assert_eq!(ring.get(101).unwrap().1, [3; 500]);
        assert!(ring.get(100).is_none());
    }

    proptest! {
        #[test]
        fn what_is_returned_is_what_was_put(packets in prop::collection::vec((0u64..300, 1usize..1500), 1..400)) {
            let mut ring = Ring::new(16 * MAX_PACKET, 128);
            let mut taken = std::collections::HashMap::new();
            for (n, (seq, len)) in packets.into_iter().enumerate() {
                if put(&mut ring, seq, n as u8, len).is_ok() {
                    prop_assert!(taken.insert(seq, (n as u8, len)).is_none(), "taken twice");
                    prop_assert!(ring.get(seq).is_some());
                }
                for (seq, (byte, len)) in &taken {
                    if let Some((meta, data)) = ring.get(*seq) {
                        prop_assert_eq!(meta.seq, *seq);
                        prop_assert_eq!(data.len(), *len);
                        prop_assert!(data.iter().all(|b| b == byte));
                    }
                }
            }
        }
    }
}

//! Puts a ClientHello together that comes in pieces (RFC 6347 §4.2.3, RFC 9147 §5.5; field case W08).
//!
//! A ClientHello with a post-quantum key share passes one datagram. The pieces may come in any order, twice, or again
//! after a loss. One message is held at a time, up to [`MAX_HELLO`] bytes; a whole one leaves as one record.

/// Longest ClientHello accepted, in bytes. Today's longest in browsers is below 2,000.
pub(super) const MAX_HELLO: usize = 8_192;

/// Record header length (RFC 6347 §4.1).
const RECORD: usize = 13;
/// Handshake header length (RFC 6347 §4.2.2).
const HANDSHAKE: usize = 12;
const CONTENT_HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// The pieces of one ClientHello.
#[derive(Default)]
pub(super) struct HelloAssembler {
    message_seq: u16,
    body: Vec<u8>,
    /// One flag for each byte of `body`.
    present: Vec<bool>,
    missing: usize,
}

/// A plaintext record at the front of a datagram.
struct Record<'a> {
    bytes: &'a [u8],
    fragment: &'a [u8],
    rest: &'a [u8],
}

fn split_record(datagram: &[u8]) -> Option<Record<'_>> {
    let header = datagram.get(..RECORD)?;
    let end = RECORD + usize::from(u16::from_be_bytes([header[11], header[12]]));
    Some(Record { bytes: datagram.get(..end)?, fragment: datagram.get(RECORD..end)?, rest: datagram.get(end..)? })
}

/// True when `datagram` begins with a plaintext record that holds a ClientHello or a piece of one.
pub(super) fn is_client_hello(datagram: &[u8]) -> bool {
    matches!(datagram, [CONTENT_HANDSHAKE, _, _, 0, 0, ..]) && datagram.get(RECORD) == Some(&CLIENT_HELLO)
}

impl HelloAssembler {
    /// Takes a datagram that [`is_client_hello`]. Gives each whole ClientHello to `emit` as a datagram of one record,
    /// and whatever follows the hello's records unchanged.
    pub(super) fn take(&mut self, datagram: &[u8], mut emit: impl FnMut(&[u8])) {
        let mut rest = datagram;
        while is_client_hello(rest) {
            let Some(record) = split_record(rest) else { return };
            let mut fragment = record.fragment;
            while let Some(next) = self.take_fragment(fragment) {
                fragment = next;
                if let Some(whole) = self.take_whole(&record.bytes[..RECORD]) {
                    emit(&whole);
                }
            }
            rest = record.rest;
        }
        if !rest.is_empty() {
            emit(rest);
        }
    }

    /// Notes one handshake fragment and answers what follows it. `None` when it is no acceptable piece.
    fn take_fragment<'a>(&mut self, data: &'a [u8]) -> Option<&'a [u8]> {
        let be24 = |at: usize| Some(usize::from(*data.get(at)?) << 16 | usize::from(be16(data, at + 1)?));
        let (length, message_seq, offset, len) = (be24(1)?, be16(data, 4)?, be24(6)?, be24(9)?);
        let piece = data.get(HANDSHAKE..HANDSHAKE + len)?;
        if data[0] != CLIENT_HELLO || length == 0 || length > MAX_HELLO || offset + len > length {
            return None;
        }
        if self.body.len() != length || self.message_seq != message_seq {
            // Another hello than the one in hand: the newer one counts (the second follows a cookie or a retry).
            self.message_seq = message_seq;
            self.body.clear();
            self.body.resize(length, 0);
            self.present.clear();
            self.present.resize(length, false);
            self.missing = length;
        }
        self.body[offset..offset + len].copy_from_slice(piece);
        for present in &mut self.present[offset..offset + len] {
            self.missing -= usize::from(!std::mem::replace(present, true));
        }
        Some(&data[HANDSHAKE + len..])
    }

    /// The whole message as one record under the header of the record that completed it; forgets it.
    fn take_whole(&mut self, record_header: &[u8]) -> Option<Vec<u8>> {
        if self.body.is_empty() || self.missing > 0 {
            return None;
        }
        let len = self.body.len();
        let mut whole = Vec::with_capacity(RECORD + HANDSHAKE + len);
        whole.extend_from_slice(&record_header[..11]);
        whole.extend_from_slice(&((HANDSHAKE + len) as u16).to_be_bytes());
        let length = [(len >> 16) as u8, (len >> 8) as u8, len as u8];
        whole.push(CLIENT_HELLO);
        whole.extend_from_slice(&length);
        whole.extend_from_slice(&self.message_seq.to_be_bytes());
        whole.extend_from_slice(&[0; 3]);
        whole.extend_from_slice(&length);
        whole.extend_from_slice(&self.body);
        *self = HelloAssembler::default();
        Some(whole)
    }
}

fn be16(data: &[u8], at: usize) -> Option<u16> {
    let bytes = data.get(at..at + 2)?;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// The body of a whole ClientHello in a datagram that [`HelloAssembler::take`] emitted.
pub(super) fn body(datagram: &[u8]) -> Option<&[u8]> {
    is_client_hello(datagram).then_some(())?;
    split_record(datagram)?.fragment.get(HANDSHAKE..)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A record with one fragment; `length` is what it claims for the whole message.
    pub(crate) fn piece(body: &[u8], length: usize, offset: usize, message_seq: u16, record_seq: u8) -> Vec<u8> {
        let len = (HANDSHAKE + body.len()) as u16;
        let mut out = vec![22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, record_seq];
        out.extend_from_slice(&len.to_be_bytes());
        out.push(1);
        out.extend_from_slice(&(length as u32).to_be_bytes()[1..]);
        out.extend_from_slice(&message_seq.to_be_bytes());
        out.extend_from_slice(&(offset as u32).to_be_bytes()[1..]);
        out.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
        out.extend_from_slice(body);
        out
    }

    fn run(assembler: &mut HelloAssembler, datagrams: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        for datagram in datagrams {
            assembler.take(datagram, |out| whole.push(out.to_vec()));
        }
        whole
    }

    #[test]
    fn two_in_one_datagram_overlap_and_repeat() {
        let hello: Vec<u8> = (0..100).collect();
        let mut datagram = piece(&hello[50..], 100, 50, 0, 1);
        datagram.extend(piece(&hello[..60], 100, 0, 0, 2));
        let mut assembler = HelloAssembler::default();
        let whole = run(&mut assembler, &[piece(&hello[50..], 100, 50, 0, 0), datagram]);
        assert_eq!(whole, [piece(&hello, 100, 0, 0, 2)]);
        assert_eq!(body(&whole[0]), Some(&hello[..]));
        assert!(assembler.body.is_empty());
    }

    #[test]
    fn hostile_lengths_are_dropped_and_memory_is_bounded() {
        let mut assembler = HelloAssembler::default();
        let mut lying = piece(&[7; 40], 60, 0, 0, 0);
        lying[24] = 200; // claims more bytes in the fragment than the record has
        let hostile = [
            piece(&[7; 40], 0xFF_FFFF, 0, 0, 0),
            piece(&[7; 40], MAX_HELLO + 1, 0, 0, 0),
            piece(&[7; 40], 39, 0, 0, 0),
            piece(&[7; 40], 60, 21, 0, 0),
            piece(&[], 0, 0, 0, 0),
            lying,
        ];
        assert!(run(&mut assembler, &hostile).is_empty());
        assert_eq!(assembler.body.capacity(), 0);
        for seq in 0..1_000 {
            assembler.take(&piece(&[1], MAX_HELLO, 5, seq, 0), |_| panic!("never whole"));
        }
        assert!(assembler.body.capacity() + assembler.present.capacity() <= 4 * MAX_HELLO);
    }

    #[test]
    fn truncated_twins_never_complete() {
        let whole = piece(&[9; 50], 50, 0, 0, 3);
        for cut in 0..whole.len() {
            let datagram = &whole[..cut];
            if is_client_hello(datagram) {
                HelloAssembler::default().take(datagram, |_| panic!("completed at {cut}"));
            }
        }
    }
}

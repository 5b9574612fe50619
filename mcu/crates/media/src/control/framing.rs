//! Framing of the control socket: a 4-byte big-endian length, then one MessagePack map.

use super::messages::{Code, Error, Frame, MAX_FRAME};
use serde::Deserialize;

/// Collects bytes and yields frames.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    start: usize,
}

/// A frame that cannot be read. The connection can go on after `Malformed`, not after `TooLarge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The length is over the limit: what follows cannot be told apart.
    TooLarge(usize),
    /// The map is not a frame of this protocol; its id where it could be read.
    Malformed { id: Option<u64>, detail: String },
}

impl Broken {
    /// The refusal to send.
    pub fn to_error(&self) -> Error {
        match self {
            Broken::TooLarge(size) => Error::new(Code::TooLarge, format!("frame of {size} bytes, at most {MAX_FRAME}")),
            Broken::Malformed { detail, .. } => Error::new(Code::Malformed, detail.clone()),
        }
    }
}

impl Decoder {
    /// Takes bytes from the peer.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if any.
    pub fn next_frame(&mut self) -> Option<Result<Frame, Broken>> {
        let rest = &self.buffer[self.start..];
        let length = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        if length > MAX_FRAME {
            return Some(Err(Broken::TooLarge(length)));
        }
        let body = rest.get(4..4 + length)?;
        let frame = parse(body);
        self.start += 4 + length;
        Some(frame)
    }
}

/// Reads the body of one frame.
pub fn parse(body: &[u8]) -> Result<Frame, Broken> {
    #[derive(Deserialize)]
    struct OnlyId {
        id: Option<u64>,
    }
    match rmp_serde::from_slice::<Frame>(body) {
        Ok(frame) => Ok(frame),
        Err(error) => {
            let id = rmp_serde::from_slice::<OnlyId>(body).ok().and_then(|only| only.id);
            let mut detail = error.to_string();
            detail.truncate(detail.char_indices().nth(200).map_or(detail.len(), |(at, _)| at));
            Err(Broken::Malformed { id, detail })
        }
    }
}

/// Appends one frame to `out`.
///
/// # Errors
/// `TooLarge` when the frame passes the limit; nothing is appended then.
pub fn write(frame: &Frame, out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    let result = rmp_serde::encode::write_named(out, frame).map_err(|e| Error::new(Code::Internal, e.to_string()));
    let length = out.len() - start - 4;
    let result = match result {
        Ok(()) if length > MAX_FRAME => Err(Error::new(Code::TooLarge, format!("answer of {length} bytes"))),
        other => other,
    };
    match result {
        Ok(()) => out[start..start + 4].copy_from_slice(&(length as u32).to_be_bytes()),
        Err(_) => out.truncate(start),
    }
    result
}

/// For the fuzzer: any bytes, in two pieces, either yield frames that survive a round trip or an error.
pub fn fuzz(data: &[u8]) {
    let mut decoder = Decoder::default();
    let (a, b) = data.split_at(data.len() / 2);
    for part in [a, b] {
        decoder.extend(part);
        while let Some(result) = decoder.next_frame() {
            if matches!(result, Err(Broken::TooLarge(_))) {
                return; // the connection ends here
            }
            check(result);
        }
    }
    check(parse(data));
}

fn check(result: Result<Frame, Broken>) {
    if let Ok(frame) = result {
        let mut out = Vec::new();
        if write(&frame, &mut out).is_ok() {
            assert_eq!(parse(&out[4..]).as_ref(), Ok(&frame));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::messages::{Request, Response};
    use super::*;
    use proptest::prelude::*;

    fn request(id: u64) -> Frame {
        Frame { id: Some(id), req: Some(Request::Snapshot {}), ..Frame::default() }
    }

    #[test]
    fn frames_come_out_however_the_bytes_are_cut() {
        let mut bytes = Vec::new();
        (1..=3).for_each(|id| write(&request(id), &mut bytes).unwrap());
        for cut in 1..bytes.len() {
            let mut decoder = Decoder::default();
            let mut ids = Vec::new();
            for part in bytes.chunks(cut) {
                decoder.extend(part);
                while let Some(frame) = decoder.next_frame() {
                    ids.push(frame.unwrap().id.unwrap());
                }
            }
            assert_eq!(ids, [1, 2, 3]);
        }
    }

    #[test]
    fn a_malformed_frame_keeps_its_id_and_the_connection() {
        let mut bytes = vec![0, 0, 0, 0];
        bytes.extend(rmp_serde::to_vec_named(&serde_json_like()).unwrap());
        let length = (bytes.len() - 4) as u32;
        bytes[..4].copy_from_slice(&length.to_be_bytes());
        write(&request(9), &mut bytes).unwrap();
        let mut decoder = Decoder::default();
        decoder.extend(&bytes);
        match decoder.next_frame() {
            Some(Err(Broken::Malformed { id: Some(7), .. })) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(decoder.next_frame(), Some(Ok(request(9))));
    }

    fn serde_json_like() -> impl serde::Serialize {
        #[derive(serde::Serialize)]
        struct Odd {
            id: u64,
            req: Inner,
        }
        #[derive(serde::Serialize)]
        struct Inner {
            r#type: &'static str,
        }
        Odd { id: 7, req: Inner { r#type: "room.explode" } }
    }

    #[test]
    fn an_overlong_frame_is_refused_by_its_length() {
        let mut decoder = Decoder::default();
        decoder.extend(&[2, 0, 0, 0]);
        assert_eq!(decoder.next_frame(), Some(Err(Broken::TooLarge(0x200_0000))));
    }

    #[test]
    fn every_truncated_twin_is_refused() {
        let frame =
            Frame { id: Some(1), res: Some(Response::RoomOpened { room: "a".into(), shard: 0 }), ..Frame::default() };
        let mut bytes = Vec::new();
        write(&frame, &mut bytes).unwrap();
        let body = &bytes[4..];
        assert_eq!(parse(body), Ok(frame));
        for end in 0..body.len() {
            assert!(parse(&body[..end]).is_err(), "{end}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(data in prop::collection::vec(any::<u8>(), 0..300)) {
            fuzz(&data);
        }
    }
}

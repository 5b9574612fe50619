//! The smallest server of the control socket: it reads requests on a thread of its own and has the media loop answer them.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{channel, Receiver, Sender};

use media::control::messages::{Code, Error, Frame, Request, Response, MAX_FRAME};

/// A request with the way back for its answer.
pub struct Ask {
    pub request: Request,
    pub reply: Sender<Result<Response, String>>,
}

/// Listen at `path`; requests come out of the receiver in order.
pub fn listen(path: &Path) -> Result<Receiver<Ask>, String> {
    let listener = UnixListener::bind(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (asks, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // The generator closes its connection at the end: that is no error.
            let _closed = serve(stream, &asks);
        }
    });
    Ok(receiver)
}

fn serve(mut stream: UnixStream, asks: &Sender<Ask>) -> Result<(), Box<dyn std::error::Error>> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_FRAME {
            return Err("frame too large".into());
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        let frame: Frame = rmp_serde::from_slice(&body)?;
        let (reply, answer) = channel();
        asks.send(Ask { request: frame.req.ok_or("no request")?, reply })?;
        let (res, err) = match answer.recv()? {
            Ok(response) => (Some(response), None),
            Err(detail) => (None, Some(Error::new(Code::Internal, detail))),
        };
        let body = rmp_serde::to_vec_named(&Frame { id: frame.id, res, err, ..Frame::default() })?;
        stream.write_all(&(body.len() as u32).to_be_bytes())?;
        stream.write_all(&body)?;
    }
}

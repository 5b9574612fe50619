//! A blocking client of the control socket: one request at a time, no events. It plays the control plane for the generator.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::control::messages::{Frame, Request, Response, MAX_FRAME, VERSION};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that has said `hello`.
pub struct Control {
    stream: UnixStream,
    next: u64,
}

impl Control {
    /// Connect and greet.
    ///
    /// # Errors
    /// A sentence with the path when nobody listens or the version is refused.
    pub fn connect(path: &Path) -> Result<Control, String> {
        let stream = UnixStream::connect(path).map_err(|e| format!("control socket {}: {e}", path.display()))?;
        stream.set_read_timeout(Some(TIMEOUT)).map_err(|e| e.to_string())?;
        let mut control = Control { stream, next: 1 };
        control.request(Request::Hello { version: VERSION, peer: "load".into(), subscribe: false })?;
        Ok(control)
    }

    /// Send one request and wait for its reply.
    ///
    /// # Errors
    /// A sentence: the engine's error with its code, or what broke the connection.
    pub fn request(&mut self, request: Request) -> Result<Response, String> {
        let id = self.next;
        self.next += 1;
        self.send(&Frame { id: Some(id), req: Some(request), ..Frame::default() })?;
        loop {
            let frame = self.receive()?;
            if frame.id != Some(id) {
                continue;
            }
            if let Some(error) = frame.err {
                return Err(format!("the engine refused: {} ({})", error.code, error.detail));
            }
            return frame.res.ok_or_else(|| "a reply without result or error".into());
        }
    }

    fn send(&mut self, frame: &Frame) -> Result<(), String> {
        let body = rmp_serde::to_vec_named(frame).map_err(|e| e.to_string())?;
        let mut bytes = (body.len() as u32).to_be_bytes().to_vec();
        bytes.extend(body);
        self.stream.write_all(&bytes).map_err(|e| format!("control socket: {e}"))
    }

    fn receive(&mut self) -> Result<Frame, String> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).map_err(|e| format!("control socket: {e}"))?;
        let length = u32::from_be_bytes(length) as usize;
        if length > MAX_FRAME {
            return Err(format!("a control frame of {length} bytes passes the limit"));
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).map_err(|e| format!("control socket: {e}"))?;
        rmp_serde::from_slice(&body).map_err(|e| format!("control frame: {e}"))
    }
}

//! A server without shards: what a client sees when events are lost.

use super::*;
use crate::shard::Notes;
use std::sync::mpsc::sync_channel;

fn hello(stream: &mut UnixStream, subscribe: bool) {
    let request = Request::Hello { version: VERSION, peer: "test".into(), subscribe };
    let mut bytes = Vec::new();
    framing::write(&Frame { id: Some(1), req: Some(request), ..Frame::default() }, &mut bytes).unwrap();
    stream.write_all(&bytes).unwrap();
}

/// Reads frames until `done` or the end; true when the connection ended.
fn read(stream: &mut UnixStream, mut done: impl FnMut(Frame) -> bool) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (mut decoder, mut buffer) = (Decoder::default(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).expect("something within 20 s");
        if count == 0 {
            return true;
        }
        decoder.extend(&buffer[..count]);
        while let Some(frame) = decoder.next_frame() {
            if done(frame.unwrap()) {
                return false;
            }
        }
    }
}

#[test]
fn lost_events_end_the_connections_of_subscribers_and_of_nobody_else() {
    let path = std::env::temp_dir().join(format!("massalia-gap-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let (queue, notes) = sync_channel(2);
    let wake = Arc::new(EventFd::new().unwrap());
    let stop = Arc::new(EventFd::new().unwrap());
    let way = Notes { queue, wake: wake.clone(), gap: Arc::default() };
    let setup = Setup {
        listener,
        shards: Vec::new(),
        notes,
        notes_wake: wake,
        gap: way.gap.clone(),
        stop: stop.clone(),
        engine: "e".into(),
    };
    let server = Server::new(setup).unwrap();
    let (mut follower, mut asker) = (UnixStream::connect(&path).unwrap(), UnixStream::connect(&path).unwrap());
    hello(&mut follower, true);
    hello(&mut asker, false);
    let thread = std::thread::spawn(move || server.run());
    assert!(!read(&mut follower, |frame| frame.res.is_some()));
    assert!(!read(&mut asker, |frame| frame.res.is_some()));
    // More events at once than the queue holds: the connection ends.
    let (mut overflow, mut sent) = (0, 0u64);
    while overflow == 0 {
        way.event(Event::LegConnected { leg: "a".into() }, &mut overflow);
        sent += 1;
    }
    let mut got = 0;
    assert!(read(&mut follower, |frame| {
        got += u64::from(frame.evt.is_some());
        false
    }));
    assert_eq!(overflow, 1);
    assert!(got < sent, "{got} of {sent}");
    hello(&mut asker, false);
    assert!(!read(&mut asker, |frame| frame.res.is_some()));
    // Who comes again is served again.
    let mut again = UnixStream::connect(&path).unwrap();
    hello(&mut again, true);
    assert!(!read(&mut again, |frame| frame.res.is_some()));
    way.event(Event::LegConnected { leg: "b".into() }, &mut overflow);
    assert!(!read(&mut again, |frame| frame.evt == Some(Event::LegConnected { leg: "b".into() })));
    stop.wake();
    thread.join().unwrap();
    std::fs::remove_file(&path).unwrap();
}

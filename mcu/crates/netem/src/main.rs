//! `netem-relay`: the relay as a program. Prints `{"ready":true,"port":…}`, takes commands as lines on its standard input
//! (see `netem::relay`), and ends when that is closed.

#![forbid(unsafe_code)]

use netem::relay::{Relay, WAKE};
use std::io::BufRead;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::sync::Arc;

const USAGE: &str = "usage: netem-relay LISTEN_IP:PORT SERVER_IP:PORT [SEED]";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("netem-relay: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), String> {
    let [listen, server, seed @ ..] = arguments else { return Err(USAGE.into()) };
    let address = |text: &str| text.parse::<SocketAddr>().map_err(|e| format!("{text}: {e}\n{USAGE}"));
    let seed = match seed {
        [] => 1,
        [seed] => seed.parse().map_err(|e| format!("{seed}: {e}\n{USAGE}"))?,
        _ => return Err(USAGE.into()),
    };
    let relay = Relay::new(address(listen)?, address(server)?, seed).map_err(|e| e.to_string())?;
    // Kept here too: a waker that is dropped takes its last event with it.
    let waker = Arc::new(mio::Waker::new(relay.poll().registry(), WAKE).map_err(|e| e.to_string())?);
    let wake = waker.clone();
    let (lines, commands) = sync_channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if lines.send(line).is_err() || wake.wake().is_err() {
                return;
            }
        }
        drop(lines);
        let _ = wake.wake();
    });
    let port = relay.address().map_err(|e| e.to_string())?.port();
    println!("{{\"ready\":true,\"port\":{port}}}");
    let ended = relay.run(&commands, |line| println!("{line}"));
    drop(waker);
    ended.map_err(|e| e.to_string())
}

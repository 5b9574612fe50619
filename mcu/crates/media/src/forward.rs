//! The role `forward`: opens the sockets, starts a thread per shard and the control thread, and waits for the end.

use crate::control::server::{Server, Setup as ServerSetup};
use crate::log::{self, Level};
use crate::options::{candidates, Options};
use crate::shard::{Command, Handle, Notes, Setup, Shard};
use crate::sys::{interface_addresses, media_socket, Epoll, EventFd, Signals};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use transport::dtls::Certificate;

/// Requests that may wait for one shard.
const COMMANDS: usize = 1024;
/// Replies and events that may wait for the control thread.
const NOTES: usize = 16 * 1024;

/// Runs the engine until SIGTERM or SIGINT.
///
/// # Errors
/// One sentence: what could not be set up.
pub fn run(options: Options) -> Result<(), String> {
    log::set_level(options.level);
    die_on_panic();
    let signals = Signals::block().map_err(|e| format!("signals: {e}"))?;
    let certificate = Arc::new(Certificate::generate().map_err(|e| format!("certificate: {e}"))?);
    let interfaces = interface_addresses().map_err(|e| format!("interfaces: {e}"))?;
    let listener = listen(&options.control)?;
    let (notes_in, notes) = sync_channel(NOTES);
    let notes_wake = event_fd()?;
    let gap = Arc::new(AtomicBool::new(false));
    let way = Notes { queue: notes_in, wake: notes_wake.clone(), gap: gap.clone() };
    let common = Common { options: &options, certificate, interfaces, notes: way };
    let (handles, threads, first_port) = start_shards(&common)?;
    let ends: Vec<_> = handles.iter().map(|handle| (handle.commands.clone(), handle.wake.clone())).collect();
    let stop = event_fd()?;
    let engine = engine_id()?;
    let setup =
        ServerSetup { listener, shards: handles, notes, notes_wake, gap, stop: stop.clone(), engine: engine.clone() };
    let server = Server::new(setup).map_err(|e| format!("control socket: {e}"))?;
    let control = thread::Builder::new().name("control".into()).spawn(move || server.run());
    let control = control.map_err(|e| format!("control thread: {e}"))?;
    println!("{{\"ready\":true,\"port\":{first_port}}}");
    log::line(Level::Info, "engine ready", &[("engine", &engine), ("port", &first_port.to_string())]);
    wait(&signals)?;
    log::line(Level::Info, "engine stops", &[]);
    for (commands, wake) in &ends {
        // An ended shard cannot be told, and need not.
        let _ = commands.send(Command::Stop);
        wake.wake();
    }
    let shards_ended = threads.into_iter().all(|thread| thread.join().is_ok());
    stop.wake();
    let control_ended = control.join().is_ok();
    let _ = std::fs::remove_file(&options.control);
    if shards_ended && control_ended {
        Ok(())
    } else {
        Err("a thread ended badly".into())
    }
}

/// What all shards share.
struct Common<'a> {
    options: &'a Options,
    certificate: Arc<Certificate>,
    interfaces: Vec<(IpAddr, bool)>,
    notes: Notes,
}

type Shards = (Vec<Handle>, Vec<thread::JoinHandle<()>>, u16);

/// Starts a thread per shard; answers their handles and the first one's port.
fn start_shards(common: &Common) -> Result<Shards, String> {
    let options = common.options;
    let epoch = Instant::now();
    let (mut handles, mut threads) = (Vec::new(), Vec::new());
    let mut first_port = options.port;
    for index in 0..options.shards {
        let port = if options.port == 0 { 0 } else { options.port + index as u16 };
        let sockets = open_sockets(&options.listen, port)?;
        let bound = bound(&sockets)?;
        if index == 0 {
            first_port = bound.first().map_or(0, |(_, port)| *port);
        }
        let candidates = candidates(options, index, &bound, &common.interfaces);
        let (commands, inbox) = sync_channel(COMMANDS);
        let wake = event_fd()?;
        let setup = Setup {
            index,
            sockets,
            candidates: candidates.clone(),
            certificate: common.certificate.clone(),
            commands: inbox,
            wake: wake.clone(),
            notes: common.notes.clone(),
            epoch,
        };
        let shard = Shard::new(setup).map_err(|e| format!("shard {index}: {e}"))?;
        let thread = thread::Builder::new().name(format!("shard-{index}")).spawn(move || shard.run());
        threads.push(thread.map_err(|e| format!("shard {index}: {e}"))?);
        handles.push(Handle { commands, wake, candidates });
    }
    Ok((handles, threads, first_port))
}

/// A dead shard would leave its rooms mute: better the whole process ends and the supervisor starts it anew.
fn die_on_panic() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let text = info.payload().downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| info.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
        log::line(Level::Error, "panic", &[("at", &place), ("text", &text)]);
        std::process::exit(70);
    }));
}

fn event_fd() -> Result<Arc<EventFd>, String> {
    EventFd::new().map(Arc::new).map_err(|e| format!("eventfd: {e}"))
}

fn engine_id() -> Result<String, String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|e| format!("random bytes: {e}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Binds one port on each address. A kernel-chosen port is the same on all, where possible.
fn open_sockets(listen: &[IpAddr], port: u16) -> Result<Vec<UdpSocket>, String> {
    let mut sockets: Vec<UdpSocket> = Vec::new();
    let mut port = port;
    for ip in listen {
        let address = SocketAddr::new(*ip, port);
        match media_socket(address) {
            Ok(socket) => {
                if port == 0 {
                    port = socket.local_addr().map_err(|e| e.to_string())?.port();
                }
                sockets.push(socket);
            }
            // A machine without IPv6 serves IPv4 alone.
            Err(e) if ip.is_ipv6() && ip.is_unspecified() && e.kind() != ErrorKind::AddrInUse => {
                log::line(Level::Warning, "no IPv6", &[("error", &e.to_string())]);
            }
            Err(e) => return Err(format!("UDP {address}: {e}")),
        }
    }
    if sockets.is_empty() {
        return Err("no address to listen on".into());
    }
    Ok(sockets)
}

fn bound(sockets: &[UdpSocket]) -> Result<Vec<(IpAddr, u16)>, String> {
    let address = |socket: &UdpSocket| socket.local_addr().map(|a| (a.ip(), a.port())).map_err(|e| e.to_string());
    sockets.iter().map(address).collect()
}

/// Opens the control socket with mode 0600. A file left by a dead engine is removed; a living one's is not.
fn listen(path: &Path) -> Result<UnixListener, String> {
    let name = path.display();
    if let Ok(meta) = std::fs::symlink_metadata(path) {
        if !meta.file_type().is_socket() {
            return Err(format!("{name} exists and is no socket"));
        }
        if UnixStream::connect(path).is_ok() {
            return Err(format!("{name} is served by another engine"));
        }
        std::fs::remove_file(path).map_err(|e| format!("{name}: {e}"))?;
    }
    let listener = UnixListener::bind(path).map_err(|e| format!("{name}: {e}"))?;
    let mode = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(path, mode).map_err(|e| format!("{name}: {e}"))?;
    Ok(listener)
}

fn wait(signals: &Signals) -> Result<(), String> {
    let epoll = Epoll::new().map_err(|e| format!("epoll: {e}"))?;
    epoll.add(signals, 0).map_err(|e| format!("epoll: {e}"))?;
    let mut ready = Vec::new();
    while ready.is_empty() {
        epoll.wait(&mut ready, Duration::from_secs(60)).map_err(|e| format!("epoll: {e}"))?;
    }
    Ok(())
}

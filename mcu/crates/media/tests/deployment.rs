//! An engine as it is deployed: shards, IPv6, NAT, restarts, strangers, and the memory of a full house.

mod support;

use media::control::messages::*;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};
use support::*;
use transport::dtls::Certificate;
use transport::ice::Credentials;

const CAMERA: u32 = 7_000;

fn open_room(control: &mut Control, room: &str) -> u32 {
    match control.ask(Request::RoomOpen { room: room.into() }) {
        Ok(Response::RoomOpened { shard, .. }) => shard,
        other => panic!("{other:?}"),
    }
}

fn view(control: &mut Control, leg: &str, of: &str) {
    let source = Some(Source { leg: of.into(), track: "camera".into() });
    control
        .ask(Request::LegView { leg: leg.into(), assign: vec![Assignment { slot: 10, source, height: 360 }] })
        .unwrap();
}

fn picture(leg: &mut Leg, seq: u16) {
    let payload = [0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0xe0, 1, 0, 0];
    leg.send(CAMERA, 96, seq, u32::from(seq) * 3000, &[(1, b"1")], &payload);
}

/// Both legs connect, and a picture of `a` reaches `b`.
fn exchange(control: &mut Control, room: &str, at: Option<SocketAddr>) -> (Leg, Leg) {
    let (name_a, name_b) = (format!("{room}-a"), format!("{room}-b"));
    let mut a = Leg::open_at(control, room, &name_a, at);
    let mut b = Leg::open_at(control, room, &name_b, at);
    view(control, &name_b, &name_a);
    picture(&mut a, 1);
    b.wait(|b| b.heard(10).len() == 1);
    (a, b)
}

#[test]
fn rooms_spread_over_two_shards_and_legs_work_on_both() {
    let engine = Engine::start_with(&["--listen", "127.0.0.1", "--shards", "2"]);
    let mut control = Control::connect(&engine);
    let shards: Vec<u32> = ["r0", "r1", "r2", "r3"].iter().map(|room| open_room(&mut control, room)).collect();
    assert_eq!((shards[0] + shards[1], shards[2] + shards[3]), (1, 1), "{shards:?}");
    assert_eq!(open_room(&mut control, "r0"), shards[0], "idempotent");
    let mut ports = Vec::new();
    for (n, shard) in shards[..2].iter().enumerate() {
        let (a, b) = exchange(&mut control, &format!("r{n}"), None);
        assert_eq!(a.local.ufrag[..2], format!("{shard:02}"));
        assert_eq!(b.local.candidates, a.local.candidates);
        ports.push(a.local.candidates[0].port);
    }
    assert_ne!(ports[0], ports[1]);
    // Counters and snapshots are those of all shards.
    assert_eq!(control.counter("leg_opened"), 4);
    assert_eq!(control.counter("rtp_out"), 2);
    let Ok(Response::Snapshot { rooms, .. }) = control.ask(Request::Snapshot {}) else { panic!() };
    assert_eq!(rooms.iter().map(|room| room.legs.len()).sum::<usize>(), 4);
}

#[test]
fn legs_over_ipv6_exchange_pictures() {
    let engine = Engine::start_with(&["--listen", "::1"]);
    let mut control = Control::connect(&engine);
    open_room(&mut control, "salle");
    let (a, _b) = exchange(&mut control, "salle", None);
    assert_eq!(a.local.candidates[0].address, "::1");
    let Ok(Response::LegStats { remote_address: Some(remote), .. }) =
        control.ask(Request::LegStats { leg: "salle-a".into() })
    else {
        panic!()
    };
    assert_eq!(remote, a.socket.local_addr().unwrap().to_string());
}

#[test]
fn behind_a_nat_the_public_address_is_offered_and_legs_come_through() {
    let engine = Engine::start_with(&["--listen", "127.0.0.1", "--advertise", "127.0.0.1=192.0.2.7"]);
    let mut control = Control::connect(&engine);
    open_room(&mut control, "salle");
    // The test plays the NAT: what is sent to the public address arrives at the bound one.
    let (a, _b) = exchange(&mut control, "salle", Some(engine.address()));
    let offered: Vec<_> = a.local.candidates.iter().map(|c| (c.address.as_str(), c.port)).collect();
    assert_eq!(offered, [("192.0.2.7", engine.port)]);
}

#[test]
fn a_restarted_engine_takes_over_the_socket_of_a_killed_one_but_not_of_a_living_one() {
    let mut engine = Engine::start();
    let welcome = |control: &mut Control| {
        let hello = Request::Hello { version: VERSION, peer: "again".into(), subscribe: true };
        match control.ask(hello) {
            Ok(Response::Welcome { engine, .. }) => engine,
            other => panic!("{other:?}"),
        }
    };
    let mut control = Control::connect(&engine);
    open_room(&mut control, "salle");
    let before = welcome(&mut control);
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_massalia-media"))
        .args(["forward", "--port", "0", "--listen", "127.0.0.1", "--control"])
        .arg(&engine.socket)
        .output()
        .unwrap();
    assert!(!second.status.success());
    assert!(String::from_utf8_lossy(&second.stderr).contains("another engine"));
    engine.kill();
    assert!(engine.socket.exists(), "killed: the file stays");
    let again = Engine::start_at(engine.socket.clone(), &["--listen", "127.0.0.1"]);
    let mut control = Control::connect(&again);
    assert_ne!(welcome(&mut control), before);
    let Ok(Response::Snapshot { rooms, .. }) = control.ask(Request::Snapshot {}) else { panic!() };
    assert!(rooms.is_empty());
    open_room(&mut control, "salle");
    exchange(&mut control, "salle", None);
}

/// CPU time of a process.
fn cpu(control: &mut Control) -> Duration {
    Duration::from_micros(control.counter("cpu_user_us") + control.counter("cpu_system_us"))
}

#[test]
fn a_hundred_thousand_packets_of_strangers_cost_little_and_harm_no_leg() {
    let engine = Engine::start();
    let mut control = Control::connect(&engine);
    open_room(&mut control, "salle");
    let (mut a, mut b) = exchange(&mut control, "salle", None);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut request = [0u8; 128];
    let id = transport::stun::TransactionId::default();
    let mut writer = transport::stun::Writer::new(&mut request, transport::stun::Class::Request, id).unwrap();
    writer.attribute(transport::stun::attr::USERNAME, b"00nobody:here").unwrap();
    let len = writer.finish(None).unwrap();
    let before = cpu(&mut control);
    let mut seen = 0;
    for round in 0..100u16 {
        for _ in 0..1_000 {
            stranger.send_to(&request[..len], engine.address()).unwrap();
        }
        // At the strangers' pace the engine keeps up: none is lost in the kernel, and each honest picture arrives.
        let until = Instant::now() + Duration::from_secs(20);
        while seen < (u64::from(round) + 1) * 1_000 * 9 / 10 {
            assert!(Instant::now() < until, "{seen} seen");
            seen = control.counter("stun_unknown");
        }
        picture(&mut a, 2 + round);
        b.wait(|b| b.heard(10).len() == 2 + usize::from(round));
    }
    let spent = cpu(&mut control) - before;
    eprintln!("{seen} strangers' packets: {spent:?} of CPU");
    assert!(spent < Duration::from_secs(5), "{spent:?}");
    stranger.set_nonblocking(true).unwrap();
    assert!(stranger.recv(&mut [0; 8]).is_err(), "strangers get no answer");
    a.step();
    assert!(!a.closed && !b.closed);
    assert_eq!(control.counter("leg_lost"), 0);
}

#[test]
fn seven_hundred_legs_fit_in_memory() {
    let engine = Engine::start_with(&["--listen", "127.0.0.1", "--shards", "2"]);
    let mut control = Control::connect(&engine);
    let rss = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", engine.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    let certificate = Certificate::generate().unwrap();
    let before = rss();
    for room in 0..7 {
        open_room(&mut control, &format!("r{room}"));
        for leg in 0..100 {
            let mut open =
                leg_open(&format!("r{room}"), &format!("{room}-{leg}"), &Credentials::generate(""), &certificate);
            let template = open.slots.last().unwrap().clone();
            open.slots.extend((20..45).map(|slot| Slot { slot, ..template.clone() }));
            open.blob = vec![1; 4096];
            control.ask(Request::LegOpen(open)).unwrap();
        }
    }
    let per_leg = (rss() - before) / 700;
    eprintln!("700 legs of 30 slots: {per_leg} bytes each, {} MiB in all", rss() >> 20);
    assert!(per_leg < 100_000, "{per_leg}");
    // A closed room gives its legs' places back: the next seven hundred need no more.
    let full = rss();
    for room in 0..7 {
        control.ask(Request::RoomClose { room: format!("r{room}") }).unwrap();
    }
    let Ok(Response::Stats { legs: 0, rooms: 0, .. }) = control.ask(Request::Stats {}) else { panic!() };
    open_room(&mut control, "encore");
    for leg in 0..100 {
        control
            .ask(Request::LegOpen(leg_open("encore", &leg.to_string(), &Credentials::generate(""), &certificate)))
            .unwrap();
    }
    assert!(rss() <= full + (4 << 20), "{} then {}", full, rss());
}

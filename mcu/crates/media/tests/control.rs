//! The control socket of a whole engine: many clients, slow clients, second clients, closing, replacing, all-or-nothing.

mod support;

use media::control::framing;
use media::control::messages::*;
use std::io::{Read, Write};
use std::time::{Duration, Instant};
use support::*;
use transport::dtls::Certificate;
use transport::ice::Credentials;

const CAMERA: u32 = 7_000;

fn open_room(control: &mut Control, room: &str) {
    assert!(matches!(control.ask(Request::RoomOpen { room: room.into() }), Ok(Response::RoomOpened { .. })));
}

fn assign(slot: u32, leg: &str) -> Assignment {
    Assignment { slot, source: Some(Source { leg: leg.into(), track: "camera".into() }), height: 360 }
}

fn picture(leg: &mut Leg, seq: u16, key: bool) {
    let payload = [0x10, u8::from(!key), 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0xe0, 1, 0, 0];
    leg.send(CAMERA, 96, seq, u32::from(seq) * 3000, &[(1, b"1")], &payload);
}

/// `leg.open` of a leg that will never come.
fn dummy(room: &str, leg: &str) -> LegOpen {
    leg_open(room, leg, &Credentials::generate(""), &Certificate::generate().unwrap())
}

fn ended(control: &mut Control) {
    control.stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut buffer = vec![0; 1 << 20];
    while control.stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
    // Not a timeout: the end.
    control.stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
    assert_eq!(control.stream.read(&mut buffer).unwrap_or(0), 0);
}

fn snapshot(control: &mut Control) -> Vec<RoomState> {
    match control.ask(Request::Snapshot {}) {
        Ok(Response::Snapshot { rooms, .. }) => rooms,
        other => panic!("{other:?}"),
    }
}

#[test]
fn closing_a_room_says_goodbye_to_its_legs_and_forgets_them() {
    let engine = Engine::start();
    let mut control = Control::connect(&engine);
    open_room(&mut control, "salle");
    open_room(&mut control, "autre");
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    let mut c = Leg::open(&mut control, "autre", "c");
    control.ask(Request::RoomClose { room: "salle".into() }).unwrap();
    a.wait(|a| a.closed);
    b.wait(|b| b.closed);
    assert_eq!(control.ask(Request::LegStats { leg: "a".into() }).unwrap_err().code, Code::UnknownLeg);
    assert_eq!(control.ask(Request::LegOpen(dummy("salle", "a"))).unwrap_err().code, Code::UnknownRoom);
    control.ask(Request::RoomClose { room: "salle".into() }).unwrap();
    control.ask(Request::LegClose { leg: "a".into() }).unwrap();
    let rooms = snapshot(&mut control);
    assert_eq!((rooms.len(), rooms[0].legs.len()), (1, 1));
    c.step();
    assert!(!c.closed);
    // The room can be opened anew.
    open_room(&mut control, "salle");
    Leg::open(&mut control, "salle", "a");
}

#[test]
fn a_leg_is_replaced_or_moved_only_when_the_new_one_is_taken() {
    let engine = Engine::start_with(&["--listen", "127.0.0.1", "--shards", "2"]);
    let mut control = Control::connect(&engine);
    open_room(&mut control, "un");
    open_room(&mut control, "deux");
    let mut old = Leg::open(&mut control, "un", "a");
    let mut double = dummy("un", "a");
    double.slots.push(double.slots[0].clone());
    assert_eq!(control.ask(Request::LegOpen(double.clone())).unwrap_err().code, Code::Limit);
    // Nor does a refused move to the other shard harm it.
    double.room = "deux".into();
    assert_eq!(control.ask(Request::LegOpen(double)).unwrap_err().code, Code::Limit);
    let alive = |control: &mut Control| match control.ask(Request::LegStats { leg: "a".into() }) {
        Ok(Response::LegStats { connected, .. }) => connected,
        other => panic!("{other:?}"),
    };
    assert!(alive(&mut control));
    old.step();
    assert!(!old.closed);
    // Replaced in its room, then moved to the other shard: each time the old one is told, and there is but one.
    control.events.clear();
    let mut second = Leg::open(&mut control, "un", "a");
    old.wait(|old| old.closed);
    assert_ne!(second.local.ufrag, old.local.ufrag);
    control.events.clear();
    let mut third = Leg::open(&mut control, "deux", "a");
    second.wait(|second| second.closed);
    assert_ne!(third.local.ufrag[..2], second.local.ufrag[..2]);
    let rooms = snapshot(&mut control);
    let legs: usize = rooms.iter().map(|room| room.legs.len()).sum();
    assert_eq!(legs, 1);
    assert!(alive(&mut control));
    third.step();
    assert!(!third.closed);
}

#[test]
fn a_view_request_with_one_bad_slot_changes_nothing() {
    let engine = Engine::start();
    let mut control = Control::connect(&engine);
    open_room(&mut control, "salle");
    for leg in ["a", "b", "c"] {
        control.ask(Request::LegOpen(dummy("salle", leg))).unwrap();
    }
    control.ask(Request::LegView { leg: "b".into(), assign: vec![assign(10, "a")] }).unwrap();
    let long = "x".repeat(200);
    for (bad, code) in [(assign(99, "c"), Code::UnknownSlot), (assign(11, &long), Code::Limit)] {
        let assign = vec![assign(10, "c"), Assignment { slot: 11, source: None, height: 0 }, bad];
        assert_eq!(control.ask(Request::LegView { leg: "b".into(), assign }).unwrap_err().code, code);
        let rooms = snapshot(&mut control);
        let leg = rooms[0].legs.iter().find(|leg| leg.leg == "b").unwrap();
        assert_eq!(leg.view, [self::assign(10, "a")]);
    }
}

#[test]
fn eight_clients_are_served_and_the_ninth_is_turned_away() {
    let engine = Engine::start();
    let mut clients: Vec<Control> = (0..8).map(|_| Control::connect(&engine)).collect();
    open_room(&mut clients[0], "salle");
    let mut ninth = Control::raw(&engine);
    let mut request = Vec::new();
    let hello = Request::Hello { version: VERSION, peer: "ninth".into(), subscribe: false };
    framing::write(&Frame { id: Some(1), req: Some(hello), ..Frame::default() }, &mut request).unwrap();
    let _ = ninth.stream.write_all(&request); // it may be closed already
    ended(&mut ninth);
    // A second client takes over where the first one left: it sees and changes the same rooms, and all hear the events.
    clients.remove(0);
    let mut leg = Leg::open(&mut clients[0], "salle", "a");
    leg.step();
    let connected = Event::LegConnected { leg: "a".into() };
    for client in &mut clients {
        let until = Instant::now() + Duration::from_secs(20);
        while !client.events.contains(&connected) {
            assert!(Instant::now() < until, "no event");
            client.read();
        }
        assert_eq!(snapshot(client)[0].legs.len(), 1);
    }
    // The place of the one that left is free again.
    let until = Instant::now() + Duration::from_secs(20);
    let mut late = Control::connect(&engine);
    assert!(Instant::now() < until);
    late.ask(Request::LegClose { leg: "a".into() }).unwrap();
    assert_eq!(snapshot(&mut clients[6])[0].legs.len(), 0);
}

#[test]
fn a_client_that_does_not_read_is_disconnected_and_the_others_go_on() {
    let engine = Engine::start();
    let mut control = Control::connect(&engine);
    open_room(&mut control, "salle");
    for n in 0..20 {
        let blob = vec![n; MAX_BLOB];
        control.ask(Request::LegOpen(LegOpen { blob, ..dummy("salle", &format!("d{n}")) })).unwrap();
    }
    let mut a = Leg::open(&mut control, "salle", "a");
    let mut b = Leg::open(&mut control, "salle", "b");
    control.ask(Request::LegView { leg: "b".into(), assign: vec![assign(10, "a")] }).unwrap();
    // 350 kB an answer: 32 MiB are passed long before the end.
    let mut slow = Control::connect(&engine);
    slow.stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut gone = false;
    for id in 10..2_000 {
        let mut request = Vec::new();
        framing::write(&Frame { id: Some(id), req: Some(Request::Snapshot {}), ..Frame::default() }, &mut request)
            .unwrap();
        if slow.stream.write_all(&request).is_err() {
            gone = true;
            break;
        }
        if id % 100 == 0 {
            let seq = (id / 100) as u16;
            picture(&mut a, seq, true);
            b.wait(|b| b.heard(10).len() == usize::from(seq));
            assert!(matches!(control.ask(Request::Stats {}), Ok(Response::Stats { rooms: 1, .. })));
        }
    }
    assert!(gone, "still connected");
    assert!(matches!(control.ask(Request::Stats {}), Ok(Response::Stats { legs: 22, .. })));
    Control::connect(&engine);
}

//! The lite agent against the controlling client, and every refusal.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use transport::ice::{Client, ClientEvent, Credentials, DropReason, IceLite, IceOutcome, CONSENT};
use transport::stun::{attr, integrity_key, Class, ErrorCode, Message, Writer};

type Attribute<'a> = (u16, &'a [u8]);

struct Leg {
    agent: IceLite,
    remote: Credentials,
    now: Instant,
    out: [u8; 256],
}

impl Leg {
    fn new() -> Leg {
        let (local, remote) = (Credentials::generate("s3"), Credentials::generate(""));
        let now = Instant::now();
        Leg { agent: IceLite::new(local, remote.clone(), now), remote, now, out: [0; 256] }
    }

    fn username(&self) -> String {
        format!("{}:{}", self.agent.local().ufrag, self.remote.ufrag)
    }

    fn request(&self, attributes: &[Attribute], password: Option<&str>) -> Vec<u8> {
        let mut buf = [0; 512];
        let mut writer = Writer::new(&mut buf, Class::Request, [9; 12]).unwrap();
        for (kind, value) in attributes {
            writer.attribute(*kind, value).unwrap();
        }
        let len = writer.finish(password.map(integrity_key).as_ref()).unwrap();
        buf[..len].to_vec()
    }

    /// A check with the right credentials.
    fn check(&self, nominate: bool) -> Vec<u8> {
        let name = self.username();
        let mut attributes: Vec<Attribute> = vec![(attr::USERNAME, name.as_bytes()), (attr::ICE_CONTROLLING, &[1; 8])];
        if nominate {
            attributes.push((attr::USE_CANDIDATE, &[]));
        }
        self.request(&attributes, Some(&self.agent.local().pwd))
    }

    fn handle(&mut self, from: SocketAddr, raw: &[u8]) -> IceOutcome {
        self.agent.handle_binding(self.now, from, &Message::parse(raw).unwrap(), &mut self.out)
    }

    fn response(&self, len: usize) -> Message<'_> {
        Message::parse(&self.out[..len]).unwrap()
    }
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 7], port))
}

#[test]
fn the_browser_s_last_nomination_decides() {
    let mut leg = Leg::new();
    let (plain, nominating) = (leg.check(false), leg.check(true));
    assert_eq!(leg.agent.remote_address(), None);
    let IceOutcome::Respond { len, new_address: true, evicted: None } = leg.handle(address(1), &plain) else {
        panic!()
    };
    let response = leg.response(len);
    assert_eq!((response.class, response.xor_mapped_address), (Class::Success, Some(address(1))));
    assert!(response.verify_integrity(&integrity_key(&leg.agent.local().pwd)));
    // Before a nomination the last authenticated check shows the way.
    assert_eq!(leg.agent.remote_address(), Some(address(1)));

    assert!(
        matches!(leg.handle(address(2), &nominating), IceOutcome::Nominated { remote, new_address: true, .. } if remote == address(2))
    );
    assert!(matches!(leg.handle(address(2), &nominating), IceOutcome::Respond { new_address: false, .. }));
    // W10: other paths stay checked without taking over, until the browser nominates one.
    leg.handle(address(3), &plain);
    assert_eq!(leg.agent.remote_address(), Some(address(2)));
    assert!(
        matches!(leg.handle(address(1), &nominating), IceOutcome::Nominated { remote, new_address: false, .. } if remote == address(1))
    );
    assert_eq!(leg.agent.remote_address(), Some(address(1)));
    assert_eq!(leg.agent.addresses().count(), 3);
}

#[test]
fn refusals_change_nothing() {
    let mut leg = Leg::new();
    let (name, pwd) = (leg.username(), leg.agent.local().pwd.clone());
    let stranger = format!("{}:other", leg.agent.local().ufrag);
    let user: Attribute = (attr::USERNAME, name.as_bytes());
    let cases: [(&[Attribute], Option<&str>, ErrorCode); 6] = [
        (&[], Some(&pwd), ErrorCode::BadRequest),
        (&[user], None, ErrorCode::BadRequest),
        (&[user], Some("not the password, not at all"), ErrorCode::Unauthenticated),
        (&[(attr::USERNAME, stranger.as_bytes())], Some(&pwd), ErrorCode::Unauthenticated),
        (&[user, (0x7777, &[])], Some(&pwd), ErrorCode::UnknownAttribute),
        (&[user, (attr::ICE_CONTROLLED, &[0xFF; 8])], Some(&pwd), ErrorCode::RoleConflict),
    ];
    for (attributes, password, expected) in cases {
        let raw = leg.request(attributes, password);
        let IceOutcome::Refused { len, code } = leg.handle(address(1), &raw) else { panic!("{expected:?}") };
        assert_eq!(code, expected);
        let response = leg.response(len);
        assert_eq!((response.class, response.error_code), (Class::Error, Some(expected as u16)));
        let proven = matches!(expected, ErrorCode::UnknownAttribute | ErrorCode::RoleConflict);
        assert_eq!(response.verify_integrity(&integrity_key(&pwd)), proven);
    }
    assert_eq!((leg.agent.remote_address(), leg.agent.addresses().count()), (None, 0));

    let mut buf = [0; 128];
    let len = Writer::new(&mut buf, Class::Success, [0; 12]).unwrap().finish(Some(&integrity_key(&pwd))).unwrap();
    assert_eq!(leg.handle(address(1), &buf[..len]), IceOutcome::Drop(DropReason::NotBindingRequest));
    let check = leg.check(true);
    let message = Message::parse(&check).unwrap();
    assert_eq!(
        leg.agent.handle_binding(leg.now, address(1), &message, &mut [0; 40]),
        IceOutcome::Drop(DropReason::NoRoom)
    );
    assert_eq!(leg.agent.remote_address(), None);
}

#[test]
fn consent_lives_by_checks_on_the_selected_path_only() {
    let mut leg = Leg::new();
    let (plain, nominating) = (leg.check(false), leg.check(true));
    assert!(leg.agent.consent_expired(leg.now + CONSENT));
    leg.now += Duration::from_secs(20);
    leg.handle(address(1), &nominating);
    let checked = leg.now;
    assert_eq!(leg.agent.expires_at(), checked + CONSENT);
    leg.now += Duration::from_secs(29);
    leg.handle(address(2), &plain);
    assert_eq!(leg.agent.expires_at(), checked + CONSENT);
    assert!(!leg.agent.consent_expired(leg.now));
    leg.handle(address(1), &plain);
    assert_eq!(leg.agent.expires_at(), leg.now + CONSENT);
}

#[test]
fn addresses_are_bounded_and_the_selected_one_stays() {
    let mut leg = Leg::new();
    let (plain, nominating) = (leg.check(false), leg.check(true));
    leg.handle(address(1), &nominating);
    let mut evicted = Vec::new();
    for port in 2..=100 {
        leg.now += Duration::from_millis(1);
        if let IceOutcome::Respond { evicted: Some(gone), .. } = leg.handle(address(port), &plain) {
            evicted.push(gone);
        }
    }
    assert_eq!(leg.agent.addresses().count(), 16);
    assert!(leg.agent.addresses().any(|known| known == address(1)));
    assert_eq!(evicted.len(), 100 - 16);
    assert_eq!(evicted[0], address(2));
}

#[test]
fn client_connects_repeats_and_keeps_consent() {
    let mut leg = Leg::new();
    let mut client = Client::new(&leg.remote, leg.agent.local(), leg.now);
    let mut out = [0; 256];
    let len = client.poll(leg.now, &mut out).unwrap();
    let first = out[..len].to_vec();
    assert!(client.poll(leg.now, &mut out).is_none());
    leg.now = client.next_timeout();
    let len = client.poll(leg.now, &mut out).unwrap();
    assert_eq!(out[..len], first[..], "a repetition is the same request");

    let IceOutcome::Nominated { len, .. } = leg.handle(address(5), &first) else { panic!() };
    let answer = leg.out[..len].to_vec();
    let mut forged = [0; 128];
    let id = Message::parse(&answer).unwrap().transaction_id;
    let len = Writer::new(&mut forged, Class::Success, id).unwrap().finish(Some(&integrity_key("wrong"))).unwrap();
    assert_eq!(client.handle(leg.now, &Message::parse(&forged[..len]).unwrap()), ClientEvent::Ignored);
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(client.handle(leg.now, &answer), ClientEvent::Connected { mapped: Some(address(5)) });
    assert_eq!(client.handle(leg.now, &answer), ClientEvent::Ignored, "an answer counts once");

    for _ in 0..5 {
        let wait = client.next_timeout() - leg.now;
        assert!((Duration::from_secs(4)..=Duration::from_secs(6)).contains(&wait));
        leg.now = client.next_timeout();
        let len = client.poll(leg.now, &mut out).unwrap();
        let IceOutcome::Respond { len, .. } = leg.handle(address(5), &out[..len]) else { panic!() };
        assert_eq!(client.handle(leg.now, &leg.response(len)), ClientEvent::Confirmed);
    }
    assert!(client.is_connected() && !client.consent_expired(leg.now));
    assert!(client.consent_expired(leg.now + CONSENT));
}

#[test]
fn credentials_are_as_the_rfc_demands() {
    let generated = Credentials::generate("a1");
    assert!(generated.ufrag.starts_with("a1") && generated.ufrag.len() == 10 && generated.pwd.len() == 24);
    assert_eq!(Credentials::checked(&generated.ufrag, &generated.pwd), Some(generated.clone()));
    assert_ne!(generated, Credentials::generate("a1"));
    assert!(!format!("{generated:?}").contains(&generated.pwd));
    assert!(Credentials::checked("abc", &generated.pwd).is_none());
    assert!(Credentials::checked("abcd", "tooshort").is_none());
    assert!(Credentials::checked("ab:d", &generated.pwd).is_none());
    assert!(Credentials::checked(&"a".repeat(257), &generated.pwd).is_none());
}

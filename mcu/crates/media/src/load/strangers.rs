//! `load --strangers N`: bad traffic at the engine's media port, with one honest pair of legs beside it that must notice nothing.
//!
//! From sockets that belong to no leg: STUN with unknown ufrags, with a known ufrag and false integrity, and with broken attributes
//! (N together); random datagrams, DTLS records and copies of real SRTP (N/10 each). From the honest publisher's own address, as one who
//! forges its source address would: replayed copies and copies with a flipped bit (N/10 each).

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use transport::demux::{classify, Kind};
use transport::ice::Credentials;
use transport::stun::{attr, integrity_key, Class, Writer};

use super::control::Control;
use super::drive::Drive;
use super::options::Options;
use super::report::Report;
use super::rng::Rng;
use super::world;
use super::{connect, counters, flow, rises, DRAIN};
use crate::sys::{RecvBatch, RECV_BATCH};

const SOCKETS: usize = 8;
/// How often the strangers' share is sent.
const STEP: Duration = Duration::from_millis(5);
/// Longest random datagram.
const LONGEST: usize = 1200;
/// Strangers' packets of the other kinds for every ten STUN packets.
const OTHERS: [Bad; 5] = [Bad::Random, Bad::Dtls, Bad::Copied, Bad::Replayed, Bad::Forged];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    UnknownUfrag,
    FalseIntegrity,
    BrokenStun,
    Random,
    Dtls,
    Copied,
    Replayed,
    Forged,
}

const KINDS: [(Bad, &str); 8] = [
    (Bad::UnknownUfrag, "stun_unknown_ufrag"),
    (Bad::FalseIntegrity, "stun_false_integrity"),
    (Bad::BrokenStun, "stun_broken"),
    (Bad::Random, "random"),
    (Bad::Dtls, "dtls"),
    (Bad::Copied, "srtp_copied"),
    (Bad::Replayed, "srtp_replayed"),
    (Bad::Forged, "srtp_forged"),
];

/// The `n`th packet's kind: of fifteen, ten are STUN.
fn kind(n: u64) -> Bad {
    let stun = [Bad::UnknownUfrag, Bad::FalseIntegrity, Bad::BrokenStun];
    match n % 15 {
        other @ 10.. => OTHERS[other as usize - 10],
        _ => stun[(n % 3) as usize],
    }
}

struct Strangers {
    sockets: Vec<UdpSocket>,
    rng: Rng,
    /// `engine's ufrag:ours` of the honest publisher.
    username: String,
    sent: [u64; KINDS.len()],
    sent_bytes: u64,
    answers: u64,
    answer_bytes: u64,
    leaks: u64,
}

/// Send `stun` STUN packets and the others in proportion, at `--rate`, and report.
///
/// # Errors
/// When the honest legs cannot be opened or lose their transport.
pub fn run(control: &mut Control, options: &Options, stun: u64) -> Result<Report, String> {
    let honest = Options { publishers: 1, subscribers: 1, rooms: 1, pps: options.pps.min(100), ..options.clone() };
    let mut drive = connect(control, &honest)?;
    drive.captured = Some(Vec::new());
    flow(&mut drive)?;
    let (before, first) = (counters(control)?, drive.sent());
    drive.tally.window = Some(first.values().copied().collect());
    let mut strangers = Strangers::new(&drive, options.seed).map_err(|e| format!("strangers' sockets: {e}"))?;
    let (total, began) = (stun * 15 / 10, Instant::now());
    let mut n = 0;
    while n < total {
        drive.run(STEP, |_| false)?;
        let due = (began.elapsed().as_secs_f64() * f64::from(options.rate)) as u64;
        while n < total.min(due) {
            strangers.send(kind(n), &drive);
            n += 1;
        }
        strangers.listen();
    }
    let seconds = began.elapsed().as_secs_f64();
    drive.stop_sending();
    drive.run(DRAIN, |_| false)?;
    strangers.listen();
    let sent: u64 = drive.sent().iter().map(|(n, sent)| sent - first[n]).sum();
    let mut report = super::summary(&drive, &honest, sent, seconds);
    strangers.report(&mut report);
    for (name, rise) in rises(&before, &counters(control)?) {
        report.server(&name, rise);
    }
    Ok(report)
}

impl Strangers {
    fn new(drive: &Drive, seed: u64) -> std::io::Result<Strangers> {
        let publisher = &drive.legs[0];
        Ok(Strangers {
            sockets: (0..SOCKETS).map(|_| world::bind(publisher.engine)).collect::<Result<_, _>>()?,
            rng: Rng::new(seed),
            username: format!("{}:{}", publisher.engine_ufrag, publisher.local_ufrag),
            sent: [0; KINDS.len()],
            sent_bytes: 0,
            answers: 0,
            answer_bytes: 0,
            leaks: 0,
        })
    }

    fn send(&mut self, kind: Bad, drive: &Drive) {
        let mut buf = [0; 1500];
        let Some(len) = self.make(kind, drive, &mut buf) else { return };
        let own = matches!(kind, Bad::Replayed | Bad::Forged);
        let socket = if own { &drive.legs[0].socket } else { &self.sockets[self.rng.next() as usize % SOCKETS] };
        if socket.send(&buf[..len]).is_ok() {
            let at = KINDS.iter().position(|(k, _)| *k == kind).unwrap_or(0);
            self.sent[at] += 1;
            self.sent_bytes += len as u64;
        }
    }

    /// Write a packet of the kind; None when there is nothing to copy yet.
    fn make(&mut self, kind: Bad, drive: &Drive, buf: &mut [u8; 1500]) -> Option<usize> {
        match kind {
            Bad::UnknownUfrag => {
                let username = format!("{}:{}", Credentials::generate("").ufrag, "nobody");
                binding(buf, &username, &mut self.rng)
            }
            Bad::FalseIntegrity => binding(buf, &self.username, &mut self.rng),
            Bad::BrokenStun => {
                let len = binding(buf, &self.username, &mut self.rng)?;
                let at = 20 + self.rng.next() as usize % (len - 20);
                self.rng.fill(&mut buf[at..len]);
                Some(len)
            }
            Bad::Random | Bad::Dtls => {
                let len = 14 + self.rng.next() as usize % (LONGEST - 14);
                self.rng.fill(&mut buf[..len]);
                if kind == Bad::Dtls {
                    buf[..5].copy_from_slice(&[22, 0xfe, 0xfd, 0, 0]);
                    buf[13] = 1;
                }
                Some(len)
            }
            Bad::Copied | Bad::Replayed | Bad::Forged => {
                let captured = drive.captured.as_ref().filter(|captured| !captured.is_empty())?;
                let packet = &captured[self.rng.next() as usize % captured.len()];
                buf[..packet.len()].copy_from_slice(packet);
                if kind == Bad::Forged {
                    // Behind the fixed header, so that it still belongs to the stream; a fresh number, so that it is no replay.
                    buf[12 + self.rng.next() as usize % (packet.len() - 12)] ^= 1 << (self.rng.next() % 8);
                    let seq = u16::from_be_bytes([buf[2], buf[3]]).wrapping_add(1000);
                    buf[2..4].copy_from_slice(&seq.to_be_bytes());
                }
                Some(packet.len())
            }
        }
    }

    /// Count what the engine says to strangers.
    fn listen(&mut self) {
        let mut batch = RecvBatch::new();
        for socket in &self.sockets {
            // An ICMP error says only that the engine does not listen: the honest legs notice that.
            while let Ok(count @ 1..) = batch.recv(socket) {
                for n in 0..count {
                    let datagram = batch.packet(n).0;
                    self.answers += 1;
                    self.answer_bytes += datagram.len() as u64;
                    self.leaks += u64::from(classify(datagram) != Kind::Stun);
                }
                if count < RECV_BATCH {
                    break;
                }
            }
        }
    }

    fn report(&self, report: &mut Report) {
        KINDS.iter().zip(self.sent).for_each(|((_, name), sent)| report.number(name, sent));
        report.number("strangers_sent", self.sent.iter().sum::<u64>());
        report.number("strangers_bytes", self.sent_bytes);
        report.number("answers", self.answers);
        report.number("answer_bytes", self.answer_bytes);
        report.number("leaks", self.leaks);
    }
}

/// A Binding request as ICE sends it (RFC 8445 §7.2.2), signed with a random password.
fn binding(buf: &mut [u8], username: &str, rng: &mut Rng) -> Option<usize> {
    let (mut id, mut password) = ([0; 12], [0; 16]);
    rng.fill(&mut id);
    rng.fill(&mut password);
    let password: String = password.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut writer = Writer::new(buf, Class::Request, id)?;
    writer.attribute(attr::USERNAME, username.as_bytes())?;
    writer.attribute(attr::ICE_CONTROLLING, &rng.next().to_be_bytes())?;
    writer.attribute(attr::PRIORITY, &[0x6e, 0xff, 0xff, 0xff])?;
    writer.attribute(attr::USE_CANDIDATE, &[])?;
    writer.finish(Some(&integrity_key(&password)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use transport::stun::Message;

    #[test]
    fn ten_of_fifteen_are_stun_of_all_kinds_and_every_other_kind_comes_once() {
        let kinds: Vec<Bad> = (0..15).map(kind).collect();
        let count = |wanted| kinds.iter().filter(|kind| **kind == wanted).count();
        let stun = [Bad::UnknownUfrag, Bad::FalseIntegrity, Bad::BrokenStun].map(count);
        assert_eq!(stun.iter().sum::<usize>(), 10);
        assert!(stun.iter().all(|n| *n >= 3));
        assert!(OTHERS.iter().all(|other| count(*other) == 1));
    }

    #[test]
    fn a_false_request_is_well_formed_and_does_not_verify() {
        let (mut buf, mut rng) = ([0; 1500], Rng::new(3));
        let len = binding(&mut buf, "abcdefgh:nobody", &mut rng).unwrap();
        let message = Message::parse(&buf[..len]).unwrap();
        assert_eq!(message.username, Some("abcdefgh:nobody"));
        assert!(message.has_integrity());
        assert!(!message.verify_integrity(&integrity_key("the right password")));
    }
}

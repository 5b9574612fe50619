//! `massalia-media load`: the load generator of benches and tests. It acts through the engine's control socket as the control plane,
//! and on the media port as the browsers: ICE, DTLS, SRTP, NACK, RTX, PLI, reports.
//!
//! One thread serves all legs. Latency is taken from a time stamp in the payload, after the generator's own receive queue, so it is an
//! upper bound of what the engine adds. Left out: simulcast, transport-cc and ICE-TCP, which the engine does not speak yet.

mod control;
mod cpu;
mod drive;
mod histogram;
mod inbound;
mod options;
mod publisher;
mod report;
mod rng;
mod session;
mod source;
mod stamp;
mod strangers;
mod subscriber;
mod tally;
mod world;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use control::Control;
use cpu::Cpu;
use drive::Drive;
use options::Options;
use report::Report;
use subscriber::Checks;

use crate::control::messages::{Request, Response};

const CONNECT_LIMIT: Duration = Duration::from_secs(30);
const FLOW_LIMIT: Duration = Duration::from_secs(10);
/// Between the first packets everywhere and the measured window.
const WARM_UP: Duration = Duration::from_secs(1);
/// After the last packet: time for what is under way, and for the last retransmissions.
const DRAIN: Duration = Duration::from_millis(500);

/// Run the generator with the arguments after the word `load`; prints its report on stdout.
///
/// # Errors
/// One sentence for stderr.
pub fn run(args: Vec<OsString>) -> Result<(), String> {
    if args.iter().any(|arg| arg == "--help") {
        println!("{}", options::USAGE);
        return Ok(());
    }
    let options = Options::parse(args).map_err(|e| format!("{e}\n{}", options::USAGE))?;
    let mut control = Control::connect(&options.control)?;
    let report = match options.strangers {
        Some(count) => strangers::run(&mut control, &options, count),
        None => measure(&mut control, &options),
    };
    world::close(&mut control, &options);
    let report = report?;
    if options.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.table());
    }
    Ok(())
}

/// Open everything, wait until it flows, and measure.
fn measure(control: &mut Control, options: &Options) -> Result<Report, String> {
    let mut drive = connect(control, options)?;
    flow(&mut drive)?;
    drive.run(WARM_UP, |_| false)?;

    let first = drive.sent();
    let (counters, cpu) = (counters(control)?, options.server_pid.and_then(Cpu::of));
    drive.tally.window = Some(first.values().copied().collect());
    let began = std::time::Instant::now();
    drive.run(Duration::from_secs_f64(options.seconds), |_| false)?;
    let seconds = began.elapsed().as_secs_f64();
    let used = options.server_pid.and_then(Cpu::of).zip(cpu).map(|(after, before)| after.since(before));
    let rises = rises(&counters, &self::counters(control)?);
    drive.stop_sending();
    drive.run(DRAIN, |_| false)?;

    let sent: u64 = drive.sent().iter().map(|(n, sent)| sent - first[n]).sum();
    let mut report = summary(&drive, options, sent, seconds);
    if let Some(used) = used {
        report.number("server_user_us", used.user);
        report.number("server_sys_us", used.system);
    }
    rises.iter().for_each(|(name, rise)| report.server(name, *rise));
    Ok(report)
}

/// Open all legs and wait until every transport is up.
fn connect(control: &mut Control, options: &Options) -> Result<Drive, String> {
    let legs = world::open(control, options)?;
    let checks = Checks::new(options.verify, options.loss, options.seed);
    let mut drive = Drive::new(legs, checks).map_err(|e| format!("epoll: {e}"))?;
    if drive.run(CONNECT_LIMIT, Drive::connected)? {
        return Ok(drive);
    }
    let up = drive.legs.iter().filter(|leg| leg.session.is_connected()).count();
    Err(format!("only {up} of {} legs connected in {} s", drive.legs.len(), CONNECT_LIMIT.as_secs()))
}

/// Start sending and wait until every subscriber receives all its streams.
fn flow(drive: &mut Drive) -> Result<(), String> {
    drive.start_sending();
    if drive.run(FLOW_LIMIT, Drive::all_flow)? {
        return Ok(());
    }
    Err(format!("not every stream reached every subscriber in {} s", FLOW_LIMIT.as_secs()))
}

fn summary(drive: &Drive, options: &Options, sent: u64, seconds: f64) -> Report {
    let tally = &drive.tally;
    let expected = sent * options.subscribers as u64;
    let mut report = Report::default();
    report.word("profile", drive.legs[0].session.profile().map_or("none", |profile| profile.name()));
    report.number("publishers", options.publishers);
    report.number("subscribers", options.subscribers);
    report.number("rooms", options.rooms);
    report.number("seconds", seconds);
    report.number("sent", sent);
    report.number("expected", expected);
    report.number("received", tally.received);
    report.number("delivery_pct", 100.0 * tally.received as f64 / expected.max(1) as f64);
    report.number("p50_ms", tally.latency.quantile_ms(0.5));
    report.number("p99_ms", tally.latency.quantile_ms(0.99));
    report.number("max_ms", tally.latency.quantile_ms(1.0));
    report.number("mean_size", tally.wire_bytes as f64 / tally.wire_packets.max(1) as f64);
    report.number("audio_received", tally.audio_received);
    report.number("recovered", tally.recovered);
    report.number("duplicates", tally.duplicates);
    report.number("thrown_away", tally.thrown_away);
    report.number("refused", tally.refused);
    report.number("damaged", tally.damaged);
    report.number("unknown_ssrc", tally.unknown_ssrc);
    report.number("nacked", tally.nacked);
    report.number("keyframes", tally.keyframes);
    report.number("plis_sent", tally.plis_sent);
    report.number("plis_answered", tally.plis_answered);
    report.number("publisher_nacks", tally.publisher_nacks);
    report.number("publisher_rtx", tally.publisher_rtx);
    report
}

/// The engine's counters now.
fn counters(control: &mut Control) -> Result<BTreeMap<String, u64>, String> {
    match control.request(Request::Stats {})? {
        Response::Stats { counters, .. } => Ok(counters),
        other => Err(format!("the engine answered stats with {other:?}")),
    }
}

/// How far each counter rose.
fn rises(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let rise =
        |(name, now): (&String, &u64)| (name.clone(), now.saturating_sub(before.get(name).copied().unwrap_or(0)));
    after.iter().map(rise).collect()
}

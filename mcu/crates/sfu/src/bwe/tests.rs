//! The estimator against a small simulated link: a drop-tail queue behind a capacity that changes, with delay, jitter
//! and loss. Deterministic.

use super::*;
use std::collections::VecDeque;

const PACKET: u32 = 1_200;

struct Link {
    /// (from second, bits per second)
    capacity: Vec<(u64, f64)>,
    /// One way, microseconds.
    delay: Micros,
    jitter: Micros,
    loss: f64,
    /// Queue in microseconds; more is dropped.
    queue: Micros,
    free_at: f64,
    last_arrival: i64,
    random: u64,
}

impl Link {
    fn new(capacity: &[(u64, f64)]) -> Link {
        Link {
            capacity: capacity.to_vec(),
            delay: 25_000,
            jitter: 0,
            loss: 0.0,
            queue: 300_000,
            free_at: 0.0,
            last_arrival: 0,
            random: 0x2545_F491_4F6C_DD1D,
        }
    }

    fn at(&self, now: Micros) -> f64 {
        self.capacity.iter().rev().find(|(from, _)| from * 1_000_000 <= now).expect("starts at 0").1
    }

    fn chance(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    /// When a packet arrives, on a clock that is another one than ours.
    fn carry(&mut self, size: u32, now: Micros) -> Option<i64> {
        let start = self.free_at.max(now as f64);
        if start - now as f64 > self.queue as f64 {
            return None;
        }
        self.free_at = start + f64::from(size) * 8e6 / self.at(now);
        if self.chance() < self.loss {
            return None;
        }
        let jitter = self.chance() * self.jitter as f64;
        // A path keeps the order.
        self.last_arrival = self.last_arrival.max((self.free_at + jitter) as i64 + self.delay as i64);
        Some(self.last_arrival - 77_000_000)
    }
}

/// Runs for `seconds`; answers the target every 100 ms. `wanted` caps what is sent; with `probing` probes are sent.
fn run(link: &mut Link, seconds: u64, wanted: f64, probing: bool) -> Vec<f64> {
    let mut estimator = Estimator::default();
    let mut flying: VecDeque<(Micros, Outcome)> = VecDeque::new();
    let (mut targets, mut credit) = (Vec::new(), 0.0);
    let step = 5_000;
    let mut probe: Option<(Cluster, u32, u32, f64)> = None;
    for now in (0..seconds * 1_000_000).step_by(step as usize) {
        credit += estimator.target().min(wanted) * step as f64 / 8e6;
        while credit >= f64::from(PACKET) {
            credit -= f64::from(PACKET);
            flying
                .push_back((now, Outcome { sent: now, size: PACKET, arrived: link.carry(PACKET, now), cluster: None }));
        }
        if probing && probe.is_none() {
            probe = estimator.probe(wanted, now).map(|cluster| (cluster, 0, 0, now as f64));
        }
        if let Some((cluster, packets, bytes, mut at)) = probe {
            let (mut packets, mut bytes) = (packets, bytes);
            while at < (now + step) as f64 && (packets < cluster.packets || bytes < cluster.bytes) {
                let sent = at as Micros;
                let arrived = link.carry(PACKET, sent);
                flying.push_back((sent, Outcome { sent, size: PACKET, arrived, cluster: Some(cluster.number) }));
                at += f64::from(PACKET) * 8e6 / cluster.rate;
                (packets, bytes) = (packets + 1, bytes + PACKET);
            }
            let full = packets >= cluster.packets && bytes >= cluster.bytes;
            probe = (!full).then_some((cluster, packets, bytes, at));
        }
        if now % 50_000 == 0 {
            // The receiver tells of all that was sent up to the newest arrival that it has seen.
            let seen = now as i64 - 77_000_000 - 25_000;
            let told = flying.iter().rposition(|(_, o)| o.arrived.is_some_and(|at| at <= seen)).map_or(0, |n| n + 1);
            if told > 0 {
                estimator.feedback(flying.drain(..told).map(|(_, outcome)| outcome), 50_000, now);
            }
        }
        if now % 100_000 == 0 {
            targets.push(estimator.target());
        }
    }
    targets
}

/// Means over each second.
fn seconds(targets: &[f64]) -> Vec<f64> {
    targets.chunks(10).map(|part| part.iter().sum::<f64>() / part.len() as f64).collect()
}

fn shown(targets: &[f64]) -> String {
    seconds(targets).iter().map(|bits| format!("{:.2} ", bits / 1e6)).collect()
}

#[test]
fn a_link_that_steps_down_and_up_is_followed() {
    let mut link = Link::new(&[(0, 3e6), (20, 0.5e6), (40, 2e6)]);
    let targets = run(&mut link, 60, 4e6, true);
    println!("{}", shown(&targets));
    let reached = targets.iter().position(|bits| *bits >= 0.8 * 3e6).expect("never near 3 Mb/s");
    assert!(reached <= 100, "80 % of 3 Mb/s after {} ms", reached * 100);
    let below = targets[200..].iter().position(|bits| *bits <= 0.5e6).expect("never below 0.5 Mb/s");
    assert!(below <= 30, "below the squeezed link after {} ms", below * 100);
    assert!(seconds(&targets)[23..40].iter().all(|bits| (0.25e6..0.56e6).contains(bits)), "{}", shown(&targets));
    let back = targets[400..].iter().position(|bits| *bits >= 0.8 * 2e6).expect("never back");
    assert!(back <= 150, "80 % of 2 Mb/s after {} ms", back * 100);
    assert!(seconds(&targets)[57..].iter().all(|bits| (1.2e6..2.3e6).contains(bits)), "{}", shown(&targets));
    println!("up to 3 Mb/s in {reached}00 ms, below 0.5 in {below}00 ms, back to 1.6 in {back}00 ms");
}

#[test]
fn random_loss_of_two_percent_does_not_collapse_it() {
    for loss in [0.01, 0.02] {
        let mut link = Link::new(&[(0, 2e6)]);
        link.loss = loss;
        let targets = run(&mut link, 40, 3e6, true);
        println!("{loss}: {}", shown(&targets));
        assert!(seconds(&targets)[15..].iter().all(|bits| *bits > 1.2e6), "{loss}: {}", shown(&targets));
    }
}

#[test]
fn a_path_that_loses_a_third_is_given_less() {
    let mut link = Link::new(&[(0, 10e6)]);
    link.loss = 0.33;
    let targets = run(&mut link, 20, 3e6, false);
    assert!(targets[150..].iter().all(|bits| *bits < 0.3e6), "{}", shown(&targets));
}

#[test]
fn a_full_short_queue_is_seen_by_its_losses() {
    let mut link = Link::new(&[(0, 1e6)]);
    link.queue = 8_000;
    let targets = run(&mut link, 40, 3e6, true);
    let mean = seconds(&targets)[20..].iter().sum::<f64>() / 20.0;
    assert!((0.6e6..1.25e6).contains(&mean), "{}", shown(&targets));
}

#[test]
fn jitter_of_thirty_milliseconds_is_borne() {
    let mut link = Link::new(&[(0, 3e6)]);
    link.jitter = 30_000;
    let targets = run(&mut link, 40, 4e6, true);
    println!("{}", shown(&targets));
    let mean = seconds(&targets)[15..].iter().sum::<f64>() / 25.0;
    assert!(mean > 0.5 * 3e6, "{}", shown(&targets));
}

#[test]
fn without_probes_it_stays_near_what_is_sent() {
    let mut link = Link::new(&[(0, 10e6)]);
    let targets = run(&mut link, 40, 1e6, false);
    assert!(*targets.last().unwrap() <= 1.5e6 + 30_000.0 && *targets.last().unwrap() >= 1e6, "{}", shown(&targets));
}

#[test]
fn no_arrival_times_whatever_break_it() {
    let mut estimator = Estimator::default();
    let mut random = Link::new(&[(0, 1.0)]);
    for n in 0..20_000u64 {
        let arrived = (random.chance() < 0.8).then(|| ((random.chance() - 0.5) * 2f64.powi((n % 62) as i32)) as i64);
        let sent = (random.chance() * 2f64.powi((n % 50) as i32)) as u64;
        let outcome = Outcome { sent, size: 1_200, arrived, cluster: Some(n as u8) };
        estimator.feedback([outcome].into_iter(), 50_000, n * 1_000);
        estimator.probe(1e9, n * 1_000);
        assert!((FLOOR..=CEILING).contains(&estimator.target()));
    }
}

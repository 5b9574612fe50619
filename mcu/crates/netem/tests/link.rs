//! Each property of the link, by its figures.

use netem::{Burst, Change, Config, Fate, Link};
use proptest::prelude::*;
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

fn link(config: Config, seed: u64) -> Link<u32> {
    Link::new(config, seed).unwrap()
}

/// Pushes `count` packets of 1,000 bytes, one a millisecond, and answers each one's fate.
fn fates(link: &mut Link<u32>, count: u32) -> Vec<Fate> {
    (0..count).map(|n| link.push(MS * n, 1000, n)).collect()
}

fn arrivals(link: &mut Link<u32>) -> Vec<u32> {
    std::iter::from_fn(|| link.poll(Duration::MAX)).collect()
}

fn share_lost(fates: &[Fate]) -> f64 {
    fates.iter().filter(|fate| **fate == Fate::Lost).count() as f64 / fates.len() as f64
}

#[test]
fn the_default_is_a_perfect_wire() {
    let mut l = link(Config::default(), 1);
    assert_eq!(l.push(MS, 1500, 7), Fate::Arrives { at: MS, twice: false });
    assert_eq!(l.next_deadline(), Some(MS));
    assert_eq!(l.poll(Duration::ZERO), None);
    assert_eq!((l.poll(MS), l.poll(MS), l.next_deadline()), (Some(7), None, None));
}

#[test]
fn the_share_lost_is_the_one_asked_for() {
    for loss in [0.01, 0.05, 0.2, 1.0] {
        let lost = share_lost(&fates(&mut link(Config { loss, ..Config::default() }, 3), 50_000));
        assert!((lost - loss).abs() < 0.006, "{loss}: {lost}");
    }
}

#[test]
fn bursts_have_the_length_and_share_of_the_model() {
    let burst = Burst { enter: 0.01, leave: 0.2, loss: 1.0 };
    let fates = fates(&mut link(Config { burst: Some(burst), ..Config::default() }, 5), 200_000);
    let expected = burst.enter / (burst.enter + burst.leave);
    assert!((share_lost(&fates) - expected).abs() < 0.005, "{}", share_lost(&fates));
    let lost: Vec<bool> = fates.iter().map(|fate| *fate == Fate::Lost).collect();
    let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
    let mean = lost.iter().filter(|lost| **lost).count() as f64 / bursts as f64;
    assert!((mean - 5.0).abs() < 0.3, "{mean}");
}

#[test]
fn the_rate_is_kept_to_the_bit() {
    let mut l = link(Config { rate_bps: 1_000_000, ..Config::default() }, 1);
    for n in 0..500 {
        // 1,000 bytes take 8 ms at 1 Mb/s.
        assert_eq!(l.push(Duration::ZERO, 1000, n), Fate::Arrives { at: 8 * MS * (n + 1), twice: false });
    }
    // After a pause the serialiser is idle: no credit is saved up.
    assert_eq!(l.push(10_000 * MS, 1000, 0), Fate::Arrives { at: 10_008 * MS, twice: false });
}

#[test]
fn the_queue_drops_its_tail_by_bytes_and_by_time() {
    let mut l = link(Config { rate_bps: 1_000_000, queue_bytes: 10_000, ..Config::default() }, 1);
    let dropped = (0..30).filter(|n| l.push(Duration::ZERO, 1000, *n) == Fate::Dropped).count();
    assert_eq!((dropped, l.stats().dropped, l.in_flight()), (20, 20, 10));
    // A packet's time later there is room for one.
    assert_ne!(l.push(8 * MS, 1000, 0), Fate::Dropped);
    assert_eq!(l.push(8 * MS, 1000, 0), Fate::Dropped);
    let mut l = link(Config { rate_bps: 1_000_000, queue_time: 40 * MS, ..Config::default() }, 1);
    assert_eq!((0..30).filter(|n| l.push(Duration::ZERO, 1000, *n) != Fate::Dropped).count(), 6);
    assert_eq!(l.stats().worst_wait_us, 40_000);
}

#[test]
fn jitter_spreads_but_keeps_the_order() {
    let mut l = link(Config { delay: 50 * MS, jitter: 30 * MS, ..Config::default() }, 9);
    let mut ways = Vec::new();
    for n in 0..2_000 {
        // As far apart as voice packets: closer ones would be held up by each other.
        let Fate::Arrives { at, .. } = l.push(20 * MS * n, 1000, n) else { panic!("lost") };
        ways.push(at - 20 * MS * n);
    }
    assert!(ways.iter().all(|way| (50 * MS..=80 * MS).contains(way)));
    assert!(*ways.iter().min().unwrap() < 60 * MS && *ways.iter().max().unwrap() > 75 * MS);
    assert_eq!(arrivals(&mut l), (0..2_000).collect::<Vec<_>>());
}

#[test]
fn reordering_makes_just_that_share_late() {
    let mut l = link(Config { reorder: 0.1, reorder_by: 5 * MS, ..Config::default() }, 2);
    fates(&mut l, 10_000);
    let came = arrivals(&mut l);
    // Late is what arrives behind a later one; of two late ones in a row none overtakes the other.
    let late = came.iter().scan(0, |top, n| Some(std::mem::replace(top, (*top).max(*n)) > *n)).filter(|late| *late);
    let late = late.count();
    assert_eq!(came.len(), 10_000);
    assert!((900..1_100).contains(&late), "{late}");
    assert_eq!(l.stats().reordered as usize, late);
}

#[test]
fn duplicates_arrive_twice_and_are_counted() {
    let mut l = link(Config { duplicate: 0.05, ..Config::default() }, 2);
    let twice = fates(&mut l, 10_000).iter().filter(|f| matches!(f, Fate::Arrives { twice: true, .. })).count();
    assert!((400..600).contains(&twice), "{twice}");
    assert_eq!(arrivals(&mut l).len(), 10_000 + twice);
    assert_eq!(l.stats().duplicated as usize, twice);
}

#[test]
fn the_schedule_changes_the_link_on_time() {
    let change = |at: u32, loss| Change { at: MS * at, loss: Some(loss), ..Change::default() };
    let blackout = Config { schedule: vec![change(100, 1.0), change(400, 0.0)], ..Config::default() };
    let mut l = link(blackout.clone(), 1);
    let lost: Vec<usize> =
        fates(&mut l, 1_000).iter().enumerate().filter(|(_, f)| **f == Fate::Lost).map(|(n, _)| n).collect();
    assert_eq!(lost, (100..400).collect::<Vec<_>>());
    // Configured anew, it begins anew.
    l.configure(blackout, 2_000 * MS).unwrap();
    assert_ne!(l.push(2_099 * MS, 1, 0), Fate::Lost);
    assert_eq!(l.push(2_100 * MS, 1, 0), Fate::Lost);
}

#[test]
fn nonsense_is_refused_with_the_field() {
    for (json, part) in [
        (r#"{"loss": 1.5}"#, "loss 1.5"),
        (r#"{"burst": {"enter": 2, "leave": 0.5}}"#, "burst.enter"),
        (r#"{"delay_ms": 1e10}"#, "hour"),
        (r#"{"schedule": [{"at_ms": 5}, {"at_ms": 1}]}"#, "schedule"),
    ] {
        let config: Config = serde_json::from_str(json).unwrap();
        assert!(Link::<()>::new(config, 1).unwrap_err().to_string().contains(part), "{json}");
    }
    assert!(serde_json::from_str::<Config>(r#"{"lost": 1}"#).is_err());
    assert!(serde_json::from_str::<Config>(r#"{"delay_ms": -1}"#).is_err());
}

fn config() -> impl Strategy<Value = Config> {
    let time = || (0u32..200).prop_map(|ms| MS * ms);
    let share = || 0.0f64..0.5;
    (share(), prop::option::of((share(), 0.01f64..1.0)), time(), time(), share(), time(), share(), 0u64..5_000_000)
        .prop_map(|(loss, burst, delay, jitter, reorder, reorder_by, duplicate, rate_bps)| Config {
            loss,
            burst: burst.map(|(enter, leave)| Burst { enter, leave, loss: 0.9 }),
            delay,
            jitter,
            reorder,
            reorder_by,
            duplicate,
            rate_bps,
            queue_bytes: 20_000,
            ..Config::default()
        })
}

proptest! {
    #[test]
    fn one_seed_gives_one_result_and_nothing_is_made_up(
        config in config(), seed in any::<u64>(), packets in prop::collection::vec((0u64..20_000, 1usize..1500), 1..200),
    ) {
        let (mut a, mut b) = (link(config.clone(), seed), link(config.clone(), seed));
        let (mut now, mut expected) = (Duration::ZERO, 0);
        for (n, (pause, bytes)) in packets.iter().enumerate() {
            now += Duration::from_micros(*pause);
            let fate = a.push(now, *bytes, n as u32);
            prop_assert_eq!(fate, b.push(now, *bytes, n as u32));
            if let Fate::Arrives { at, twice } = fate {
                prop_assert!(at >= now + config.delay);
                expected += 1 + usize::from(twice);
            }
        }
        let stats = a.stats();
        prop_assert_eq!(stats.packets - stats.lost - stats.dropped + stats.duplicated, expected as u64);
        let mut last = Duration::ZERO;
        let mut count = 0;
        while let Some(at) = a.next_deadline() {
            prop_assert!(at >= last);
            prop_assert!(a.poll(at - Duration::from_nanos(1)).is_none() || at == last);
            last = at;
            let one = a.poll(at);
            prop_assert!(one.is_some());
            prop_assert_eq!(one, b.poll(at));
            count += 1;
        }
        prop_assert_eq!(count, expected);
        prop_assert_eq!(a.stats().delivered, count as u64);
    }

    #[test]
    fn a_configuration_survives_its_json(config in config()) {
        let json = serde_json::to_string(&config).unwrap();
        let again: Config = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(serde_json::to_string(&again).unwrap(), json);
        prop_assert_eq!((again.delay, again.rate_bps, again.burst), (config.delay, config.rate_bps, config.burst));
    }
}

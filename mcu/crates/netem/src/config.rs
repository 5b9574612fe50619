//! What a link does to packets. The JSON form has the same names; times in it are milliseconds.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// Longest delay, jitter or schedule time: a typing mistake should not freeze a link for days.
const MAX_TIME: Duration = Duration::from_secs(3600);

/// Why a configuration is refused: the field and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub String);

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Properties of a link. The default is a perfect wire.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Share of packets lost, each by itself, 0 to 1.
    pub loss: f64,
    /// Loss in bursts, besides `loss`.
    pub burst: Option<Burst>,
    /// Time on the way of every packet.
    #[serde(rename = "delay_ms", with = "ms")]
    pub delay: Duration,
    /// Up to this much more, evenly drawn for each packet. Order is kept: a packet never overtakes another by jitter.
    #[serde(rename = "jitter_ms", with = "ms")]
    pub jitter: Duration,
    /// Share of packets, 0 to 1, that are late by `reorder_by` and let others overtake.
    pub reorder: f64,
    #[serde(rename = "reorder_by_ms", with = "ms")]
    pub reorder_by: Duration,
    /// Share of packets that arrive twice, 0 to 1.
    pub duplicate: f64,
    /// Bits per second that pass; 0 for no limit.
    pub rate_bps: u64,
    /// Bytes that may wait for the rate; a packet beyond is dropped (drop-tail). 0 for no limit.
    pub queue_bytes: u64,
    /// Longest time a packet may have to wait for the rate; one that would wait longer is dropped. 0 for no limit.
    #[serde(rename = "queue_ms", with = "ms")]
    pub queue_time: Duration,
    /// What changes later, by time since the link began or was configured.
    pub schedule: Vec<Change>,
}

/// The two-state loss model of Gilbert and Elliott: a packet is lost in the bad state.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Burst {
    /// Chance per packet to go from the good state to the bad one.
    pub enter: f64,
    /// Chance per packet to go back: bursts are 1/leave packets long on average.
    pub leave: f64,
    /// Loss in the bad state.
    #[serde(default = "one")]
    pub loss: f64,
}

/// A change of the link: only what is given changes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    #[serde(rename = "at_ms", with = "ms")]
    pub at: Duration,
    pub loss: Option<f64>,
    pub rate_bps: Option<u64>,
    #[serde(rename = "delay_ms", with = "ms_option")]
    pub delay: Option<Duration>,
    #[serde(rename = "jitter_ms", with = "ms_option")]
    pub jitter: Option<Duration>,
}

fn one() -> f64 {
    1.0
}

impl Config {
    /// Checks every figure.
    ///
    /// # Errors
    /// The first field that makes no sense.
    pub fn check(&self) -> Result<(), Error> {
        share("loss", self.loss)?;
        share("reorder", self.reorder)?;
        share("duplicate", self.duplicate)?;
        if let Some(burst) = &self.burst {
            share("burst.enter", burst.enter)?;
            share("burst.leave", burst.leave)?;
            share("burst.loss", burst.loss)?;
        }
        for time in [self.delay, self.jitter, self.reorder_by, self.queue_time] {
            short(time)?;
        }
        for change in &self.schedule {
            short(change.at)?;
            share("schedule.loss", change.loss.unwrap_or(0.0))?;
            short(change.delay.unwrap_or_default())?;
            short(change.jitter.unwrap_or_default())?;
        }
        if self.schedule.windows(2).any(|pair| pair[0].at > pair[1].at) {
            return Err(Error("schedule is not in the order of time".into()));
        }
        Ok(())
    }

    pub(crate) fn apply(&mut self, change: &Change) {
        self.loss = change.loss.unwrap_or(self.loss);
        self.rate_bps = change.rate_bps.unwrap_or(self.rate_bps);
        self.delay = change.delay.unwrap_or(self.delay);
        self.jitter = change.jitter.unwrap_or(self.jitter);
    }
}

fn share(name: &str, value: f64) -> Result<(), Error> {
    if (0.0..=1.0).contains(&value) {
        Ok(())
    } else {
        Err(Error(format!("{name} {value} is not from 0 to 1")))
    }
}

fn short(time: Duration) -> Result<(), Error> {
    if time <= MAX_TIME {
        Ok(())
    } else {
        Err(Error(format!("{} ms is longer than an hour", time.as_millis())))
    }
}

fn duration<E: serde::de::Error>(value: f64) -> Result<Duration, E> {
    Duration::try_from_secs_f64(value / 1000.0).map_err(|e| E::custom(format!("{value} ms: {e}")))
}

mod ms {
    use super::*;

    pub fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(time.as_secs_f64() * 1000.0)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        duration(f64::deserialize(from)?)
    }
}

mod ms_option {
    use super::*;

    pub fn serialize<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_secs_f64() * 1000.0).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Option::<f64>::deserialize(from)?.map(duration).transpose()
    }
}

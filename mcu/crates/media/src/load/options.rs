//! Command-line options of `massalia-media load`.
//!
//! Every value has a bound, so that a typing error cannot ask for a million legs.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::ValueExt;

/// One line per option, printed by `--help` and after an error.
pub const USAGE: &str = "usage: massalia-media load --control PATH
  --publishers N     legs that send, per room (4)
  --subscribers N    legs that receive every publisher of their room (50)
  --rooms N          rooms with that many legs each (1)
  --pps N            video packets a second and publisher (400)
  --size BYTES       UDP payload of a video packet as sent, SRTP tag included (1150)
  --fps N            frames a second; the packets of a frame leave in one burst (30)
  --seconds S        measured time after the warm-up (10)
  --audio            publishers also send Opus with RFC 6464 levels, taking turns as the loudest
  --loss PCT         RTP packets the receivers throw away, to provoke NACKs (0)
  --seed N           seed of the loss and of the strangers' bytes (1)
  --verify full|sample  decrypt every received packet, or one in sixteen (full)
  --server-pid PID   report the CPU time of this process over the measured time
  --strangers N      instead of the load: N STUN packets from strangers, N/10 random datagrams, forged and replayed SRTP
  --rate N           strangers' packets a second (20000)
  --json             print one JSON object (default: a short table)";

/// How many of the received packets are decrypted and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    Full,
    Sample,
}

/// What to generate. Counts are per room where rooms are several.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    pub control: PathBuf,
    pub publishers: usize,
    pub subscribers: usize,
    pub rooms: usize,
    pub pps: u32,
    pub size: usize,
    pub fps: u32,
    pub seconds: f64,
    pub audio: bool,
    /// Percent of received RTP packets thrown away.
    pub loss: f64,
    pub seed: u64,
    pub verify: Verify,
    pub server_pid: Option<u32>,
    pub strangers: Option<u64>,
    /// Strangers' packets per second.
    pub rate: u32,
    pub json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            control: PathBuf::new(),
            publishers: 4,
            subscribers: 50,
            rooms: 1,
            pps: 400,
            size: 1150,
            fps: 30,
            seconds: 10.0,
            audio: false,
            loss: 0.0,
            seed: 1,
            verify: Verify::Full,
            server_pid: None,
            strangers: None,
            rate: 20_000,
            json: false,
        }
    }
}

impl Options {
    /// Parse the arguments after the word `load`.
    ///
    /// # Errors
    /// One sentence that names the option and what was expected.
    pub fn parse(args: Vec<OsString>) -> Result<Options, String> {
        let mut options = Options::default();
        let mut parser = lexopt::Parser::from_args(args);
        while let Some(arg) = parser.next().map_err(|e| e.to_string())? {
            match arg {
                lexopt::Arg::Long("audio") => options.audio = true,
                lexopt::Arg::Long("json") => options.json = true,
                lexopt::Arg::Long(name) => {
                    let name = format!("--{name}");
                    let value = parser.value().and_then(ValueExt::string).map_err(|e| format!("{name}: {e}"))?;
                    options.set(&name, &value)?;
                }
                other => return Err(other.unexpected().to_string()),
            }
        }
        options.check()?;
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--control" => self.control = PathBuf::from(value),
            "--publishers" => self.publishers = number(name, value, 1, 100)?,
            "--subscribers" => self.subscribers = number(name, value, 0, 5000)?,
            "--rooms" => self.rooms = number(name, value, 1, 1000)?,
            "--pps" => self.pps = number(name, value, 1, 100_000)?,
            "--size" => self.size = number(name, value, 120, 1400)?,
            "--fps" => self.fps = number(name, value, 1, 240)?,
            "--seconds" => self.seconds = number(name, value, 0.1, 86_400.0)?,
            "--loss" => self.loss = number(name, value, 0.0, 90.0)?,
            "--seed" => self.seed = number(name, value, 0, u64::MAX)?,
            "--server-pid" => self.server_pid = Some(number(name, value, 1, u32::MAX)?),
            "--strangers" => self.strangers = Some(number(name, value, 1, 100_000_000)?),
            "--rate" => self.rate = number(name, value, 1, 1_000_000)?,
            "--verify" => self.verify = word(name, value, &[("full", Verify::Full), ("sample", Verify::Sample)])?,
            _ => return Err(format!("{name}: unknown option")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if self.control.as_os_str().is_empty() {
            return Err("--control: the path of the engine's control socket is needed".into());
        }
        if self.pps < self.fps {
            return Err("--pps: at least one packet a frame is needed".into());
        }
        Ok(())
    }
}

fn number<T>(name: &str, value: &str, low: T, high: T) -> Result<T, String>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    match value.parse::<T>() {
        Ok(n) if n >= low && n <= high => Ok(n),
        _ => Err(format!("{name}: expected a number from {low} to {high}, got {value:?}")),
    }
}

fn word<T: Copy>(name: &str, value: &str, words: &[(&str, T)]) -> Result<T, String> {
    words.iter().find(|(w, _)| *w == value).map(|(_, v)| *v).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(w, _)| *w).collect();
        format!("{name}: expected {}, got {value:?}", known.join(" or "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn the_brief_line_is_understood() {
        let o = parse("--control /tmp/c --publishers 2 --subscribers 3 --pps 60 --seconds 1.5 --audio --verify sample --loss 2.5 --json").unwrap();
        assert_eq!((o.publishers, o.subscribers, o.pps, o.audio, o.json), (2, 3, 60, true, true));
        assert_eq!((o.verify, o.seconds, o.loss), (Verify::Sample, 1.5, 2.5));
        assert_eq!((o.size, o.fps, o.rooms), (1150, 30, 1));
    }

    #[test]
    fn errors_name_the_option() {
        for (line, part) in [
            ("", "--control"),
            ("--control", "--control"),
            ("--control c --pps many", "--pps"),
            ("--control c --loss NaN", "--loss"),
            ("--control c --pps 10", "--pps"),
            ("--control c --verify some", "full or sample"),
            ("--control c --frobnicate 1", "--frobnicate"),
            ("--control c --size 9000", "1400"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(part), "{line:?} gave {error:?}");
        }
    }
}

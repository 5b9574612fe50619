//! Log lines: one JSON object each on standard error, with `ts` (RFC 3339, UTC), `level`, `msg` and the given fields.
//!
//! Hand-written because a line has a handful of flat fields; callers never pass keys, passwords or SDP.

use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Severity; a line below the set level is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

impl Level {
    /// Reads a level's name.
    pub fn parse(name: &str) -> Option<Level> {
        Some(match name {
            "debug" => Level::Debug,
            "info" => Level::Info,
            "warning" => Level::Warning,
            "error" => Level::Error,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        ["debug", "info", "warning", "error"][self as usize]
    }
}

/// Sets the lowest level that is written.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Writes one line.
pub fn line(level: Level, msg: &str, fields: &[(&str, &str)]) {
    if (level as u8) < LEVEL.load(Ordering::Relaxed) {
        return;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let text = render(since.as_millis() as u64, level, msg, fields);
    // A closed standard error must not end the engine.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn render(millis: u64, level: Level, msg: &str, fields: &[(&str, &str)]) -> String {
    let mut text = format!("{{\"ts\":\"{}\",\"level\":\"{}\",\"msg\":", timestamp(millis), level.name());
    quote(msg, &mut text);
    for (name, value) in fields {
        text.push(',');
        quote(name, &mut text);
        text.push(':');
        quote(value, &mut text);
    }
    text.push_str("}\n");
    text
}

fn quote(value: &str, out: &mut String) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Civil date from days since 1970 (proleptic Gregorian calendar).
fn timestamp(millis: u64) -> String {
    let (days, rest) = (millis / 86_400_000, millis % 86_400_000);
    let z = days + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (h, m, s, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object() {
        let text = render(1_732_492_800_123, Level::Warning, "say \"hi\"\n", &[("room", "a\\b")]);
        let expected = r#"{"ts":"2024-11-25T00:00:00.123Z","level":"warning","msg":"say \"hi\"\u000a","room":"a\\b"}"#;
        assert_eq!(text, format!("{expected}\n"));
    }

    #[test]
    fn leap_days_are_dates() {
        assert_eq!(timestamp(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
    }
}

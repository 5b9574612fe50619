//! The result of a run: flat numbers, and the engine's counters over the measured window. As JSON or as a table.

use std::fmt::Write;

/// Names and values in the order of printing.
#[derive(Default)]
pub struct Report {
    values: Vec<(String, f64)>,
    words: Vec<(String, String)>,
    server: Vec<(String, u64)>,
}

impl Report {
    /// Add a number. Integers below 2^53 stay exact.
    pub fn number(&mut self, name: &str, value: impl Number) {
        self.values.push((name.into(), value.into_f64()));
    }

    /// Add a word (letters, digits, blanks, dots and hyphens only).
    pub fn word(&mut self, name: &str, value: &str) {
        self.words.push((name.into(), value.into()));
    }

    /// Add how far one of the engine's counters has risen.
    pub fn server(&mut self, name: &str, value: u64) {
        self.server.push((name.into(), value));
    }

    /// One JSON object on one line.
    pub fn json(&self) -> String {
        let mut parts: Vec<String> = self.words.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
        parts.extend(self.values.iter().map(|(name, value)| format!("\"{name}\":{}", plain(*value))));
        let server: Vec<String> = self.server.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        parts.push(format!("\"server\":{{{}}}", server.join(",")));
        format!("{{{}}}", parts.join(","))
    }

    /// One value a line.
    pub fn table(&self) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{name:24} {value}");
        };
        self.words.iter().for_each(|(name, value)| line(name, value));
        self.values.iter().for_each(|(name, value)| line(name, &plain(*value)));
        self.server.iter().for_each(|(name, value)| line(&format!("server.{name}"), &value.to_string()));
        text
    }
}

/// JSON has no NaN and no infinity; three decimals are enough for every figure here.
fn plain(value: f64) -> String {
    if !value.is_finite() {
        return "null".into();
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// What a report takes as a number.
pub trait Number {
    fn into_f64(self) -> f64;
}

impl Number for f64 {
    fn into_f64(self) -> f64 {
        self
    }
}

impl Number for u64 {
    fn into_f64(self) -> f64 {
        self as f64
    }
}

impl Number for usize {
    fn into_f64(self) -> f64 {
        self as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_flat_but_for_the_server() {
        let mut report = Report::default();
        report.word("profile", "AEAD");
        report.number("received", 1_600_000u64);
        report.number("p99_ms", 1.25);
        report.number("share", f64::NAN);
        report.server("rtp_out", 7);
        assert_eq!(
            report.json(),
            r#"{"profile":"AEAD","received":1600000,"p99_ms":1.25,"share":null,"server":{"rtp_out":7}}"#
        );
        assert!(report.table().contains("p99_ms                   1.25\n"));
    }
}

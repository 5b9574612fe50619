//! What our engine is measured against: the bare limit and str0m, driven by the same generator. Called by `scripts/bench`.
#![forbid(unsafe_code)]

mod control;
mod limit;
mod peer;
mod server;

use std::process::ExitCode;

const USAGE: &str = "usage: forward-bench limit [--unpaced] [--run MEAN] [--publishers N] [--subscribers N] [--pps N] [--size BYTES] [--fps N] [--seconds S]
       forward-bench str0m --control PATH";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("limit") => limit::run(&args[1..]),
        Some("str0m") => server::run(&args[1..]),
        _ => Err(USAGE.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("forward-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Value of `--name` among `args`, or `default`.
fn option<T: std::str::FromStr>(args: &[String], name: &str, default: T) -> Result<T, String> {
    let Some(at) = args.iter().position(|arg| arg == name) else { return Ok(default) };
    let value = args.get(at + 1).ok_or_else(|| format!("{name}: a value is missing"))?;
    value.parse().map_err(|_| format!("{name}: cannot read {value:?}"))
}

//! `massalia-media`: one binary, a subcommand for each role.

use std::process::ExitCode;

const USAGE: &str = "usage: massalia-media forward --control PATH --port PORT [--shards N] [--listen IP]... \
                     [--advertise BIND_IP=PUBLIC_IP[:PORT]]... [--loopback] [--log-level debug|info|warning|error]";

fn main() -> ExitCode {
    let mut arguments: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    if arguments.is_empty() {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    }
    let role = arguments.remove(0);
    let result = match role.to_str() {
        Some("forward") => media::options::parse(arguments).and_then(media::forward::run),
        Some("load") => media::load::run(arguments),
        Some("--help" | "-h" | "help") => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("unknown role {}\n{USAGE}", role.to_string_lossy())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("massalia-media: {message}");
            ExitCode::from(2)
        }
    }
}

//! Command line of `massalia-media forward`, and the ICE candidates that follow from it (RFC 8839 §5.1, RFC 8445 §5.1.2).

use crate::control::messages::{Candidate, CandidateTransport};
use crate::log::Level;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// Most shards: the ufrag carries the index in two characters.
const MAX_SHARDS: usize = 64;

/// What the command line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub control: PathBuf,
    /// Port of the first shard; 0 lets the kernel choose.
    pub port: u16,
    pub shards: usize,
    pub listen: Vec<IpAddr>,
    /// What a NAT in front of us makes of our addresses.
    pub advertise: Vec<Mapping>,
    /// Offer loopback candidates for wildcard addresses.
    pub loopback: bool,
    pub level: Level,
}

/// One address as a NAT shows it (1:1 NAT, or forwarded ports).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    pub bound: IpAddr,
    pub public: IpAddr,
    /// Public port of the first shard, shard i has this one plus i; `None` where the NAT keeps ports.
    pub port: Option<u16>,
}

/// Reads the arguments behind `forward`.
///
/// # Errors
/// One sentence that names the argument.
pub fn parse(arguments: Vec<OsString>) -> Result<Options, String> {
    use lexopt::prelude::*;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options {
        control: PathBuf::new(),
        port: 40_000,
        shards: cores.saturating_sub(1).clamp(1, MAX_SHARDS),
        listen: Vec::new(),
        advertise: Vec::new(),
        loopback: false,
        level: Level::Info,
    };
    let mut parser = lexopt::Parser::from_args(arguments);
    let text = |parser: &mut lexopt::Parser| parser.value().and_then(ValueExt::string).map_err(|e| e.to_string());
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        match argument {
            Long("control") => options.control = text(&mut parser)?.into(),
            Long("port") => options.port = number(&text(&mut parser)?, "--port")?,
            Long("shards") => options.shards = number(&text(&mut parser)?, "--shards")?,
            Long("listen") => options.listen.push(address(&text(&mut parser)?)?),
            Long("advertise") => {
                let value = text(&mut parser)?;
                options.advertise.push(mapping(&value)?);
            }
            Long("loopback") => options.loopback = true,
            Long("log-level") => {
                let name = text(&mut parser)?;
                options.level = Level::parse(&name).ok_or_else(|| format!("--log-level {name} is not a level"))?;
            }
            other => return Err(other.unexpected().to_string()),
        }
    }
    if options.control.as_os_str().is_empty() {
        return Err("--control PATH is missing".into());
    }
    if !(1..=MAX_SHARDS).contains(&options.shards) {
        return Err(format!("--shards must be 1 to {MAX_SHARDS}"));
    }
    if options.port != 0 && usize::from(options.port) + options.shards > 65_536 {
        return Err("--port leaves no room for all shards".into());
    }
    let mapped = |m: &Mapping| m.port.is_some_and(|port| usize::from(port) + options.shards > 65_536);
    if options.advertise.iter().any(mapped) {
        return Err("--advertise leaves no room for the ports of all shards".into());
    }
    if options.listen.is_empty() {
        options.listen = vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    }
    Ok(options)
}

fn number<T: std::str::FromStr>(text: &str, name: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} {text} is not a number in range"))
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("{text} is not an IP address"))
}

/// `BIND_IP=PUBLIC_IP` or `BIND_IP=PUBLIC_IP:PORT`; an IPv6 address before a port stands in brackets.
fn mapping(text: &str) -> Result<Mapping, String> {
    let (bound, public) = text.split_once('=').ok_or("--advertise needs BIND_IP=PUBLIC_IP[:PORT]")?;
    let bound = address(bound)?;
    let (public, port) = match public.parse::<SocketAddr>() {
        Ok(there) if there.port() == 0 => return Err(format!("--advertise {text}: port 0 cannot be reached")),
        Ok(there) => (there.ip(), Some(there.port())),
        Err(_) => (address(public)?, None),
    };
    Ok(Mapping { bound, public, port })
}

/// The host candidates of shard `index`: `bound` are its sockets' addresses, `interfaces` the machine's (with loopback flag).
pub fn candidates(
    options: &Options,
    index: usize,
    bound: &[(IpAddr, u16)],
    interfaces: &[(IpAddr, bool)],
) -> Vec<Candidate> {
    let mut offered: Vec<(IpAddr, u16)> = Vec::new();
    for (ip, port) in bound {
        let fits = |other: &IpAddr| other.is_ipv4() == ip.is_ipv4();
        if ip.is_unspecified() {
            let usable = |(other, loopback): &&(IpAddr, bool)| {
                fits(other) && !link_local(other) && (options.loopback || !loopback)
            };
            offered.extend(interfaces.iter().filter(usable).map(|(other, _)| (*other, *port)));
        } else {
            offered.push((*ip, *port));
        }
    }
    let public = |(ip, port): (IpAddr, u16)| match options.advertise.iter().find(|mapping| mapping.bound == ip) {
        Some(mapping) => (mapping.public, mapping.port.map_or(port, |first| first + index as u16)),
        None => (ip, port),
    };
    // Loopback last: it only serves tests, and would otherwise be probed first.
    offered.sort_by_key(|(ip, _)| (ip.is_loopback(), ip.is_ipv6()));
    offered.dedup();
    let candidate = |(n, (ip, port)): (usize, (IpAddr, u16))| Candidate {
        foundation: (n + 1).to_string(),
        component: 1,
        transport: CandidateTransport::Udp,
        priority: (126 << 24) | ((65_535 - n as u32) << 8) | 255,
        address: ip.to_string(),
        port,
    };
    offered.into_iter().map(public).enumerate().map(candidate).collect()
}

fn link_local(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] & 0xffc0 == 0xfe80,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn a_full_command_line_is_read() {
        let line =
            "--control /run/c --port 5000 --shards 2 --listen 10.0.0.1 --advertise 10.0.0.1=192.0.2.7 --loopback";
        let read = options(line).unwrap();
        assert_eq!((read.port, read.shards, read.loopback), (5000, 2, true));
        let expected = Mapping { bound: "10.0.0.1".parse().unwrap(), public: "192.0.2.7".parse().unwrap(), port: None };
        assert_eq!(read.advertise, [expected]);
    }

    #[test]
    fn each_mistake_has_its_sentence() {
        for (line, part) in [
            ("--port 1", "--control"),
            ("--control a --port x", "--port x"),
            ("--control a --shards 0", "--shards"),
            ("--control a --listen localhost", "localhost"),
            ("--control a --advertise 10.0.0.1", "BIND_IP=PUBLIC_IP"),
            ("--control a --advertise 10.0.0.1=192.0.2.7:x", "192.0.2.7:x"),
            ("--control a --advertise 10.0.0.1=192.0.2.7:0", "port 0"),
            ("--control a --advertise 10.0.0.1=192.0.2.7:65535 --shards 2", "all shards"),
            ("--control a --port 65530 --shards 20", "no room"),
            ("--control a --color", "color"),
        ] {
            let error = options(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn wildcards_become_interface_addresses_and_nat_becomes_public() {
        let o = options("--control a --advertise 10.0.0.1=192.0.2.7").unwrap();
        let bound = [("0.0.0.0".parse().unwrap(), 5000), ("::".parse().unwrap(), 5000)];
        let interfaces = [
            ("127.0.0.1".parse().unwrap(), true),
            ("10.0.0.1".parse().unwrap(), false),
            ("fe80::1".parse().unwrap(), false),
            ("2001:db8::1".parse().unwrap(), false),
        ];
        let found = candidates(&o, 0, &bound, &interfaces);
        let addresses: Vec<&str> = found.iter().map(|c| c.address.as_str()).collect();
        assert_eq!(addresses, ["192.0.2.7", "2001:db8::1"]);
        assert!(found[0].priority > found[1].priority);
        let o = Options { loopback: true, ..o };
        assert_eq!(candidates(&o, 0, &bound, &interfaces).last().unwrap().address, "127.0.0.1");
    }
    #[test]
    fn forwarded_ports_count_up_with_the_shards() {
        let o = options("--control a --advertise 10.0.0.1=192.0.2.7:6000 --advertise ::1=[2001:db8::7]:7000").unwrap();
        let bound = [("10.0.0.1".parse().unwrap(), 5003), ("::1".parse().unwrap(), 5003)];
        let found = candidates(&o, 3, &bound, &[]);
        let offered: Vec<(&str, u16)> = found.iter().map(|c| (c.address.as_str(), c.port)).collect();
        assert_eq!(offered, [("192.0.2.7", 6003), ("2001:db8::7", 7003)]);
    }
}

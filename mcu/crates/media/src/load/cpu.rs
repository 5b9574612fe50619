//! CPU time of another process, from `/proc/PID/stat` (proc(5)). The kernel counts it exactly and rounds to its clock tick;
//! the split into user and system follows its tick samples.

/// Clock ticks a second in `/proc`: USER_HZ, which Linux fixes at 100 on every architecture that the engine runs on.
const TICKS: u64 = 100;

/// User and system time in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cpu {
    pub user: u64,
    pub system: u64,
}

impl Cpu {
    /// CPU time of the process so far; None when there is no such process.
    pub fn of(pid: u32) -> Option<Cpu> {
        parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// What was used since `before`.
    pub fn since(self, before: Cpu) -> Cpu {
        Cpu { user: self.user.saturating_sub(before.user), system: self.system.saturating_sub(before.system) }
    }
}

/// Fields 14 and 15; the command in field 2 may hold blanks and parentheses.
fn parse(stat: &str) -> Option<Cpu> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut next = || Some(fields.next()?.parse::<u64>().ok()? * (1_000_000 / TICKS));
    Some(Cpu { user: next()?, system: next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_behind_an_odd_command_are_read() {
        let line = "812 (a) b (c) S 1 812 812 0 -1 4194560 900 0 1 0 123 45 0 0 20 0 3 0 99 1 2";
        assert_eq!(parse(line), Some(Cpu { user: 1_230_000, system: 450_000 }));
        assert_eq!(parse("812 (a) S 1"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn our_own_process_has_a_line() {
        assert!(Cpu::of(std::process::id()).is_some());
        assert_eq!(Cpu::of(u32::MAX), None);
    }
}

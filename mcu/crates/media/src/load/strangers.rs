use super::*;
pub fn run(_c: &mut Control, _o: &Options, _n: u64) -> Result<Report, String> { Err("soon".into()) }

//! Runs one workload so often, for `cargo xtask instructions` to count, and prints the units that
//! this was. Without arguments it lists what can be counted: name and unit, a line each.

use std::io::{self, Write as _};

use benches::workload::{Runs, Workload};
use benches::workloads;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(runs)) = (arguments.next(), arguments.next()) else {
        for workload in workloads().iter().filter(|workload| workload.recorded) {
            writeln!(out, "{} {}", workload.name, workload.unit)?;
        }
        return Ok(());
    };
    let runs: u64 = runs.parse().map_err(io::Error::other)?;
    let named = |workload: &Workload| workload.name == name;
    let found = workloads().into_iter().find(named);
    let workload = found.ok_or_else(|| io::Error::other(format!("no workload {name}")))?;
    let mut prepared = workload.prepare();
    // What is made once is no part of it: caches of features, room in vectors.
    prepared.run();
    measured_runs(&mut prepared, runs);
    writeln!(out, "{}", runs * prepared.units)
}

/// Callgrind forgets what it counted when this is entered: it is told the name.
#[inline(never)]
fn measured_runs(prepared: &mut Runs, runs: u64) {
    for _ in 0..runs {
        prepared.run();
    }
}

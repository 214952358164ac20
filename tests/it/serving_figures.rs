//! The measurements of a node run, as small as they get.

use std::time::Duration;

use anyhow::{Context as _, Result};
use harness::TempDir;
use perf::latency::{self, LatencyPlan};
use perf::server_process::{Ringmirror, ServerKind};

#[test]
fn latency_is_measured_of_every_record_that_was_due() -> Result<()> {
    let directory = TempDir::new("latency")?;
    let program = harness::ringmirror::program()?.to_owned();
    let plan = LatencyPlan {
        directory: directory.path().to_owned(),
        ringmirror: Ringmirror { program, node_config: None },
        servers: vec![ServerKind::Node],
        rounds: 2,
        warm_up_rounds: 0,
        round_time: Duration::from_millis(200),
        records_per_second: 1000,
        record_bytes: 100,
        tries_max: 1,
    };
    let rows = latency::measure(&plan, |_| {})?;
    let names: Vec<&str> = rows.iter().map(|row| row.scenario.as_str()).collect();
    assert_eq!(names, ["acks-1", "acks-all"]);
    for row in &rows {
        let node = row.node.as_ref().context("the node was measured")?;
        assert_eq!((node.records, node.rounds), (400, 2), "{node:?}");
        assert!(0.0 < node.p50_us && node.p50_us <= node.max_us, "{node:?}");
        assert!(row.stock.is_none() && row.reaches_goal.is_none());
    }
    Ok(())
}

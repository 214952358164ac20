//! What the source gives to somebody who throws everything away: four connections, each with a
//! request in flight, that follow one partition after the other.

use std::process;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::log_fetcher::FetchSettings;
use crate::measurement::Sample;
use crate::peers::{CopyPlan, CopyRun};
use crate::process_watch::ProcessWatch;
use crate::served_logs::{LogBounds, read_all};

/// Receives the topic; processor time is this program's.
///
/// # Errors
/// When the source refuses, or gives other bytes than it has.
pub fn receive(plan: &CopyPlan<'_>) -> Result<CopyRun> {
    let bound = |(partition, end): (i32, &i64)| LogBounds { partition, start: 0, end: *end };
    let logs: Vec<LogBounds> = (0..).zip(plan.end_offsets).map(bound).collect();
    let settings = FetchSettings {
        partition_bytes_max: plan.response_bytes_max.unwrap_or(PARTITION_BYTES_MAX),
        bytes_max: plan.response_bytes_max.unwrap_or(FetchSettings::JAVA.bytes_max),
        ..FetchSettings::JAVA
    };
    let connections = CONNECTIONS.min(logs.len());
    let watch = ProcessWatch::begin(process::id())?;
    let begun = Instant::now();
    let bytes = read_all(plan.source, plan.topic, &logs, connections, settings)?;
    let sample = Sample { bytes, elapsed: begun.elapsed(), cpu: watch.cpu()? };
    ensure!(bytes == plan.bytes, "{bytes} bytes came of {}", plan.bytes);
    // What this program has in memory says nothing about the fetcher.
    Ok(CopyRun {
        sample,
        first_byte: None,
        source_cpu: None,
        target_cpu: None,
        resident_bytes_max: 0,
    })
}

/// Connections that bring the most from a broker on two cores.
const CONNECTIONS: usize = 4;
/// Bytes for one request that bring the most.
const PARTITION_BYTES_MAX: u32 = 8 << 20;

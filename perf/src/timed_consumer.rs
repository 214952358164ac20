//! A waiting consumer that knows when each record was due (see `paced_producer`).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hdrhistogram::Histogram;

use crate::log_fetcher::{FetchSettings, LogFetcher};
use crate::paced_producer::Schedule;

/// Receives all records of a schedule and tells how late each was, in nanoseconds.
///
/// # Errors
/// When the server refuses, or a record does not come.
pub fn consume(
    address: SocketAddr,
    topic: &str,
    start_offset: i64,
    schedule: &Schedule,
) -> Result<Histogram<u64>> {
    let mut histogram = Histogram::new_with_bounds(1, LATENCY_NANOS_MAX, FIGURES)?;
    let mut fetcher = LogFetcher::connect(address, FetchSettings::JAVA)?;
    let (mut offset, end) = (start_offset, start_offset + i64::from(schedule.records));
    let deadline = schedule.due(schedule.records) + LATE_MAX;
    while offset < end {
        let mut late = Vec::new();
        let fetched = fetcher.fetch(topic, 0, offset, |header| {
            let now = Instant::now();
            let range = header.base_offset.get().max(offset)..header.next_offset().get().min(end);
            for record in range {
                let number = u32::try_from(record - start_offset).unwrap_or(u32::MAX);
                late.push(now.saturating_duration_since(schedule.due(number)));
            }
        })?;
        let code = fetched.error_code;
        ensure!(code == 0, "fetching {topic} at {offset} failed with error {code}");
        for time in late {
            let nanos = u64::try_from(time.as_nanos())?;
            histogram.record(nanos.clamp(1, LATENCY_NANOS_MAX))?;
        }
        offset = fetched.next_offset;
        ensure!(Instant::now() < deadline, "records up to {end} are due, {offset} is reached");
    }
    Ok(histogram)
}

/// A record that is so late is lost.
const LATE_MAX: Duration = Duration::from_secs(30);
const LATENCY_NANOS_MAX: u64 = 60_000_000_000;
/// Decimal figures that the histogram keeps.
const FIGURES: u8 = 3;

//! A waiting consumer that knows when each record was due (see `paced_producer`), and both at once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use hdrhistogram::Histogram;

use crate::log_fetcher::{FetchSettings, LogFetcher};
use crate::paced_producer::{ProducePlan, Schedule, produce};

/// Sends all records of a schedule, receives them at `reader`, and tells how late each was, in
/// nanoseconds. When one end fails the other does not wait.
///
/// # Errors
/// When a server refuses, or a record does not come.
pub fn produce_and_consume(
    plan: &ProducePlan<'_>,
    reader: SocketAddr,
    schedule: &Schedule,
) -> Result<Histogram<u64>> {
    let is_vain = &AtomicBool::new(false);
    thread::scope(|scope| {
        let consumer = scope.spawn(move || {
            let consumed = consume(reader, plan.topic, plan.start_offset, schedule, is_vain);
            is_vain.fetch_or(consumed.is_err(), Ordering::Relaxed);
            consumed
        });
        let produced = produce(plan, schedule, is_vain);
        is_vain.fetch_or(produced.is_err(), Ordering::Relaxed);
        let consumed = consumer.join().unwrap_or_else(|_| bail!("the consumer panicked"));
        // Without records the consumer only says that none come; a producer without a consumer
        // says nothing.
        produced.and(consumed)
    })
}

fn consume(
    address: SocketAddr,
    topic: &str,
    start_offset: i64,
    schedule: &Schedule,
    is_vain: &AtomicBool,
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
        ensure!(!is_vain.load(Ordering::Relaxed), "no more records come than {offset}");
        ensure!(Instant::now() < deadline, "records up to {end} are due, {offset} is reached");
    }
    Ok(histogram)
}

/// A record that is so late is lost.
const LATE_MAX: Duration = Duration::from_secs(30);
const LATENCY_NANOS_MAX: u64 = 60_000_000_000;
/// Decimal figures that the histogram keeps.
const FIGURES: u8 = 3;

//! A copying that lasts until all is there or the time is over, whichever comes first: what a long
//! link leaves of a rate is seen as well in ten seconds as in ten minutes.

use std::mem;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::kafka_client::{KafkaClient, LogEdge};
use crate::machine::process_cpu_of;
use crate::measurement::Sample;
use crate::memory_cap::NodeMemory;
use crate::needed_process::cause;
use crate::peers::CopyPlan;
use crate::peers::copied_logs::until;
use crate::peers::spent_logs::SpentLogs;
use crate::server_process::{ServerProcess, mirror_options};

/// Looks again and again at how many bytes a process has `copied` of the plan's. The clock runs
/// from the first sight of any; those that were there at that moment do not count. It stops when
/// there are more for the first time after `time`: who writes whole responses of many megabytes is
/// in the middle of one when the time is over, as it was between two when the clock began.
///
/// # Errors
/// What `copied` says, that nothing comes, or that a process has ended that the copying needs.
pub fn watch(
    process: u32,
    time: Duration,
    plan: &CopyPlan<'_>,
    mut copied: impl FnMut() -> Result<u64>,
) -> Result<Sample> {
    let mut first = 0;
    let nothing = || "nothing is copied".to_owned();
    until(LOOK_PAUSE, Instant::now(), plan.needed, nothing, || {
        first = copied()?;
        Ok(first > 0)
    })?;
    let (begun, before) = (Instant::now(), process_cpu_of(process)?);
    let mut last = first;
    let no_more = || "nothing more is copied".to_owned();
    until(LOOK_PAUSE, begun, plan.needed, no_more, || {
        let earlier = mem::replace(&mut last, copied()?);
        Ok(last >= plan.bytes || (begun.elapsed() >= time && last > earlier))
    })?;
    let (elapsed, after) = (begun.elapsed(), process_cpu_of(process)?);
    Ok(Sample { bytes: last - first, elapsed, cpu: after.saturating_sub(before) })
}

/// Mirrors the topic by a node of its own with more options, into a directory that is emptied;
/// `memory` notes what it takes.
///
/// # Errors
/// When the node refuses.
pub fn mirror_for(
    time: Duration,
    plan: &CopyPlan<'_>,
    ringmirror: &Path,
    options: &[String],
    memory: &mut NodeMemory,
) -> Result<Sample> {
    let mut all_options = mirror_options(plan.source, plan.topic);
    all_options.extend_from_slice(options);
    let mut node = ServerProcess::start_node_with(ringmirror, plan.directory, &all_options)?;
    let needed = [plan.needed, &[node.needed("the node")]].concat();
    let sample = watch_node(&mut node, time, &CopyPlan { needed: &needed, ..*plan });
    let sample = sample.and_then(|sample| memory.note(node.id()).map(|()| sample));
    let sample = sample.map_err(|error| cause(error, &needed));
    // A node that fails is more worth telling than what it did not do.
    let stopped = node.stop();
    let retired = SpentLogs::retire(plan.spent, plan.directory);
    let sample = stopped.and(sample)?;
    retired.map(|()| sample)
}

fn watch_node(node: &mut ServerProcess, time: Duration, plan: &CopyPlan<'_>) -> Result<Sample> {
    let count = i32::try_from(plan.partitions)?;
    let mirrored = |client: &mut KafkaClient| -> Result<Option<i64>> {
        let ends = client.offsets(plan.topic, count, LogEdge::End)?;
        Ok(ends.map(|ends| ends.iter().sum()))
    };
    node.wait_until_beside(plan.needed, "mirroring the first record", |client| {
        Ok(mirrored(client)?.filter(|records| *records > 0))
    })?;
    let mut client = KafkaClient::connect(node.address())?;
    watch(node.id(), time, plan, || {
        let records = mirrored(&mut client)?.context("the topic is gone")?;
        // Batches are alike.
        let bytes = u128::try_from(records)? * u128::from(plan.bytes) / u128::from(plan.records);
        Ok(u64::try_from(bytes)?)
    })
}

/// From one look at how far a copying is to the next.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

#[cfg(test)]
mod tests;

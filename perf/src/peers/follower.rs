//! Kafka's own follower: a broker of the source's cluster that is told to have a copy as well.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::measurement::Sample;
use crate::needed_process::NeededProcess;
use crate::peers::copied_logs::{LOOK_PAUSE, check, log_bytes, until};
use crate::peers::source_cluster::{
    SOURCE_ID, SourceCluster, assign, cancel, unfinished, until_assigned, until_gone,
};
use crate::peers::spent_logs::SpentLogs;
use crate::peers::timed_copy::watch;
use crate::peers::{CopyPlan, CopyRun};
use crate::process_watch::ProcessWatch;
use crate::server_process::ServerProcess;
use crate::stock_broker;

/// A broker that follows when told to.
#[derive(Debug)]
pub struct Follower {
    id: i32,
    broker: ServerProcess,
    directory: PathBuf,
}

/// How a follower is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FollowerSettings {
    /// As an administrator may help it: four fetcher threads, 8 MiB for each partition, 64 MiB for
    /// each response, a socket that grows. As it is shipped it has one, 1 MiB, 10 MiB and 64 KiB.
    pub is_tuned: bool,
    /// Bytes of a response and a partition instead.
    pub response_bytes_max: Option<u32>,
}

impl FollowerSettings {
    /// Node id of the broker with these settings: one of each kind in a cluster.
    fn node_id(self) -> i32 {
        2 + i32::from(self.is_tuned) + 2 * i32::from(self.response_bytes_max.is_some())
    }

    fn properties(self) -> Vec<(&'static str, String)> {
        let (fetchers, partition, response) =
            if self.is_tuned { (4, 8 << 20, 64 << 20) } else { (1, 1 << 20, 10 << 20) };
        let limit = |bytes: u32| self.response_bytes_max.unwrap_or(bytes).to_string();
        let mut properties = vec![
            ("num.replica.fetchers", fetchers.to_string()),
            ("replica.fetch.max.bytes", limit(partition)),
            ("replica.fetch.response.max.bytes", limit(response)),
        ];
        if self.is_tuned {
            properties.push(("replica.socket.receive.buffer.bytes", "-1".to_owned()));
        }
        properties
    }
}

impl Follower {
    /// Starts it below `root` as a member of the source's cluster.
    ///
    /// # Errors
    /// When it cannot be formatted or started.
    pub fn start(source: &SourceCluster, root: &Path, settings: FollowerSettings) -> Result<Self> {
        let id = settings.node_id();
        let directory = root.join(format!("follower-{id}"));
        let properties = settings.properties();
        let properties = properties.iter().map(|(key, value)| (*key, value.as_str()));
        let properties: Vec<_> = properties.collect();
        let mut broker = stock_broker::start_joining(&source.cluster, id, &directory, &properties)?;
        broker.wait_until("answering", |client| unfinished(client).map(Some))?;
        Ok(Self { id, broker, directory })
    }

    /// Its processes.
    #[must_use]
    pub fn processes(&self) -> Vec<NeededProcess> {
        vec![self.broker.needed(&format!("follower {}", self.id))]
    }

    /// Copies the topic; the clock runs from the order, a reassignment, to the moment when its
    /// files have as many bytes as the leader's.
    ///
    /// # Errors
    /// When the cluster refuses, or the copy is not the source's log.
    pub fn copy(&mut self, plan: &CopyPlan<'_>) -> Result<CopyRun> {
        let each = plan.bytes / u64::from(plan.partitions);
        let watch = ProcessWatch::begin(self.broker.id())?;
        let begun = Instant::now();
        self.begin(plan)?;
        let mut first_byte = None;
        for partition in 0..plan.partitions {
            let stuck = || format!("partition {partition} is not copied");
            until(LOOK_PAUSE, begun, plan.needed, stuck, || {
                let bytes = log_bytes(&self.directory, plan.topic, partition)?;
                if bytes > 0 {
                    first_byte.get_or_insert_with(|| begun.elapsed());
                }
                Ok(bytes >= each)
            })?;
        }
        let elapsed = begun.elapsed();
        let run = CopyRun {
            sample: Sample { bytes: plan.bytes, elapsed, cpu: watch.cpu()? },
            first_byte,
            source_cpu: None,
            target_cpu: None,
            resident_bytes_max: watch.resident_bytes_max()?,
        };
        until_assigned(plan.source, plan.needed)?;
        check(plan, &self.directory)?;
        let spent = SpentLogs::hold(plan.spent, &self.directory, plan.topic, plan.partitions)?;
        self.end(plan)?;
        spent.empty()?;
        Ok(run)
    }

    /// Copies of the topic what comes in so much time, beginning with the first batch.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn copy_for(&self, time: Duration, plan: &CopyPlan<'_>) -> Result<Sample> {
        self.begin(plan)?;
        let sample = watch(self.broker.id(), time, plan, || {
            (0..plan.partitions).map(|each| log_bytes(&self.directory, plan.topic, each)).sum()
        })?;
        cancel(plan.source, plan.topic, plan.partitions)?;
        until_assigned(plan.source, plan.needed)?;
        self.end(plan)?;
        Ok(sample)
    }

    fn begin(&self, plan: &CopyPlan<'_>) -> Result<()> {
        assign(plan.source, plan.topic, plan.partitions, &[SOURCE_ID, self.id])
    }

    /// Has the copy removed.
    fn end(&self, plan: &CopyPlan<'_>) -> Result<()> {
        assign(plan.source, plan.topic, plan.partitions, &[SOURCE_ID])?;
        until_assigned(plan.source, plan.needed)?;
        until_gone(&self.directory, plan.topic, plan.needed)
    }
}

//! ringmirror as its users run it: a node that runs already is ordered to mirror one more topic.
//!
//! Every copying has a node of its own, whose memory was touched and whose engine has mirrored a
//! small topic when the order comes.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::kafka_client::{KafkaClient, LogEdge};
use crate::measurement::Sample;
use crate::mirrors_client::MirrorsClient;
use crate::needed_process::cause;
use crate::peers::copied_logs::{LOOK_PAUSE, check, until};
use crate::peers::spent_logs::SpentLogs;
use crate::peers::{CopyPlan, CopyRun};
use crate::process_watch::ProcessWatch;
use crate::server_process::{ServerKind, ServerProcess, free_address};

/// How to run nodes.
#[derive(Clone, Debug)]
pub struct NodePeer {
    /// The program.
    pub ringmirror: PathBuf,
    /// Append through the page cache instead of writing past it, which no peer does.
    pub buffered: bool,
    /// Where the topic comes from that is mirrored before, and its name.
    pub warm_up: (SocketAddr, String),
}

impl NodePeer {
    /// Copies the topic; the clock runs from the order to the last record that readers get.
    ///
    /// # Errors
    /// When the node refuses, or the copy is not the source's log.
    pub fn copy(&self, plan: &CopyPlan<'_>) -> Result<CopyRun> {
        let mut node = self.start(plan)?;
        let needed = [plan.needed, &[node.needed("the node")]].concat();
        let run = self.mirror(&mut node, &CopyPlan { needed: &needed, ..*plan });
        let run = run.map_err(|error| cause(error, &needed));
        // A node that fails is more worth telling than what it did not do.
        let stopped = node.stop();
        let checked = check(plan, plan.directory);
        let retired = SpentLogs::retire(plan.spent, plan.directory);
        let run = stopped.and(run)?;
        checked.and(retired).map(|()| run)
    }

    fn start(&self, plan: &CopyPlan<'_>) -> Result<ServerProcess> {
        let address = free_address()?;
        let (source, topic) = &self.warm_up;
        let config = format!(
            "data_dir = {:?}\nlisten = \"{address}\"\n[mirror]\n\
             bootstrap_servers = [\"{source}\"]\ntopics = '{topic}'\nbuffered = {}\n",
            plan.directory, self.buffered
        );
        let path = plan.directory.with_extension("toml");
        fs::write(&path, config)?;
        let command = [&self.ringmirror, Path::new("node"), Path::new("--config"), path.as_path()];
        let command: Vec<String> = command.iter().map(|word| word.display().to_string()).collect();
        let output = plan.directory.with_extension("node.out");
        ServerProcess::start(ServerKind::Node, &command, address, output)
    }

    fn mirror(&self, node: &mut ServerProcess, plan: &CopyPlan<'_>) -> Result<CopyRun> {
        let warm_up = &self.warm_up.1;
        node.wait_until_beside(plan.needed, "mirroring the first topic", |client| {
            let ends = client.offsets(warm_up, 1, LogEdge::End)?;
            Ok(ends.filter(|ends| ends.iter().any(|end| *end > 0)))
        })?;
        let mut orders = MirrorsClient::connect(node.address())?;
        let limits = plan.response_bytes_max.map(|bytes| {
            // The proposal's names: a partition's share of a response, and a response.
            ["fetch.max.bytes", "fetch.response.max.bytes"].map(|name| (name, bytes.to_string()))
        });
        let limits = limits.iter().flatten().cloned().collect::<Vec<_>>();
        orders.create_with(&plan.source.to_string(), &limits)?;
        let mut client = KafkaClient::connect(node.address())?;
        let watch = ProcessWatch::begin(node.id())?;
        let begun = Instant::now();
        orders.start(plan.topic)?;
        let mut first_byte = None;
        // All are asked about seldom, and one often: each answer is the node's work.
        let mut partition = Some(0);
        while let Some(next) = partition {
            let wanted = *plan.end_offsets.get(next).context("a partition nobody filled")?;
            let stuck = || format!("partition {next} is not copied");
            until(LOOK_PAUSE, begun, plan.needed, stuck, || {
                let end = client.end_offset(plan.topic, i32::try_from(next)?)?.unwrap_or(0);
                if end > 0 {
                    first_byte.get_or_insert_with(|| begun.elapsed());
                }
                Ok(end >= wanted)
            })?;
            partition = furthest_behind(plan, &mut client)?;
        }
        let elapsed = begun.elapsed();
        Ok(CopyRun {
            sample: Sample { bytes: plan.bytes, elapsed, cpu: watch.cpu()? },
            first_byte,
            source_cpu: None,
            target_cpu: None,
            resident_bytes_max: watch.resident_bytes_max()?,
        })
    }
}

/// The partition that most is missing of; none when all is there.
fn furthest_behind(plan: &CopyPlan<'_>, client: &mut KafkaClient) -> Result<Option<usize>> {
    let count = i32::try_from(plan.partitions)?;
    let ends = client.offsets(plan.topic, count, LogEdge::End)?;
    // Some are not there yet: then none is done.
    let ends = ends.unwrap_or_else(|| vec![0; plan.end_offsets.len()]);
    let mut most = (0, None);
    for (partition, (end, wanted)) in ends.iter().zip(plan.end_offsets).enumerate() {
        ensure!(end <= wanted, "partition {partition} ends at {end}, not {wanted}");
        if wanted - end > most.0 {
            most = (wanted - end, Some(partition));
        }
    }
    Ok(most.1)
}

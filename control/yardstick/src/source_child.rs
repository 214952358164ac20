//! A synthetic source in a process of its own, so that its processor time is not ours.

use std::env;
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use synthetic_source::SyntheticSource;

/// What to start `perf source` with.
#[derive(Clone, Copy, Debug)]
pub struct SourceChildSpec {
    /// Core of all its threads.
    pub core: usize,
    /// Partitions of the one topic.
    pub partitions: u32,
    /// Bytes of each partition.
    pub partition_bytes: u64,
    /// Bytes of a batch, about.
    pub batch_bytes: u32,
    /// Bytes of each record's value.
    pub record_bytes: u32,
}

/// A running source; ends when dropped.
#[derive(Debug)]
pub struct SourceChild {
    child: Child,
    description: SourceDescription,
}

/// What a source holds, as it is told in one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourceDescription {
    /// Where its first broker listens.
    pub address: SocketAddr,
    /// Every partition.
    pub partitions: Vec<SourcePartition>,
}

/// One partition of a source.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SourcePartition {
    /// Name of its topic.
    pub topic: String,
    /// Id of its topic, in Kafka's text form.
    pub topic_id: String,
    /// Its number.
    pub partition: i32,
    /// Broker that leads it.
    pub leader: i32,
    /// Offset behind its last record.
    pub end_offset: i64,
    /// Bytes of all its batches.
    pub bytes: u64,
}

/// The only topic of a child.
pub const TOPIC: &str = "synthetic";

impl SourceDescription {
    /// Describes a source of this process.
    ///
    /// # Errors
    /// When the source was changed meanwhile.
    pub fn of(source: &SyntheticSource) -> Result<Self> {
        let (_, address) = *source.brokers().first().context("a source without brokers")?;
        let describe = |partition| -> Result<SourcePartition> {
            let log = source.log(&partition)?;
            let topic_id = source.topic_id(&partition.topic).context("the topic is gone")?;
            Ok(SourcePartition {
                topic: partition.topic.as_str().to_owned(),
                topic_id: topic_id.to_string(),
                partition: partition.partition.get(),
                leader: source.leader(&partition)?.get(),
                end_offset: log.end_offset().offset().get(),
                bytes: log.byte_count(),
            })
        };
        let partitions = source.partitions().into_iter().map(describe).collect::<Result<_>>()?;
        Ok(Self { address, partitions })
    }

    /// Bytes of all partitions.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.bytes).sum()
    }
}

impl SourceChild {
    /// Starts this very program as `perf source` and waits until it serves.
    ///
    /// # Errors
    /// When the program cannot be started or does not say what it serves.
    pub fn start(spec: &SourceChildSpec) -> Result<Self> {
        Self::start_at(spec, IpAddr::V4(Ipv4Addr::LOCALHOST), &[])
    }

    /// The same, listening on `host`; `run_by` is what the command line begins with.
    ///
    /// # Errors
    /// When the program cannot be started or does not say what it serves.
    pub fn start_at(spec: &SourceChildSpec, host: IpAddr, run_by: &[String]) -> Result<Self> {
        let options = [
            ("--listen", SocketAddr::new(host, 0).to_string()),
            ("--core", spec.core.to_string()),
            ("--topics", TOPIC.to_owned()),
            ("--partitions", spec.partitions.to_string()),
            ("--partition-bytes", spec.partition_bytes.to_string()),
            ("--batch-bytes", spec.batch_bytes.to_string()),
            ("--record-bytes", spec.record_bytes.to_string()),
        ];
        let program = env::current_exe()?;
        let mut command = match run_by.split_first() {
            None => Command::new(program),
            Some((first, others)) => {
                let mut command = Command::new(first);
                command.args(others).arg(program);
                command
            }
        };
        command.args(["source", "--describe", "--until-stdin-closes"]);
        command.args(options.iter().flat_map(|(name, value)| [*name, value]));
        Self::spawn(command)
    }

    /// Starts a source by a command that ends in [`serve_until_stdin_closes`], and waits until it
    /// serves.
    ///
    /// # Errors
    /// When the program cannot be started or does not say what it serves.
    pub fn spawn(mut command: Command) -> Result<Self> {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().context("starting the source")?;
        let mut line = String::new();
        let output = child.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        ensure!(!line.is_empty(), "the source ended without a word");
        let description = serde_json::from_str(&line).context("what the source says it serves")?;
        Ok(Self { child, description })
    }

    /// What it serves.
    #[must_use]
    pub fn description(&self) -> &SourceDescription {
        &self.description
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

/// Tells the parent on standard output what `source` holds, and lets it serve until standard input
/// ends, so that a parent takes it along however the parent ends.
///
/// # Errors
/// When nobody reads what is told.
pub fn serve_until_stdin_closes(source: SyntheticSource) -> Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &SourceDescription::of(&source)?)?;
    writeln!(out)?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    source.stop();
    Ok(())
}

impl Drop for SourceChild {
    fn drop(&mut self) {
        // Its input ends, so it does; there is nobody to tell if it does not.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

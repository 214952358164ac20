//! A node whose mirrors are made and steered by command, as its operators do it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::driver::Driver;
use crate::ringmirror::{Ended, Ringmirror, Running};
use crate::server_properties::free_ports;
use crate::temp_dir::TempDir;

/// A `ringmirror node` with a directory and an address of its own, which outlive its process.
#[derive(Debug)]
pub struct MirrorNode {
    // Order of drop: clients before the server they are connected to.
    driver: Arc<Driver>,
    running: Option<Running>,
    address: String,
    directory: TempDir,
}

/// One partition of a mirror as `cluster-mirrors --describe --json` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DescribedPartition {
    /// The mirror's name.
    pub mirror: String,
    /// The topic's.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The source's high watermark as last seen, or -1.
    pub source_offset: i64,
    /// The node's, or -1.
    pub destination_offset: i64,
    /// Records between the two, or -1.
    pub lag: i64,
    /// The name of its state, as `MIRRORING`.
    pub state: String,
    /// How often it failed; -1 when it is not tried again.
    pub retry_attempt: i32,
    /// Why it failed.
    pub error_message: Option<String>,
}

impl MirrorNode {
    /// Starts an empty node, to be driven by the process of `driver`.
    ///
    /// # Errors
    /// When it does not serve soon.
    pub fn start(driver: &Driver) -> Result<Self> {
        Self::start_with(driver, "")
    }

    /// As [`Self::start`] with more configuration of the node, as TOML.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(driver: &Driver, config: &str) -> Result<Self> {
        let directory = TempDir::new("node")?;
        fs::write(directory.join("node.toml"), format!("{config}\n{TEST_SETTINGS}"))?;
        let ports = free_ports(1)?;
        let address = format!("127.0.0.1:{}", ports[0]);
        let driver = Arc::new(driver.at(&address));
        let mut node = Self { driver, running: None, address, directory };
        node.start_again()?;
        node.driver.alter_broker_configs("", &TEST_BROKER_SETTINGS)?;
        Ok(node)
    }

    /// Kafka's own clients of this node.
    #[must_use]
    pub fn driver(&self) -> &Driver {
        &self.driver
    }

    /// As [`Self::driver`], for another thread.
    #[must_use]
    pub fn shared_driver(&self) -> Arc<Driver> {
        Arc::clone(&self.driver)
    }

    /// Where it serves, `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// A place beside its data directory.
    #[must_use]
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What it tells while it runs.
    ///
    /// # Errors
    /// When it does not run.
    pub fn running(&mut self) -> Result<&mut Running> {
        self.running.as_mut().context("the node does not run")
    }

    /// Starts it after a stop or a kill, on its directory and at its address.
    ///
    /// # Errors
    /// When it does not serve soon, or runs.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(self.running.is_none(), "the node runs");
        let config = self.directory.join("node.toml");
        let mut running = Ringmirror::node_at(&self.address, &self.data_dir())
            .option("--config", &config.display().to_string())
            .spawn()?;
        running.wait_serving(WAIT)?;
        self.running = Some(running);
        Ok(())
    }

    /// Stops it cleanly.
    ///
    /// # Errors
    /// When it does not end, or not well.
    pub fn stop(&mut self) -> Result<()> {
        let running = self.running.take().context("the node does not run")?;
        running.terminate()?.expect_code(0)?;
        Ok(())
    }

    /// Kills it (SIGKILL).
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.running.take().context("the node does not run")?.kill()?;
        Ok(())
    }

    /// Runs `ringmirror cluster-mirrors` against it, whatever comes of it.
    ///
    /// # Errors
    /// When it does not end.
    pub fn cluster_mirrors(&self, args: &[&str]) -> Result<Ended> {
        self.cluster_mirrors_line(args).run()
    }

    /// The command line of [`Self::cluster_mirrors`].
    #[must_use]
    pub fn cluster_mirrors_line(&self, args: &[&str]) -> Ringmirror {
        let command = Ringmirror::new(&["cluster-mirrors", "--bootstrap-server", &self.address]);
        args.iter().fold(command, |command, arg| command.arg(arg))
    }

    /// As [`Self::cluster_mirrors`], which must refuse and say all of `words`, of the whole on
    /// standard error or of one topic on standard output.
    ///
    /// # Errors
    /// When it does what it is told, or does not say why it does not.
    pub fn expect_mirror_refusal(&self, args: &[&str], words: &[&str]) -> Result<()> {
        let ended = self.cluster_mirrors(args)?;
        ensure!(matches!(ended.code(), Some(1 | 2)), "not refused: {ended}");
        for word in words {
            let is_told = ended.stderr.contains(word) || ended.stdout.contains(word);
            ensure!(is_told, "no {word:?} in the message: {ended}");
        }
        Ok(())
    }

    /// Runs any other command of ringmirror that asks a node, against this one.
    ///
    /// # Errors
    /// When it does not end.
    pub fn command(&self, command: &str, args: &[&str]) -> Result<Ended> {
        let line = Ringmirror::new(&[command, "--bootstrap-server", &self.address]);
        args.iter().fold(line, |line, arg| line.arg(arg)).run()
    }

    /// As [`Self::cluster_mirrors`], which must do what it is told.
    ///
    /// # Errors
    /// When it refuses.
    pub fn mirror_command(&self, args: &[&str]) -> Result<String> {
        Ok(self.cluster_mirrors(args)?.expect_code(0)?.stdout)
    }

    /// Makes a mirror from `source` with more settings of its own.
    ///
    /// # Errors
    /// When it is refused.
    pub fn create_mirror(
        &self,
        mirror: &str,
        source: &str,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        let path = self.mirror_config(mirror, source, settings)?;
        let told = self.mirror_command(&create(mirror, &path.display().to_string()))?;
        ensure!(told.contains(&format!("Created mirror {mirror}")), "{told}");
        Ok(())
    }

    /// The file that [`Self::create_mirror`] makes a mirror from.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn mirror_config(
        &self,
        mirror: &str,
        source: &str,
        settings: &[(&str, &str)],
    ) -> Result<PathBuf> {
        let mut text = format!("bootstrap.servers={source}\n{QUICK}\n");
        for (key, value) in settings {
            text.push_str(&format!("{key}={value}\n"));
        }
        let path = self.directory.join(&format!("{mirror}.properties"));
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Starts topics in a mirror: names or expressions, separated by commas.
    ///
    /// # Errors
    /// When it is refused.
    pub fn start_topics(&self, mirror: &str, topics: &str) -> Result<String> {
        self.mirror_command(&["--start", "--mirror", mirror, "--topics", topics])
    }

    /// As [`Self::start_topics`] over logs that have records, which may be lost.
    ///
    /// # Errors
    /// When it is refused.
    pub fn start_topics_over_records(&self, mirror: &str, topics: &str) -> Result<String> {
        self.mirror_command(&["--start", "--mirror", mirror, "--topics", topics, CONFIRM])
    }

    /// Stops topics of a mirror, which makes them writable, and waits for it.
    ///
    /// # Errors
    /// When it is refused, or takes too long.
    pub fn stop_topics(&self, mirror: &str, topics: &[&str]) -> Result<()> {
        let joined = topics.join(",");
        self.mirror_command(&["--stop", "--mirror", mirror, "--topics", &joined, YES])?;
        for topic in topics {
            self.await_state(topic, "STOPPED")?;
        }
        Ok(())
    }

    /// Makes a mirror of topics from `source` and waits until it has all that is there.
    ///
    /// # Errors
    /// When it is refused, or takes too long.
    pub fn mirror(
        &self,
        mirror: &str,
        (source, bootstrap): (&Driver, &str),
        topics: &[&str],
    ) -> Result<()> {
        self.create_mirror(mirror, bootstrap, &[])?;
        self.start_topics(mirror, &topics.join(","))?;
        topics.iter().try_for_each(|topic| self.await_all_of(source, topic))
    }

    /// All partitions of all mirrors.
    ///
    /// # Errors
    /// When the node does not tell.
    pub fn partitions(&self) -> Result<Vec<DescribedPartition>> {
        let told = self.cluster_mirrors(&["--describe", "--json"])?.expect_code(0)?;
        serde_json::from_value(told.document()?).with_context(|| format!("{told}"))
    }

    /// Waits until every partition of a topic, and at least one, is in a state.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn await_state(&self, topic: &str, state: &str) -> Result<Vec<DescribedPartition>> {
        self.await_partitions(topic, state, |found| found.state == state)
    }

    /// Waits until `is_it` holds for every partition of a topic, and at least one.
    ///
    /// # Errors
    /// When that takes too long; `what` is in the error.
    pub fn await_partitions(
        &self,
        topic: &str,
        what: &str,
        is_it: impl Fn(&DescribedPartition) -> bool,
    ) -> Result<Vec<DescribedPartition>> {
        let deadline = Instant::now() + WAIT;
        loop {
            let mut found = self.partitions()?;
            found.retain(|one| one.topic == topic);
            if !found.is_empty() && found.iter().all(&is_it) {
                return Ok(found);
            }
            if Instant::now() > deadline {
                bail!("{topic} is not {what} within {WAIT:?}: {found:?}");
            }
            thread::sleep(POLL_PAUSE);
        }
    }

    /// Waits until a mirrored topic has all that the source has, and says so itself.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn await_all_of(&self, source: &Driver, topic: &str) -> Result<()> {
        let at_source = source.describe_topic(topic)?.partitions;
        self.await_partitions(topic, "without lag", |found| {
            let theirs = at_source.iter().find(|theirs| theirs.partition == found.partition);
            let reached =
                theirs.is_some_and(|theirs| theirs.high_watermark <= found.destination_offset);
            found.state == "MIRRORING" && found.lag == 0 && reached
        })?;
        for one in at_source {
            self.driver.await_high_watermark(topic, one.partition, one.high_watermark)?;
        }
        Ok(())
    }
}

impl MirrorNode {
    /// How what a mirror carries beside records goes, as `status --json` tells it.
    ///
    /// # Errors
    /// When the node does not tell.
    pub fn carried(&self, mirror: &str, task: &str) -> Result<Carried> {
        let told = self.command("status", &["--json", "--mirror", mirror])?;
        let document = told.document()?;
        let tasks = document["mirrors"][0]["carried"].as_array().cloned().unwrap_or_default();
        match tasks.into_iter().find(|one| one["task"] == task) {
            Some(found) => serde_json::from_value(found).with_context(|| format!("{told}")),
            None => Ok(Carried { success_age_ms: -1, ..Carried::default() }),
        }
    }

    /// Waits until `is_it` holds for what a mirror carries beside records.
    ///
    /// # Errors
    /// When that takes too long; `what` is in the error.
    pub fn await_carried(
        &self,
        (mirror, task): (&str, &str),
        what: &str,
        is_it: impl Fn(&Carried) -> bool,
    ) -> Result<Carried> {
        let deadline = Instant::now() + WAIT;
        loop {
            let carried = self.carried(mirror, task)?;
            if is_it(&carried) {
                return Ok(carried);
            }
            if Instant::now() > deadline {
                bail!("{task} of {mirror}: not {what} within {WAIT:?}: {carried:?}");
            }
            thread::sleep(POLL_PAUSE);
        }
    }

    /// Waits until a group's committed offsets are just these, by `topic-partition`.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn await_group_offsets(&self, group: &str, expected: &[(&str, i64)]) -> Result<()> {
        let expected = expected.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect();
        let deadline = Instant::now() + WAIT;
        loop {
            let found = self.driver.group_offsets(group)?;
            if found == expected {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{group}: not at {expected:?} within {WAIT:?}: {found:?}");
            }
            thread::sleep(POLL_PAUSE);
        }
    }
}

/// How what a mirror carries beside records goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Carried {
    /// How long ago all of it was done; -1 for never.
    pub success_age_ms: i64,
    /// Things that are here as at the source.
    pub in_step: i64,
    /// Things that were written.
    pub written: i64,
    /// Things that failed.
    pub error_count: i64,
    /// The last of them.
    pub last_error: Option<String>,
    /// What a rule left out.
    pub skipped: Vec<String>,
    /// What was changed last.
    pub changed: Vec<String>,
}

/// The arguments that make a mirror from a file of settings.
#[must_use]
pub fn create<'a>(mirror: &'a str, config: &'a str) -> [&'a str; 5] {
    ["--create", "--mirror", mirror, "--mirror-config", config]
}

/// What makes a node quick enough for tests, in its file,
const TEST_SETTINGS: &str = "[groups]\ninitial_rebalance_delay_ms = 0";
/// and among the settings that are kept.
const TEST_BROKER_SETTINGS: [(&str, &str); 2] = [
    ("mirror.metadata.refresh.interval.ms", "500"),
    ("mirror.group.offsets.refresh.interval.ms", "200"),
];
/// What makes a mirror so.
const QUICK: &str = "fetch.wait.max.ms=200";
/// Takes the place of a question on a terminal.
const YES: &str = "--yes";
/// Starts topics although records may be lost.
const CONFIRM: &str = "--confirm";

/// Longer than anything takes on a machine that has nothing else to do.
const WAIT: Duration = Duration::from_secs(60);
const POLL_PAUSE: Duration = Duration::from_millis(100);

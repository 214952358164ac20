//! `ringmirror node` between a filled stock broker and what is pointed at it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use harness::clients::{self, Client, ClientReport, GroupProtocol, Matrix, Refusal, moving};
use harness::driver::CreateTopic;
use harness::{ClusterOptions, Driver, Kafka, KafkaCluster, KafkaRelease, Ringmirror, Running};

use super::stock_broker;

/// Fills a stock broker, has a node mirror it, and runs `chosen` against the node: what they
/// consume must be what the broker has, and only a topic made at the node takes records. Then
/// groups of theirs move from the broker to a node.
pub(super) fn check(
    chosen: &[Client],
    group_protocols: &[GroupProtocol],
    install_dir: &Path,
) -> Result<Vec<ClientReport>> {
    let directory = harness::TempDir::new("node")?;
    let source = source()?;
    let data_dir = directory.join("data");
    let mut node = MirroredNode::start(&data_dir, &source.bootstrap_servers(), "READ_ONLY_TOPIC")?;
    node.await_all_of(&source)?;
    node.driver.create_topic(&CreateTopic::new(LOCAL, 3))?;
    let matrix = Matrix {
        bootstrap: node.bootstrap.clone(),
        source: Some(source.bootstrap_servers()),
        read_topics: stock_broker::READ_TOPICS.map(str::to_owned).to_vec(),
        write_topic: Some(LOCAL.to_owned()),
        refused: Some(refusal(READ_ONLY_TOPIC)),
        group_protocols: group_protocols.to_vec(),
    };
    let mut reports = clients::run(&matrix, chosen, install_dir)?;
    node.stop()?;

    let node = MirroredNode::start(&data_dir, &source.bootstrap_servers(), "POLICY_VIOLATION")?;
    let matrix = Matrix {
        bootstrap: node.bootstrap.clone(),
        source: None,
        read_topics: Vec::new(),
        write_topic: None,
        refused: Some(refusal(POLICY_VIOLATION)),
        group_protocols: Vec::new(),
    };
    add(&mut reports, clients::run(&matrix, chosen, install_dir)?);
    node.stop()?;
    add(&mut reports, moving::run(&source, chosen, group_protocols, install_dir)?);
    Ok(reports)
}

/// Adds what else clients were asked.
fn add(reports: &mut [ClientReport], more: Vec<ClientReport>) {
    for (report, more) in reports.iter_mut().zip(more) {
        report.findings.extend(more.findings);
        report.told.extend(more.told);
        report.took += more.took;
    }
}

/// A stock broker with all that is mirrored here.
pub(super) fn source() -> Result<KafkaCluster> {
    let source = Kafka::acquire().start(KafkaRelease::V4, ClusterOptions::default())?;
    stock_broker::fill(source.driver())?;
    Ok(source)
}

fn refusal(code: i16) -> Refusal {
    Refusal { topic: stock_broker::CODECS.to_owned(), code }
}

/// A running node over a directory.
#[derive(Debug)]
pub(super) struct MirroredNode {
    // Order of drop: the driver's connections before the server.
    pub(super) driver: Driver,
    node: Running,
    pub(super) bootstrap: String,
}

impl MirroredNode {
    /// Starts it on a directory, with what it answers to writers of mirrored topics.
    pub(super) fn start(data_dir: &Path, source: &str, write_error: &str) -> Result<Self> {
        let config = data_dir.with_extension("toml");
        // As the brokers of the harness: tests with one member more or less need no patience.
        let groups =
            "[groups]\ninitial_rebalance_delay_ms = 0\nconsumer_heartbeat_interval_ms = 300";
        fs::write(&config, format!("mirrored_write_error = \"{write_error}\"\n{groups}\n"))?;
        let topics = stock_broker::READ_TOPICS.join("|");
        let mut node = Ringmirror::node(data_dir)
            .option("--config", &config.display().to_string())
            .mirror_from(source, &topics)
            .spawn()?;
        let bootstrap = node.wait_serving(START_WAIT)?;
        let work_dir: PathBuf = data_dir.parent().context("a directory beside it")?.to_owned();
        let driver = Driver::start(KafkaRelease::V4, &bootstrap, &work_dir)?;
        Ok(Self { driver, node, bootstrap })
    }

    /// Waits until it has all that the source has.
    pub(super) fn await_all_of(&mut self, source: &KafkaCluster) -> Result<()> {
        // Before, clients need not even find the topics.
        self.node.wait_for(START_WAIT, |event| {
            event["event"] == "progress"
                && event["partitions_caught_up"] == stock_broker::READ_PARTITIONS
        })?;
        for topic in stock_broker::READ_TOPICS {
            for one in source.driver().describe_topic(topic)?.partitions {
                self.driver.await_high_watermark(topic, one.partition, one.high_watermark)?;
            }
        }
        Ok(())
    }

    /// Asks it to end.
    pub(super) fn stop(self) -> Result<()> {
        drop(self.driver);
        self.node.terminate()?.expect_code(0)?;
        Ok(())
    }
}

/// A topic made at the node.
pub(super) const LOCAL: &str = "made-here";

const READ_ONLY_TOPIC: i16 = 134;
const POLICY_VIOLATION: i16 = 44;
const START_WAIT: Duration = Duration::from_secs(30);

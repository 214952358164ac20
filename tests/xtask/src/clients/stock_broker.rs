//! The matrix against a stock broker: proves the client programs and the checks themselves.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use harness::clients::{self, Client, ClientReport, GroupProtocol, Matrix, Refusal};
use harness::driver::{Codec, CreateTopic, Driver, Isolation, Outcome, Produce};
use harness::{ClusterOptions, Kafka, KafkaRelease, run_tool};

/// Starts a broker, fills it, and runs `chosen` against it.
pub(super) fn check(chosen: &[Client], install_dir: &Path) -> Result<Vec<ClientReport>> {
    let broker = Kafka::acquire().start(KafkaRelease::V4, options())?;
    fill(broker.driver())?;
    let bootstrap = broker.bootstrap_servers();
    refuse_writes(&bootstrap)?;
    let matrix = Matrix {
        bootstrap,
        source: None,
        read_topics: READ_TOPICS.map(str::to_owned).to_vec(),
        write_topic: Some(WRITABLE.to_owned()),
        refused: Some(Refusal { topic: REFUSING.to_owned(), code: TOPIC_AUTHORIZATION_FAILED }),
        group_protocols: GroupProtocol::ALL.to_vec(),
    };
    clients::run(&matrix, chosen, install_dir)
}

fn options() -> ClusterOptions {
    ClusterOptions::default()
        // No stock topic is read-only; an ACL is the nearest thing.
        .config("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer")
        .config("allow.everyone.if.no.acl.found", "true")
        // Rebalances of KIP-848 take heartbeats, five seconds apart by default.
        .config("group.consumer.heartbeat.interval.ms", "300")
        .config("group.consumer.min.heartbeat.interval.ms", "300")
}

/// Topics to read: every codec, tombstones and headers; then every fate of a transaction.
pub(super) fn fill(driver: &Driver) -> Result<()> {
    let topic = |name, partitions| CreateTopic::new(name, partitions).config("retention.ms", "-1");
    driver.create_topic(&topic(CODECS, 3))?;
    driver.create_topic(&topic(TRANSACTIONS, 2))?;
    driver.create_topic(&topic(WRITABLE, 1))?;
    driver.create_topic(&topic(REFUSING, 1))?;
    for partition in 0..3 {
        for (round, codec) in (0..).zip(Codec::ALL) {
            let some = Produce::new(CODECS, partition, 40).first(round * 40).codec(codec);
            driver.produce(&some.tombstone_every(7).records_per_batch(8))?;
        }
    }
    for partition in 0..2 {
        let some = || Produce::new(TRANSACTIONS, partition, 10).records_per_batch(5);
        driver.produce(&some().transaction(TRANSACTIONAL_ID, Outcome::Commit))?;
        driver.produce(&some().first(10).transaction("b", Outcome::Abort))?;
        driver.produce(&some().first(20))?;
        driver.produce(
            &some().first(30).codec(Codec::Zstd).transaction(TRANSACTIONAL_ID, Outcome::Commit),
        )?;
    }
    // One partition ends with a marker, the other with an open transaction.
    driver.produce(&Produce::new(TRANSACTIONS, 1, 10).transaction("c", Outcome::Open))?;
    let ends = [(0, Isolation::ReadCommitted, 30), (1, Isolation::ReadUncommitted, 50)];
    for (partition, isolation, expected) in ends {
        let found = driver.digest(TRANSACTIONS, partition, isolation)?.count;
        ensure!(found == expected, "{TRANSACTIONS}-{partition}: {found} records, not {expected}");
    }
    Ok(())
}

fn refuse_writes(bootstrap: &str) -> Result<()> {
    let deny = ["--add", "--deny-principal", "User:*", "--operation", "Write"];
    // A topic with an ACL has no "everyone may" any more.
    let allow = ["--add", "--allow-principal", "User:*", "--operation", "Describe"];
    for rule in [deny, allow] {
        let args = [&["--bootstrap-server", bootstrap, "--topic", REFUSING][..], &rule].concat();
        run_tool(KafkaRelease::V4, ACL_COMMAND, &args).context("kafka-acls")?;
    }
    Ok(())
}

pub(super) const CODECS: &str = "codecs";
/// Of the committed transactions.
pub(super) const TRANSACTIONAL_ID: &str = "a";
pub(super) const TRANSACTIONS: &str = "transactions";
pub(super) const READ_TOPICS: [&str; 2] = [CODECS, TRANSACTIONS];
/// Of both together.
pub(super) const READ_PARTITIONS: i32 = 5;
const WRITABLE: &str = "writable";
const REFUSING: &str = "refusing";

const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const ACL_COMMAND: &str = "org.apache.kafka.tools.AclCommand";

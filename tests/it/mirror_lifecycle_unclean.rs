//! A source that loses records in unclean elections, followed or not as the topic says.

use anyhow::{Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::{ClusterOptions, KafkaCluster, KafkaRelease, MirrorNode, Ringmirror};

use crate::mirror_lifecycle::{
    end, expect_count, expect_equal_files, expect_read_only, expect_same_records, expect_writable,
    mirror, mirror_stock,
};
use crate::mirrored::expect_same_bytes;

/// 30.1 test_log_convergence_ule, 30.2 testUleRecoveryProcess, and section 12 without support. The
/// way back needs a source that mirrors: the first node is one, to the second. It has one replica,
/// so that its wait for others is simulated.
#[test]
fn an_unclean_election_is_followed_with_support_and_fails_without() -> Result<()> {
    let name = "an_unclean_election_is_followed_with_support_and_fails_without";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let options = ClusterOptions::brokers(2).with_separate_controller();
    let mut source = kafka.start(KafkaRelease::V4, options)?;
    let [mut a, mut b] = [MirrorNode::start(source.driver())?, MirrorNode::start(source.driver())?];
    // Brokers take longer to come than partitions are usually left alone.
    a.driver().alter_broker_configs("", &[("mirror.failed.retry.max.backoff.ms", "1000")])?;
    b.driver().alter_broker_configs("", &[("mirror.failed.retry.max.backoff.ms", "1000")])?;
    for topic in TOPICS {
        // Of one topic the source elects by itself whoever is there, of the others by command.
        let by_itself = (topic == FOLLOWED).to_string();
        let topic = CreateTopic::new(topic, 1).config("unclean.leader.election.enable", &by_itself);
        source.driver().create_topic(&topic.assigned(&[&[1, 2]]))?;
    }
    produce(&source, 1, 0)?;
    mirror_stock(&source, &a, "from-stock", &TOPICS)?;
    mirror(&a, &b, "from-a", &[FOLLOWED])?;
    for node in [&a, &b] {
        node.driver().alter_topic_configs(FOLLOWED, &[(SUPPORT, "true")])?;
    }
    loses_a_record(&mut source, &a, &b)?;
    expect_followed(&source, &[(&a, FOLLOWED), (&b, FOLLOWED)], 3)?;
    expect_refused(&a, &[REFUSED, RECOVERED])?;
    // Tried again without a change, it fails again.
    a.mirror_command(&["--recover", "--mirror", "from-stock", "--topics", REFUSED])?;
    expect_refused(&a, &[REFUSED])?;
    // Support that comes later takes the command to try again.
    a.driver().alter_topic_configs(RECOVERED, &[(SUPPORT, "true")])?;
    a.mirror_command(&["--recover", "--mirror", "from-stock", "--topics", RECOVERED])?;
    expect_followed(&source, &[(&a, RECOVERED)], 3)?;

    // What is followed and what is not can be failed over, each with what it has.
    for (node, mirror, topic, records) in
        [(&b, "from-a", FOLLOWED, 3), (&a, "from-stock", REFUSED, 2)]
    {
        node.stop_topics(mirror, &[topic])?;
        ensure!(end(node.driver(), topic)? == records + 1);
        expect_writable(node.driver(), topic, 2)?;
    }
    loses_what_it_had_since(&mut source)?;
    expect_followed(&source, &[(&a, FOLLOWED), (&a, RECOVERED)], 8)?;
    let start = ["--start", "--mirror", "from-stock", "--topics", REFUSED];
    a.expect_mirror_refusal(&start, &[REFUSED, "confirm"])?;
    a.start_topics_over_records("from-stock", REFUSED)?;
    expect_followed(&source, &[(&a, REFUSED)], 8)?;
    expect_equal_to_stock(&source, &mut a)?;

    // Back to the second node, which never saw the last election, and counts from now on.
    a.stop_topics("from-stock", &[FOLLOWED])?;
    mirror(&b, &a, "from-b", &[FOLLOWED])?;
    expect_count(a.driver(), FOLLOWED, 5)?;
    expect_same_records(a.driver(), b.driver(), FOLLOWED)?;
    expect_equal_files(&mut a, &mut b, &[(FOLLOWED, 1)])
}

/// One record of each topic that broker 2 never gets; then it is made leader, and takes two.
fn loses_a_record(source: &mut KafkaCluster, a: &MirrorNode, b: &MirrorNode) -> Result<()> {
    source.kill_node(2)?;
    source.wait_ready()?;
    produce(source, 1, 1)?;
    for (node, topic) in TOPICS.map(|topic| (a, topic)).into_iter().chain([(b, FOLLOWED)]) {
        node.await_all_of(source.driver(), topic)?;
        expect_count(node.driver(), topic, 2)?;
    }
    source.kill_node(1)?;
    elects_unclean(source, 2)?;
    produce(source, 2, 100)
}

/// Broker 1 takes over again, without what broker 2 took alone, and takes six.
fn loses_what_it_had_since(source: &mut KafkaCluster) -> Result<()> {
    source.kill_node(2)?;
    elects_unclean(source, 1)?;
    produce(source, 6, 200)
}

/// Starts a broker that is alone then and behind, and has it lead.
fn elects_unclean(source: &mut KafkaCluster, broker: i32) -> Result<()> {
    source.start_node(broker)?;
    source.wait_ready()?;
    [REFUSED, RECOVERED].iter().try_for_each(|topic| source.driver().elect_unclean_leader(topic, 0))
}

fn produce(source: &KafkaCluster, count: u64, first: u64) -> Result<()> {
    for topic in TOPICS {
        source.driver().produce(&Produce::new(topic, 0, count).first(first))?;
    }
    Ok(())
}

/// Nodes have what the source has after the election, so many records, and mirror on.
fn expect_followed(
    source: &KafkaCluster,
    topics: &[(&MirrorNode, &str)],
    count: u64,
) -> Result<()> {
    for (node, topic) in topics {
        node.await_all_of(source.driver(), topic)?;
        expect_same_records(node.driver(), source.driver(), topic)?;
        expect_count(node.driver(), topic, count)?;
    }
    Ok(())
}

/// Given up, with everything that was mirrored before the election.
fn expect_refused(node: &MirrorNode, topics: &[&str]) -> Result<()> {
    for topic in topics {
        // A source that is away for a moment fails it, too.
        let failed = node.await_partitions(topic, "given up", |found| {
            found.state == "FAILED" && found.retry_attempt == -1
        })?;
        let reason = failed[0].error_message.clone().unwrap_or_default();
        ensure!(reason.contains(&format!("{SUPPORT}=true")), "{reason}");
        expect_count(node.driver(), topic, 2)?;
        expect_read_only(node.driver(), topic)?;
    }
    Ok(())
}

/// All topics have the bytes of the broker that leads, told by ringmirror and file by file.
fn expect_equal_to_stock(source: &KafkaCluster, node: &mut MirrorNode) -> Result<()> {
    node.stop()?;
    for topic in TOPICS {
        let verify = Ringmirror::verify(&source.bootstrap_servers(), &node.data_dir());
        let ended = verify.option("--topics", topic).run()?.expect_code(0)?;
        let report = ended.document()?;
        let compared = report["partitions"].as_array().map_or(0, Vec::len);
        ensure!(report["equal"] == true && compared == 1, "{topic}: {ended}");
        expect_same_bytes(&source.log_dir(1)?, &node.data_dir(), &format!("{topic}-0"))?;
    }
    node.start_again()
}

const TOPICS: [&str; 3] = [FOLLOWED, REFUSED, RECOVERED];
const FOLLOWED: &str = "followed";
const REFUSED: &str = "refused";
const RECOVERED: &str = "recovered";
const SUPPORT: &str = "mirror.support.unclean.leader.election";

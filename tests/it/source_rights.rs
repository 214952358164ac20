//! What the principal of a mirror needs at a source with an authorizer, and what happens without.

use anyhow::{Result, ensure};
use harness::authorizer::STRANGER;
use harness::driver::{Acl, CreateTopic, Driver, Isolation, Produce};
use harness::mirror_node::create;
use harness::{ClusterOptions, Kafka, KafkaCluster, KafkaRelease, MirrorNode};

#[test]
fn the_rights_that_are_asked_for_are_enough_and_none_is_too_many() -> Result<()> {
    let name = "the_rights_that_are_asked_for_are_enough_and_none_is_too_many";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    for release in KafkaRelease::ALL {
        let source = guarded(&kafka, release)?;
        let node = MirrorNode::start(source.driver())?;
        creation_says_which_is_missing(&source, &node)?;
        a_start_says_which_is_missing(&source, &node)?;
        what_is_not_copied_needs_no_right(&source, &node)?;
    }
    Ok(())
}

/// A right, as rules and as messages say it.
type Right = (Acl, &'static str, &'static str);

/// What a mirror of one topic needs.
fn needed() -> [Right; 4] {
    let allow = |operation, resource| Acl::allow(STRANGER, operation, resource);
    [
        (allow("READ", ("TOPIC", "orders")), "READ on topic orders", "Read --topic 'orders'"),
        (
            allow("DESCRIBE_CONFIGS", ("TOPIC", "orders")),
            "DESCRIBE_CONFIGS on topic orders",
            "DescribeConfigs --topic 'orders'",
        ),
        (allow("DESCRIBE", ("GROUP", "*")), "DESCRIBE on all groups", "Describe --group '*'"),
        (
            allow("DESCRIBE", ("CLUSTER", "kafka-cluster")),
            "DESCRIBE on the cluster",
            "Describe --cluster",
        ),
    ]
}

fn creation_says_which_is_missing(source: &KafkaCluster, node: &MirrorNode) -> Result<()> {
    let (admin, bootstrap) = (source.driver(), source.bootstrap_servers());
    let all: Vec<Acl> = needed().into_iter().map(|(acl, ..)| acl).collect();
    admin.create_acls(&all)?;
    for (acl, right, command) in needed() {
        admin.delete_acls(std::slice::from_ref(&acl))?;
        let path = node.mirror_config("lacking", &bootstrap, &[("topics.include", "orders")])?;
        let path = path.display().to_string();
        node.expect_mirror_refusal(&create("lacking", &path), &[right, command, STRANGER])?;
        let told = node.cluster_mirrors(&create("lacking", &path))?.stderr;
        let others = needed().into_iter().filter(|(_, other, _)| *other != right);
        for (_, other, _) in others {
            ensure!(!told.contains(other), "{other} is there: {told}");
        }
        admin.create_acls(&[acl])?;
    }
    ensure!(!node.mirror_command(&["--list"])?.contains("lacking"));
    // With exactly these everything works.
    node.create_mirror("whole", &bootstrap, &[("topics.include", "orders")])?;
    node.await_all_of(admin, "orders")?;
    admin.produce(&Produce::new("orders", 0, 5).first(20))?;
    node.await_all_of(admin, "orders")?;
    let read = |at: &Driver| at.digest("orders", 0, Isolation::ReadUncommitted);
    ensure!(read(admin)? == read(node.driver())?);
    let configs = node.driver().topic_configs("orders")?;
    ensure!(configs.get("segment.bytes").is_some_and(|bytes| bytes == "1048576"), "{configs:?}");
    node.stop_topics("whole", &["orders"])?;
    node.mirror_command(&["--delete", "--mirror", "whole", "--yes"])?;
    admin.delete_acls(&all)
}

fn a_start_says_which_is_missing(source: &KafkaCluster, node: &MirrorNode) -> Result<()> {
    let (admin, bootstrap) = (source.driver(), source.bootstrap_servers());
    let [read, configs, ..] = needed();
    // Of no topic in particular, and of all when none is to be seen.
    let none = [("groups.include", ""), ("acls.include", "")];
    node.create_mirror("empty", &bootstrap, &none)?;
    let start = ["--start", "--mirror", "empty", "--topics", "payments"];
    node.expect_mirror_refusal(&start, &["nothing was started", "READ on topic payments"])?;
    let start = ["--start", "--mirror", "empty", "--topics", ".*"];
    node.expect_mirror_refusal(&start, &["READ on all topics", "--topic '*'"])?;
    let payments = |acl: &Acl| Acl { name: "payments".to_owned(), ..acl.clone() };
    admin.create_acls(&[payments(&read.0)])?;
    node.expect_mirror_refusal(&start, &["DESCRIBE_CONFIGS on topic payments"])?;
    ensure!(node.partitions()?.iter().all(|one| one.topic != "payments"));
    admin.create_acls(&[payments(&configs.0)])?;
    node.start_topics("empty", ".*")?;
    node.await_all_of(admin, "payments")?;
    node.stop_topics("empty", &["payments"])?;
    node.mirror_command(&["--delete", "--mirror", "empty", "--yes"])?;
    admin.delete_acls(&[payments(&read.0), payments(&configs.0)])
}

fn what_is_not_copied_needs_no_right(source: &KafkaCluster, node: &MirrorNode) -> Result<()> {
    let (admin, bootstrap) = (source.driver(), source.bootstrap_servers());
    let [read, configs, groups, cluster] = needed().map(|(acl, ..)| acl);
    admin.create_acls(&[read.clone(), configs.clone()])?;
    let topics = ("topics.include", "orders");
    let refused = |settings: &[(&str, &str)], word: &str| {
        let path = node.mirror_config("few", &bootstrap, settings)?.display().to_string();
        node.expect_mirror_refusal(&create("few", &path), &[word])
    };
    refused(&[topics, ("groups.include", "")], "DESCRIBE on the cluster")?;
    refused(&[topics, ("acls.include", "")], "DESCRIBE on all groups")?;
    refused(&[topics, ("acls.include", ""), ("groups.include", "app")], "on group app")?;
    node.create_mirror("few", &bootstrap, &[topics, ("groups.include", ""), ("acls.include", "")])?;
    admin.create_acls(&[groups, cluster])
}

#[test]
fn a_right_that_is_taken_away_fails_its_topic_and_the_others_go_on() -> Result<()> {
    let name = "a_right_that_is_taken_away_fails_its_topic_and_the_others_go_on";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let source = guarded(&kafka, KafkaRelease::V4)?;
    let admin = source.driver();
    let on = |operation, topic| Acl::allow(STRANGER, operation, ("TOPIC", topic));
    let reads = ["orders", "payments"].map(|topic| on("READ", topic));
    let configs = ["orders", "payments"].map(|topic| on("DESCRIBE_CONFIGS", topic));
    admin.create_acls(&[&reads[..], &configs[..]].concat())?;
    let mut node = MirrorNode::start(admin)?;
    let none = [("groups.include", ""), ("acls.include", "")];
    node.create_mirror("m", &source.bootstrap_servers(), &none)?;
    node.start_topics("m", "orders,payments")?;
    node.await_all_of(admin, "orders")?;
    node.await_all_of(admin, "payments")?;

    admin.delete_acls(&[reads[0].clone()])?;
    await_denied(&node)?;
    admin.produce(&Produce::new("orders", 0, 3).first(20))?;
    admin.produce(&Produce::new("payments", 0, 3).first(20))?;
    node.await_all_of(admin, "payments")?;
    // Settings that may not be seen are no settings that went.
    admin.delete_acls(&configs)?;
    admin.produce(&Produce::new("payments", 0, 3).first(23))?;
    node.await_all_of(admin, "payments")?;
    // It is not taken for deleted, by a node that begins anew either.
    node.kill()?;
    node.start_again()?;
    await_denied(&node)?;
    node.await_state("payments", "MIRRORING")?;

    admin.create_acls(&[reads[0].clone()])?;
    node.await_all_of(admin, "orders")?;
    let kept = node.driver().topic_configs("orders")?;
    ensure!(kept.get("segment.bytes").is_some_and(|bytes| bytes == "1048576"), "{kept:?}");
    Ok(())
}

/// Waits until the topic `orders` failed because we may not read it.
fn await_denied(node: &MirrorNode) -> Result<()> {
    let failed = node.await_partitions("orders", "denied", |one| {
        let reason = one.error_message.as_deref().unwrap_or_default();
        one.state == "FAILED" && reason.contains("READ on topic orders")
    })?;
    let reason = failed[0].error_message.clone().unwrap_or_default();
    ensure!(reason.contains("--operation Read --topic 'orders'"), "{reason}");
    ensure!(failed.iter().all(|one| one.retry_attempt >= 0), "given up: {failed:?}");
    Ok(())
}

/// A source with an authorizer, and two topics with records.
fn guarded(kafka: &Kafka, release: KafkaRelease) -> Result<KafkaCluster> {
    let source = kafka.start(release, ClusterOptions::default().with_authorizer())?;
    for topic in ["orders", "payments"] {
        let topic_with = CreateTopic::new(topic, 1).config("segment.bytes", "1048576");
        source.driver().create_topic(&topic_with)?;
        source.driver().produce(&Produce::new(topic, 0, 20))?;
    }
    Ok(source)
}

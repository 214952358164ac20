//! Access control lists of a mirror's source, against stock brokers with their authorizer (30.1
//! "ACLs: test_mirroring", X11, RS16).

use std::time::{Duration, Instant};
use std::{thread, vec};

use anyhow::{Result, bail, ensure};
use harness::authorizer::STRANGER;
use harness::driver::{Acl, CreateTopic, Driver, Produce};
use harness::{ClusterOptions, Kafka, KafkaRelease, MirrorNode};

use crate::mirror_lifecycle_configs::set;
use crate::mirrored::SOON;

#[test]
fn rules_follow_a_kafka_4_as_far_as_they_are_included() -> Result<()> {
    let name = "rules_follow_a_kafka_4_as_far_as_they_are_included";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    follow_a_stock_broker(&kafka, KafkaRelease::V4)
}

#[test]
fn rules_follow_a_kafka_3_9_as_far_as_they_are_included() -> Result<()> {
    let name = "rules_follow_a_kafka_3_9_as_far_as_they_are_included";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    follow_a_stock_broker(&kafka, KafkaRelease::V3_9)
}

fn follow_a_stock_broker(kafka: &Kafka, release: KafkaRelease) -> Result<()> {
    let source = kafka.start(release, ClusterOptions::default().with_authorizer())?;
    let admin = source.driver();
    fill(admin, "orders")?;
    admin.create_acls(&rights())?;
    let included = [
        Acl::allow("User:ada", "READ", ("TOPIC", "orders")),
        Acl::allow("User:ada", "ALL", ("GROUP", "ada")).prefixed(),
        Acl::allow("User:bob", "WRITE", ("TOPIC", "orders")).denied(),
    ];
    let left_out = [
        Acl::allow("User:ada", "READ", ("TOPIC", "payments")),
        Acl::allow("User:eve", "READ", ("TOPIC", "orders")),
        Acl::allow("User:ada", "WRITE", ("TRANSACTIONAL_ID", "t")),
    ];
    admin.create_acls(&[&included[..], &left_out].concat())?;
    let node = MirrorNode::start_with(admin, GUARDED)?;
    let include = "TOPIC;orders.*;*;*;User:(ada|bob),GROUP;*;*;*;User:ada";
    node.create_mirror(MIRROR, &source.bootstrap_servers(), &[("acls.include", include)])?;
    let plan = node.command("plan", &["--start", "--mirror", MIRROR, "--topics", "orders"])?;
    let planned = "access control: added: ALLOW User:ada READ on TOPIC orders";
    ensure!(plan.stdout.contains(planned), "{plan}");
    ensure!(node.driver().acls()?.is_empty(), "a plan changes nothing");
    node.start_topics(MIRROR, "orders")?;
    let [read, group, deny] = included;
    await_acls(&node, &[&read, &group, &deny])?;

    // RS16: made here and never at the source; made here again while it is at the source.
    let local = Acl::allow("User:eve", "READ", ("TOPIC", "orders")).denied();
    node.driver().create_acls(&[local.clone(), deny.clone()])?;
    admin.delete_acls(std::slice::from_ref(&deny))?;
    await_acls(&node, &[&read, &group, &local])?;

    a_refusal_keeps_nothing_else(admin, &node)?;
    let narrower = "TOPIC;orders.*;*;*;User:(ada|bob)";
    ensure!(set(&node, MIRROR, "acls.include", narrower)? == 0);
    let other = Acl::allow("User:bob", "DESCRIBE", ("TOPIC", "orders-eu"));
    admin.delete_acls(std::slice::from_ref(&group))?;
    admin.create_acls(std::slice::from_ref(&other))?;
    await_acls(&node, &[&read, &group, &local, &other])?;

    // Behind a failover nothing follows any more; the rules stay, also when the mirror goes.
    node.stop_topics(MIRROR, &["orders"])?;
    admin.delete_acls(&[read.clone(), other.clone()])?;
    node.await_carried((MIRROR, TASK), "told of what is not done", |carried| {
        carried.skipped.iter().filter(|one| one.contains("removed: ALLOW")).count() == 1
    })?;
    await_acls(&node, &[&read, &group, &local, &other])?;
    node.mirror_command(&["--delete", "--mirror", MIRROR, "--yes"])?;
    await_acls(&node, &[&read, &group, &local, &other])
}

/// A source that shows no rules keeps no record from being mirrored, and no rule here is touched.
fn a_refusal_keeps_nothing_else(admin: &Driver, node: &MirrorNode) -> Result<()> {
    let before = node.driver().acls()?;
    let right = Acl::allow(STRANGER, "DESCRIBE", ("CLUSTER", "kafka-cluster"));
    admin.delete_acls(std::slice::from_ref(&right))?;
    node.await_carried((MIRROR, TASK), "refused", |carried| {
        let told = carried.last_error.as_deref().unwrap_or_default();
        told.contains("CLUSTER_AUTHORIZATION_FAILED") && told.contains("Describe on the cluster")
    })?;
    admin.produce(&Produce::new("orders", 0, 4))?;
    node.await_all_of(admin, "orders")?;
    ensure!(node.driver().acls()? == before, "rules changed");
    let errors = node.carried(MIRROR, TASK)?.error_count;
    admin.create_acls(&[right])?;
    node.await_carried((MIRROR, TASK), "done again", |carried| {
        carried.error_count >= errors && (0..500).contains(&carried.success_age_ms)
    })?;
    Ok(())
}

#[test]
fn two_mirrors_never_take_rules_from_each_other() -> Result<()> {
    let name = "two_mirrors_never_take_rules_from_each_other";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let stock = kafka.start(KafkaRelease::V4, ClusterOptions::default().with_authorizer())?;
    let admin = stock.driver();
    fill(admin, "orders")?;
    admin.create_acls(&rights())?;
    let second = MirrorNode::start_with(admin, GUARDED)?;
    fill(second.driver(), "notes")?;
    let node = MirrorNode::start_with(admin, GUARDED)?;
    let [shared, first, own] =
        ["shared", "first", "own"].map(|name| Acl::allow("User:ada", "READ", ("GROUP", name)));
    admin.create_acls(&[shared.clone(), first.clone()])?;
    second.driver().create_acls(&[shared.clone(), own.clone()])?;
    let of_ada = [("acls.include", "*;*;*;*;User:ada")];
    node.create_mirror(MIRROR, &stock.bootstrap_servers(), &of_ada)?;
    node.create_mirror("from-second", second.address(), &[("acls.include", "GROUP")])?;
    node.start_topics(MIRROR, "orders")?;
    node.start_topics("from-second", "notes")?;
    await_acls(&node, &[&first, &own, &shared])?;
    stays_so(&node)?;
    admin.delete_acls(std::slice::from_ref(&shared))?;
    stays_so(&node)?;
    await_acls(&node, &[&first, &own, &shared])?;
    second.driver().delete_acls(std::slice::from_ref(&shared))?;
    await_acls(&node, &[&first, &own])?;
    stays_so(&node)
}

/// Both mirrors look several times more and find nothing to do.
fn stays_so(node: &MirrorNode) -> Result<()> {
    let mirrors = [MIRROR, "from-second"];
    let before = node.driver().acls()?;
    let mut written = vec![];
    for mirror in mirrors {
        // A success that is younger than the one before it is another one.
        for _round in 0..3 {
            let age = node.carried(mirror, TASK)?.success_age_ms;
            node.await_carried((mirror, TASK), "looked at again", |carried| {
                (0..age).contains(&carried.success_age_ms)
            })?;
        }
        written.push(node.carried(mirror, TASK)?.written);
    }
    ensure!(node.driver().acls()? == before, "rules changed");
    for (mirror, written) in mirrors.iter().zip(written) {
        ensure!(node.carried(mirror, TASK)?.written == written, "{mirror} goes on writing");
    }
    Ok(())
}

#[test]
fn a_source_without_an_authorizer_is_told_of_and_changes_nothing() -> Result<()> {
    let name = "a_source_without_an_authorizer_is_told_of_and_changes_nothing";
    let Some(_kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let directory = harness::TempDir::new("driver")?;
    let driver = Driver::start(KafkaRelease::V4, "127.0.0.1:1", directory.path())?;
    let source = MirrorNode::start(&driver)?;
    fill(source.driver(), "orders")?;
    let node = MirrorNode::start_with(&driver, GUARDED)?;
    let local = Acl::allow("User:ada", "READ", ("TOPIC", "orders"));
    node.driver().create_acls(std::slice::from_ref(&local))?;
    node.create_mirror(MIRROR, source.address(), &[])?;
    node.start_topics(MIRROR, "orders")?;
    let carried = node.await_carried((MIRROR, TASK), "skipped", |carried| {
        carried.skipped.iter().any(|one| one.contains("SECURITY_DISABLED"))
    })?;
    ensure!(carried.error_count == 0, "{carried:?}");
    await_acls(&node, &[&local])?;
    let wrong = node.mirror_config("other", source.address(), &[("acls.include", "TROPIC;a")])?;
    let create = harness::mirror_node::create("other", wrong.to_str().unwrap_or_default());
    node.expect_mirror_refusal(&create, &["acls.include", "TROPIC", "TOPIC, GROUP, CLUSTER"])
}

/// What the mirror needs of the source: it comes as nobody.
fn rights() -> Vec<Acl> {
    let mut rights: Vec<_> = ["DESCRIBE", "READ", "DESCRIBE_CONFIGS"]
        .iter()
        .map(|operation| Acl::allow(STRANGER, operation, ("TOPIC", "*")))
        .collect();
    rights.push(Acl::allow(STRANGER, "DESCRIBE", ("CLUSTER", "kafka-cluster")));
    rights.push(Acl::allow(STRANGER, "DESCRIBE", ("GROUP", "*")));
    rights
}

fn fill(driver: &Driver, topic: &str) -> Result<()> {
    driver.create_topic(&CreateTopic::new(topic, 1))?;
    driver.produce(&Produce::new(topic, 0, 3))?;
    Ok(())
}

/// Waits until these are all the rules of a node.
fn await_acls(node: &MirrorNode, expected: &[&Acl]) -> Result<()> {
    let mut expected: Vec<Acl> = expected.iter().copied().cloned().collect();
    expected.sort();
    let deadline = Instant::now() + SOON;
    loop {
        let found = node.driver().acls()?;
        if found == expected {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{found:#?} instead of {expected:#?}");
        }
        thread::sleep(PAUSE);
    }
}

const MIRROR: &str = "from-stock";
const TASK: &str = "acls";
const PAUSE: Duration = Duration::from_millis(100);
/// Who comes as nobody, which is everybody, may do everything: the test asks what is there.
const GUARDED: &str = "authorizer = \"acl\"\nsuper_users = [\"User:ANONYMOUS\"]";

//! Rights that a source takes away from one of the things that a mirror carries over: it is told
//! and counted, and the rest goes on.

use anyhow::{Result, ensure};
use harness::authorizer::STRANGER;
use harness::driver::{Acl, CreateTopic, Driver, Produce};
use harness::mirror_node::Carried;
use harness::{ClusterOptions, KafkaRelease, MirrorNode};

#[test]
fn a_right_that_one_task_lacks_keeps_no_other_from_its_work() -> Result<()> {
    let name = "a_right_that_one_task_lacks_keeps_no_other_from_its_work";
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    for release in KafkaRelease::ALL {
        let source = kafka.start(release, ClusterOptions::default().with_authorizer())?;
        let admin = source.driver();
        for topic in ["orders", "payments"] {
            admin.create_topic(&CreateTopic::new(topic, 1))?;
            admin.produce(&Produce::new(topic, 0, 20))?;
        }
        let allow = |operation, resource| [Acl::allow(STRANGER, operation, resource)];
        let [reads, configs] = ["READ", "DESCRIBE_CONFIGS"].map(|operation| {
            ["orders", "payments"].map(|topic| Acl::allow(STRANGER, operation, ("TOPIC", topic)))
        });
        let groups = allow("DESCRIBE", ("GROUP", "*"));
        let cluster = allow("DESCRIBE", ("CLUSTER", "kafka-cluster"));
        admin.create_acls(&[&reads[..], &configs, &groups].concat())?;
        let node = MirrorNode::start(admin)?;
        node.create_mirror(MIRROR, &source.bootstrap_servers(), &[("acls.include", "")])?;
        node.start_topics(MIRROR, "orders,payments")?;
        let mut rest = Rest { admin, node: &node, step: 0 };
        rest.records_go_on()?;
        rest.groups_go_on()?;
        rest.configs_go_on()?;

        // Groups that may not be seen are not even listed.
        admin.delete_acls(&groups)?;
        let give = "--operation Describe --group '*'";
        rest.await_error(GROUPS, &["DESCRIBE on all groups", give])?;
        rest.records_go_on()?;
        rest.configs_go_on()?;
        // Whoever may see the cluster has them listed.
        admin.create_acls(&cluster)?;
        rest.await_error(GROUPS, &["group g: the source says GROUP_AUTHORIZATION_FAILED"])?;
        admin.delete_acls(&cluster)?;
        admin.create_acls(&groups)?;
        rest.groups_go_on()?;

        admin.delete_acls(&configs[..1])?;
        rest.await_error(CONFIGS, &["topic orders: the source says TOPIC_AUTHORIZATION_FAILED"])?;
        rest.records_go_on()?;
        rest.groups_go_on()?;
        admin.create_acls(&configs[..1])?;
        rest.configs_go_on()?;

        // Without a topic there is nothing to carry over for it; the other one has everything.
        admin.delete_acls(&reads[..1])?;
        node.await_state("orders", "FAILED")?;
        admin.produce(&Produce::new("payments", 0, 5).first(20))?;
        node.await_all_of(admin, "payments")?;
        admin.commit_group("other", "payments", 0, 24)?;
        node.await_group_offsets("other", &[("payments-0", 24)])?;
        admin.create_acls(&reads[..1])?;
        node.await_state("orders", "MIRRORING")?;
        rest.records_go_on()?;
        rest.groups_go_on()?;
    }
    Ok(())
}

/// What is to go on, each time with something new.
struct Rest<'a> {
    admin: &'a Driver,
    node: &'a MirrorNode,
    step: i64,
}

impl Rest<'_> {
    fn records_go_on(&mut self) -> Result<()> {
        self.admin.produce(&Produce::new("orders", 0, 3))?;
        self.node.await_all_of(self.admin, "orders")
    }

    fn groups_go_on(&mut self) -> Result<()> {
        self.step += 1;
        self.admin.commit_group("g", "orders", 0, self.step)?;
        self.node.await_group_offsets("g", &[("orders-0", self.step)])
    }

    fn configs_go_on(&mut self) -> Result<()> {
        self.step += 1;
        let retention = (86_400_000 + self.step).to_string();
        self.admin.alter_topic_configs("orders", &[("retention.ms", &retention)])?;
        let told = format!("topic orders: retention.ms={retention},");
        self.node.await_carried((MIRROR, CONFIGS), "told of a setting", |carried| {
            carried.changed.iter().any(|one| one.starts_with(&told))
        })?;
        let configs = self.node.driver().topic_configs("orders")?;
        ensure!(configs.get("retention.ms") == Some(&retention), "{configs:?}");
        Ok(())
    }

    /// Waits until a task tells an error with all of `words`, and has counted it.
    fn await_error(&self, task: &str, words: &[&str]) -> Result<()> {
        let before = self.node.carried(MIRROR, task)?.error_count;
        let is_told = |carried: &Carried| {
            let told = carried.last_error.as_deref().unwrap_or_default();
            words.iter().all(|word| told.contains(word)) && carried.error_count > before
        };
        self.node.await_carried((MIRROR, task), "told of the missing right", is_told)?;
        Ok(())
    }
}

const MIRROR: &str = "m";
const GROUPS: &str = "consumer-groups";
const CONFIGS: &str = "topic-configs";

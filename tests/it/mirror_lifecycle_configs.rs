//! The settings of a mirror, changed while it runs.

use anyhow::{Context, Result, ensure};
use harness::driver::Produce;
use harness::mirror_node::Carried;
use harness::{Driver, MirrorNode};
use kafka_protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, describe_configs_request};
use kafka_protocol::protocol::StrBytes;

use crate::mirror_lifecycle::{create_with_records, expect_count, mirror_stock, shared_source};
use crate::raw_client::RawClient;

/// 30.1 test_config_update. The other address is another name of the same broker; another broker's
/// is in the tests with Kafka 3.9.
#[test]
fn a_mirror_goes_on_from_another_address_and_refuses_unknown_settings() -> Result<()> {
    let name = "a_mirror_goes_on_from_another_address_and_refuses_unknown_settings";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "moved", 3)?;
    mirror_stock(&source, &node, "from-stock", &["moved"])?;

    let refused = set(&node, "from-stock", "no.such.setting", "1")?;
    ensure!(refused == INVALID_CONFIG, "an unknown setting is answered {refused}");
    let refused = set(&node, "from-stock", "fetch.max.bytes", "many")?;
    ensure!(refused == INVALID_CONFIG, "a number that is none is answered {refused}");
    let other = source.bootstrap_servers().replace("127.0.0.1", "localhost");
    ensure!(other != source.bootstrap_servers());
    goes_on_from(&other, &node, source.driver(), "moved")
}

/// Has the mirror `from-stock` of three records know another address of its source.
pub(crate) fn goes_on_from(
    address: &str,
    node: &MirrorNode,
    source: &Driver,
    topic: &str,
) -> Result<()> {
    let answered = set(node, "from-stock", "bootstrap.servers", address)?;
    ensure!(answered == NONE, "another address is answered {answered}");
    ensure!(described(node, "from-stock", "bootstrap.servers")? == address);
    node.await_state(topic, "MIRRORING")?;
    source.produce(&Produce::new(topic, 0, 3).first(3))?;
    node.await_all_of(source, topic)?;
    expect_count(node.driver(), topic, 6)
}

/// 30.1 test_props_exclude, and the rest of what the proposal says of settings of topics.
#[test]
fn settings_of_topics_go_over_but_for_those_left_out() -> Result<()> {
    let name = "settings_of_topics_go_over_but_for_those_left_out";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "configured", 3)?;
    let settings = [("topic.properties.exclude", "retention.bytes,min.insync.replicas")];
    node.create_mirror("from-stock", &source.bootstrap_servers(), &settings)?;
    source.driver().alter_topic_configs("configured", &[("segment.ms", "86400000")])?;
    let plan =
        node.command("plan", &["--start", "--mirror", "from-stock", "--topics", "configured"])?;
    let planned = "setting: topic configured: segment.ms=86400000, was not set";
    ensure!(plan.stdout.contains(planned), "{plan}");
    node.start_topics("from-stock", "configured")?;
    node.await_all_of(source.driver(), "configured")?;
    let set = |configs: &[(&str, &str)]| source.driver().alter_topic_configs("configured", configs);
    set(&[
        ("retention.ms", "100002"),
        ("retention.bytes", "123456789"),
        ("min.insync.replicas", "2"),
        ("cleanup.policy", "compact"),
    ])?;
    let told = node.await_carried(CONFIGS, "told of retention.ms", |carried| {
        carried.changed.iter().any(|one| one.contains("retention.ms=100002, was not set"))
    })?;
    ensure!(told.skipped.iter().any(|one| one.contains("does not compact")), "{told:?}");
    let found = node.driver().topic_configs("configured")?;
    ensure!(found.get("retention.ms").map(String::as_str) == Some("100002"), "{found:?}");
    for left_out in ["retention.bytes", "min.insync.replicas"] {
        ensure!(!found.contains_key(left_out), "{left_out}: {found:?}");
    }
    // What is taken away at the source stays; what is set there counts whatever is set here.
    source.driver().delete_topic_config("configured", "cleanup.policy")?;
    set(&[("retention.ms", "100003")])?;
    node.await_carried(CONFIGS, "told of the second change", |carried| {
        carried.changed.iter().any(|one| one.contains("retention.ms=100003, was 100002"))
    })?;
    let found = node.driver().topic_configs("configured")?;
    ensure!(found.get("cleanup.policy").map(String::as_str) == Some("compact"), "{found:?}");

    node.stop_topics("from-stock", &["configured"])?;
    set(&[("retention.ms", "100004")])?;
    create_with_records(source.driver(), "configured-later", 1)?;
    node.start_topics("from-stock", "configured-later")?;
    node.await_all_of(source.driver(), "configured-later")?;
    source.driver().alter_topic_configs("configured-later", &[("retention.ms", "7")])?;
    node.await_carried(CONFIGS, "told of another topic", |carried| {
        carried.changed.iter().any(|one| one.contains("retention.ms=7"))
    })?;
    let found = node.driver().topic_configs("configured")?;
    ensure!(found.get("retention.ms").map(String::as_str) == Some("100003"), "{found:?}");
    Ok(())
}

/// PP1: at every sync, with the topic, what can become of it, and the setting that helps.
#[test]
fn unclean_elections_are_warned_of_where_they_are_not_followed() -> Result<()> {
    let name = "unclean_elections_are_warned_of_where_they_are_not_followed";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "uncared-for", 3)?;
    mirror_stock(&source, &node, "from-stock", &["uncared-for"])?;
    let set = [("unclean.leader.election.enable", "true")];
    source.driver().alter_topic_configs("uncared-for", &set)?;
    let warned = |carried: &Carried| {
        let words = ["topic uncared-for", "unclean.leader.election.enable=true", SUPPORT];
        carried.skipped.iter().any(|one| words.iter().all(|word| one.contains(word)))
    };
    node.await_carried(CONFIGS, "warned", warned)?;
    // It is not copied, and what is said goes away with the reason for it.
    let found = node.driver().topic_configs("uncared-for")?;
    ensure!(!found.contains_key("unclean.leader.election.enable"), "{found:?}");
    node.driver().alter_topic_configs("uncared-for", &[(SUPPORT, "true")])?;
    node.await_carried(CONFIGS, "warned no more", |carried| !warned(carried))?;
    node.driver().alter_topic_configs("uncared-for", &[(SUPPORT, "false")])?;
    node.await_carried(CONFIGS, "warned again", warned)?;
    source.driver().delete_topic_config("uncared-for", "unclean.leader.election.enable")?;
    node.await_carried(CONFIGS, "warned no more", |carried| !warned(carried))?;
    Ok(())
}

/// A name that is none, a mirror that is there, a setting nobody knows, no address.
#[test]
fn a_mirror_that_cannot_be_made_is_refused() -> Result<()> {
    let name = "a_mirror_that_cannot_be_made_is_refused";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    let bootstrap = source.bootstrap_servers();
    let refuses = |mirror: &str, settings: &[(&str, &str)], word: &str| {
        let path = node.mirror_config("asked", &bootstrap, settings)?.display().to_string();
        node.expect_mirror_refusal(&harness::mirror_node::create(mirror, &path), &[word])
    };
    refuses("..", &[], "..")?;
    refuses("no such name", &[], "no such name")?;
    refuses("m", &[("no.such.setting", "1")], "no.such.setting")?;
    refuses("m", &[("topics.include", "orders-(")], "orders-(")?;
    refuses("m", &[("sasl.jaas.config", "secret-of-test")], "sasl.jaas.config")?;
    node.create_mirror("m", &bootstrap, &[])?;
    refuses("m", &[], "CLUSTER_MIRROR_ALREADY_EXISTS")?;
    let unknown = ["--start", "--mirror", "another", "--topics", "orders"];
    node.expect_mirror_refusal(&unknown, &["another"])?;
    Ok(())
}

/// Sets one setting of a mirror; returns the error code.
pub(crate) fn set(node: &MirrorNode, mirror: &str, name: &str, value: &str) -> Result<i16> {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(SET)
        .with_value(Some(text(value)));
    let resource = AlterConfigsResource::default()
        .with_resource_type(CLUSTER_MIRROR)
        .with_resource_name(text(mirror))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let response = RawClient::connect(node.address())?.ask(&request, 1)?;
    Ok(response.responses.first().context("an outcome")?.error_code)
}

/// The value of one setting as the node tells it.
fn described(node: &MirrorNode, mirror: &str, name: &str) -> Result<String> {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let resource = describe_configs_request::DescribeConfigsResource::default()
        .with_resource_type(CLUSTER_MIRROR)
        .with_resource_name(text(mirror))
        .with_configuration_keys(Some(vec![text(name)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let response: DescribeConfigsResponse = RawClient::connect(node.address())?.ask(&request, 4)?;
    let result = response.results.first().context("a result")?;
    let config = result.configs.first().with_context(|| format!("{result:?}"))?;
    Ok(config.value.clone().with_context(|| format!("{result:?}"))?.to_string())
}

const CLUSTER_MIRROR: i8 = 64;
const SET: i8 = 0;
const NONE: i16 = 0;
/// The mirror of the test about settings of topics, and the task.
const CONFIGS: (&str, &str) = ("from-stock", "topic-configs");
const INVALID_CONFIG: i16 = 40;
const SUPPORT: &str = "mirror.support.unclean.leader.election";

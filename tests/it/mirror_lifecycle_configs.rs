//! The settings of a mirror, changed while it runs.

use anyhow::{Context, Result, ensure};
use harness::driver::Produce;
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
fn set(node: &MirrorNode, mirror: &str, name: &str, value: &str) -> Result<i16> {
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
const INVALID_CONFIG: i16 = 40;

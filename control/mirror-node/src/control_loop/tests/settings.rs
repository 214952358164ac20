//! Settings of the node and of a topic: in effect as soon as they are kept.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU64;

use mirror_coordinator::cluster_metadata::ClusterMetadata;
use mirror_coordinator::mirror_node_config::{
    GROUP_OFFSETS_INTERVAL, NodeConfigs, NodeScope, THROTTLED_RATE,
};
use mirror_coordinator::mirrored_topic_config::THROTTLED_REPLICAS;
use mirror_uring::EngineCommand;
use tokio::sync::oneshot;

use super::loop_rig::{Stopped, dr, orders};
use crate::control_loop::MirrorLoop;
use crate::control_loop::node_settings::{sync_intervals, throttle};
use crate::directory_state::DirectoryState;
use crate::local_topics::bound_topic_news::BoundTopicNews;
use crate::mirror_orders::{
    MirrorOrder, MirrorSettingChange, NodeSettingsOrder, OrderRefusal, SettingOperation,
    SettingsKept,
};

const REFRESH: &str = "mirror.metadata.refresh.interval.ms";
const ATTEMPTS: &str = "mirror.failed.retry.max.attempts";

fn alter(
    control: &mut MirrorLoop<'_>,
    scope: NodeScope,
    settings: &[(&str, &str)],
    validate_only: bool,
) -> Result<(), OrderRefusal> {
    let changes = settings.iter().map(|(name, value)| MirrorSettingChange {
        name: (*name).to_owned(),
        operation: SettingOperation::Set((*value).to_owned()),
    });
    let changes = changes.collect();
    let order = NodeSettingsOrder { scope, changes, kept: SettingsKept::Others, validate_only };
    let (reply, mut replied) = oneshot::channel();
    control.on_order(MirrorOrder::AlterNodeConfigs { order, reply });
    replied.try_recv().unwrap()
}

fn refresh_ms(control: &MirrorLoop<'_>) -> u64 {
    control.sources.get(&dr()).unwrap().properties.metadata_refresh_ms
}

#[tokio::test]
async fn settings_of_the_node_count_at_once_and_are_kept() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    assert_eq!(alter(&mut control, NodeScope::All, &[(REFRESH, "250")], true), Ok(()));
    assert!(control.metadata.node_configs().is_empty(), "only validated");
    alter(&mut control, NodeScope::All, &[(REFRESH, "250"), (THROTTLED_RATE, "9")], false).unwrap();
    assert_eq!(refresh_ms(&control), 250);
    alter(&mut control, NodeScope::This, &[(REFRESH, "350"), (ATTEMPTS, "3")], false).unwrap();
    assert_eq!(refresh_ms(&control), 350);
    let refused = alter(&mut control, NodeScope::All, &[(REFRESH, "-1")], false).unwrap_err();
    assert_eq!(refused.code, 40);
    let EngineCommand::SetThrottle { bytes_per_second } = throttle(&control.node_config()) else {
        panic!("the engine is told of the rate");
    };
    assert_eq!(bytes_per_second, NonZeroU64::new(9));

    let kept = fs::read(node.destination.directory.root().join("ringmirror.json")).unwrap();
    let kept = DirectoryState::parse(&kept).unwrap();
    assert_eq!(kept.cluster_mirrors.node_configs(), control.metadata.node_configs());
    assert_eq!(kept.cluster_mirrors.node_configs().of_all[REFRESH], "250");
    assert_eq!(kept.cluster_mirrors.node_configs().of_this[REFRESH], "350");
}

#[tokio::test]
async fn settings_that_were_kept_count_from_the_beginning_of_a_run() {
    let node = Stopped::new();
    {
        let mut directory = node.destination.directory.lock();
        let known = &directory.state.cluster_mirrors;
        let of_all = BTreeMap::from([(REFRESH.to_owned(), "450".to_owned())]);
        let configs = NodeConfigs { of_all, ..NodeConfigs::default() };
        let (mirrors, topics) = (known.mirrors().clone(), known.topics().clone());
        let restored = ClusterMetadata::restored(known.offset(), mirrors, topics, configs);
        directory.state.cluster_mirrors = restored.unwrap();
    }
    let mut observe = |_| {};
    let control = node.begun(&mut observe).await;
    assert_eq!(refresh_ms(&control), 450);
}

#[tokio::test]
async fn settings_of_the_file_count_until_clients_make_others_and_are_not_kept() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    let interval = |control: &MirrorLoop<'_>| sync_intervals(&control.node_config()).group_offsets;
    let made = BTreeMap::from([(GROUP_OFFSETS_INTERVAL.to_owned(), "700".to_owned())]);
    control.config.broker_settings = made.clone();
    assert_eq!(interval(&control).as_millis(), 700);
    let (reply, mut replied) = oneshot::channel();
    control.on_order(MirrorOrder::DescribeNodeConfigs { reply });
    assert_eq!(replied.try_recv().unwrap(), NodeConfigs { of_file: made, ..Default::default() });
    let set = [(GROUP_OFFSETS_INTERVAL, "900")];
    alter(&mut control, NodeScope::All, &set, false).unwrap();
    assert_eq!(interval(&control).as_millis(), 900);
    let kept = fs::read_to_string(node.destination.directory.root().join("ringmirror.json"));
    assert!(!kept.unwrap().contains("\"700\""));
}

#[tokio::test]
async fn a_partition_is_throttled_where_its_topic_says_so_for_this_broker() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    let name = node.topic.partitions[0].name.clone();
    assert!(!control.is_throttled(&name));
    for (replicas, is_throttled) in [("0:7", true), ("0:8,1:7", false), ("*", true)] {
        let configs = BTreeMap::from([(THROTTLED_REPLICAS.to_owned(), replicas.to_owned())]);
        node.topics.configure(node.topic.id, configs).unwrap();
        control.on_topic_changed(BoundTopicNews::Configured { name: orders() });
        control.after_input().await.unwrap();
        assert_eq!(control.is_throttled(&name), is_throttled, "{replicas}");
    }
}

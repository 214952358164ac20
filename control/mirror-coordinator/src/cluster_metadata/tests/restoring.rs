//! Metadata as they come from the disk.

use std::collections::BTreeMap;

use super::{Node, id, mirror_name, name};
use crate::cluster_metadata::{BoundTopic, ClusterMetadata, Mirror};
use crate::desired_state::DesiredState::{Mirroring, Stopped};
use crate::mirror_node_config::NodeConfigs;

#[test]
fn what_was_there_is_there_again() {
    let mut node = Node::with_mirrors();
    node.bind("m", "a", 1, Mirroring);
    node.bind("other", "b", 2, Stopped);
    let metadata = &node.metadata;
    let restored = ClusterMetadata::restored(
        metadata.offset(),
        metadata.mirrors().clone(),
        metadata.topics().clone(),
        metadata.node_configs().clone(),
    );
    assert_eq!(restored.as_ref(), Ok(metadata));
}

#[test]
fn contradictions_are_refused_and_named() {
    let mirror = |key: &str| {
        let configs = BTreeMap::from([(key.to_owned(), "h:1".to_owned())]);
        BTreeMap::from([(mirror_name("m"), Mirror { configs, source_cluster_id: None })])
    };
    let bound = |mirror: &str, changed_at| BoundTopic {
        topic_id: id(1),
        mirror: mirror_name(mirror),
        desired: Mirroring,
        changed_at,
    };
    let refused = |mirrors, topics: &[(&str, BoundTopic)], node: &[(&str, &str)]| {
        let topics = topics.iter().map(|(topic, bound)| (name(topic), bound.clone())).collect();
        let node = node.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let node = NodeConfigs { of_this: node.collect(), ..NodeConfigs::default() };
        let restored = ClusterMetadata::restored(5, mirrors, topics, node);
        restored.unwrap_err().to_string()
    };
    let servers = "bootstrap.servers";
    let text = refused(mirror(servers), &[("t", bound("gone", 1))], &[]);
    assert_eq!(text, "topic t belongs to mirror gone, which is not there");
    let text = refused(mirror(servers), &[("t", bound("m", 6))], &[]);
    assert_eq!(text, "topic t changed at offset 6, the newest is 5");
    let text = refused(mirror(servers), &[("t", bound("m", 1)), ("u", bound("m", 1))], &[]);
    assert_eq!(text, "topics t and u have the same id");
    let text = refused(mirror("x.y"), &[], &[]);
    assert!(text.starts_with("mirror m: unknown setting"), "{text}");
    let text = refused(mirror(servers), &[], &[("log.dirs", "1")]);
    assert!(text.contains("log.dirs"), "{text}");
}

#[test]
fn debug_texts_of_mirrors_hide_what_may_be_a_secret() {
    let configs = BTreeMap::from([
        ("bootstrap.servers".to_owned(), "h:1".to_owned()),
        ("sasl.jaas.config".to_owned(), "hunter2".to_owned()),
    ]);
    let text = format!("{:?}", Mirror { configs, source_cluster_id: None });
    assert!(text.contains("h:1") && !text.contains("hunter2"), "{text}");
}

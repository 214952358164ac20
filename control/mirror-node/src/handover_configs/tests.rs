use std::collections::BTreeMap;

use kafka_wire::partition::TopicName;

use super::handover_configs;
use crate::handover::KafkaRelease;

#[test]
fn settings_of_the_sources_replicas_are_left_out_and_said_so() {
    let source = BTreeMap::from([
        ("cleanup.policy".to_owned(), "compact".to_owned()),
        ("min.insync.replicas".to_owned(), "2".to_owned()),
        ("segment.bytes".to_owned(), "65536".to_owned()),
    ]);
    let topic = TopicName::parse("orders").unwrap();
    let mut notes = Vec::new();
    let release = KafkaRelease::parse("4.0.1").unwrap();
    let configs = handover_configs(&topic, &source, release, &mut notes);
    let expected = [("cleanup.policy", "compact"), ("segment.bytes", "1048576")];
    assert_eq!(configs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(notes.len(), 2);
    let release = KafkaRelease::parse("3.9").unwrap();
    let configs = handover_configs(&topic, &source, release, &mut notes);
    assert_eq!(configs[1].1, "65536");
}

#[test]
fn releases_are_found_by_their_versions() {
    assert_eq!(KafkaRelease::parse("4.1").unwrap().metadata_version, 27);
    assert_eq!(KafkaRelease::parse("3.9.1").unwrap().metadata_version, 21);
    for version in ["", "4", "2.8", "4.x", "4.0.x", "40"] {
        assert_eq!(KafkaRelease::parse(version), None, "{version}");
    }
}

use kafka_wire::partition::{TopicId, TopicName};

use super::*;
use crate::bridge::NewPartition;
use crate::test_shard::{broker, spec};

/// A topic here, of a source that may have another name for it.
fn named(here: &str, at_source: Option<&str>, source: u32) -> NewPartition {
    let topic = |name: &str| TopicName::parse(name).unwrap();
    let mut spec = NewPartition { leader: broker(source, 1), ..spec() };
    spec.id.topic_id = TopicId::from_wire([u8::try_from(source).unwrap() + 1; 16]).unwrap();
    spec.name.topic = topic(here);
    spec.source_topic = at_source.map(topic);
    spec
}

fn asked(name: &str) -> TopicPartition {
    TopicPartition { topic: TopicName::parse(name).unwrap(), partition: spec().id.partition }
}

#[test]
fn a_partition_is_found_by_the_name_that_its_source_has_for_it() {
    let mut table = PartitionTable::default();
    let mut insert = |spec| table.insert(Box::new(MirrorPartition::new(spec)));
    let first = insert(named("a.orders", Some("orders"), 0));
    let second = insert(named("b.orders", Some("orders"), 1));
    let third = insert(named("orders", None, 2));
    let (a, b, c) = (SourceId::new(0), SourceId::new(1), SourceId::new(2));
    for (source, slot) in [(a, first), (b, second), (c, third)] {
        assert_eq!(table.find_name(source, &asked("orders")), Some(slot));
    }
    assert_eq!(table.find_name(a, &asked("a.orders")), None, "nobody else calls it so");
    assert_eq!(table.find_name(SourceId::new(3), &asked("orders")), None);

    table.remove(first);
    assert_eq!(table.find_name(a, &asked("orders")), None);
    assert_eq!(table.find_name(b, &asked("orders")), Some(second), "the others stay");
    table.remove(second);
    table.remove(third);
    assert!(table.by_source.is_empty());
}

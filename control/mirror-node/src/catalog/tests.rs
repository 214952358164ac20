use super::*;

fn id(last: u8) -> TopicId {
    let mut bytes = [0; 16];
    bytes[15] = last;
    TopicId::from_wire(bytes).unwrap()
}

fn spec(id: TopicId, partition_count: i32) -> TopicSpec {
    TopicSpec { id, binding: Binding::Unbound, configs: BTreeMap::new(), partition_count }
}

fn name() -> TopicName {
    TopicName::parse("orders").unwrap()
}

#[test]
fn a_topic_that_grows_keeps_its_partitions() {
    let catalog = Catalog::new("/nowhere".into());
    let before = catalog.put(&name(), spec(id(1), 2));
    let after = catalog.put(&name(), spec(id(1), 3));
    assert_eq!(after.partitions.len(), 3);
    assert!(Arc::ptr_eq(&before.partitions[1], &after.partitions[1]));
    assert!(catalog.topic_of(id(1)).is_some());
}

#[test]
fn a_topic_never_shrinks() {
    let catalog = Catalog::new("/nowhere".into());
    catalog.put(&name(), spec(id(1), 2));
    assert_eq!(catalog.put(&name(), spec(id(1), 1)).partitions.len(), 2);
}

#[test]
fn a_topic_of_another_id_replaces_the_one_of_its_name() {
    let catalog = Catalog::new("/nowhere".into());
    let old = catalog.put(&name(), spec(id(1), 2));
    let new = catalog.put(&name(), spec(id(2), 2));
    assert!(!Arc::ptr_eq(&old.partitions[0], &new.partitions[0]));
    assert!(catalog.topic_of(id(1)).is_none());
    assert_eq!(catalog.topic_of(id(2)).unwrap().name, name());
}

#[test]
fn a_removed_topic_is_found_neither_by_name_nor_by_id() {
    let catalog = Catalog::new("/nowhere".into());
    catalog.put(&name(), spec(id(1), 1));
    assert!(catalog.remove(&name()).is_some());
    assert!(catalog.topic_named("orders").is_none());
    assert!(catalog.topic_of(id(1)).is_none());
}

#[test]
fn partitions_are_counted_as_topics_come_grow_change_and_go() {
    let catalog = Catalog::with_room("/nowhere".into(), 5);
    let fits = |asked| catalog.check_memory(asked, 0).is_ok();
    assert!(fits(5) && !fits(6));
    catalog.put(&name(), spec(id(1), 2));
    assert!(fits(3) && !fits(4));
    assert!(catalog.check_memory(3, 1).is_err(), "one more is coming");
    catalog.put(&name(), spec(id(1), 3));
    catalog.put(&name(), spec(id(1), 1));
    assert!(fits(2) && !fits(3), "it never shrinks");
    catalog.put(&name(), spec(id(2), 1));
    assert!(fits(4) && !fits(5), "another topic of that name");
    // What is there already is not taken away.
    catalog.put(&name(), spec(id(2), 9));
    assert_eq!(catalog.check_memory(1, 0), Err(NoMemory { asked: 1, held: 9, max: 5 }));
    catalog.remove(&name());
    assert!(fits(5));
    catalog.put(&TopicName::parse("__consumer_offsets").unwrap(), spec(id(3), 50));
    assert!(fits(5), "the node's own need no room");
}

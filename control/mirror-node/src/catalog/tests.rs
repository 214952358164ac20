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

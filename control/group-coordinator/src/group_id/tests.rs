use super::GroupId;
use crate::limits::GROUP_ID_BYTES_MAX;

#[test]
fn a_group_lies_in_the_partition_that_java_says() {
    // Partitions printed by a JVM: (s.hashCode() & 0x7fffffff) % 50.
    for (name, partition) in
        [("", 0), ("a", 47), ("my-group", 36), ("console-consumer-1", 24), ("größe", 7)]
    {
        let group = GroupId::parse(name).unwrap();
        assert_eq!(group.offsets_partition(50), partition, "{name}");
    }
}

#[test]
fn a_name_that_no_record_can_hold_is_refused() {
    assert!(GroupId::parse(&"g".repeat(GROUP_ID_BYTES_MAX)).is_some());
    assert!(GroupId::parse(&"g".repeat(GROUP_ID_BYTES_MAX + 1)).is_none());
}
